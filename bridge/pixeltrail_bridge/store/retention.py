"""What has been kept for long enough: sessions, events, dead letters and the rest, found a few at a time.

A star keeps a session with all that is in it: its recording, its events, its links.
"""

from __future__ import annotations

from typing import Any, Final

from .database import SqlStore, SqlTransaction
from .sql import marks

_FEW: Final = 20  # sessions
_ROWS: Final = 400
_UNSTARRED: Final = (
    "NOT EXISTS (SELECT 1 FROM stars t WHERE t.device = s.device AND t.session_id = s.session_id)"
)
_OLD_RECORDINGS: Final = f"""
SELECT d.device_id, s.session_id FROM sessions s JOIN devices d ON d.no = s.device
WHERE s.end_ms IS NOT NULL AND s.end_ms < ? AND {_UNSTARRED} AND (
    EXISTS (SELECT 1 FROM spans p WHERE p.device = s.device AND p.session_id = s.session_id)
    OR EXISTS (SELECT 1 FROM clips c WHERE c.device = s.device AND c.session_id = s.session_id)
    OR EXISTS (SELECT 1 FROM packs k WHERE k.device = s.device AND k.session_id = s.session_id)
) ORDER BY s.end_ms LIMIT {_FEW}
"""
_OLD_SESSIONS: Final = f"""
SELECT d.device_id, s.session_id FROM sessions s JOIN devices d ON d.no = s.device
WHERE s.end_ms IS NOT NULL AND s.end_ms < ? AND {_UNSTARRED} ORDER BY s.end_ms LIMIT {_FEW}
"""
_OLD_EVENTS: Final = f"""
SELECT e.id FROM events e WHERE e.time_ms < ?
AND NOT EXISTS (SELECT 1 FROM deliveries v WHERE v.event = e.id AND v.state <> 'sent')
AND NOT EXISTS (SELECT 1 FROM deliveries v WHERE v.event = e.id AND v.settled_ms >= ?)
AND NOT EXISTS (SELECT 1 FROM stars t WHERE t.device = e.device AND t.session_id = e.session_id)
ORDER BY e.id LIMIT {_ROWS}
"""
_OLD_LETTERS: Final = f"SELECT id FROM dead_letters WHERE last_ms < ? ORDER BY id LIMIT {_ROWS}"
_OLD_REFUSED: Final = f"""
SELECT event, sink FROM deliveries WHERE state = 'dead' AND settled_ms < ? ORDER BY event LIMIT {_ROWS}
"""
_OLD_PIECES: Final = f"""
SELECT r.id FROM replay_pieces r JOIN sessions s ON s.device = r.device AND s.session_id = r.session_id
WHERE r.state <> 'waiting' AND r.settled_ms < ? AND s.end_ms IS NOT NULL AND s.end_ms < ?
AND NOT EXISTS (SELECT 1 FROM spans p WHERE p.device = r.device AND p.session_id = r.session_id)
ORDER BY r.id LIMIT {_ROWS}
"""
_OPEN: Final = f"""
SELECT d.device_id, s.session_id FROM sessions s JOIN devices d ON d.no = s.device
WHERE s.end_ms IS NULL AND s.last_ms < ? AND d.last_seen_ms < ? ORDER BY s.last_ms LIMIT {_ROWS}
"""
_LEFT_OVER: Final = f"""
SELECT c.key FROM streams t JOIN chunks c ON c.key >= t.no * 1073741824 AND c.key < t.no * 1073741824 + t.watermark
WHERE t.last_seen_ms < ? AND c.received_ms < ? AND coalesce(c.session_id, -1) < 0
AND NOT EXISTS (SELECT 1 FROM spans p WHERE p.stream = t.no)
AND EXISTS (SELECT 1 FROM streams n WHERE n.device = t.device AND n.no > t.no)
ORDER BY c.key LIMIT {_ROWS}
"""
_SILENT: Final = f"""
SELECT d.device_id FROM devices d WHERE d.last_seen_ms < ?
AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.device = d.no)
AND NOT EXISTS (SELECT 1 FROM events e WHERE e.device = d.no)
AND NOT EXISTS (SELECT 1 FROM apps a WHERE a.device = d.no AND a.last_seen_ms >= ?)
AND NOT EXISTS (SELECT 1 FROM dead_letters l WHERE l.device_id = d.device_id)
{{more}} ORDER BY d.no LIMIT {_FEW}
"""
_OLD: Final = f"""
SELECT 1 FROM sessions s JOIN devices d ON d.no = s.device WHERE d.device_id = ? AND s.session_id = ?
AND s.end_ms IS NOT NULL AND s.end_ms < ? AND {_UNSTARRED}
"""


