"""A fleet, a line and a sink in their smallest form, beside the bridge's real core: what the custody model plays with.

Nothing runs by itself: messages lie in `World.line` until they are delivered, in any order, and time is what the
world says it is. Devices keep the custody protocol of schema/wire.md and write down every call they made.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

from pixeltrail_bridge.ingest import Arrival, Ingest, IngestSettings
from pixeltrail_bridge.mapping.calls import Settled, message_id
from pixeltrail_bridge.mapping.chunks import map_chunk, map_sync
from pixeltrail_bridge.mapping.settings import EXTRA_EVENTS, MappingSettings
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_downlink
from pixeltrail_bridge.wire.encode import encode_uplink

from .stores import Place

SINK = "sink"
LEASE_MS = 60_000
_DISPLAY = m.Display(16, 8, m.PixelFormat.MONO_VLSB, 16, 8, 0, None, 0)


class Crash(BaseException):
    """The process dies here."""


@dataclass(frozen=True)
class Spot:
    """Where a chunk stands."""

    device_id: str
    stream: bytes
    seq: int


@dataclass
class Stream:
    device_id: str
    id: bytes
    boot: int
    previous: bytes | None
    begun_ms: int
    held: dict[int, bytes] = field(default_factory=dict)
    next: int = 0

    @property
    def oldest(self) -> int:
        return min(self.held, default=self.next)

    def sync(self, now_ms: int) -> bytes:
        now = max(0, now_ms - self.begun_ms)
        message = m.Sync(self.id, self.oldest, self.next, now, 1, self.boot, self.previous, self.device_id)
        return encode_uplink(message)

    def take(self, ack: m.Ack) -> None:
        for seq in [seq for seq in self.held if seq < ack.next <= self.next]:
            del self.held[seq]


class Device:
    """Its outbox is in memory: a reboot loses what was not acked, which is then nobody's promise."""

    def __init__(self, number: int) -> None:
        self.device_id = f"device-{number}"
        self.streams: list[Stream] = []  # the last is the one it writes to
        self.calls: dict[str, Spot] = {}  # every call it ever made, by message ID
        self.given_up: set[Spot] = set()  # what it said would not come, or lost before an ack
        self.boots: dict[bytes, int] = {}  # of each stream
        self.boot = self.session = 0
        self._made = 0

    def begin(self, now_ms: int, *, reboot: bool) -> None:
        """A new stream: of a new start, or of the same one because the bridge asked for it."""
        if reboot:
            for stream in self.streams:
                self.given_up |= {Spot(self.device_id, stream.id, seq) for seq in stream.held}
            self.streams, self.boot, self.session = [], self.boot + 1, 0
        previous = self.streams[-1].id if self.streams else None
        self._made += 1
        stream = Stream(
            self.device_id,
            b"%s%02d" % (self.device_id[-1:].encode() * 6, self._made),
            self.boot,
            previous,
            now_ms,
        )
        self.streams.append(stream)
        self.boots[stream.id] = self.boot
        hello = m.Hello(
            self.device_id, self.boot, 1, "sim", "pixeltrail/1", "app", "1", 0, previous, "micropython 1"
        )
        self._say(stream, now_ms, hello, _DISPLAY, m.SessionStart(self.session, True, None))

    def call(self, now_ms: int, count: int) -> None:
        stream = self.streams[-1]
        seq = stream.next
        for index in range(count):
            self.calls[message_id(self.device_id, stream.id, seq, index)] = Spot(
                self.device_id, stream.id, seq
            )
        self._say(stream, now_ms, *(m.Track(f"Call {seq}/{index}", {}) for index in range(count)))

    def change_session(self, now_ms: int) -> None:
        ended, self.session = self.session, self.session + 1
        self._say(self.streams[-1], now_ms, m.SessionEnd(ended), m.SessionStart(self.session, True, None))

    def drop(self, now_ms: int, seq: int) -> None:
        """Give up a chunk that is not acked, and say so."""
        stream = self.streams[-1]
        del stream.held[seq]
        self.given_up.add(Spot(self.device_id, stream.id, seq))
        self._say(stream, now_ms, m.Gap(seq, seq + 1, 0, 0, 1, m.GapReason.OUTBOX_FULL))

    def _say(self, stream: Stream, now_ms: int, *bodies: m.Body) -> None:
        at_ms = max(0, now_ms - stream.begun_ms)
        records = tuple(m.Record(index, at_ms, body) for index, body in enumerate(bodies))
        stream.held[stream.next] = encode_uplink(m.Chunk(stream.id, stream.next, at_ms, records))
        stream.next += 1

    def hear(self, message: m.Downlink, now_ms: int) -> None:
        if isinstance(message, m.Ack):
            for stream in self.streams:
                if stream.id == message.stream:
                    stream.take(message)
        elif isinstance(message, m.NewStream) and message.stream == self.streams[-1].id:
            self.begin(now_ms, reboot=False)


