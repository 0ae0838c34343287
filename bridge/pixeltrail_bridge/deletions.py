"""Sends deletion requests to vendors, and asks how far they are: a task of its own, as long as it takes.

Of several workers one does.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import aiohttp
import structlog

from .errors import PixeltrailError
from .sinks import privacy_rules as rules
from .sinks.base import Clock, backoff_ms, host_clock
from .sinks.privacy_rules import AMPLITUDE, SEGMENT, AmplitudePrivacy, Said, SegmentPrivacy
from .store import requests
from .store.database import SqlStore
from .store.requests import RequestRow

LOOK_EVERY_S: Final = 5.0
DUTY: Final = "vendor deletions"
ASK_AGAIN_MS: Final = 3_600_000  # how often a vendor is asked how far it is: it takes days
TIMEOUT_S: Final = 20.0
log = structlog.get_logger(__name__)


class VendorDeletions:
    """`turn()` does what is due. A setting that is None: that vendor is not asked."""

    def __init__(
        self,
        store: SqlStore,
        segment: SegmentPrivacy | None,
        amplitude: AmplitudePrivacy | None,
        *,
        now_ms: Clock = host_clock,
    ) -> None:
        self._store, self.segment, self.amplitude, self._now_ms = store, segment, amplitude, now_ms
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        if self.segment is not None or self.amplitude is not None:
            self._task = asyncio.create_task(self._run(), name="vendors' deletions")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def turn(self) -> int:
        """Returns how many requests were made."""
        due = await asyncio.to_thread(requests.due, self._store, self._now_ms())
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        made = 0
        async with aiohttp.ClientSession(timeout=timeout) as session:
            for row in due:
                said = await self._send(session, row)
                if said is not None:
                    made += 1
                    await asyncio.to_thread(self._settle, row, said)
        return made

    async def _run(self) -> None:
        while True:
            try:
                if await asyncio.to_thread(self._store.hold, DUTY):
                    await self.turn()
            except PixeltrailError as error:
                log.warning("deletion requests wait", error=str(error))
            await asyncio.sleep(LOOK_EVERY_S)

    async def _send(self, session: aiohttp.ClientSession, row: RequestRow) -> Said | None:
        """None: this vendor is not set up."""
        is_first = row.state == "waiting"
        if row.vendor == SEGMENT and self.segment is not None:
            ask = (
                rules.segment_ask(self.segment, row.subject)
                if is_first
                else rules.segment_look(self.segment, row.reference)
            )
        elif row.vendor == AMPLITUDE and self.amplitude is not None:
            ask = (
                rules.amplitude_ask(self.amplitude, row.subject)
                if is_first
                else rules.amplitude_look(self.amplitude, row.asked_ms)
            )
        else:
            return None
        method = "GET" if ask.body is None else "POST"
        try:
            async with session.request(
                method, ask.url, data=ask.body, headers=dict(ask.headers), allow_redirects=False
            ) as response:
                text = await response.text(errors="replace")
        except (aiohttp.ClientError, TimeoutError) as error:
            return Said(None, None, type(error).__name__)
        if row.vendor == SEGMENT:
            return rules.judge_segment(response.status, text)
        if is_first:
            return rules.judge_amplitude_ask(response.status, text)
        return rules.judge_amplitude_look(response.status, text, row.reference)

    def _settle(self, row: RequestRow, said: Said) -> None:
        now_ms = self._now_ms()
        state = said.state or row.state
        wait_ms = ASK_AGAIN_MS if state == "accepted" else backoff_ms(row.attempts)
        values = (state, said.status, said.answer, said.reference, now_ms + wait_ms, now_ms)
        requests.settle(self._store, row, *values)
        if row.state == "waiting" and state != "waiting":
            self._store.truncate_log()  # the ID was needed until now
