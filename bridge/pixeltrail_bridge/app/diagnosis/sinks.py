"""What waits to be sent on, and what was given up on."""

from __future__ import annotations

from collections.abc import Iterator

from ...config import Config
from ...errors import ConfigError
from ...sinks.amplitude.rounds import PACED
from ...sinks.amplitude.rules import explain, make_urls
from ...sinks.segment import explain_status
from ...store import overview
from ...store.database import SqlStore
from ...store.requests import requests
from .. import parts
from .finding import LISTED, Finding, duration
from .machine import is_running

LATE_MS = 600_000  # an event that waits for longer than this is worth a word


def check_sinks(config: Config, store: SqlStore, now_ms: int) -> Iterator[Finding]:
    names = parts.sink_names(config)
    found = {one.sink: one for one in overview.backlogs(store)}
    for name in names:
        backlog = found.pop(name, None)
        yield (
            Finding("ok", f"sink {name}", "nothing waits") if not backlog else _judge(config, backlog, now_ms)
        )
    for name, backlog in found.items():
        text = f"{backlog.waiting:,} events wait for it, and no setting makes it any more; add it again"
        yield Finding("note", f"sink {name}", text)
    for name, is_dry in (("segment", config.segment.dry_run), ("amplitude", config.amplitude.dry_run)):
        if is_dry:
            remedy = f"turn it off, then `pixeltrail dlq retry --sink {name}`"
            yield Finding("note", f"sink {name}", f"{name}.dry_run is on: nothing is sent; {remedy}")


def _judge(config: Config, backlog: overview.Backlog, now_ms: int) -> Finding:
    what, waits = f"sink {backlog.sink}", f"{backlog.waiting:,} events wait"
    age = f", the oldest for {duration(now_ms - backlog.oldest_ms)}"
    if backlog.attempts and backlog.answer == PACED:
        return Finding("ok", what, f"{waits}{age}, {backlog.answer}")
    if backlog.attempts:
        reason = backlog.answer or "it failed"
        if backlog.sink == "segment":
            reason = explain_status(backlog.status, reason, _segment_url(config)) or reason
        elif backlog.sink == "amplitude":
            reason = explain(backlog.status, reason, _amplitude_url(config)) or reason
        pause_ms = backlog.next_try_ms - now_ms
        again = f"; tried again in {duration(pause_ms)}" if pause_ms > 0 else ""
        return Finding("FAULT", what, f"{waits}{age}, after {backlog.attempts} attempts: {reason}{again}")
    if now_ms - backlog.oldest_ms > LATE_MS:
        hint = "is the bridge running?" if not is_running(config.bridge.data_dir) else "see its log"
        return Finding("FAULT", what, f"{waits}{age}; {hint}")
    return Finding("ok", what, waits)


def _segment_url(config: Config) -> str:
    try:
        return parts.segment_settings(config).url()
    except ConfigError as error:
        return str(error)


def _amplitude_url(config: Config) -> str:
    try:
        settings = parts.amplitude_settings(config)
        return make_urls(settings.zone, settings.host)["httpapi"]
    except ConfigError as error:
        return str(error)


def check_dead_letters(store: SqlStore) -> Iterator[Finding]:
    reasons = overview.dead_letter_reasons(store)
    if not reasons:
        yield Finding("ok", "dead letters", "none")
    for kind, reason, count in reasons:
        remedy = f"see `pixeltrail dlq list --kind {kind}`, then retry or purge"
        yield Finding("FAULT", "dead letters", f"{count:,} of {kind}: {reason}; {remedy}")


def check_deletions(store: SqlStore) -> Iterator[Finding]:
    """What vendors were asked to delete, and have not."""
    rows = requests(store)
    refused = [row for row in rows if row.state == "refused"]
    waiting = [row for row in rows if row.state == "waiting" and row.attempts]
    for row in refused[:LISTED]:
        remedy = "see `pixeltrail forget --status`, and ask the vendor"
        yield Finding(
            "FAULT", "deletions", f"{row.vendor} refused {row.digest.hex()}: {row.answer}; {remedy}"
        )
    for row in waiting[:LISTED]:
        yield Finding(
            "note",
            "deletions",
            f"{row.vendor} has not taken {row.digest.hex()} yet: {row.status} {row.answer}",
        )
