"""Chunks of PostgreSQL by day, so that what is old goes as a whole table and not row by row.

A chunk's key begins with the number of its stream, and streams are numbered as they begin. So the table is partitioned
by ranges of the key, SPAN numbers of streams each, and with a new day the numbers go on at the next range: a range has
the streams that began on one day (of a day with more than SPAN of them, several), each with all its chunks however long
it lasts. Key and partition key are the same: (stream, seq) is unique over all days, and whoever knows a stream finds
its chunks in one table.

Ranges are made some time ahead. Keys in no range, as of a device that sends more of a stream whose day is gone, lie in
`chunks_else`. Nothing but a name and its bounds tells of a day: what is in it is asked of the streams and sessions.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ..errors import StoreError
from .base import SEQ_SPAN
from .sharing import SharedStore
from .sql import Connection

SPAN: Final = 1 << 20  # streams; 2^33 numbers fit a key, so they last for 22 years of days
AHEAD: Final = 2  # ranges with nothing in them yet
_DAY_MS: Final = 86_400_000
_LOCK: Final = 0x7078_0003  # of pg_advisory_xact_lock: one worker at a time adds ranges
_WAIT: Final = "SET LOCAL lock_timeout = '500ms'"  # who cannot have a lock by then tries again later
_MARK: Final = "chunks_day"  # in meta: the day whose range is in use
SLACK_BYTES: Final = 16 << 20  # in a range, before it is worth writing it anew
_BOUND: Final = re.compile(r"FOR VALUES FROM \((?:'(-?\d+)'|MINVALUE)\) TO \('(\d+)'\)")
_PARTITIONS: Final = """
SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'chunks'::regclass
"""
# What must stay of a range: streams that were heard of since, or that their device may go on with; and sessions with a
# star, without an end, or with one since then.
_STAYS: Final = """
SELECT 1 FROM streams t WHERE t.no >= ? AND t.no < ? AND (
    t.last_seen_ms >= ? OR NOT EXISTS (SELECT 1 FROM streams n WHERE n.device = t.device AND n.no > t.no)
) UNION ALL
SELECT 1 FROM streams t JOIN spans p ON p.device = t.device AND p.stream = t.no
JOIN sessions s ON s.device = p.device AND s.session_id = p.session_id
WHERE t.no >= ? AND t.no < ? AND (
    s.end_ms IS NULL OR s.end_ms >= ?
    OR EXISTS (SELECT 1 FROM stars x WHERE x.device = s.device AND x.session_id = s.session_id)
) LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Range:
    """A table with the chunks of streams `first` <= number < `end`."""

    table: str
    first: int
    end: int


def ranges(store: SharedStore) -> list[Range]:
    """In order; without `chunks_else`."""
    return _ranges(store._all(_PARTITIONS))


def keep_ahead(store: SharedStore, now_ms: int) -> None:
    """Make ranges for what is to come, and go on in the next one where a day has begun."""
    store.commit_batch(lambda tx: _make_ahead(tx.db))
    store.commit_batch(lambda tx: _turn_page(tx.db, now_ms // _DAY_MS))


def drop_old(store: SharedStore, before_ms: int) -> int:
    """Drop the ranges that hold nothing of later than `before_ms` and nothing to be kept; returns how many."""
    dropped = 0
    found = ranges(store)
    number = _position(store._all)
    for one in found:
        if one.end > number or store._all(_STAYS, *_values(one, before_ms)):
            continue
        try:
            dropped += store.commit_batch(lambda tx, one=one: _drop(tx.db, one, before_ms))  # type: ignore[misc]
        except StoreError:  # somebody reads of that day: later, and until then row by row
            continue
    return dropped


def shrink(store: SharedStore, connect: Callable[[], Any]) -> bool:
    """Write an earlier range anew that is mostly holes, as where a star keeps little of it. True: there may be more.

    Nobody reaches that range meanwhile; it is on a connection of its own.
    """
    number = _position(store._all)
    for one in ranges(store):
        if one.end <= number and _is_hollow(store, one):
            with contextlib.closing(connect()) as db:
                db.execute(f"VACUUM FULL {one.table}")
            return True
    return False


def _is_hollow(store: SharedStore, one: Range) -> bool:
    ((size,),) = store._all("SELECT pg_total_relation_size(?::regclass)", one.table)
    if size <= SLACK_BYTES:
        return False
    ((kept,),) = store._all(f"SELECT coalesce(sum(length(data) + 100), 0) FROM {one.table}")
    return bool(size > 2 * kept + SLACK_BYTES)


def _drop(db: Connection, one: Range, before_ms: int) -> bool:
    """With the range locked first: a chunk that comes meanwhile is either seen here or finds `chunks_else`."""
    db.execute(_WAIT)
    db.execute(f"LOCK TABLE {one.table} IN ACCESS EXCLUSIVE MODE")
    if db.execute(_STAYS, _values(one, before_ms)).fetchone() is not None:
        return False
    db.execute(f"DROP TABLE {one.table}")
    return True


def _values(one: Range, before_ms: int) -> tuple[int, ...]:
    return (one.first, one.end, before_ms) * 2


def _make_ahead(db: Connection) -> None:
    db.execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
    found = _ranges(db.execute(_PARTITIONS).fetchall())
    number = _position(lambda query: db.execute(query).fetchall())
    current = number // SPAN * SPAN
    ends = [one.end for one in found if one.end > number]
    for first in range(max([current + SPAN, *ends]), current + (AHEAD + 1) * SPAN, SPAN):
        table = f"chunks_from_{first}"
        bounds = (first * SEQ_SPAN, (first + SPAN) * SEQ_SPAN)
        db.execute(f"CREATE TABLE {table} (LIKE chunks INCLUDING STORAGE, PRIMARY KEY (key))")
        db.execute(
            f"ALTER TABLE chunks ATTACH PARTITION {table} FOR VALUES FROM ({bounds[0]}) TO ({bounds[1]})"
        )


def _turn_page(db: Connection, day: int) -> None:
    db.execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
    row = db.execute("SELECT value FROM meta WHERE key = ?", (_MARK,)).fetchone()
    if row is not None and int(bytes(row[0])) >= day:
        return
    number = _position(lambda query: db.execute(query).fetchall())
    if row is not None and number % SPAN:  # else nothing began in this range
        # Numbers that others take meanwhile are below: this never goes back.
        db.execute(f"SELECT setval({_SEQUENCE}, ?, false)", ((number // SPAN + 1) * SPAN,))
    put = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    db.execute(put, (_MARK, str(day).encode()))


_SEQUENCE: Final = "pg_get_serial_sequence('streams', 'no')"


def _position(query: Any) -> int:
    """The number that the next stream gets."""
    ((name,),) = query(f"SELECT {_SEQUENCE}")
    ((number,),) = query(f"SELECT last_value + CASE WHEN is_called THEN 1 ELSE 0 END FROM {name}")
    return int(number)


def _ranges(rows: list[Any]) -> list[Range]:
    found = []
    for table, bound in rows:
        bounds = _BOUND.fullmatch(bound)
        if bounds is not None:
            first = int(bounds[1]) // SEQ_SPAN if bounds[1] else 0
            found.append(Range(table, first, int(bounds[2]) // SEQ_SPAN))
    return sorted(found, key=lambda one: one.first)
