"""Alerts: conditions told to people, once when they begin, again when they last, and once when they are over.

They are posted to one address as JSON that Slack, Mattermost and most others show as it is:

    {"text": "...", "state": "firing" | "resolved", "alert": KIND, "key": KEY, "since": RFC 3339, "bridge": ID}

What cannot be posted waits and is tried again; of one alert only its newest state is kept. State is in memory: after a
restart, what still holds is told again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import aiohttp
import structlog

from ..sinks.base import backoff_ms
from .conditions import Condition

_TIMEOUT_S = 10.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Alert:
    condition: Condition
    since_ms: int
    told_ms: int
    state: Literal["firing", "resolved"] = "firing"

    def as_json(self, bridge_id: str) -> dict[str, Any]:
        since = datetime.fromtimestamp(self.since_ms / 1000, UTC).isoformat(timespec="seconds")
        mark = "Pixeltrail" if self.state == "firing" else "Pixeltrail, over"
        return {
            "text": f"{mark}: {self.condition.text}",
            "state": self.state,
            "alert": self.condition.kind,
            "key": self.condition.key,
            "since": since,
            "bridge": bridge_id,
        }


class Alerts:
    """Which alerts stand. `repeat_ms` 0 tells each but once."""

    def __init__(self, repeat_ms: int) -> None:
        self.repeat_ms = repeat_ms
        self._standing: dict[str, Alert] = {}

    @property
    def standing(self) -> list[Alert]:
        return sorted(self._standing.values(), key=lambda one: (one.since_ms, one.condition.key))

    def update(self, conditions: Iterable[Condition], now_ms: int) -> list[Alert]:
        """Those to tell now: new ones, ones that last, and ones that are over."""
        holding = {one.key: one for one in conditions}
        news = [replace(one, state="resolved") for key, one in self._standing.items() if key not in holding]
        standing: dict[str, Alert] = {}
        for key, condition in holding.items():
            before = self._standing.get(key)
            alert = replace(before, condition=condition) if before else Alert(condition, now_ms, now_ms)
            is_due = bool(self.repeat_ms) and now_ms - alert.told_ms >= self.repeat_ms
            if before is None or is_due:
                alert = replace(alert, told_ms=now_ms)
                news.append(alert)
            standing[key] = alert
        self._standing = standing
        return news


class Webhook:
    """Posts alerts in a task of its own. `failed` counts tries that came to nothing."""

    def __init__(self, url: str, bridge_id: str, headers: Mapping[str, str] | None = None) -> None:
        self._url, self._bridge_id, self._headers = url, bridge_id, dict(headers or {})
        self._pending: dict[str, Alert] = {}
        self._wake = asyncio.Event()
        self.sent = 0
        self.failed = 0
        self.problem: str | None = None

    def tell(self, alerts: Iterable[Alert]) -> None:
        for alert in alerts:
            self._pending.pop(alert.condition.key, None)  # the newest state goes last
            self._pending[alert.condition.key] = alert
        self._wake.set()

    async def run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout, headers=self._headers) as session:
            failures = 0
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._pending:
                    if await self._post(session):
                        failures = 0
                        continue
                    failures += 1
                    await asyncio.sleep(backoff_ms(failures) / 1000)

    async def _post(self, session: aiohttp.ClientSession) -> bool:
        key, alert = next(iter(self._pending.items()))
        try:
            async with session.post(self._url, json=alert.as_json(self._bridge_id)) as answer:
                problem = None if answer.status < 300 else f"it answered {answer.status}"
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            problem = f"{type(error).__name__}"  # its text may hold the address, and that is a secret
        if problem is None:
            self.sent += 1
            self.problem = None
            if self._pending.get(key) is alert:
                del self._pending[key]
            return True
        self.failed += 1
        if problem != self.problem:
            log.warning(
                "an alert could not be posted and is tried again", alert=alert.condition.kind, reason=problem
            )
        self.problem = problem
        return False
