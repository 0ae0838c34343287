"""From the outbox to the sinks: one asyncio task per sink leases calls, delivers them, and settles them.

The store keeps the order of each device (a device whose oldest call waits yields nothing) and the leases; this module
only turns the crank. A crash between delivering and settling leaves leases behind, which the next start releases, and
on PostgreSQL any other worker, so those calls go out again under the same message ID. Nothing here may end the task
but `stop`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import structlog

from .errors import PixeltrailError
from .mapping.calls import OutboxRow, Settled
from .sinks.base import Clock, Sink, backoff_ms, host_clock

LEASE_ROWS = 500
LEASE_MS = 300_000  # above the longest a sink may take for LEASE_ROWS, or two workers would send the same
CLOCK_STEP_MS = 1_000  # less, and a wait is that much longer
PACE_S = 0.1  # of rest after a trickle: each lease costs two commits and a request
POLL_S = 1.0  # how late a retry may begin; new calls wake the task at once

_FAILED = " failed with "
log = structlog.get_logger(__name__)


class Outbox(Protocol):
    """What delivery needs of the store; every method may block."""

    def lease(self, sink: str, limit: int, now_ms: int, lease_ms: int) -> list[OutboxRow]: ...

    def settle(self, sink: str, results: list[Settled], now_ms: int) -> None: ...

    def release_leases(self, sink: str) -> None: ...

    def pending(self, sink: str) -> int: ...


@dataclass(slots=True)
class SinkHealth:
    """What a person wants to know of a sink. Counts run from the start of the process."""

    name: str
    state: Literal["idle", "sending", "waiting", "stopped"] = "stopped"
    alarm: str | None = None
    paused_until_ms: int = 0
    sent: int = 0
    retried: int = 0
    dead: int = 0
    last_status: int | None = None
    last_answer: str = ""
    last_sent_ms: int = 0


class Delivery:
    """Start and stop belong to the event loop; `wake` may be called from any thread."""

    def __init__(
        self, outbox: Outbox, sinks: Sequence[Sink], *, now_ms: Clock = host_clock, pace_s: float = PACE_S
    ) -> None:
        self._outbox, self.sinks, self._now_ms, self._pace_s = outbox, tuple(sinks), now_ms, pace_s
        self.health = {sink.name: SinkHealth(sink.name) for sink in sinks}
        self._tasks: list[asyncio.Task[None]] = []
        self._wakes = {sink.name: asyncio.Event() for sink in sinks}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._renewed: dict[str, str | None] = {}  # by sink that has other settings, its alarm with them

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping.clear()
        self._tasks = [asyncio.create_task(self._run(sink), name=f"sink {sink.name}") for sink in self.sinks]

    async def stop(self, grace_s: float = 5.0) -> None:
        """Let deliveries under way end, for at most `grace_s`, then close the sinks."""
        self._stopping.set()
        self._wake_all()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for sink in self.sinks:
            await sink.close()
            self.health[sink.name].state = "stopped"

    def wake(self) -> None:
        """New calls were committed."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nothing to wake
                self._loop.call_soon_threadsafe(self._wake_all)

    def renew(self, sink: Sink) -> None:
        """It has other settings now: what comes of a delivery under way was said of the earlier ones."""
        self._renewed[sink.name] = sink.alarm

    def _wake_all(self) -> None:
        for wake in self._wakes.values():
            wake.set()

    async def _run(self, sink: Sink) -> None:
        failures = 0
        released = False
        latest_ms = self._now_ms()
        while not self._stopping.is_set():
            try:
                now_ms = self._now_ms()
                if now_ms < latest_ms - CLOCK_STEP_MS:
                    log.warning("the clock was put back", sink=sink.name, by_ms=latest_ms - now_ms)
                    released, sink.paused_until_ms = False, 0  # no wait may last as long as the step back
                latest_ms = now_ms
                if not released:
                    await asyncio.to_thread(self._outbox.release_leases, sink.name)
                    released = True
                await self._step(sink)
                failures = 0
            except PixeltrailError as error:  # the database, most likely; the calls are where they were
                self._report(sink, f"{error}")
                await self._sleep(sink, backoff_ms(failures) / 1000)
                failures += 1

    async def _step(self, sink: Sink) -> None:
        health, now_ms = self.health[sink.name], self._now_ms()
        if now_ms < sink.paused_until_ms:
            health.state = "waiting"
            await self._sleep(sink, min(POLL_S, (sink.paused_until_ms - now_ms) / 1000))
            return
        self._wakes[sink.name].clear()
        rows = await asyncio.to_thread(self._outbox.lease, sink.name, LEASE_ROWS, now_ms, LEASE_MS)
        if not rows:
            health.state = "idle"
            await self._sleep(sink, POLL_S)
            return
        health.state = "sending"
        self._renewed.pop(sink.name, None)
        results = await self._deliver(sink, rows)
        if sink.name in self._renewed:
            sink.paused_until_ms, sink.alarm = 0, self._renewed.pop(sink.name)
            results = [replace(one, next_try_ms=0) for one in results]
        if await self._settle(sink, results):
            self._count(sink, results)
        if len(rows) < LEASE_ROWS:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._pace_s)

    async def _settle(self, sink: Sink, results: list[Settled]) -> bool:
        """Write down what became of leased calls, as often as it takes: with the answers lost, their leases would have
        to run out before anything of those devices goes on. False: the bridge ends, and the next start sends again."""
        failures = 0
        while True:
            try:
                await asyncio.to_thread(self._outbox.settle, sink.name, results, self._now_ms())
                return True
            except PixeltrailError as error:
                self._report(sink, f"{error}")
                if self._stopping.is_set():
                    return False
                await asyncio.sleep(min(POLL_S, backoff_ms(failures) / 1000))
                failures += 1

    async def _deliver(self, sink: Sink, rows: list[OutboxRow]) -> list[Settled]:
        try:
            return _check_results(rows, await sink.deliver(rows))
        except Exception as error:  # noqa: BLE001 a fault of ours in a sink must not strand the calls
            log.exception("sink failed", sink=sink.name)
            sink.alarm = f"{sink.name}{_FAILED}{type(error).__name__}: {error}; please report it"
            sink.paused_until_ms = self._now_ms() + backoff_ms(max(row.attempts for row in rows))
            return [Settled(row.id, "retry", None, sink.alarm, sink.paused_until_ms) for row in rows]

    async def _sleep(self, sink: Sink, seconds: float) -> None:
        """Until `seconds` passed, new calls came, or stop."""
        wake = self._wakes[sink.name]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(wake.wait(), seconds)
        if self._now_ms() < sink.paused_until_ms:
            wake.clear()

    def _count(self, sink: Sink, results: list[Settled]) -> None:
        health = self.health[sink.name]
        for one in results:
            health.sent += one.state == "sent"
            health.retried += one.state == "retry"
            health.dead += one.state == "dead"
        last = results[-1]
        health.last_status, health.last_answer = last.status, last.answer
        if any(one.state == "sent" for one in results):
            health.last_sent_ms = self._now_ms()
        self._report(sink, sink.alarm)

    def _report(self, sink: Sink, alarm: str | None) -> None:
        health = self.health[sink.name]
        health.paused_until_ms = sink.paused_until_ms
        if alarm and alarm != health.alarm:
            log.warning("sink needs attention", sink=sink.name, alarm=for_log(alarm))
        health.alarm = alarm


def for_log(alarm: str) -> str:
    """What a sink raised may be made of events: a log gets its kind alone, the page the words."""
    return alarm.partition(": ")[0] if _FAILED in alarm else alarm


def _check_results(rows: list[OutboxRow], results: list[Settled]) -> list[Settled]:
    """A sink that forgets a call would keep it, and its device, waiting for as long as a lease lasts."""
    asked, answered = {row.id for row in rows}, [one.id for one in results]
    if asked != set(answered) or len(answered) != len(asked):
        raise ValueError(f"deliver() was given {len(asked)} calls and settled {len(answered)}, or others")
    return results
