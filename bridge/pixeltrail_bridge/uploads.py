"""From the recordings to the replay sinks: one asyncio task per sink takes the next piece, sends it, and writes down
what became of it.

The store keeps the pieces and their order (a session with a piece that waits yields no other); cutter.py says when one
is cut; this module only turns the crank. A crash between sending and settling leaves a lease behind, which the next
start gives back, so that one piece goes out again. Of several workers one sends to a sink; another follows it when it
ends. Nothing here may end a task but `stop`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

import structlog

from .cutter import PIECE_MS, Cutter
from .delivery import SinkHealth, for_log
from .errors import PixeltrailError
from .sinks.base import Clock, backoff_ms, host_clock
from .sinks.replay import Outcome, ReplaySink
from .store import pieces
from .store.database import SqlStore
from .store.pieces import PieceRow, State, Tried

POLL_S: Final = 1.0  # how late a piece may begin
MAX_PAUSE_MS: Final = 300_000
_STATES: Final[dict[str, State]] = {"sent": "sent", "retry": "waiting", "dead": "dead", "stop": "stopped"}

log = structlog.get_logger(__name__)


class Uploads:
    """Start and stop belong to the event loop; `hear` may be called from any thread."""

    def __init__(
        self,
        store: SqlStore,
        sinks: Sequence[ReplaySink],
        piece_ms: int = PIECE_MS,
        *,
        now_ms: Clock = host_clock,
    ) -> None:
        self._store, self.sinks, self._now_ms = store, tuple(sinks), now_ms
        self.health = {sink.name: SinkHealth(sink.name) for sink in sinks}
        self._cutters = {sink.name: Cutter(store, sink.name, piece_ms, now_ms=now_ms) for sink in sinks}
        self._ours: set[str] = set()  # sinks that this worker sends to
        self._tasks: list[asyncio.Task[None]] = []
        self._ending = asyncio.Event()

    async def start(self) -> None:
        self._ending.clear()
        self._tasks = [
            asyncio.create_task(self._run(sink), name=f"replay {sink.name}") for sink in self.sinks
        ]

    async def stop(self, grace_s: float = 5.0) -> None:
        """Let the piece under way end, for at most `grace_s`, then close the sinks."""
        self._ending.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for sink in self.sinks:
            await sink.close()
            self.health[sink.name].state = "stopped"

    def hear(self, device_id: str) -> None:
        """Chunks of a device were committed."""
        for cutter in self._cutters.values():
            cutter.hear(device_id)

    def waiting(self, sink: str) -> int:
        """Pieces that are cut and not settled. Blocks."""
        return pieces.waiting(self._store, sink)

    async def _run(self, sink: ReplaySink) -> None:
        failures = 0
        while not self._ending.is_set():
            try:
                await self._step(sink)
                failures = 0
            except PixeltrailError as error:  # the database, most likely; the pieces are where they were
                self._report(sink, f"{error}")
                await self._sleep(backoff_ms(failures) / 1000)
                failures += 1
            except Exception as error:  # noqa: BLE001 a fault of ours must not end the uploads
                log.exception("replay sink failed", sink=sink.name)
                self._report(
                    sink, f"{sink.name} failed with {type(error).__name__}: {error}; please report it"
                )
                await self._sleep(backoff_ms(failures) / 1000)
                failures += 1

    async def _step(self, sink: ReplaySink) -> None:
        health, now_ms = self.health[sink.name], self._now_ms()
        if now_ms < sink.paused_until_ms <= now_ms + MAX_PAUSE_MS:  # else from before the clock was put back
            health.state = "waiting"
            await self._sleep(min(POLL_S, (sink.paused_until_ms - now_ms) / 1000))
            return
        cutter = self._cutters[sink.name]
        is_ours = await asyncio.to_thread(self._holds, sink.name)
        row = await asyncio.to_thread(cutter.next) if is_ours else None
        if row is None:
            health.state = "idle"
            await self._sleep(POLL_S)
            return
        health.state = "sending"
        outcome = await self._send(sink, cutter, row)
        tried = Tried(_STATES[outcome.state], outcome.status, outcome.answer, outcome.next_try_ms)
        if await self._settle(sink, row, tried):
            self._count(sink, outcome)

    def _holds(self, sink: str) -> bool:
        is_ours = self._store.hold(f"replay uploads to {sink}")
        if is_ours and sink not in self._ours:
            self._cutters[sink].start()  # where another worker ended, with what it had leased
        self._ours = self._ours | {sink} if is_ours else self._ours - {sink}
        return is_ours

    async def _settle(self, sink: ReplaySink, row: PieceRow, tried: Tried) -> bool:
        """Write down what became of a piece, as often as it takes, or its lease would hold up the session."""
        failures = 0
        while True:
            try:
                await asyncio.to_thread(pieces.settle, self._store, row.id, tried, self._now_ms())
                return True
            except PixeltrailError as error:
                self._report(sink, f"{error}")
                if self._ending.is_set():
                    return False
                await self._sleep(min(1.0, backoff_ms(failures) / 1000))
                failures += 1

    async def _send(self, sink: ReplaySink, cutter: Cutter, row: PieceRow) -> Outcome:
        try:
            return await sink.send(await asyncio.to_thread(cutter.piece, row))
        except PixeltrailError as error:  # the piece could not be read
            return Outcome("retry", None, str(error), self._now_ms() + backoff_ms(row.attempts))
        except Exception as error:  # noqa: BLE001 a fault in a sink must not strand its pieces
            log.exception("replay sink failed", sink=sink.name)
            sink.alarm = f"{sink.name} failed with {type(error).__name__}: {error}; please report it"
            sink.paused_until_ms = self._now_ms() + backoff_ms(row.attempts)
            return Outcome("retry", None, sink.alarm, sink.paused_until_ms)

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)

    def _count(self, sink: ReplaySink, outcome: Outcome) -> None:
        health = self.health[sink.name]
        health.sent += outcome.state == "sent"
        health.retried += outcome.state == "retry"
        health.dead += outcome.state in ("dead", "stop")
        health.last_status, health.last_answer = outcome.status, outcome.answer
        if outcome.state == "sent":
            health.last_sent_ms = self._now_ms()
        self._report(sink, sink.alarm)

    def _report(self, sink: ReplaySink, alarm: str | None) -> None:
        health = self.health[sink.name]
        health.paused_until_ms = sink.paused_until_ms
        if alarm and alarm != health.alarm:
            log.warning("sink needs attention", sink=sink.name, alarm=for_log(alarm))
        health.alarm = alarm
