"""What state a bridge is in, read from its folder and its broker, whether it runs or not. `doctor` prints it.

A fault is something a person should do something about, and says what; a note is worth knowing.
"""

from __future__ import annotations

import fcntl
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from ..config import Config
from ..errors import ConfigError, LocalError
from ..ingest import IngestSettings
from ..ingest.committer import OVER_QUOTA
from ..mapping.chunks import gap_reason
from ..mobile import enrichment, intake
from ..sessions.clock import TimeLine
from ..sessions.state import StreamState
from ..sinks.amplitude.rounds import PACED
from ..sinks.amplitude.rules import explain, make_urls
from ..sinks.segment import explain_status
from ..sources.tls import Tls
from ..store import overview
from ..store.base import DeviceRow
from ..store.database import SqlStore
from ..store.figures import SILENT_MS
from ..store.requests import requests
from ..watch.conditions import OLDEST_SANE_MS
from ..wire.messages import ClockQuality
from . import exposure, parts, replays, rules
from .links import login_of, tls_of

LATE_MS = 600_000  # an event that waits for longer than this is worth a word
SKEW_MS = 60_000
_RENEW_S = 30 * 86_400
_LISTED = 5
_BROKER_S = 5.0
_RETAINED_S = 0.3  # a broker sends what is retained right after it grants a subscription

Level = Literal["ok", "note", "FAULT"]


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    what: str
    text: str


def examine(config: Config, store: SqlStore, now_ms: int) -> Iterator[Finding]:
    """All that the store tells."""
    yield check_disk(config.bridge.data_dir)
    yield check_integrity(config.bridge.database)
    yield from check_sinks(config, store, now_ms)
    yield from (Finding(*one) for one in replays.diagnose(config, store, now_ms))
    yield from (Finding(*one) for one in rules.diagnose(config, store, parts.sink_names(config)))
    yield from check_dead_letters(store)
    yield check_gaps(store)
    yield check_retention(config, store)
    yield from check_deletions(store)
    yield from check_quotas(store)
    yield from check_apps(store)
    devices = store.devices()
    yield check_silence(devices, now_ms)
    yield from check_clocks(store, devices, now_ms)


