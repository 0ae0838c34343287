"""Finding sessions: by device, user, event, property, time and star, newest first, a page at a time.

Names of events are looked up in `event_names`, which `refresh_event_names` brings up to date first. Properties are not
indexed: their events are read, newest first and no more than PROPERTY_EVENTS of them, and the answer says when that was
not all.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ..sessions.state import SessionRow
from .base import EventRow
from .database import SqlStore
from .readers import _session

PROPERTY_EVENTS: Final = 20_000  # about a second's work
_NAMES_A_TURN: Final = 50_000
_OVERLAP: Final = 5_000  # events that another process may have committed below the newest
_CURSOR: Final = "event_names_cursor"
_FIELDS: Final = 8  # deep, in a property's value

_ROW = (
    "d.device_id, s.session_id, s.number, s.boot, s.stream, s.start_ms, s.last_ms, s.end_ms, s.sampled, s.estimated,"
    " s.user_id"
)
_COUNTS = """
(SELECT coalesce(sum(frames), 0) FROM clips c WHERE c.device = s.device AND c.session_id = s.session_id),
(SELECT count(*) FROM events e WHERE e.device = s.device AND e.session_id = s.session_id),
(SELECT count(*) FROM gaps g WHERE g.device = s.device AND g.session_id = s.session_id),
(SELECT max(starred_ms) FROM stars t WHERE t.device = s.device AND t.session_id = s.session_id)
"""
_ADD_NAMES = (
    "INSERT INTO event_names (event, device, session_id) SELECT DISTINCT event, device, session_id FROM events"
    " WHERE id > ? AND id <= ? AND session_id > 0 ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for; None and "" mean anything. Each word of `text` is in the device's ID, the user or an event.

    `before` is the place (start_ms, device_id, session_id) to go on after; times are ms since 1970.
    """

    device_id: str | None = None
    user_id: str | None = None
    event: str | None = None
    property: tuple[str, str] | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    text: str = ""
    starred: bool = False
    before: tuple[int, str, int] | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class SessionFound:
    row: SessionRow
    frames: int
    events: int
    gaps: int
    starred: bool


@dataclass(frozen=True, slots=True)
class Page:
    """`next`: where to go on; `is_complete` is False when not all events could be looked at for a property."""

    sessions: list[SessionFound]
    next: tuple[int, str, int] | None
    is_complete: bool = True


def find_sessions(store: SqlStore, wanted: Wanted) -> Page:
    if wanted.event or wanted.text:
        refresh_event_names(store)
    places, is_complete = None, True
    if wanted.property is not None:
        places, is_complete = _with_property(store, wanted)
        if not places:
            return Page([], None, is_complete)
    where, values = _conditions(wanted)
    if places is not None:
        where.append("(" + " OR ".join(["s.device = ? AND s.session_id = ?"] * len(places)) + ")")
        values += [value for place in places for value in place]
    query = (
        f"SELECT {_ROW}, {_COUNTS} FROM sessions s JOIN devices d ON d.no = s.device"
        f" WHERE {' AND '.join(where) or 'true'}"
        " ORDER BY s.start_ms DESC, d.device_id DESC, s.session_id DESC LIMIT ?"
    )
    rows = store._all(query, *values, wanted.limit + 1)
    found = [_found(row) for row in rows[: wanted.limit]]
    more = len(rows) > wanted.limit
    last = found[-1].row if more else None
    return Page(found, (last.start_ms, last.device_id, last.session_id) if last else None, is_complete)


def find_session(store: SqlStore, device_id: str, session_id: int) -> SessionFound | None:
    query = (
        f"SELECT {_ROW}, {_COUNTS} FROM sessions s JOIN devices d ON d.no = s.device"
        " WHERE d.device_id = ? AND s.session_id = ?"
    )
    rows = store._all(query, device_id, session_id)
    return _found(rows[0]) if rows else None


def refresh_event_names(store: SqlStore) -> None:
    """Read the events that came since the last time, a piece at a time."""
    (newest,) = store._all("SELECT coalesce(max(id), 0) FROM events")[0]
    while True:
        known = store._all("SELECT value FROM meta WHERE key = ?", _CURSOR)
        cursor = int.from_bytes(bytes(known[0][0])) if known else 0
        if cursor >= newest:
            return
        end = min(newest, cursor + _NAMES_A_TURN)
        first = max(0, cursor - _OVERLAP)

        def work(tx: Any, first: int = first, end: int = end) -> None:
            tx.db.execute(_ADD_NAMES, (first, end))
            tx.db.execute(
                "INSERT INTO meta (key, value) VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (_CURSOR, end.to_bytes(8)),
            )

        store.commit_batch(work)


def event(store: SqlStore, event_id: int) -> EventRow | None:
    rows = store.events(after_id=event_id - 1, limit=1)
    return rows[0] if rows and rows[0].id == event_id else None


def event_times(store: SqlStore, device_id: str, session_id: int, limit: int, without: str) -> list[int]:
    """When a session's events happened; those called `without` are left out."""
    query = (
        "SELECT time_ms FROM events WHERE device = (SELECT no FROM devices WHERE device_id = ?) AND session_id = ?"
        " AND event <> ? LIMIT ?"
    )
    return [time_ms for (time_ms,) in store._all(query, device_id, session_id, without, limit)]


