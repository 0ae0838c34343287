"""The fleet at work: devices, their lines, and what goes wrong with both, on one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import PeerError
from ..wire.decode import decode_downlink
from .device import Device
from .faults import Faults, Road
from .line import Broker, Line
from .scripts import Script

_HOUR_MS = 3_600_000
_AGAIN_MS = 1_000  # between two tries to connect
_MISC_MS = 1_000
_LONGEST_SLEEP_S = 0.1
_CONNECTS_A_TURN = 20  # a broker that meets all devices at once refuses some


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """`speed` and `idle_share` as in Device; `prefix` names devices prefix-0001 and on."""

    broker: Broker
    scripts: Sequence[Script]
    devices: int
    prefix: str = "sim"
    speed: float = 1.0
    idle_share: float = 0.8
    seed: int = 1
    faults: Faults = field(default_factory=Faults)
    drain_s: float = 60.0


@dataclass(slots=True)
class Tally:
    """What the fleet did, for people and for whoever compares it with a store."""

    devices: int
    connected: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    made: int = 0
    acked: int = 0
    undrained: int = 0
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"counts": dict(sorted(self.counts.items()))}


class _Member:
    """A device with its line; `due_ms` is what the fleet's queue holds of it."""

    def __init__(self, fleet: Fleet, number: int, now_ms: int) -> None:
        settings = fleet.settings
        name = f"{settings.prefix}-{number + 1:04d}"
        dice = random.Random(f"{settings.seed} {name}")
        script = settings.scripts[number % len(settings.scripts)]
        self.fleet, self.number = fleet, number
        self.device = Device(name, script, dice, now_ms, speed=settings.speed, idle_share=settings.idle_share)
        if number < settings.devices * (1 - settings.idle_share):  # as many as at any time, at least one
            self.device.begin_use(now_ms)
        self._up_road = Road(settings.faults, dice, fleet.counts)
        self._down_road = Road(settings.faults, dice, fleet.counts)
        self._dice = dice
        self.line = Line(settings.broker, name, self._up, self._hear)
        self.due_ms: float = now_ms
        self._misc_ms = now_ms
        self._connect_ms: float = now_ms
        self._reboot_ms = self._next(now_ms, settings.faults.reboots)
        self._cut_ms = self._next(now_ms, settings.faults.cuts)

    def _next(self, now_ms: float, an_hour: float) -> float:
        """Of what happens so often in an hour of the device's own time."""
        if an_hour <= 0:
            return float("inf")
        return now_ms + self._dice.expovariate(an_hour * self.fleet.settings.speed) * _HOUR_MS

    def _up(self) -> None:
        self._say(self.device.connected(self.fleet.now_ms()))
        self.fleet.wake(self)

    def _hear(self, data: bytes) -> None:
        for one in self._down_road.pass_on(data):
            try:
                message = decode_downlink(one)
            except PeerError:
                self.fleet.counts["unreadable_downlinks"] += 1
                continue
            self.device.take(message, self.fleet.now_ms())
        self.fleet.wake(self)

    def _say(self, data: bytes) -> None:
        for one in self._up_road.pass_on(data):
            self.line.send(one)

    def step(self, now_ms: int) -> None:
        if not self.device.ending:
            self._go_wrong(now_ms)
        if not self.line.is_open and now_ms >= self._connect_ms and self.fleet.may_connect():
            self._connect_ms = now_ms + _AGAIN_MS * (1 + self._dice.random())
            self.line.connect()
        self.device.play(now_ms)
        if self.line.is_up:
            for data in self.device.send(now_ms):
                self._say(data)
        if now_ms - self._misc_ms >= _MISC_MS:
            self._misc_ms = now_ms
            self.line.keep_alive()
        waits: list[float] = [self.device.next_ms(), self._misc_ms + _MISC_MS, self._reboot_ms, self._cut_ms]
        if not self.line.is_open:
            waits.append(self._connect_ms)
        self.due_ms = max(min(waits), now_ms + 5)

    def _go_wrong(self, now_ms: int) -> None:
        faults = self.fleet.settings.faults
        if now_ms >= self._reboot_ms:
            self._reboot_ms = self._next(now_ms, faults.reboots)
            self.line.close(politely=False)
            self.device.reboot(now_ms)
        if now_ms >= self._cut_ms:
            self._cut_ms = self._next(now_ms, faults.cuts)
            self.fleet.counts["cuts"] += 1
            self.line.close(politely=False)
            self._connect_ms = now_ms + self._dice.uniform(0, 5_000)