class World:
    """Two devices, one bridge. `delivered` is what the sink took, over all stores there ever were."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.now_ms = 1_767_000_000_000
        self.devices = {device.device_id: device for device in (Device(1), Device(2))}
        self.line: list[tuple[str, bytes]] = []
        self.delivered: set[str] = set()
        self.dead: set[str] = set()
        self.acked: dict[bytes, int] = {}  # by the store there is now
        self.told: dict[
            str, list[tuple[tuple[int, int], int]]
        ] = {}  # boot and index, and the ID it got, in order
        self.is_deaf = False  # what the bridge says is lost
        self.copies: list[Place] = []
        self.open()
        for device in self.devices.values():
            device.begin(self.now_ms, reboot=True)

    # ---- the bridge -------------------------------------------------------------

    def open(self) -> None:
        self.store = self.place.open((SINK,))
        settings = IngestSettings(
            mapping=MappingSettings(sample_rate=1.0, extra_events=EXTRA_EVENTS),
            ack_interval_ms=0,
            linger_ms=0,
            min_free_bytes=0,
            retry_ms=(0,),
        )
        self.ingest = Ingest(self.store, settings, map_chunk=map_chunk, map_sync=map_sync)
        self.store.release_leases(SINK)

    def send(self, device_id: str, data: bytes) -> bool:
        """The channel: what the bridge says to a device."""
        message = decode_downlink(data)
        if isinstance(message, m.Ack):
            self.acked[message.stream] = max(message.next, self.acked.get(message.stream, 0))
        if isinstance(message, m.Session):
            boot = self.devices[device_id].boots[message.stream]
            self.told.setdefault(device_id, []).append(((boot, message.index), message.session_id))
        if not self.is_deaf:
            self.devices[device_id].hear(message, self.now_ms)
        return True

    def receive(self, messages: list[tuple[str, bytes]], *, crash: bool = False) -> None:
        """One transaction. With `crash` the process dies when all is written and nothing committed."""
        for device_id, data in messages:
            assert self.ingest.receive(Arrival(device_id, data, self.now_ms, self))
        if not crash:
            self.ingest.commit_queued()
            return
        real = self.store.commit_batch

        def dying(work):
            def last(tx):
                work(tx)
                raise Crash

            return real(last)

        self.store.commit_batch = dying  # type: ignore[method-assign]
        with contextlib.suppress(Crash):
            self.ingest.commit_queued()
        self.restart()

    def restart(self) -> None:
        self.store.close()
        self.open()

    def back_up(self) -> None:
        self.copies.append(self.place.copy())

    def restore(self, index: int) -> None:
        """An older copy takes the place of the store."""
        self.store.close()
        self.place = self.copies[index].copy()
        self.acked, self.told = {}, {}
        self.open()

    # ---- the sink ---------------------------------------------------------------

    def deliver(self, outcome: str, limit: int) -> None:
        """`outcome`: sent, retry, dead, or lost: the sink took it and the bridge died before it knew."""
        rows = self.store.lease(SINK, limit, self.now_ms, LEASE_MS)
        ids = {row.message_id for row in rows}
        if outcome in ("sent", "lost"):
            self.delivered |= ids
        if outcome == "lost":
            self.restart()
            return
        if outcome == "dead":
            self.dead |= ids
        state = "retry" if outcome == "retry" else "dead" if outcome == "dead" else "sent"
        results = [
            Settled(row.id, state, 503 if state == "retry" else 200, outcome, self.now_ms + 1_000)
            for row in rows
        ]
        self.store.settle(SINK, results, self.now_ms)
