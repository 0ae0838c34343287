"""Segment's HTTP Tracking API: `POST /v1/batch`, as Segment's own libraries speak it; segment_rules.py has the figures.

What an answer means:

- 2xx: taken, unless a web page came instead of an answer.
- 408, 410, 429, 460 and 5xx but 501 and 505: try again, after Retry-After (at most 300 s) where there is one.
- 400, 413, 422: about the events. The batch is halved until the culprit is alone; it becomes a dead letter.
- 401, 403: about the write key. Its devices wait, an alarm says so, and it is tried again every minute.
- Anything else (404, redirects ...) is about the host: the sink pauses in the same way, and drops nothing.

Devices may have write keys of their own. A batch holds events of one key, so a key that is refused holds up nobody
else's events. A device has one key at a time, so its order is kept.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import msgspec
import structlog

from ..errors import ConfigError, shorten
from ..mapping.calls import OutboxRow, Settled, iso_time
from .base import Clock, backoff_ms, host_clock
from .segment_rules import (
    HOSTS,
    MAX_BATCH_BYTES,
    MAX_BATCH_EVENTS,
    MAX_EVENT_BYTES,
    MAX_RETRY_AFTER_MS,
    MIN_RETRY_AFTER_MS,
    Verdict,
    batch_url,
    judge_status,
    make_batches,
    parse_retry_after,
)

if TYPE_CHECKING:
    import aiohttp  # imported with the first request: a bridge that starts has devices to answer first

__all__ = [
    "HOSTS",
    "MAX_BATCH_BYTES",
    "MAX_BATCH_EVENTS",
    "MAX_EVENT_BYTES",
    "MAX_RETRY_AFTER_MS",
    "SegmentSettings",
    "SegmentSink",
    "SegmentSource",
    "explain_status",
    "make_batches",
    "parse_retry_after",
]

PAUSE_MS = 60_000
TIMEOUT_S = 15.0
LONG_ATTEMPTS = 5  # half a minute of failures is worth a word
MAX_ANSWER_BYTES = 65_536
DRY_RUN = "dry run"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class SegmentSource:
    """A write key and the devices it is for, as patterns of their IDs; `setting` is where a person finds it."""

    write_key: str = field(repr=False)
    devices: tuple[str, ...] = ()  # none: all that no other source names
    setting: str = "segment.write_key"

    def serves(self, device_id: str) -> bool:
        return not self.devices or any(fnmatchcase(device_id, pattern) for pattern in self.devices)


@dataclass(frozen=True)
class SegmentSettings:
    """`write_key` is for all devices that no source of `sources` names; it may be empty when there are some."""

    write_key: str = field(default="", repr=False)
    zone: str = "US"
    host: str | None = None  # a proxy or a compatible server instead of the zone's
    batch_events: int = 100
    gzip: bool = True
    sources: tuple[SegmentSource, ...] = ()
    dry_run: bool = False

    def url(self) -> str:
        return batch_url(self.zone, self.host)

    def all_sources(self) -> tuple[SegmentSource, ...]:
        return (*self.sources, SegmentSource(self.write_key)) if self.write_key else self.sources


@dataclass(frozen=True)
class _Answer:
    status: int | None  # None: no answer
    text: str
    verdict: Verdict
    wait_ms: int | None = None


@dataclass
class _Route:
    """A source as it does: `alarm` and pause are about its key alone."""

    source: SegmentSource
    alarm: str | None = None
    paused_until_ms: int = 0
    last: _Answer | None = None


class SegmentSink:
    name = "segment"

    def __init__(
        self,
        settings: SegmentSettings,
        *,
        now_ms: Clock = host_clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.paused_until_ms = 0
        self.alarm: str | None = None
        self._host_alarm: str | None = None
        self._now_ms, self._jitter = now_ms, jitter
        self._session: aiohttp.ClientSession | None = None
        self.update(settings)

    def update(self, settings: SegmentSettings) -> None:
        """Go on with other settings; a pause ends, since they may be the remedy. ConfigError: nothing changed."""
        sources, url = settings.all_sources(), settings.url()
        if not sources:
            raise ConfigError("segment.write_key is empty; set it to the write key of a Segment source")
        self.settings, self.url = settings, url
        self._routes = [_Route(source) for source in sources]
        self._keyless = _Route(SegmentSource("", setting=""))
        self.paused_until_ms, self._host_alarm = 0, None
        self._sum_up()

    async def deliver(self, rows: Sequence[OutboxRow]) -> list[Settled]:
        results = [_too_large(row) for row in rows if len(row.payload) > MAX_EVENT_BYTES]
        groups: dict[int, tuple[_Route, list[OutboxRow]]] = {}
        for row in rows:
            if len(row.payload) <= MAX_EVENT_BYTES:
                route = self._route_of(row.device_id)
                groups.setdefault(id(route), (route, []))[1].append(row)
        self.paused_until_ms = 0  # whoever calls has waited for it
        for route, mine in groups.values():
            results += await self._deliver_route(route, mine)
        self._sum_up()
        return results

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    # ---- routes -----------------------------------------------------------------

    def _route_of(self, device_id: str) -> _Route:
        return next((one for one in self._routes if one.source.serves(device_id)), self._keyless)

    async def _deliver_route(self, route: _Route, rows: Sequence[OutboxRow]) -> list[Settled]:
        if route is self._keyless:
            self._miss_key(rows[0].device_id)
        if route.paused_until_ms > self._now_ms() + MAX_RETRY_AFTER_MS:
            route.paused_until_ms = 0  # from before the clock was put back
        until_ms = max(route.paused_until_ms, self.paused_until_ms)
        if until_ms > self._now_ms():
            last = route.last or _Answer(None, "waits with the rest", "pause")
            return [Settled(row.id, "retry", last.status, last.text, until_ms) for row in rows]
        key_bytes = len(msgspec.json.encode(route.source.write_key))
        results: list[Settled] = []
        waiting: Settled | None = None
        for batch in make_batches(rows, self.settings.batch_events, key_bytes):
            if waiting is None:
                settled = await self._deliver_batch(route, batch)
                results += settled
                waiting = next((one for one in settled if one.state == "retry"), None)
            else:  # what comes after a failed batch waits with it, so that order holds
                results += [_again(row, waiting) for row in batch]
        return results

    def _miss_key(self, device_id: str) -> None:
        route = self._keyless
        route.alarm = (
            f"no write key is for {device_id}; add it to a [[segment.keys]] table or set segment.write_key_file; "
            "its events are kept until then"
        )
        route.last, route.paused_until_ms = _Answer(None, route.alarm, "pause"), self._now_ms() + PAUSE_MS

    def _sum_up(self) -> None:
        """What a person is told, and whether there is anything to be done before the pauses end."""
        now_ms = self._now_ms()
        routes = [*self._routes, self._keyless]
        alarms = [self._host_alarm, *(route.alarm for route in routes)]
        if self.settings.dry_run:
            alarms.append(
                "segment.dry_run is on, so nothing is sent; events become dead letters, which `pixeltrail dlq retry "
                "--sink segment` sends once it is off"
            )
        self.alarm = next((alarm for alarm in alarms if alarm), None)
        if all(route.paused_until_ms > now_ms for route in self._routes):
            until_ms = min(route.paused_until_ms for route in self._routes)
            self.paused_until_ms = max(self.paused_until_ms, until_ms)

    # ---- batches ----------------------------------------------------------------

    async def _deliver_batch(self, route: _Route, batch: Sequence[OutboxRow]) -> list[Settled]:
        if self.settings.dry_run:
            return await self._pretend(route, batch)
        answer = await self._post(route, batch)
        route.last = answer
        if answer.verdict == "sent":
            self._host_alarm = route.alarm = None
            return [Settled(row.id, "sent", answer.status, answer.text) for row in batch]
        if answer.verdict == "split":
            return await self._split(route, batch, answer)
        return self._postpone(route, batch, answer)

    async def _split(self, route: _Route, batch: Sequence[OutboxRow], answer: _Answer) -> list[Settled]:
        if len(batch) == 1:
            return [Settled(batch[0].id, "dead", answer.status, f"Segment refused the event: {answer.text}")]
        middle = len(batch) // 2
        first = await self._deliver_batch(route, batch[:middle])
        waiting = next((one for one in first if one.state == "retry"), None)
        if waiting is not None:
            return first + [_again(row, waiting) for row in batch[middle:]]
        return first + await self._deliver_batch(route, batch[middle:])

    def _postpone(self, route: _Route, batch: Sequence[OutboxRow], answer: _Answer) -> list[Settled]:
        attempts = max(row.attempts for row in batch)
        wait_ms = answer.wait_ms
        if wait_ms is None:
            wait_ms = backoff_ms(attempts, self._jitter)
        until_ms = self._now_ms() + wait_ms
        alarm = explain_status(answer.status, answer.text, self.url, attempts, route.source.setting)
        if answer.status in (401, 403):
            route.paused_until_ms, route.alarm = until_ms, alarm
        else:
            self._host_alarm = alarm
            if answer.verdict == "pause" or answer.wait_ms is not None or answer.status is None:
                self.paused_until_ms = until_ms
        return [Settled(row.id, "retry", answer.status, answer.text, until_ms) for row in batch]

    async def _pretend(self, route: _Route, batch: Sequence[OutboxRow]) -> list[Settled]:
        """All of a request but the sending. Nothing is lost and nothing counts as sent."""
        _, body = await self._request(route, batch)
        log.info(
            DRY_RUN,
            url=self.url,
            key=route.source.setting,
            events=len(batch),
            bytes=len(body),
            gzip=self.settings.gzip,
            message_ids=[row.message_id for row in batch],
        )
        answer = f"{DRY_RUN}: not sent, in a request of {len(batch)} events and {len(body):,} bytes"
        return [Settled(row.id, "dead", None, answer) for row in batch]

    # ---- HTTP -------------------------------------------------------------------

    async def _request(self, route: _Route, batch: Sequence[OutboxRow]) -> tuple[dict[str, str], bytes]:
        key = route.source.write_key
        headers = {"Authorization": _basic_auth(key), "Content-Type": "application/json"}
        retries = max(row.attempts for row in batch)
        if retries:
            headers["X-Retry-Count"] = str(retries)
        body = self._body(key, batch)
        if self.settings.gzip:
            headers["Content-Encoding"] = "gzip"
            body = await asyncio.to_thread(gzip.compress, body, 6)
        return headers, body

    async def _post(self, route: _Route, batch: Sequence[OutboxRow]) -> _Answer:
        import aiohttp

        headers, body = await self._request(route, batch)
        try:
            async with self._open_session().post(
                self.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                text = await _read_text(response)
                return self._judge(response.status, text, response.headers.get("Retry-After"))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return _Answer(None, f"{type(error).__name__}: {error}"[:300], "retry")

    def _body(self, write_key: str, batch: Sequence[OutboxRow]) -> bytes:
        sent_at = iso_time(self._now_ms()).encode()
        events = b",".join(row.payload for row in batch)
        key = msgspec.json.encode(write_key)
        return b'{"batch":[' + events + b'],"sentAt":"' + sent_at + b'","writeKey":' + key + b"}"

    def _open_session(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
            self._session = aiohttp.ClientSession(timeout=timeout, trust_env=True)
        return self._session

    def _judge(self, status: int, text: str, retry_after: str | None) -> _Answer:
        answer = shorten(text.strip(), 300)
        verdict = judge_status(status, text)
        if verdict == "pause":
            return _Answer(status, answer, verdict, PAUSE_MS)
        wait_ms = parse_retry_after(retry_after, self._now_ms()) if verdict == "retry" else None
        return _Answer(status, answer, verdict, None if wait_ms is None else max(wait_ms, MIN_RETRY_AFTER_MS))


def explain_status(
    status: int | None,
    answer: str,
    url: str,
    attempts: int = LONG_ATTEMPTS,
    setting: str = "segment.write_key",
) -> str | None:
    """What is wrong and what to do about it, in a sentence; None while it is not worth a word."""
    if status is None:
        return f"Segment cannot be reached at {url} ({answer}); check the network or segment.host"
    if judge_status(status, "") == "retry":
        trouble = f"Segment has answered {status} since {attempts} attempts; events are kept and sent later"
        return trouble if attempts >= LONG_ATTEMPTS else None
    if status in (401, 403):
        return f"Segment answered {status}: check {setting}; events are kept until it is right"
    return (
        f"{url} answered {status} ({answer}), which Segment does not; "
        "check segment.host and segment.zone; events are kept until they are right"
    )


async def _read_text(response: aiohttp.ClientResponse) -> str:
    """The answer, up to a bound; to its end, because one that breaks off may come from a proxy that took nothing."""
    text = b""
    while len(text) < MAX_ANSWER_BYTES:
        more = await response.content.read(MAX_ANSWER_BYTES)
        if not more:
            break
        text += more
    return text.decode(errors="replace")


def _basic_auth(write_key: str) -> str:
    return "Basic " + base64.b64encode(f"{write_key}:".encode()).decode()


def _too_large(row: OutboxRow) -> Settled:
    size = len(row.payload)
    return Settled(
        row.id,
        "dead",
        None,
        f"the event is {size:,} bytes of JSON; Segment takes at most {MAX_EVENT_BYTES:,}",
    )


def _again(row: OutboxRow, like: Settled) -> Settled:
    return Settled(row.id, "retry", like.status, like.answer, like.next_try_ms)
