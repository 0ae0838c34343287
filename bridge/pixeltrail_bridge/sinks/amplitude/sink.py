"""Events from the outbox to Amplitude's HTTP APIs.

Each event is mapped to the items it comes to: none, one, or several (a purchase with its products, a group). rounds.py
puts them into requests and takes the answers apart; rules.py says which answer means what.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import structlog

from ...mapping.calls import REPLAY_CHUNKS, OutboxRow, Settled
from ..base import Clock, Shown, backoff_ms, host_clock
from .actions import EVENT_ENDPOINTS, Endpoint
from .mappings import Mapped
from .pace import Pace
from .rounds import DRY_RUN, Job, Rounds, Sending
from .rules import DEVICE_RATE, MAX_BYTES, MAX_EVENTS, MAX_IDENTIFICATIONS, Answer, explain, judge, make_urls
from .sessions import SessionTracker
from .settings import AmplitudeSettings
from .transport import Client, make_request

PAUSE_MS: Final = 60_000
LONG_ATTEMPTS: Final = 5

log = structlog.get_logger(__name__)


class AmplitudeSink:
    name = "amplitude"

    def __init__(
        self,
        settings: AmplitudeSettings,
        *,
        now_ms: Clock = host_clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.paused_until_ms = 0
        self.alarm: str | None = None
        self._now_ms, self._jitter = now_ms, jitter
        self._client = Client()
        self._tracker = SessionTracker()
        self.update(settings)

    def update(self, settings: AmplitudeSettings) -> None:
        """Go on with other settings; a pause ends, since they may be the remedy. ConfigError: nothing changed."""
        settings.check()
        mapper = settings.make_mapper()
        urls = make_urls(settings.zone, settings.host)
        self.settings, self.mapper, self.urls = settings, mapper, urls
        self._pace = Pace({name: _rate(settings, name) for name in EVENT_ENDPOINTS})
        self.paused_until_ms, self.alarm, self._failures = 0, None, 0
        self._tell_dry_run()

    async def deliver(self, rows: Sequence[OutboxRow]) -> list[Settled]:
        self.paused_until_ms = 0  # whoever calls has waited for it
        rounds = Rounds(self)
        # Mapping takes up to half a second for all that is lent at once; the loop has devices to answer.
        for job in await asyncio.to_thread(lambda: [self._prepare(row) for row in rows]):
            rounds.add(job)
        return await rounds.run()

    def shows(self, payload: bytes) -> list[Shown]:
        """What Amplitude gets of an event by today's mappings: nothing, one request or several. Any thread."""
        _, requests = preview(self.settings, msgspec.json.decode(payload))
        return [Shown(url, _as_text(kind, body)) for url, kind, body in requests]

    async def close(self) -> None:
        await self._client.close()

    def _tell_dry_run(self) -> None:
        if self.settings.dry_run:
            self.alarm = (
                "amplitude.dry_run is on, so nothing is sent; events become dead letters, which `pixeltrail dlq retry "
                "--sink amplitude` sends once it is off"
            )

    def _prepare(self, row: OutboxRow) -> Job:
        try:
            event = msgspec.json.decode(row.payload)
        except (msgspec.DecodeError, RecursionError) as error:
            return Job(row, fault=f"the event cannot be read: {error}")
        if not isinstance(event, dict):
            return Job(row, fault="the event is no JSON object")
        if _is_recording(event):
            return Job(row, answer="not sent: Amplitude cuts text at 1,024 characters, so no recording fits")
        if self.mapper.tracking is not None:
            event = self._tracker.track(event, row.device_id, self.mapper.tracking)
        mapped = self.mapper.map(event)
        job = Job(row, fault="; ".join(mapped.faults), answer=_explain(mapped, row.type))
        for item in mapped.items:
            payload = msgspec.json.encode(item.body)
            if len(payload) > MAX_BYTES[item.endpoint]:
                job.fault = (
                    f"what goes to {item.endpoint} is {len(payload):,} bytes; Amplitude takes less than 1 MB"
                )
            else:
                job.left.append((item, payload))
        return job

    # ---- one request ----------------------------------------------------------------------------------

    def limit(self, endpoint: Endpoint) -> int:
        most = min(max(self.settings.batch_events, 1), MAX_EVENTS)
        return most if endpoint in EVENT_ENDPOINTS else min(most, MAX_IDENTIFICATIONS)

    def allow(self, device_id: str, endpoint: Endpoint) -> bool:
        """Whether the device may send one more item there now; if so, it counts as sent."""
        return self._pace.take(device_id, endpoint, self._now_ms())

    def turn_ms(self, device_id: str, endpoint: Endpoint, items: int) -> int:
        """When it is the turn of so many items of a device that is paced."""
        now_ms = self._now_ms()
        return now_ms + self._pace.wait_ms(device_id, endpoint, items, now_ms)

    async def post(self, batch: Sequence[Sending]) -> Answer:
        endpoint = batch[0].item.endpoint
        headers, body = make_request(
            self.settings.api_key,
            endpoint,
            [one.payload for one in batch],
            batch[0].item.min_id_length,
        )
        if self.settings.dry_run:
            ids = [one.job.row.message_id for one in batch]
            log.info(DRY_RUN, url=self.urls[endpoint], items=len(batch), bytes=len(body), message_ids=ids)
            text = f"{DRY_RUN}: not sent, in a request of {len(batch)} items and {len(body):,} bytes to {endpoint}"
            return Answer(None, text, "sent")
        status, text, retry_after = await self._client.post(self.urls[endpoint], headers, body)
        if status is None:
            return Answer(None, text, "retry")
        return judge(status, text, retry_after, self._now_ms(), self.settings.api_key)

    def postpone(self, answer: Answer, endpoint: Endpoint, attempts: int) -> int:
        """Note what is wrong; until when everything waits."""
        now_ms, url = self._now_ms(), self.urls[endpoint]
        attempts = min(attempts, self._failures)  # a device that was paced has tried often and failed never
        self._failures += 1
        if answer.kind in ("pause", "key"):
            until_ms = self.paused_until_ms = now_ms + PAUSE_MS
            self.alarm = explain(answer.status, answer.text, url)
            return until_ms
        wait_ms = backoff_ms(attempts, self._jitter) if answer.wait_ms is None else max(answer.wait_ms, 1_000)
        if answer.wait_ms is not None or answer.status is None:
            self.paused_until_ms = now_ms + wait_ms
        if answer.status is None:
            self.alarm = explain(None, answer.text, url)
        elif attempts >= LONG_ATTEMPTS:
            since = f"Amplitude has answered {answer.status} since {attempts} attempts"
            self.alarm = f"{since}; events are kept and sent later"
        return now_ms + wait_ms

    def succeed(self) -> None:
        self.alarm, self._failures = None, 0
        self._tell_dry_run()

    def now_ms(self) -> int:
        return self._now_ms()


