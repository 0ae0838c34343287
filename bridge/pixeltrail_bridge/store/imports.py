"""What an import writes and reads: streams that no device sends here, with `imported_ms`, the host time of their start.

A stream whose chunks have changed has the watermark 0 until everything that follows from them has been made anew: an
import that was interrupted is found by it, and finished by the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..mapping.calls import Call
from ..sessions.state import SessionRow
from .base import SEQ_SPAN
from .chunks import aside_id
from .database import SqlTransaction
from .outbox import known_ids
from .packs import chunk_digest
from .readers import Readers
from .sql import marks

# What is made from a stream's chunks
_TABLES = (
    "keyframes",
    "clips",
    "projections",
    "gaps",
    "heads",
    "spans",
)


@dataclass(frozen=True, slots=True)
class ImportedStream:
    """`id` is the one that its chunks name, unless the device has taken it since. `line` is a TimeLine as JSON."""

    number: int
    device_id: str
    id: bytes
    imported_ms: int
    line: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """A stream under the ID that chunks name. `imported` has another ID where the device sends the stream itself."""

    owner: str | None
    live: int | None
    imported: int | None


def find(tx: SqlTransaction, stream: bytes) -> Found:
    query = (
        "SELECT s.no, d.device_id, s.imported_ms FROM streams s JOIN devices d ON d.no = s.device"
        " WHERE s.stream = ?"
    )
    row = tx.db.execute(query, (stream,)).fetchone()
    if row is not None and row[2] is not None:
        return Found(row[1], None, row[0])
    aside = tx.db.execute(query, (aside_id(stream),)).fetchone()
    imported = aside[0] if aside is not None else None
    if row is None:
        return Found(aside[1] if aside is not None else None, None, imported)
    return Found(row[1], row[0], imported)


def add(tx: SqlTransaction, device: int, stream: bytes, line: bytes, began_ms: int, received_ms: int) -> int:
    """A new stream that was imported; returns its number."""
    number = tx.add_stream(device, stream, b"{}", line, received_ms)
    tx.db.execute("UPDATE streams SET imported_ms = ? WHERE no = ?", (began_ms, number))
    return number


def reopen(tx: SqlTransaction, number: int) -> None:
    """Chunks of a stream have changed."""
    tx.db.execute("UPDATE streams SET watermark = 0 WHERE no = ?", (number,))


@dataclass(frozen=True, slots=True)
class Known:
    """A chunk that the store has. `is_placed`: it is known to which session it belongs, if to any."""

    is_same: bool
    is_placed: bool


def known_chunk(tx: SqlTransaction, stream: int, seq: int, data: bytes) -> Known | None:
    key = stream * SEQ_SPAN + seq
    row = tx.db.execute("SELECT data, session_id FROM chunks WHERE key = ?", (key,)).fetchone()
    if row is not None:
        return Known(bytes(row[0]) == data, row[1] is not None)
    digest = tx.packed_digest(key)
    return None if digest is None else Known(digest == chunk_digest(data), True)


def add_session(tx: SqlTransaction, row: SessionRow) -> None:
    """What a piece tells of its session, unless more is known."""
    tx.db.execute(
        "INSERT INTO sessions (device, session_id, number, boot, stream, start_ms, last_ms, end_ms, sampled, estimated,"
        " user_id) SELECT no, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM devices WHERE device_id = ? ON CONFLICT DO NOTHING",
        (
            *(row.session_id, row.index, row.boot, row.stream, row.start_ms, row.last_ms, row.end_ms),
            *(row.sampled, row.estimated, row.user_id, row.device_id),
        ),
    )


def put_read(tx: SqlTransaction, calls: Sequence[Call]) -> int:
    """Events as files have them: they take the place of what was made anew. Returns how many are new."""
    replaced = drop_remade(tx, [call.message_id for call in calls])
    return tx.enqueue_calls(calls) - replaced


def put_remade(tx: SqlTransaction, calls: Sequence[Call]) -> int:
    """Events made from chunks, where there are none yet. Returns how many."""
    known = known_ids(tx.db, [call.message_id for call in calls])
    new = [call for call in calls if call.message_id not in known]
    added = tx.enqueue_calls(new)
    if added:
        ids = [call.message_id for call in new]
        mark = f"INSERT INTO remade_events SELECT id FROM events WHERE message_id IN {marks(ids)}"
        tx.db.execute(mark + " ON CONFLICT DO NOTHING", ids)
    return added


def drop_remade(tx: SqlTransaction, message_ids: Sequence[str]) -> int:
    """Delete those that were made anew; returns how many."""
    remade = "SELECT event FROM remade_events"
    found = tx.db.execute(
        f"SELECT id FROM events WHERE message_id IN {marks(message_ids)} AND id IN ({remade})", message_ids
    ).fetchall()
    _drop_events(tx, [number for (number,) in found])
    return len(found)


def drop_remade_of(tx: SqlTransaction, device: int) -> int:
    """Delete all of a device that were made anew; returns how many."""
    query = "SELECT e.id FROM events e JOIN remade_events r ON r.event = e.id WHERE e.device = ?"
    found = [number for (number,) in tx.db.execute(query, (device,)).fetchall()]
    _drop_events(tx, found)
    return len(found)


def _drop_events(tx: SqlTransaction, numbers: Sequence[int]) -> None:
    tx.db.executemany("DELETE FROM remade_events WHERE event = ?", [(one,) for one in numbers])
    tx.db.executemany("DELETE FROM events WHERE id = ?", [(one,) for one in numbers])


def unfinished(store: Readers) -> list[str]:
    """Devices with imported streams of which something is still to be made anew."""
    query = (
        "SELECT DISTINCT d.device_id FROM streams s JOIN devices d ON d.no = s.device"
        " WHERE s.imported_ms IS NOT NULL AND s.watermark = 0 ORDER BY d.device_id"
    )
    return [device_id for (device_id,) in store._all(query)]


def streams_of(store: Readers, device_id: str) -> list[ImportedStream]:
    query = (
        "SELECT s.no, d.device_id, s.stream, s.imported_ms, s.line FROM streams s JOIN devices d ON d.no = s.device"
        " WHERE d.device_id = ? AND s.imported_ms IS NOT NULL ORDER BY s.imported_ms, s.no"
    )
    return [ImportedStream(*row) for row in store._all(query, device_id)]


def to_project(store: Readers) -> list[tuple[str, bytes, int]]:
    """Device, ID and watermark of imported streams whose pictures are still to be found."""
    query = (
        "SELECT d.device_id, s.stream, s.watermark FROM streams s JOIN devices d ON d.no = s.device"
        " LEFT JOIN projections p ON p.stream = s.no"
        " WHERE s.imported_ms IS NOT NULL AND coalesce(p.cursor, 0) < s.watermark ORDER BY s.no"
    )
    return [tuple(row) for row in store._all(query)]


def skips_of(store: Readers, number: int) -> list[tuple[int, int]]:
    return [tuple(row) for row in store._all('SELECT first, "end" FROM skips WHERE stream = ?', number)]


def own_sessions(store: Readers, device_id: str) -> dict[int, str | None]:
    """Sessions of which only imported streams tell, with the user that a piece named."""
    query = (
        "SELECT x.session_id, x.user_id FROM sessions x JOIN devices d ON d.no = x.device"
        " JOIN streams s ON s.stream = x.stream WHERE d.device_id = ? AND s.imported_ms IS NOT NULL AND NOT EXISTS ("
        " SELECT 1 FROM spans p JOIN streams t ON t.no = p.stream"
        " WHERE p.device = x.device AND p.session_id = x.session_id AND t.imported_ms IS NULL)"
    )
    return dict(store._all(query, device_id))


def clear(tx: SqlTransaction, number: int) -> None:
    """Forget what was made from a stream's chunks."""
    for table in _TABLES:
        tx.db.execute(f"DELETE FROM {table} WHERE stream = ?", (number,))


def close(tx: SqlTransaction, number: int, watermark: int, state: bytes, began_ms: int) -> None:
    """All is made anew; what was removed from the gaps and skips was."""
    tx.db.execute(
        "UPDATE streams SET watermark = ?, state = ?, imported_ms = ? WHERE no = ?",
        (watermark, state, began_ms, number),
    )


def put_gaps(tx: SqlTransaction, number: int, device_id: str, rows: Iterable[Sequence[int]]) -> None:
    """Gaps of one stream: seq, index, session, first, end, frames, inputs, calls, reason, host_ms."""
    tx.db.executemany(
        'INSERT INTO gaps (stream, seq, number, device, session_id, first, "end", frames, inputs, calls, reason,'
        " host_ms)"
        " SELECT ?, ?, ?, no, ?, ?, ?, ?, ?, ?, ?, ? FROM devices WHERE device_id = ? ON CONFLICT DO NOTHING",
        [(number, *row, device_id) for row in rows],
    )


def place(tx: SqlTransaction, stream: int, seq: int, session_id: int, host_ms: int) -> None:
    """A chunk's session has become known."""
    tx.place_chunks([(session_id, host_ms, stream * SEQ_SPAN + seq)])