def set_star(store: SqlStore, device_id: str, session_id: int, is_starred: bool) -> None:
    """Keep a session, or no longer. One that does not exist is left alone."""
    put = (
        "INSERT INTO stars (device, session_id, starred_ms) SELECT s.device, s.session_id, ? FROM sessions s"
        " JOIN devices d ON d.no = s.device WHERE d.device_id = ? AND s.session_id = ? ON CONFLICT DO NOTHING"
    )
    drop = "DELETE FROM stars WHERE device = (SELECT no FROM devices WHERE device_id = ?) AND session_id = ?"
    values = (device_id, session_id)
    if is_starred:
        now_ms = time.time_ns() // 1_000_000
        store.commit_batch(lambda tx: tx.db.execute(put, (now_ms, *values)))
    else:
        store.commit_batch(lambda tx: tx.db.execute(drop, values))


def _conditions(wanted: Wanted) -> tuple[list[str], list[Any]]:
    where, values = list[str](), list[Any]()

    def add(condition: str, *more: Any) -> None:
        where.append(condition)
        values.extend(more)

    if wanted.device_id:
        add("d.device_id = ?", wanted.device_id)
    if wanted.user_id:
        add("s.user_id = ?", wanted.user_id)
    if wanted.from_ms is not None:
        add("coalesce(s.end_ms, s.last_ms) >= ?", wanted.from_ms)
    if wanted.to_ms is not None:
        add("s.start_ms <= ?", wanted.to_ms)
    if wanted.event:
        add(
            "EXISTS (SELECT 1 FROM event_names n WHERE n.event = ? AND n.device = s.device"
            " AND n.session_id = s.session_id)",
            wanted.event,
        )
    if wanted.starred:
        add("EXISTS (SELECT 1 FROM stars t WHERE t.device = s.device AND t.session_id = s.session_id)")
    for word in wanted.text.split()[:_FIELDS]:
        like = f"%{_escaped(word.lower())}%"
        add(
            r"(lower(d.device_id) LIKE ? ESCAPE '\' OR lower(coalesce(s.user_id, '')) LIKE ? ESCAPE '\'"
            r" OR EXISTS (SELECT 1 FROM event_names n WHERE n.device = s.device AND n.session_id = s.session_id"
            r" AND lower(n.event) LIKE ? ESCAPE '\'))",
            like,
            like,
            like,
        )
    if wanted.before is not None:
        start_ms, device_id, session_id = wanted.before
        add(
            "(s.start_ms < ? OR s.start_ms = ? AND (d.device_id < ? OR d.device_id = ? AND s.session_id < ?))",
            start_ms,
            start_ms,
            device_id,
            device_id,
            session_id,
        )
    return where, values


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _with_property(store: SqlStore, wanted: Wanted) -> tuple[list[tuple[int, int]], bool]:
    """Device and session numbers of those with such an event, the newest first; and whether all were looked at."""
    assert wanted.property is not None
    where, values = "session_id > 0", list[Any]()
    if wanted.device_id:
        where += " AND device = (SELECT no FROM devices WHERE device_id = ?)"
        values.append(wanted.device_id)
    if wanted.event:
        where += " AND event = ?"
        values.append(wanted.event)
    if wanted.from_ms is not None:
        where += " AND time_ms >= ?"
        values.append(wanted.from_ms)
    if wanted.to_ms is not None:
        where += " AND time_ms <= ?"
        values.append(wanted.to_ms)
    query = f"SELECT id, device, session_id, payload FROM events WHERE id < ? AND {where} ORDER BY id DESC LIMIT ?"
    found: dict[tuple[int, int], None] = {}
    before, looked, page = 1 << 62, 0, 500
    while looked < PROPERTY_EVENTS and len(found) < 4 * wanted.limit:
        rows = store._all(query, before, *values, page)
        for number, device, session_id, payload in rows:
            before = number
            if (device, session_id) not in found and _has_property(bytes(payload), *wanted.property):
                found[device, session_id] = None
        looked += len(rows)
        if len(rows) < page:
            return list(found), True
    return list(found), False


def _has_property(payload: bytes, name: str, value: str) -> bool:
    """Whether an event's `properties` or `traits` has it; `a.b` looks into `a`. An empty value means any."""
    last = name.rsplit(".", 1)[-1]
    if last.isascii() and last.encode() not in payload:
        return False  # most events end here, without being parsed
    try:
        call = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return False
    if not isinstance(call, dict):
        return False
    for place in (call.get("properties"), call.get("traits")):
        found = _look_up(place, name)
        if found is not _MISSING and (not value or _as_text(found) == value):
            return True
    return False


_MISSING: Final = object()


def _look_up(place: Any, name: str) -> Any:
    if isinstance(place, dict) and name in place:
        return place[name]
    for key in name.split(".")[:_FIELDS]:
        if not isinstance(place, dict) or key not in place:
            return _MISSING
        place = place[key]
    return place


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _found(row: Any) -> SessionFound:
    *session, frames, events, gaps, starred_ms = row
    return SessionFound(_session(session), int(frames), int(events), int(gaps), starred_ms is not None)