def _rate(settings: AmplitudeSettings, endpoint: Endpoint) -> int:
    return DEVICE_RATE[endpoint] if settings.device_events_per_s < 0 else settings.device_events_per_s


def _is_recording(event: dict[str, Any]) -> bool:
    return event.get("type") == "track" and event.get("event") == REPLAY_CHUNKS


def _explain(mapped: Mapped, event_type: str) -> str:
    if mapped.is_excluded:
        return "not sent: the event's integrations exclude Actions Amplitude"
    return (
        "" if mapped.takers else f"not sent: no mapping takes this {event_type} call; see docs/amplitude.md"
    )


def _as_text(kind: str, body: bytes) -> str:
    if kind == "application/json":
        return body.decode()
    return "\n".join(f"{name} = {value}" for name, value in parse_qsl(body.decode(), keep_blank_values=True))


def preview(settings: AmplitudeSettings, event: Any) -> tuple[Mapped, list[tuple[str, str, bytes]]]:
    """For people: what an event comes to, and its requests as (URL, content type, body) without the real key."""
    mapper = settings.make_mapper()
    if isinstance(event, dict) and _is_recording(event):
        return Mapped(is_excluded=True), []
    if mapper.tracking is not None:
        event = SessionTracker().track(event, "", mapper.tracking)
    mapped = mapper.map(event)
    urls = make_urls(settings.zone, settings.host)
    requests = []
    for item in mapped.items:
        headers, body = make_request(
            "***", item.endpoint, [msgspec.json.encode(item.body)], item.min_id_length
        )
        requests.append((urls[item.endpoint], headers["Content-Type"], body))
    return mapped, requests