def is_running(folder: Path) -> bool:
    """Whether a bridge holds the folder."""
    try:
        with (folder / "bridge.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def check_secrets(config: Config) -> Iterator[Finding]:
    """Files that others may read, and certificates that are about to be over."""
    for path in exposure.open_secrets(config):
        yield Finding("FAULT", "secrets", f"{path} can be read by others; run: chmod 600 {path}")
    found = [
        exposure.broker_certificate(config),
        exposure.page_certificate(config),
        exposure.apps_certificate(config),
    ]
    for cert in sorted({one.cert for one in found if one is not None}):
        yield check_certificate(cert, time.time())


def check_certificate(cert: Path, now_s: float) -> Finding:
    from ..keys.authority import ends_at

    try:
        left_s = ends_at(cert).timestamp() - now_s
    except LocalError as error:
        return Finding("FAULT", "certificate", str(error))
    if left_s <= 0:
        return Finding(
            "FAULT", "certificate", f"{cert} is over: nobody can connect; run: pixeltrail keys renew"
        )
    if left_s < _RENEW_S:
        return Finding(
            "note",
            "certificate",
            f"{cert} ends in {duration(int(left_s * 1000))}; run: pixeltrail keys renew",
        )
    return Finding("ok", "certificate", f"{cert} is good for {duration(int(left_s * 1000))}")


def check_disk(folder: Path) -> Finding:
    free, least = shutil.disk_usage(folder).free, IngestSettings().min_free_bytes
    text = f"{free >> 20:,} MB free"
    if free < least:
        return Finding(
            "FAULT", "disk", f"{text}; below {least >> 20} MB nothing is accepted: free some space"
        )
    if free < 4 * least:
        return Finding("note", "disk", f"{text}; below {least >> 20} MB nothing is accepted")
    return Finding("ok", "disk", text)


def check_integrity(database: Path) -> Finding:
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as db:
            (answer,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        answer = str(error)
    if answer != "ok":
        remedy = "stop the bridge, keep a copy, and restore a backup or recover it with sqlite3 .recover"
        return Finding("FAULT", "store", f"{database} is damaged ({answer}); {remedy}")
    return Finding("ok", "store", f"{database} is sound, {database.stat().st_size >> 10:,} KB")


# ---- sinks --------------------------------------------------------------------------


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


def check_deletions(store: SqlStore) -> Iterator[Finding]:
    """What vendors were asked to delete, and have not."""
    rows = requests(store)
    refused = [row for row in rows if row.state == "refused"]
    waiting = [row for row in rows if row.state == "waiting" and row.attempts]
    for row in refused[:_LISTED]:
        remedy = "see `pixeltrail forget --status`, and ask the vendor"
        yield Finding(
            "FAULT", "deletions", f"{row.vendor} refused {row.digest.hex()}: {row.answer}; {remedy}"
        )
    for row in waiting[:_LISTED]:
        yield Finding(
            "note",
            "deletions",
            f"{row.vendor} has not taken {row.digest.hex()} yet: {row.status} {row.answer}",
        )


# ---- companion apps -----------------------------------------------------------------

_APP_FAULTS = {
    intake.COUNT_PREFIX + enrichment.NO_DEVICE_ID: (
        "have no device ID",
        "let the app set context.device.id, or send the anonymousId that its library makes",
    ),
    intake.COUNT_PREFIX + enrichment.SESSION_SAID_NONE: (
        "say that they are in no session (-1)",
        "the app's session plugin was reset, or starts after the event; start it first",
    ),
    intake.COUNT_PREFIX + enrichment.SESSION_UNTRACKED: (
        "bring no session",
        "add the session plugin to the app, or turn mobile.track_sessions on",
    ),
    intake.COUNT_PREFIX + enrichment.SESSION_UNREADABLE: (
        "brought a session ID that Amplitude would refuse",
        "send ms since 1970 as a number; ours was put in its place",
    ),
    intake.COUNT_PREFIX + intake.LINK_UNKNOWN: (
        "carried a link token that no running session has",
        "let the app read the token again: it changes with the device's session",
    ),
}


def check_quotas(store: SqlStore) -> Iterator[Finding]:
    """Who sent more than it may, at any time."""
    over = {one: found[OVER_QUOTA] for one, found in store.counters().items() if OVER_QUOTA in found}
    for device_id, count in sorted(over.items(), key=lambda one: -one[1])[:_LISTED]:
        who = device_id or "devices never heard before"
        text = (
            f"{count:,} messages of {who} were above the quota; see why it sends so much, or raise [quotas]"
        )
        yield Finding("note", "quotas", text)


def check_apps(store: SqlStore) -> Iterator[Finding]:
    """How many events of companion apps miss what would join them to a session, and why."""
    counts = store.counters("").get("", {})
    events = counts.get(intake.COUNT_PREFIX + "events", 0)
    if not events:
        return
    is_whole = True
    for name, (what, remedy) in _APP_FAULTS.items():
        count = counts.get(name, 0)
        if count:
            is_whole = False
            share = 100 * count / events
            yield Finding("note", "apps", f"{count:,} of {events:,} events ({share:.1f} %) {what}; {remedy}")
    if is_whole:
        yield Finding("ok", "apps", f"all {events:,} events have a device ID and a session")


# ---- devices ------------------------------------------------------------------------


def check_silence(devices: list[DeviceRow], now_ms: int) -> Finding:
    silent = sorted(
        (one for one in devices if now_ms - one.last_seen_ms > SILENT_MS), key=lambda one: -one.last_seen_ms
    )
    if not silent:
        return Finding("ok", "devices", f"{len(devices)} known, none silent")
    named = ", ".join(
        f"{one.device_id} for {duration(now_ms - one.last_seen_ms)}" for one in silent[:_LISTED]
    )
    more = f" and {len(silent) - _LISTED} more" if len(silent) > _LISTED else ""
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
    for note in notes[:_LISTED]:
        yield Finding("note", "clock", note)
    if len(notes) > _LISTED:
        yield Finding("note", "clock", f"and {len(notes) - _LISTED} more devices")
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


# ---- broker -------------------------------------------------------------------------


def check_bridges(url: str, own: str, config: Config) -> Finding:
    """Who serves a broker; `own` is this folder's bridge ID in hex."""
    what = "bridges"
    try:
        others = announced_bridges(url, config) - {own}
    except (OSError, ConfigError) as error:
        return Finding(
            "FAULT", what, f"{url} could not be asked ({error}); check mqtt.url, user and password"
        )
    if others:
        text = f"bridge {', '.join(sorted(others))} serves the devices of {url}, and this folder's is {own}"
        remedy = "stop one of the two, or give both the same database; only the one that began first confirms chunks"
        return Finding("FAULT", what, f"{text}: {remedy}")
    return Finding("ok", what, f"no other bridge serves {url}")


def announced_bridges(url: str, config: Config) -> set[str]:
    """IDs of the bridges that announce themselves on a broker. OSError or ConfigError: it cannot be asked."""
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    parts_ = urlsplit(url)
    is_secure = parts_.scheme == "mqtts"
    client = paho.Client(CallbackAPIVersion.VERSION2)
    user, password = login_of(config)
    if user:
        client.username_pw_set(user, password or None)
    if is_secure:
        client.tls_set_context((tls_of(config) or Tls()).context())
    found: set[str] = set()
    answered, refused = threading.Event(), list[str]()

    def on_connect(one: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            refused.append(str(reason))
            answered.set()
        else:
            one.subscribe("pt/v1/_bridge/+")

    def on_message(_one: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        if message.payload:
            found.add(message.topic.rpartition("/")[2])

    client.on_connect, client.on_message = on_connect, on_message
    client.on_subscribe = lambda *_: answered.set()
    client.connect(parts_.hostname or "", parts_.port or (8883 if is_secure else 1883), keepalive=10)
    client.loop_start()
    try:
        if not answered.wait(_BROKER_S) or refused:
            raise OSError(refused[0] if refused else "no answer")
        time.sleep(_RETAINED_S)
    finally:
        client.disconnect()
        client.loop_stop()
    return found


def duration(ms: int) -> str:
    """In the largest unit that fits: 95 s, 12 min, 3 h, 4 days."""
    seconds = max(ms, 0) // 1000
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