class Fleet:
    """`await run(...)`, once."""

    def __init__(self, settings: FleetSettings) -> None:
        self.settings = settings
        self.counts: Counter[str] = Counter()
        self._members: list[_Member] = []
        self._queue: list[tuple[float, int]] = []
        self._wake = asyncio.Event()
        self._connects = 0
        self._began_s = time.monotonic()

    def now_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000

    def may_connect(self) -> bool:
        self._connects += 1
        return self._connects <= _CONNECTS_A_TURN

    def wake(self, member: _Member) -> None:
        member.due_ms = 0
        heapq.heappush(self._queue, (0, member.number))
        self._wake.set()

    async def run(
        self,
        seconds: float | None,
        ended: asyncio.Event,
        tell: Callable[[Tally], None] = lambda tally: None,
        every_s: float = 5.0,
    ) -> Tally:
        """For `seconds`, or until `ended`; then let every device deliver what it holds, for at most `drain_s`."""
        now_ms = self.now_ms()
        self._members = [_Member(self, number, now_ms) for number in range(self.settings.devices)]
        self._queue = [(now_ms, number) for number in range(len(self._members))]
        until_s = self._began_s + seconds if seconds is not None else float("inf")
        told_s = self._began_s
        drain_until_s: float | None = None
        while True:
            now_s = time.monotonic()
            if drain_until_s is None and (ended.is_set() or now_s >= until_s):
                drain_until_s = now_s + self.settings.drain_s
                for member in self._members:
                    member.device.ending = True
                    self.wake(member)
            if drain_until_s is not None and (
                now_s >= drain_until_s or all(one.device.is_drained for one in self._members)
            ):
                break
            self._turn(self.now_ms())
            if now_s - told_s >= every_s:
                told_s = now_s
                tell(self.tally())
            await self._sleep()
        tally = self.tally()
        for member in self._members:
            member.line.close()
        await asyncio.sleep(0.1)  # for what was said last
        return tally

    def _turn(self, now_ms: int) -> None:
        self._connects = 0
        while self._queue and self._queue[0][0] <= now_ms:
            due_ms, number = heapq.heappop(self._queue)
            member = self._members[number]
            if due_ms != member.due_ms:
                continue  # it was woken meanwhile, and stands in the queue again
            member.step(now_ms)
            heapq.heappush(self._queue, (member.due_ms, number))

    async def _sleep(self) -> None:
        wait_s = (self._queue[0][0] - self.now_ms()) / 1000 if self._queue else _LONGEST_SLEEP_S
        self._wake.clear()
        if wait_s <= 0:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), min(wait_s, _LONGEST_SLEEP_S))

    def tally(self) -> Tally:
        counts = self.counts.copy()
        tally = Tally(len(self._members), seconds=round(time.monotonic() - self._began_s, 1))
        for member in self._members:
            counts.update(member.device.counts)
            tally.connected += member.line.is_up
            tally.undrained += not member.device.is_drained
            for ledger in member.device.ledgers:
                tally.made += ledger.made
                tally.acked += ledger.acked
                counts["frames"] += ledger.frames
                counts["calls"] += ledger.calls
        tally.counts = counts
        return tally

    def ledgers(self) -> list[dict[str, Any]]:
        """Every stream there was, for whoever compares it with what a store holds."""
        return [
            asdict(ledger) | {"stream": ledger.stream.hex()}
            for member in self._members
            for ledger in member.device.ledgers
        ]
