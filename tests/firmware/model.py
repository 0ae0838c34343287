"""A bridge and a line in memory for tests of the device: the contract's rules, and no more.

ModelBridge keeps what it was sent, acks as wire.md says and judges every message by wire.cddl. Line is a transport
that loses, repeats, holds back and cuts as it is told.
"""

from __future__ import annotations

from collections import deque

from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_uplink
from pixeltrail_bridge.wire.encode import encode_downlink

from tests.support import cddl

BRIDGE = b"bridge-1"


class StreamStore:
    def __init__(self) -> None:
        self.chunks: dict[int, bytes] = {}
        self.gaps: list[m.Gap] = []
        self.watermark = 0
        self.syncs: list[m.Sync] = []

    def covered(self, seq: int) -> bool:
        return seq in self.chunks or any(g.first <= seq < g.end for g in self.gaps)

    def advance(self) -> None:
        while self.covered(self.watermark):
            self.watermark += 1


class ModelBridge:
    """`judge`: check every new message against the CDDL."""

    def __init__(self, name: bytes = BRIDGE, window: int = 16, judge: bool = True) -> None:
        self.name = name
        self.window = window
        self.judge = judge
        self.streams: dict[bytes, StreamStore] = {}
        self.conflicts = 0

    def receive(self, message: bytes) -> list[bytes]:
        """Commit one message; returns the answers."""
        if self.judge:
            cddl.check(message)
        seen = decode_uplink(message)
        store = self.streams.setdefault(seen.stream, StreamStore())
        if isinstance(seen, m.Sync):
            self._sync(store, seen)
        else:
            self._chunk(store, seen, message)
        store.advance()
        return [encode_downlink(m.Ack(seen.stream, store.watermark, self.window, self.name))]

    def _sync(self, store: StreamStore, sync: m.Sync) -> None:
        store.syncs.append(sync)
        if sync.oldest > store.watermark:
            store.gaps.append(m.Gap(store.watermark, sync.oldest, 0, 0, 0, m.GapReason.FREED))

    def _chunk(self, store: StreamStore, chunk: m.Chunk, message: bytes) -> None:
        if store.chunks.setdefault(chunk.seq, message) != message:
            self.conflicts += 1
        for record in chunk.records:
            assert not isinstance(record.body, m.Bad), record.body
            if isinstance(record.body, m.Gap) and record.body not in store.gaps:
                store.gaps.append(record.body)

    def chunks(self, stream: bytes) -> list[m.Chunk]:
        stored = self.streams[stream].chunks
        decoded = [decode_uplink(stored[seq]) for seq in sorted(stored)]
        return [chunk for chunk in decoded if isinstance(chunk, m.Chunk)]

    def bodies(self, stream: bytes | None = None) -> list[m.Body]:
        names = list(self.streams) if stream is None else [stream]
        return [record.body for name in names for chunk in self.chunks(name) for record in chunk.records]


class Line:
    """A transport. Uplink messages wait in `up`, downlink ones in `down`; a test, or `pump`, moves them.

    busy: the message sent last is still being written, so its bytes must not change until `busy` is False.
    """

    def __init__(self, needs_host_hello: bool = False, write_only: bool = False) -> None:
        self.needs_host_hello = needs_host_hello
        self.write_only = write_only
        self.connected = True
        self.told: list[bool] = []  # that a host is there, or is not
        self.generation = 1
        self.errors = 0
        self.rx = bytearray(512)
        self.up: deque[bytes] = deque()
        self.down: deque[bytes] = deque()
        self.holds = False  # keep each message in writing until the next poll
        self._writing: tuple[bytearray, int, int, bytes] | None = None
        self.polls = 0

    def attach(self, device_id: str, max_message: int = 1024) -> None:
        self.device_id = device_id

    def poll(self, now_ms: int) -> None:
        self.polls += 1
        if self._writing is not None and (not self.holds or self.polls % 3 == 0):
            self.finish()

    def finish(self) -> None:
        """The pinned bytes have left: what leaves is what lies in the buffer now."""
        assert self._writing is not None
        buffer, start, length, before = self._writing
        after = bytes(buffer[start : start + length])
        assert after == before, "the bytes of a message changed while it was written"
        self.up.append(after)
        self._writing = None

    def host_is(self, is_there: bool) -> None:
        self.told.append(is_there)

    def can_send(self) -> bool:
        return self._writing is None

    def send(self, buf: bytearray, start: int, length: int) -> bool:
        if not self.connected or self._writing is not None:
            return False
        self._writing = (buf, start, length, bytes(buf[start : start + length]))
        if not self.holds:
            self.finish()
        return True

    def receive(self) -> int:
        if not self.down:
            return 0
        message = self.down.popleft()
        self.rx[: len(message)] = message
        return len(message)

    def cut(self) -> None:
        self.connected = False
        self._writing = None
        self.up.clear()
        self.down.clear()

    def join(self) -> None:
        if not self.connected:
            self.connected = True
            self.generation += 1

    def pump(self, bridge: ModelBridge) -> None:
        """Deliver everything both ways."""
        while self.up:
            for answer in bridge.receive(self.up.popleft()):
                self.down.append(answer)
