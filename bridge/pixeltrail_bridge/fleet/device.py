"""One device of the fleet, without input or output: time is an argument, what it sends is returned.

It keeps the custody protocol as a real one does (schema/wire.md): a window, resends driven by acks, nothing admitted is
ever given up, what is refused is told in a gap record. A reboot loses the outbox, as on a board without flash.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

import cbor2

from ..wire import messages as m
from ..wire.encode import encode_body, encode_uplink
from .scripts import Scene, Script

CHUNK_BYTES: Final = 1_024
OUTBOX_BYTES: Final = 16_384
LINGER_MS: Final = 50
SYNC_MS: Final = 30_000
RESEND_MS, LAST_RESEND_MS = 2_000, 60_000
_HEAD_BYTES: Final = 32  # of a chunk, and what the estimate of a record's size leaves out
_FRAMES_UNTIL, _CALLS_UNTIL = 0.75, 0.97  # of the outbox


@dataclass(slots=True)
class Ledger:
    """What one stream was promised and what was told to be missing; the soak compares the store with it."""

    device_id: str
    stream: bytes
    made: int = 0
    acked: int = 0
    frames: int = 0
    calls: int = 0


@dataclass(slots=True)
class _Building:
    records: list[m.Record] = field(default_factory=list)
    size: int = _HEAD_BYTES
    since_ms: int = 0


class Device:
    """`speed`: how much faster than recorded its user acts; `idle_share`: of the time nobody uses it."""

    def __init__(
        self,
        device_id: str,
        script: Script,
        dice: random.Random,
        now_ms: int,
        *,
        speed: float = 1.0,
        idle_share: float = 0.8,
    ) -> None:
        self.device_id, self.script, self._dice = device_id, script, dice
        self._speed, self._idle_share = speed, idle_share
        self.counts: Counter[str] = Counter()
        self.ledgers: list[Ledger] = []
        self._boot = self._session = 0
        self._previous: bytes | None = None
        self.sampled = True
        self.ending = False
        self._start(now_ms, boot_reason=1)

    # ---- life ------------------------------------------------------------------

    def _start(self, now_ms: int, boot_reason: int) -> None:
        self._boot += 1
        self.stream = self._dice.randbytes(8)
        self._began_ms = now_ms
        self.ledgers.append(Ledger(self.device_id, self.stream))
        self._outbox: deque[bytes] = deque()
        self._held_bytes = self._acked = self._next = self._in_flight = 0
        self._window, self._wait_ms = 16, float(RESEND_MS)
        self._progress_ms = self._synced_ms = now_ms
        self._building: _Building | None = None
        self._refused: Counter[str] = Counter()
        self._is_broken = True  # no frame before a keyframe
        self._at: int | None = None  # the next scene; None between two uses
        hello = m.Hello(
            self.device_id,
            self._boot,
            boot_reason,
            "sim",
            "pixeltrail",
            "fleet",
            "1",
            0,
            self._previous,
            "none",
        )
        self._admit(now_ms, (hello,), limit=1.0)
        self._admit(now_ms, (self.script.display,), limit=1.0)
        self._flush(now_ms)
        self._next_use_ms = now_ms + self._pause_ms() * self._dice.random()

    def begin_use(self, now_ms: int) -> None:
        """Let somebody come now, if nobody is there."""
        self._next_use_ms = now_ms

    def reboot(self, now_ms: int) -> None:
        self.counts["reboots"] += 1
        self._previous = self.stream
        self._start(now_ms, boot_reason=3)

    def _pause_ms(self) -> float:
        use_ms = self.script.length_ms / self._speed
        if self._idle_share <= 0:
            return 0.0
        return self._dice.expovariate(1.0) * use_ms * self._idle_share / max(1 - self._idle_share, 0.01)

    @property
    def is_drained(self) -> bool:
        return not self._outbox and self._building is None

    def play(self, now_ms: int) -> None:
        """Everything the user does and the display shows up to now."""
        if self.ending and self._at is None:
            self._flush(now_ms)
            return
        if self._at is None and now_ms >= self._next_use_ms and not self.ending:
            self._session += 1
            self._admit(now_ms, (m.SessionStart(self._session, self.sampled, None),), limit=1.0)
            self._at, self._use_ms, self._is_broken = 0, now_ms, True
            self.counts["sessions"] += 1
        scenes = self.script.scenes
        while self._at is not None and now_ms >= self._use_ms + scenes[self._at].at_ms / self._speed:
            self._show(scenes[self._at], now_ms)
            self._at += 1
            if self._at == len(scenes) or self.ending:
                self._admit(now_ms, (m.SessionEnd(self._session),), limit=1.0)
                self._at, self._next_use_ms = None, now_ms + self._pause_ms()
        building = self._building
        if building is not None and (self.ending or now_ms - building.since_ms >= LINGER_MS):
            self._flush(now_ms)

    def next_ms(self) -> float:
        """When there is something to do again."""
        at: list[float] = [self._synced_ms + SYNC_MS]
        if self._at is not None:
            at.append(self._use_ms + self.script.scenes[self._at].at_ms / self._speed)
        elif not self.ending:
            at.append(self._next_use_ms)
        if self._building is not None:
            at.append(self._building.since_ms + LINGER_MS)
        if self._in_flight:
            at.append(self._progress_ms + self._wait_ms)
        return min(at)

    # ---- records ---------------------------------------------------------------

    def _show(self, scene: Scene, now_ms: int) -> None:
        ledger = self.ledgers[-1]
        if not scene.is_frame:
            is_call = not isinstance(scene.parts[0], m.REPLAY_BODIES)
            if self._admit(now_ms, scene.parts, limit=_CALLS_UNTIL):
                ledger.calls += isinstance(scene.parts[0], m.Track | m.Screen)
            else:
                self._refused["calls" if is_call else "inputs"] += 1
            return
        if self._is_broken and not scene.is_keyframe:
            self._refused["frames"] += 1
        elif self._admit(now_ms, scene.parts, limit=_FRAMES_UNTIL):
            self._is_broken = False
            ledger.frames += 1
        else:
            self._is_broken = True
            self._refused["frames"] += 1

    def _admit(self, now_ms: int, bodies: tuple[m.Body, ...], limit: float) -> bool:
        """Take records that belong together, all or none."""
        sizes = [len(cbor2.dumps(encode_body(body))) + 5 for body in bodies]
        if self._held_bytes + sum(sizes) > OUTBOX_BYTES * limit:
            self.counts["refused"] += 1
            return False
        is_replay = isinstance(bodies[0], m.REPLAY_BODIES)
        if self._refused and not is_replay:
            lost, self._refused = self._refused, Counter()
            self.counts["gaps"] += 1
            gap = m.Gap(
                *(self._next, self._next, lost["frames"], lost["inputs"], lost["calls"]),
                m.GapReason.OUTBOX_FULL,
            )
            bodies, sizes = (gap, *bodies), [32, *sizes]
        for body, size in zip(bodies, sizes, strict=True):
            building = self._building
            if building is not None and (
                building.size + size > CHUNK_BYTES
                or isinstance(building.records[0].body, m.REPLAY_BODIES) != is_replay
            ):
                self._flush(now_ms)
                building = None
            if building is None:
                building = self._building = _Building(since_ms=now_ms)
            record = m.Record(len(building.records), now_ms - self._began_ms, body)
            building.records.append(record)
            building.size += size
        return True

    def _flush(self, now_ms: int) -> None:
        building, self._building = self._building, None
        if building is None:
            return
        records = tuple(building.records)
        data = encode_uplink(m.Chunk(self.stream, self._next, records[0].time_ms, records))
        self._outbox.append(data)
        self._held_bytes += len(data)
        self._next += 1
        self.ledgers[-1].made = self._next
        self.counts["chunks"] += 1

    # ---- the custody protocol ----------------------------------------------------

    def sync(self, now_ms: int) -> bytes:
        self._synced_ms = now_ms
        stream_ms = now_ms - self._began_ms
        sync = m.Sync(
            self.stream, self._acked, self._next, stream_ms, None, self._boot, self._previous, self.device_id
        )
        return encode_uplink(sync)

    def send(self, now_ms: int) -> list[bytes]:
        """Chunks within the window, and a sync where one is due."""
        messages = []
        if self._in_flight and now_ms - self._progress_ms >= self._wait_ms:
            self._in_flight, self._progress_ms = 0, now_ms
            self._wait_ms = min(2 * self._wait_ms, LAST_RESEND_MS) * (1 + self._dice.random() / 4)
            self.counts["resends"] += 1
            messages.append(self.sync(now_ms))
        elif now_ms - self._synced_ms >= SYNC_MS:
            messages.append(self.sync(now_ms))
        while self._in_flight < min(self._window, len(self._outbox)):
            if not self._in_flight:
                self._progress_ms = now_ms
            messages.append(self._outbox[self._in_flight])
            self._in_flight += 1
        return messages

    def take(self, message: m.Downlink, now_ms: int) -> None:
        if isinstance(message, m.KeyframeRequest) and message.stream == self.stream and self._at is not None:
            self._at, self._use_ms = 0, now_ms  # a recording can only be begun anew
            self.counts["keyframes"] += 1
        elif isinstance(message, m.NewStream) and message.stream == self.stream:
            self.reboot(now_ms)
        if not isinstance(message, m.Ack) or message.stream != self.stream:
            return
        if not self._acked < message.next <= self._next:
            self._window = message.window
            return
        for _ in range(message.next - self._acked):
            self._held_bytes -= len(self._outbox.popleft())
        self._in_flight = max(0, self._in_flight - (message.next - self._acked))
        self._acked, self._window = message.next, message.window
        self.ledgers[-1].acked = message.next
        self._progress_ms, self._wait_ms = now_ms, float(RESEND_MS)

    def connected(self, now_ms: int) -> bytes:
        """A line is there again: what was in flight may be lost, and the timer begins anew."""
        self._in_flight, self._wait_ms, self._progress_ms = 0, float(RESEND_MS), now_ms
        return self.sync(now_ms)