def old_recordings(store: SqlStore, before_ms: int) -> list[tuple[str, int]]:
    return [(row[0], row[1]) for row in store._all(_OLD_RECORDINGS, before_ms)]


def old_sessions(store: SqlStore, before_ms: int) -> list[tuple[str, int]]:
    return [(row[0], row[1]) for row in store._all(_OLD_SESSIONS, before_ms)]


def old_events(store: SqlStore, before_ms: int) -> list[int]:
    """Every sink has taken them; dead letters are no events that were taken."""
    return [row[0] for row in store._all(_OLD_EVENTS, before_ms, before_ms)]


def old_letters(store: SqlStore, before_ms: int) -> list[int]:
    return [row[0] for row in store._all(_OLD_LETTERS, before_ms)]


def old_chunks(store: SqlStore, before_ms: int) -> list[int]:
    """Keys of chunks in no session, of streams that nothing is kept of any more."""
    return [row[0] for row in store._all(_LEFT_OVER, before_ms, before_ms)]


def silent_devices(store: SqlStore, before_ms: int) -> list[str]:
    return [row[0] for row in store._all(_SILENT.format(more=""), before_ms, before_ms)]


def is_old(device_id: str, session_id: int, before_ms: int, tx: SqlTransaction) -> bool:
    """Still: it may have been starred, or gone on, since it was found."""
    tx.lock_devices([device_id])
    return tx.db.execute(_OLD, (device_id, session_id, before_ms)).fetchone() is not None


def is_silent(device_id: str, before_ms: int, tx: SqlTransaction) -> bool:
    """Still, or gone already: what a device that is back has sent was confirmed to it."""
    if device_id not in tx.lock_devices([device_id]):
        return True
    query = _SILENT.format(more="AND d.device_id = ?")
    return tx.db.execute(query, (before_ms, before_ms, device_id)).fetchone() is not None


def drop_refused(store: SqlStore, before_ms: int) -> int:
    """What sinks refused long ago is no dead letter any more; the events count as taken. Returns how many."""
    found = store._all(_OLD_REFUSED, before_ms)

    def work(tx: SqlTransaction) -> int:
        delete = "DELETE FROM deliveries WHERE event = ? AND sink = ? AND state = 'dead'"
        return sum(tx.db.execute(delete, (event, sink)).rowcount for event, sink in found)

    return store.commit_batch(work) if found else 0


def drop_pieces(store: SqlStore, before_ms: int) -> int:
    """Only of sessions whose recording is gone: while there is one, its pieces say what was sent of it."""
    ids = [row[0] for row in store._all(_OLD_PIECES, before_ms, before_ms)]

    def work(tx: SqlTransaction) -> int:
        return tx.db.execute(f"DELETE FROM replay_pieces WHERE id IN {marks(ids)}", ids).rowcount

    return store.commit_batch(work) if ids else 0


def close_silent_sessions(store: SqlStore, before_ms: int) -> int:
    """End sessions where they were last heard of. One that goes on after all is open again, by its next record."""
    found = store._all(_OPEN, before_ms, before_ms)

    def work(tx: SqlTransaction) -> int:
        tx.lock_devices({device for device, _ in found})
        update = (
            "UPDATE sessions SET end_ms = last_ms WHERE end_ms IS NULL AND last_ms < ? AND session_id = ?"
            " AND device = (SELECT no FROM devices WHERE device_id = ? AND last_seen_ms < ?)"
        )
        return sum(
            tx.db.execute(update, (before_ms, session_id, device_id, before_ms)).rowcount
            for device_id, session_id in found
        )

    return store.commit_batch(work) if found else 0


def count(store: SqlStore, kinds: dict[str, int]) -> None:
    """How much went, by kind, for people."""
    counts = {("", f"retention_{kind}"): by for kind, by in kinds.items() if by}
    if counts:
        store.commit_batch(lambda tx: tx.count_all(counts))


def kept_since(store: SqlStore) -> dict[str, Any]:
    """The oldest of each kind, ms since 1970; None where there is none."""
    queries = {
        "recordings": "SELECT min(s.start_ms) FROM sessions s WHERE EXISTS"
        " (SELECT 1 FROM spans p WHERE p.device = s.device AND p.session_id = s.session_id)",
        "sessions": "SELECT min(start_ms) FROM sessions",
        "events": "SELECT time_ms FROM events WHERE id = (SELECT min(id) FROM events)",
        "dead_letters": "SELECT min(last_ms) FROM dead_letters",
        "uploads": "SELECT min(settled_ms) FROM replay_pieces",
        "devices": "SELECT min(last_seen_ms) FROM devices",
    }
    found = {kind: store._all(query) for kind, query in queries.items()}
    return {kind: rows[0][0] if rows else None for kind, rows in found.items()}
