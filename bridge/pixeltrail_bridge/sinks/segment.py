"""Segment's HTTP Tracking API: `POST /v1/batch`, as Segment's own libraries speak it.

Limits are Segment's: 32 KB an event, 500 KB and 2,500 events a batch; beyond the last one it answers 200 and loses
events, so a batch stays at 100. What a status means:

- 2xx: taken, unless a web page came instead of an answer.
- 408, 410, 429, 460 and 5xx but 501 and 505: try again, after Retry-After (at most 300 s) where there is one.
- 400, 413, 422: about the events. The batch is halved until the culprit is alone; it becomes a dead letter.
- Anything else (401, 403, 404, redirects ...) is about the set-up: the sink pauses, raises an alarm, tries again
  every minute, and drops nothing.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

import aiohttp
import msgspec

from ..errors import ConfigError, shorten
from ..mapping.calls import OutboxRow, Settled, iso_time
from .base import Clock, backoff_ms, host_clock

HOSTS = {"US": "https://api.segment.io", "EU": "https://events.eu1.segmentapis.com"}
MAX_EVENT_BYTES = 32 << 10
MAX_BATCH_BYTES = 500_000
MAX_BATCH_EVENTS = 2_500
MAX_RETRY_AFTER_MS = 300_000
PAUSE_MS = 60_000
TIMEOUT_S = 15.0
LONG_ATTEMPTS = 5  # half a minute of failures is worth a word
MAX_ANSWER_BYTES = 65_536
_ENVELOPE_BYTES = 400  # braces, sentAt and the key

Verdict = Literal["sent", "retry", "split", "pause"]


@dataclass(frozen=True)
class SegmentSettings:
    write_key: str = field(repr=False)
    zone: str = "US"
    host: str | None = None  # a proxy or a compatible server instead of the zone's
    batch_events: int = 100
    gzip: bool = True

    def url(self) -> str:
        host = self.host or HOSTS.get(self.zone.upper())
        if host is None:
            raise ConfigError(f"segment.zone is {self.zone!r}; set it to US or EU, or set segment.host")
        if "://" not in host:
            host = f"https://{host}"
        return f"{host.rstrip('/').removesuffix('/v1')}/v1/batch"


@dataclass(frozen=True)
class _Answer:
    status: int | None  # None: no answer
    text: str
    verdict: Verdict
    wait_ms: int | None = None


class SegmentSink:
    name = "segment"

    def __init__(
        self,
        settings: SegmentSettings,
        *,
        now_ms: Clock = host_clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if not settings.write_key:
            raise ConfigError("segment.write_key is empty; set it to the write key of a Segment source")
        self.settings, self.url = settings, settings.url()
        self.alarm: str | None = None
        self.paused_until_ms = 0
        self._now_ms, self._jitter = now_ms, jitter
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, rows: Sequence[OutboxRow]) -> list[Settled]:
        results = [_too_large(row) for row in rows if len(row.payload) > MAX_EVENT_BYTES]
        batches = make_batches(
            [row for row in rows if len(row.payload) <= MAX_EVENT_BYTES], self.settings.batch_events
        )
        waiting: Settled | None = None
        for batch in batches:
            if waiting is None:
                settled = await self._deliver_batch(batch)
                results += settled
                waiting = next((one for one in settled if one.state == "retry"), None)
            else:  # what comes after a failed batch waits with it, so that order holds
                results += [_again(row, waiting) for row in batch]
        return results

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _deliver_batch(self, batch: Sequence[OutboxRow]) -> list[Settled]:
        answer = await self._post(batch)
        if answer.verdict == "sent":
            self.alarm = None
            return [Settled(row.id, "sent", answer.status, answer.text) for row in batch]
        if answer.verdict == "split":
            return await self._split(batch, answer)
        return self._postpone(batch, answer)

    async def _split(self, batch: Sequence[OutboxRow], answer: _Answer) -> list[Settled]:
        if len(batch) == 1:
            return [Settled(batch[0].id, "dead", answer.status, f"Segment refused the event: {answer.text}")]
        middle = len(batch) // 2
        first = await self._deliver_batch(batch[:middle])
        waiting = next((one for one in first if one.state == "retry"), None)
        if waiting is not None:
            return first + [_again(row, waiting) for row in batch[middle:]]
        return first + await self._deliver_batch(batch[middle:])

    def _postpone(self, batch: Sequence[OutboxRow], answer: _Answer) -> list[Settled]:
        wait_ms = answer.wait_ms
        if wait_ms is None:
            wait_ms = backoff_ms(max(row.attempts for row in batch), self._jitter)
        until_ms = self._now_ms() + wait_ms
        if answer.verdict == "pause" or answer.wait_ms is not None or answer.status is None:
            self.paused_until_ms = until_ms
        self.alarm = self._explain(answer, max(row.attempts for row in batch))
        return [Settled(row.id, "retry", answer.status, answer.text, until_ms) for row in batch]

    def _explain(self, answer: _Answer, attempts: int) -> str | None:
        if answer.status is None:
            return (
                f"Segment cannot be reached at {self.url} ({answer.text}); check the network or segment.host"
            )
        if answer.verdict == "retry":
            trouble = f"Segment has answered {answer.status} since {attempts} attempts; events are kept and sent later"
            return trouble if attempts >= LONG_ATTEMPTS else None
        if answer.status in (401, 403):
            return f"Segment answered {answer.status}: check segment.write_key; events are kept until it is right"
        return (
            f"{self.url} answered {answer.status} ({answer.text}), which Segment does not; "
            "check segment.host and segment.zone; events are kept until they are right"
        )

    async def _post(self, batch: Sequence[OutboxRow]) -> _Answer:
        headers = {"Authorization": self._basic_auth(), "Content-Type": "application/json"}
        retries = max(row.attempts for row in batch)
        if retries:
            headers["X-Retry-Count"] = str(retries)
        body = self._body(batch)
        if self.settings.gzip:
            headers["Content-Encoding"] = "gzip"
            body = await asyncio.to_thread(gzip.compress, body, 6)
        try:
            async with self._open_session().post(
                self.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                text = await _read_text(response)
                return self._judge(response.status, text, response.headers.get("Retry-After"))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return _Answer(None, f"{type(error).__name__}: {error}"[:300], "retry")

    def _body(self, batch: Sequence[OutboxRow]) -> bytes:
        sent_at = iso_time(self._now_ms()).encode()
        key = msgspec.json.encode(self.settings.write_key)
        events = b",".join(row.payload for row in batch)
        return b'{"batch":[' + events + b'],"sentAt":"' + sent_at + b'","writeKey":' + key + b"}"

    def _basic_auth(self) -> str:
        return "Basic " + base64.b64encode(f"{self.settings.write_key}:".encode()).decode()

    def _open_session(self) -> aiohttp.ClientSession:
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
        return _Answer(status, answer, verdict, wait_ms)


async def _read_text(response: aiohttp.ClientResponse) -> str:
    """The answer, up to a bound; to its end, because one that breaks off may come from a proxy that took nothing."""
    text = b""
    while len(text) < MAX_ANSWER_BYTES:
        more = await response.content.read(MAX_ANSWER_BYTES)
        if not more:
            break
        text += more
    return text.decode(errors="replace")


def judge_status(status: int, text: str) -> Verdict:
    """What to do with a batch that was answered so; see the top of this file."""
    if 200 <= status < 300:
        return "pause" if text.lstrip().startswith("<") else "sent"
    if status in (408, 410, 429, 460) or (status >= 500 and status not in (501, 505)):
        return "retry"
    return "split" if status in (400, 413, 422) else "pause"


def parse_retry_after(value: str | None, now_ms: int) -> int | None:
    """ms to wait: whole seconds or an HTTP date (RFC 9110, 10.2.3), at most 300 s; None when it says nothing."""
    if not value:
        return None
    value = value.strip()
    if value.isdecimal():
        return min(int(value[:9]) * 1000, MAX_RETRY_AFTER_MS)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    moment = when if when.tzinfo else when.replace(tzinfo=UTC)
    wait_ms = int((moment - datetime.fromtimestamp(now_ms / 1000, UTC)).total_seconds() * 1000)
    return min(max(wait_ms, 0), MAX_RETRY_AFTER_MS)


def make_batches(rows: Sequence[OutboxRow], events: int) -> list[list[OutboxRow]]:
    """Cut into batches of at most `events` and within Segment's limits, order kept."""
    events = min(max(events, 1), MAX_BATCH_EVENTS)
    batches: list[list[OutboxRow]] = []
    size = 0
    for row in rows:
        size += len(row.payload) + 1
        if not batches or len(batches[-1]) == events or size > MAX_BATCH_BYTES - _ENVELOPE_BYTES:
            batches.append([])
            size = len(row.payload) + 1
        batches[-1].append(row)
    return batches


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
