"""What companion apps send."""

from __future__ import annotations

from collections.abc import Iterator

from ...mobile import enrichment, intake
from ...store.database import SqlStore
from .finding import Finding

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
