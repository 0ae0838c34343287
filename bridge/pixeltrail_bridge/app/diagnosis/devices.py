"""What is known of devices: what is missing of them, who is silent, who sends too much, and their clocks."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ...config import Config
from ...ingest.committer import OVER_QUOTA
from ...ingest.seals import NOT_GENUINE
from ...mapping.chunks import gap_reason
from ...sessions.clock import TimeLine
from ...sessions.state import StreamState
from ...store import overview
from ...store.base import DeviceRow
from ...store.database import SqlStore
from ...store.figures import SILENT_MS
from ...watch.conditions import OLDEST_SANE_MS
from ...wire.messages import ClockQuality
from .finding import LISTED, Finding, duration

SKEW_MS = 60_000


def check_gaps(store: SqlStore) -> Finding:
    gaps = overview.gap_reasons(store)
    if not gaps:
        return Finding("ok", "gaps", "none")
    text = ", ".join(f"{count:,} because of {gap_reason(reason)}" for reason, count in gaps)
    return Finding("note", "gaps", f"parts of recordings are missing: {text}")


def check_retention(config: Config, store: SqlStore) -> Finding:
    """How long what is kept, and whether something is here for longer than it may be."""
    at = config.retention
    limits = {
        kind: days
        for kind in ("recordings", "sessions", "events", "dead_letters", "uploads", "devices")
        if (days := getattr(at, f"{kind}_days"))
    }
    if not limits:
        return Finding("ok", "retention", "everything is kept for ever; [retention] sets other times")
    counts = store.counters("").get("", {})
    told = ", ".join(
        f"{kind.replace('_', ' ')} {days:g} days ({counts.get(f'retention_{kind}', 0):,} gone)"
        for kind, days in limits.items()
    )
    return Finding("ok", "retention", told)


def check_quotas(store: SqlStore) -> Iterator[Finding]:
    """Who sent more than it may, at any time."""
    over = {one: found[OVER_QUOTA] for one, found in store.counters().items() if OVER_QUOTA in found}
    for device_id, count in sorted(over.items(), key=lambda one: -one[1])[:LISTED]:
        who = device_id or "devices never heard before"
        text = (
            f"{count:,} messages of {who} were above the quota; see why it sends so much, or raise [quotas]"
        )
        yield Finding("note", "quotas", text)


def check_signatures(store: SqlStore) -> Iterator[Finding]:
    """In whose name messages came that were refused for their signature, at any time."""
    found = {one: counts[NOT_GENUINE] for one, counts in store.counters().items() if NOT_GENUINE in counts}
    for device_id, count in sorted(found.items(), key=lambda one: -one[1])[:LISTED]:
        who = device_id or "devices without a key to sign with"
        text = f"{count:,} messages of {who} were refused; `pixeltrail dlq list --kind signature` tells why"
        yield Finding("note", "signatures", text)


def check_silence(devices: list[DeviceRow], now_ms: int) -> Finding:
    silent = sorted(
        (one for one in devices if now_ms - one.last_seen_ms > SILENT_MS), key=lambda one: -one.last_seen_ms
    )
    if not silent:
        return Finding("ok", "devices", f"{len(devices)} known, none silent")
    named = ", ".join(f"{one.device_id} for {duration(now_ms - one.last_seen_ms)}" for one in silent[:LISTED])
    more = f" and {len(silent) - LISTED} more" if len(silent) > LISTED else ""
    return Finding("note", "devices", f"{len(silent)} of {len(devices)} are silent: {named}{more}")


def check_clocks(store: SqlStore, devices: list[DeviceRow], now_ms: int) -> Iterator[Finding]:
    if now_ms < OLDEST_SANE_MS:
        yield Finding("FAULT", "clock", "this machine's clock was never set; set it, or switch on NTP")
        return
    future = [one.device_id for one in devices if one.last_seen_ms > now_ms + SKEW_MS]
    if future:
        text = f"{future[0]} was heard in the future: this machine's clock was set back; check it"
        yield Finding("FAULT", "clock", text)
    notes = [note for one in devices for note in _clock_notes(store, one)]
    for note in notes[:LISTED]:
        yield Finding("note", "clock", note)
    if len(notes) > LISTED:
        yield Finding("note", "clock", f"and {len(notes) - LISTED} more devices")
    if not notes and not future:
        yield Finding("ok", "clock", "every device's time is known")


def _clock_notes(store: SqlStore, device: DeviceRow) -> Iterator[str]:
    streams = store.streams(device.device_id)
    if not streams:
        return
    line = msgspec.json.decode(streams[-1].line, type=TimeLine)
    state = msgspec.json.decode(streams[-1].state, type=StreamState)
    if line.quality != ClockQuality.GOOD:
        yield f"{device.device_id}: its times are estimated, because no sync has come"
    if line.segments:
        yield f"{device.device_id}: its clock or this machine's jumped {len(line.segments)} times"
    if state.epoch_offset_ms is not None and abs(state.epoch_offset_ms - line.offset_ms) > SKEW_MS:
        off = duration(abs(state.epoch_offset_ms - line.offset_ms))
        yield f"{device.device_id}: its own clock is {off} off this machine's"
