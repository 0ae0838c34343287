"""The rules of Segment's HTTP Tracking API for those who send to it: hosts, limits, and what an answer means.

The figures are those of Segment's own libraries (analytics-python, analytics-node). Where they drop an event, we keep
it: only what Segment refuses on its own (400, 413, 422, or above 32 KB) becomes a dead letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import urlsplit

from ..errors import ConfigError
from ..mapping.calls import OutboxRow

HOSTS = {"US": "https://api.segment.io", "EU": "https://events.eu1.segmentapis.com"}
# Every spelling of Segment's own hosts that its documentation has used. EU data sent to a US host is answered 200 and
# shows up nowhere, so a host of the other zone is refused before anything is sent.
ZONE_OF_HOST = {
    "api.segment.io": "US",
    "api.segment.com": "US",
    "cdn.segment.com": "US",
    "events.eu1.segmentapis.com": "EU",
    "eu1.api.segmentapis.com": "EU",
    "eu1.api.segment.com": "EU",
}
MAX_EVENT_BYTES = 32 << 10
MAX_BATCH_BYTES = 500_000
MAX_BATCH_EVENTS = 2_500
MAX_RETRY_AFTER_MS = 300_000
MIN_RETRY_AFTER_MS = 1_000  # "0" is no invitation to ask without a pause
_ENVELOPE_BYTES = 100  # braces, names and sentAt; the write key comes on top

Verdict = Literal["sent", "retry", "split", "pause"]


def batch_url(zone: str, host: str | None) -> str:
    """Where batches go. ConfigError: there is no such zone, or the host belongs to the other one."""
    zone = zone.upper()
    if zone not in HOSTS:
        raise ConfigError(f"segment.zone is {zone.lower()!r}; set it to us or eu")
    address = host or HOSTS[zone]
    if "://" not in address:
        address = f"https://{address}"
    name = urlsplit(address).hostname or ""
    theirs = ZONE_OF_HOST.get(name, zone)
    if theirs != zone:
        raise ConfigError(
            f"segment.host is {name}, which is in zone {theirs.lower()}, and segment.zone is {zone.lower()}; "
            f'set segment.zone = "{theirs.lower()}", or leave segment.host out'
        )
    return f"{address.rstrip('/').removesuffix('/v1')}/v1/batch"


def judge_status(status: int, text: str) -> Verdict:
    """What to do with a batch that was answered so; see the table in docs/segment.md."""
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


def make_batches(rows: Sequence[OutboxRow], events: int, key_bytes: int = 300) -> list[list[OutboxRow]]:
    """Cut into batches of at most `events` and within Segment's limits, order kept."""
    events = min(max(events, 1), MAX_BATCH_EVENTS)
    batches: list[list[OutboxRow]] = []
    size = 0
    for row in rows:
        size += len(row.payload) + 1
        if not batches or len(batches[-1]) == events or size > MAX_BATCH_BYTES - _ENVELOPE_BYTES - key_bytes:
            batches.append([])
            size = len(row.payload) + 1
        batches[-1].append(row)
    return batches
