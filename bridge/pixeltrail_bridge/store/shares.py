"""Links to single sessions: when each ends, and whether somebody withdrew it; and the secret that signs them.

The secret is in the database, where every process that shows pages finds it. Whoever can read the database needs no
link.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Final

from .database import SqlStore

SHARE_ID_BYTES: Final = 12
_SECRET: Final = "share_secret"
_SECRET_BYTES: Final = 32
_COLUMNS = "h.id, d.device_id, h.session_id, h.created_ms, h.expires_ms, h.revoked_ms"
_FROM = "FROM shares h JOIN devices d ON d.no = h.device"


@dataclass(frozen=True, slots=True)
class ShareRow:
    id: bytes
    device_id: str
    session_id: int
    created_ms: int
    expires_ms: int
    revoked_ms: int | None


def share_secret(store: SqlStore) -> bytes:
    """Made on first use."""
    query = "SELECT value FROM meta WHERE key = ?"
    rows = store._all(query, _SECRET)
    if not rows:
        made = os.urandom(_SECRET_BYTES)
        put = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
        store.commit_batch(lambda tx: tx.db.execute(put, (_SECRET, made)))
        rows = store._all(query, _SECRET)
    return bytes(rows[0][0])


def add_share(
    store: SqlStore, device_id: str, session_id: int, now_ms: int, expires_ms: int
) -> ShareRow | None:
    """None when there is no such session."""
    share_id = os.urandom(SHARE_ID_BYTES)
    put = (
        "INSERT INTO shares (id, device, session_id, created_ms, expires_ms)"
        " SELECT ?, s.device, s.session_id, ?, ? FROM sessions s JOIN devices d ON d.no = s.device"
        " WHERE d.device_id = ? AND s.session_id = ?"
    )
    values = (share_id, now_ms, expires_ms, device_id, session_id)
    if not store.commit_batch(lambda tx: tx.db.execute(put, values).rowcount):
        return None
    return ShareRow(share_id, device_id, session_id, now_ms, expires_ms, None)


def share(store: SqlStore, share_id: bytes) -> ShareRow | None:
    rows = store._all(f"SELECT {_COLUMNS} {_FROM} WHERE h.id = ?", share_id)
    return _share(rows[0]) if rows else None


def shares(store: SqlStore, device_id: str, session_id: int) -> list[ShareRow]:
    """Of a session, oldest first, also those that have ended."""
    query = (
        f"SELECT {_COLUMNS} {_FROM} WHERE d.device_id = ? AND h.session_id = ? ORDER BY h.created_ms, h.id"
    )
    return [_share(row) for row in store._all(query, device_id, session_id)]


def revoke_share(store: SqlStore, share_id: bytes, now_ms: int) -> bool:
    """False when there is none such; one that was withdrawn stays so since when it was."""
    query = "UPDATE shares SET revoked_ms = coalesce(revoked_ms, ?) WHERE id = ?"
    return bool(store.commit_batch(lambda tx: tx.db.execute(query, (now_ms, share_id)).rowcount))


def _share(row: Any) -> ShareRow:
    return ShareRow(bytes(row[0]), *row[1:])
