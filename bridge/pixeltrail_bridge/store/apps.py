"""Companion apps: what is kept of each, and which session a device was in at a moment.

Reads and writes here run inside a transaction: an app's state is read, changed and written under the lock of its row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from .readers import Readers
from .sql import Connection

OPEN_MS: Final = 30 * 60_000  # a session that nobody ended and nothing came of for this long is over
_PREFIX: Final = "app-"
_SESSION_AT = """
SELECT s.session_id, s.sampled, s.last_ms, s.end_ms, d.state FROM sessions s JOIN devices d ON d.no = s.device
WHERE d.device_id = ? AND s.start_ms <= ? ORDER BY s.start_ms DESC LIMIT 1
"""
_OPEN = """
SELECT d.device_id, s.session_id FROM sessions s JOIN devices d ON d.no = s.device
WHERE s.end_ms IS NULL AND s.last_ms >= ? ORDER BY s.last_ms DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class AppRow:
    """`device_id` is that of the app's own row among the devices; `state` its AppState as JSON."""

    key: str
    device_id: str
    state: bytes
    first_seen_ms: int
    last_seen_ms: int


@dataclass(frozen=True, slots=True)
class SessionAt:
    """`state` is the device's DeviceState as JSON. `session_id` is None where the device was in none."""

    session_id: int | None
    sampled: bool
    state: bytes


def app_device_id(key: str) -> str:
    """Under which device ID an app's events are kept: its own ID may hold anything."""
    return _PREFIX + blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def load_app(db: Connection, key: str, locking: str = "") -> AppRow | None:
    """An app, locked for this transaction."""
    row = db.execute(
        "SELECT key, device, state, first_seen_ms, last_seen_ms FROM apps WHERE key = ?" + locking, (key,)
    ).fetchone()
    return None if row is None else AppRow(row[0], app_device_id(key), bytes(row[2]), row[3], row[4])


def put_app(db: Connection, key: str, state: bytes, now_ms: int) -> str:
    """Write an app's state, with a device row for it where there is none; returns that row's device ID."""
    device_id = app_device_id(key)
    db.execute(
        "INSERT INTO devices (device_id, state, first_seen_ms, last_seen_ms, is_online) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (device_id) DO UPDATE SET last_seen_ms = excluded.last_seen_ms",
        (device_id, b"{}", now_ms, now_ms, False),
    )
    db.execute(
        "INSERT INTO apps (key, device, state, first_seen_ms, last_seen_ms)"
        " SELECT ?, no, ?, ?, ? FROM devices WHERE device_id = ?"
        " ON CONFLICT (key) DO UPDATE SET state = excluded.state, last_seen_ms = excluded.last_seen_ms",
        (key, state, now_ms, now_ms, device_id),
    )
    return device_id


def is_device(db: Connection, device_id: str) -> bool:
    """Whether a device of this ID has reported; an app's own row is none."""
    query = (
        "SELECT 1 FROM devices d WHERE d.device_id = ?"
        " AND NOT EXISTS (SELECT 1 FROM apps a WHERE a.device = d.no)"
    )
    return db.execute(query, (device_id,)).fetchone() is not None


def session_at(db: Connection, device_id: str, at_ms: int) -> SessionAt | None:
    """The session a device was in at a host time; None when there is no session that began before."""
    row = db.execute(_SESSION_AT, (device_id, at_ms)).fetchone()
    if row is None:
        return None
    session_id, sampled, last_ms, end_ms, state = row
    is_over = at_ms > (last_ms + OPEN_MS if end_ms is None else end_ms)
    return SessionAt(None if is_over else session_id, bool(sampled), bytes(state))


def open_sessions(db: Connection, now_ms: int, limit: int) -> list[tuple[str, int]]:
    """Device and session ID of those that run, the most recently heard of first."""
    return [(row[0], row[1]) for row in db.execute(_OPEN, (now_ms - OPEN_MS, limit))]


def apps(store: Readers) -> list[AppRow]:
    """All of them, the one heard of last first."""
    query = (
        "SELECT a.key, d.device_id, a.state, a.first_seen_ms, a.last_seen_ms FROM apps a"
        " JOIN devices d ON d.no = a.device ORDER BY a.last_seen_ms DESC, a.key"
    )
    return [_app(row) for row in store._all(query)]


def app_ids(store: Readers) -> frozenset[str]:
    """Device IDs of the rows that stand for apps."""
    rows: Iterable[Any] = store._all("SELECT d.device_id FROM apps a JOIN devices d ON d.no = a.device")
    return frozenset(row[0] for row in rows)


def _app(row: Any) -> AppRow:
    return AppRow(row[0], row[1], bytes(row[2]), row[3], row[4])
