"""Pieces of recordings on their way to replay sinks: what is not cut yet, what waits, and what became of each.

A piece is a row of chunks of one stream of one session: seqs `first` to `last`. It is cut once and keeps its bounds, so
whatever is tried again is the same piece. States: waiting, sent, dead (given up on, may be queued again), stopped
(nothing more of this session goes to the sink, ever).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from .base import DeadLetter
from .database import SqlStore
from .readers import Readers

State = Literal["waiting", "sent", "dead", "stopped"]

_SINCE: Final = "replay_sink_since:"
_UNSENT = """
SELECT d.device_id, p.session_id, s.stream, coalesce(c.next, p.first), p.last, x.start_ms, x.end_ms,
    coalesce(c.until_ms, 0)
FROM spans p JOIN devices d ON d.no = p.device JOIN streams s ON s.no = p.stream
JOIN sessions x ON x.device = p.device AND x.session_id = p.session_id
LEFT JOIN (
    SELECT device, session_id, stream, max(last) + 1 AS next, max(until_ms) AS until_ms FROM replay_pieces
    WHERE sink = ? {inner} GROUP BY device, session_id, stream
) c ON c.device = p.device AND c.session_id = p.session_id AND c.stream = p.stream
WHERE p.session_id > 0 AND x.sampled AND s.imported_ms IS NULL AND x.last_ms >= ?
AND p.last >= coalesce(c.next, p.first) AND NOT EXISTS (
    SELECT 1 FROM replay_pieces r WHERE r.sink = ? AND r.device = p.device AND r.session_id = p.session_id
    AND r.state IN ('waiting', 'stopped')
) {where} ORDER BY p.device, p.session_id, p.stream
"""
_WAITING = """
SELECT r.id, d.device_id, r.session_id, r.number, s.stream, r.first, r.last, r.from_ms, r.until_ms, r.attempts
FROM replay_pieces r JOIN devices d ON d.no = r.device JOIN streams s ON s.no = r.stream
WHERE r.sink = ? AND r.state = 'waiting' AND r.next_try_ms <= ? AND r.lease_until_ms <= ?
ORDER BY r.device, r.session_id, r.number LIMIT 1
"""
_CUT = """
INSERT INTO replay_pieces
    (sink, device, session_id, number, stream, first, last, from_ms, until_ms, state, lease_until_ms, lease_by, answer)
SELECT ?, d.no, ?, (
    SELECT coalesce(max(number) + 1, 0) FROM replay_pieces r
    WHERE r.sink = ? AND r.device = d.no AND r.session_id = ?
), s.no, ?, ?, ?, ?, ?, ?, ?, ? FROM devices d JOIN streams s ON s.device = d.no
WHERE d.device_id = ? AND s.stream = ? AND NOT EXISTS (
    SELECT 1 FROM replay_pieces r WHERE r.sink = ? AND r.device = d.no AND r.session_id = ? AND r.stream = s.no
    AND r.last >= ?
) ON CONFLICT DO NOTHING RETURNING id, number
"""
_DEAD = """
SELECT r.id, d.device_id, r.sink, s.stream, r.first, r.answer, r.session_id, r.number, r.settled_ms, r.attempts
FROM replay_pieces r JOIN devices d ON d.no = r.device JOIN streams s ON s.no = r.stream
WHERE r.state = 'dead'
"""


@dataclass(frozen=True, slots=True)
class Unsent:
    """Chunks of a session's stream that no piece has: seqs `first` to `last`. `until_ms`: end of the piece before."""

    device_id: str
    session_id: int
    stream: bytes
    first: int
    last: int
    start_ms: int
    end_ms: int | None
    until_ms: int


@dataclass(frozen=True, slots=True)
class PieceRow:
    """`from_ms` to `until_ms` (host time) is what it covers; `attempts` how often it was tried before."""

    id: int
    device_id: str
    session_id: int
    number: int
    stream: bytes
    first: int
    last: int
    from_ms: int
    until_ms: int
    attempts: int = 0

    @property
    def where(self) -> Unsent:
        """Its own chunks, as if they were not cut."""
        times = (self.from_ms, None, self.from_ms)
        return Unsent(self.device_id, self.session_id, self.stream, self.first, self.last, *times)


@dataclass(frozen=True, slots=True)
class Cut:
    """A piece to be made of `of`: up to `last`, from and until these host times."""

    of: Unsent
    last: int
    from_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of trying a piece."""

    state: State
    status: int | None = None
    answer: str = ""
    next_try_ms: int = 0


def since_ms(store: SqlStore, sink: str, now_ms: int) -> int:
    """Host time at which the sink was first used; sessions that had ended by then are not for it."""
    key = _SINCE + sink
    found = store._all("SELECT value FROM meta WHERE key = ?", key)
    if not found:
        insert = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
        store.commit_batch(lambda tx: tx.db.execute(insert, (key, str(now_ms).encode())))
        found = store._all("SELECT value FROM meta WHERE key = ?", key)
    return int(bytes(found[0][0]))


def unsent(store: Readers, sink: str, since_ms: int, device_id: str | None = None) -> list[Unsent]:
    """Of recorded sessions, those that have a piece waiting or were stopped left out; oldest first within a device."""
    inner, where, own = "", "", list[Any]()
    if device_id is not None:
        inner, where = "AND device = (SELECT no FROM devices WHERE device_id = ?)", "AND d.device_id = ?"
        own = [device_id]
    query = _UNSENT.format(inner=inner, where=where)
    return [Unsent(*row) for row in store._all(query, sink, *own, since_ms, sink, *own)]


def session_of(store: Readers, row: PieceRow) -> tuple[int, bool]:
    """The start (host time) of a piece's session, and whether nothing of it will come behind the piece."""
    query = (
        "SELECT x.start_ms, x.end_ms, max(p.stream), max(CASE WHEN s.stream = ? THEN p.last END)"
        " FROM sessions x JOIN devices d ON d.no = x.device"
        " JOIN spans p ON p.device = x.device AND p.session_id = x.session_id JOIN streams s ON s.no = p.stream"
        " WHERE d.device_id = ? AND x.session_id = ? GROUP BY x.start_ms, x.end_ms"
    )
    found = store._all(query, row.stream, row.device_id, row.session_id)
    if not found:
        return row.from_ms, False
    start_ms, end_ms, newest, last = found[0]
    return int(start_ms), end_ms is not None and newest == store._number(row.stream) and last == row.last


def device_state(store: Readers, device_id: str) -> bytes | None:
    """A device's DeviceState as JSON."""
    rows = store._all("SELECT state FROM devices WHERE device_id = ?", device_id)
    return bytes(rows[0][0]) if rows else None


def take_waiting(store: SqlStore, sink: str, now_ms: int, lease_ms: int) -> PieceRow | None:
    """Lease the next piece that is due, or give None. One that another process takes meanwhile is not ours."""
    found = store._all(_WAITING, sink, now_ms, now_ms)
    if not found:
        return None
    row = PieceRow(*found[0])
    update = (
        "UPDATE replay_pieces SET lease_until_ms = ?, lease_by = ?"
        " WHERE id = ? AND lease_until_ms <= ? AND state = 'waiting'"
    )
    values = (now_ms + lease_ms, store.worker, row.id, now_ms)
    return row if store.commit_batch(lambda tx: tx.db.execute(update, values).rowcount) else None


def cut(store: SqlStore, sink: str, piece: Cut, lease_until_ms: int) -> PieceRow | None:
    """Write a piece down, leased to us. None: another process was faster."""
    of = piece.of
    row = _insert(store, sink, piece, "waiting", lease_until_ms, "")
    if row is None:
        return None
    number, place = row
    return PieceRow(
        number,
        of.device_id,
        of.session_id,
        place,
        of.stream,
        of.first,
        piece.last,
        piece.from_ms,
        piece.until_ms,
    )


def stop(store: SqlStore, sink: str, piece: Cut, reason: str) -> None:
    """Nothing of a session is for this sink from here on."""
    _insert(store, sink, piece, "stopped", 0, reason)


def _insert(
    store: SqlStore, sink: str, piece: Cut, state: State, lease_until_ms: int, answer: str
) -> tuple[int, int] | None:
    of = piece.of
    bounds = (of.first, piece.last, piece.from_ms, piece.until_ms)
    values = (
        *(sink, of.session_id, sink, of.session_id, *bounds, state, lease_until_ms, store.worker, answer),
        *(of.device_id, of.stream, sink, of.session_id, of.first),
    )
    found: Any = store.commit_batch(lambda tx: tx.db.execute(_CUT, values).fetchone())
    return None if found is None else (int(found[0]), int(found[1]))


def settle(store: SqlStore, piece_id: int, tried: Tried, now_ms: int) -> None:
    """Write down what became of a leased piece."""
    update = (
        "UPDATE replay_pieces SET state = ?, attempts = attempts + 1, next_try_ms = ?, lease_until_ms = 0, status = ?,"
        " answer = ?, settled_ms = ? WHERE id = ? AND state = 'waiting'"
    )
    settled_ms = None if tried.state == "waiting" else now_ms
    values = (tried.state, tried.next_try_ms, tried.status, tried.answer, settled_ms, piece_id)
    store.commit_batch(lambda tx: tx.db.execute(update, values))


def release(store: SqlStore, sink: str) -> None:
    """Give back what processes that have ended had leased, and try at once what was put off."""
    update = (
        "UPDATE replay_pieces SET next_try_ms = 0,"
        f" lease_until_ms = CASE WHEN {store.holder_has_ended} THEN 0 ELSE lease_until_ms END"
        " WHERE sink = ? AND state = 'waiting' AND (lease_until_ms > 0 OR next_try_ms > 0)"
    )
    store.commit_batch(lambda tx: tx.db.execute(update, (sink,)))


def waiting(store: Readers, sink: str) -> int:
    """How many pieces are cut and not settled."""
    query = "SELECT count(*) FROM replay_pieces WHERE sink = ? AND state = 'waiting'"
    return int(store._all(query, sink)[0][0])


def counts(store: Readers, sink: str) -> dict[str, int]:
    """Pieces by state."""
    return dict(store._all("SELECT state, count(*) FROM replay_pieces WHERE sink = ? GROUP BY state", sink))


@dataclass(frozen=True, slots=True)
class Failure:
    """Of a piece that waits for another try."""

    attempts: int
    answer: str
    next_try_ms: int


def last_failure(store: Readers, sink: str) -> Failure | None:
    query = (
        "SELECT attempts, answer, next_try_ms FROM replay_pieces WHERE sink = ? AND state = 'waiting' AND attempts > 0"
        " ORDER BY next_try_ms DESC LIMIT 1"
    )
    found = store._all(query, sink)
    return Failure(*found[0]) if found else None


def dead(
    store: Readers,
    device_id: str | None = None,
    sink: str | None = None,
    reason: str | None = None,
    limit: int = -1,
) -> list[DeadLetter]:
    """Pieces that were given up on, newest first; `kind` is the sink, `raw` says which piece of which session."""
    query, values = _DEAD, list[Any]()
    for condition, value in (
        (" AND d.device_id = ?", device_id),
        (" AND r.sink = ?", sink),
        (" AND lower(r.answer) LIKE ?", f"%{reason.lower()}%" if reason is not None else None),
    ):
        if value is not None:
            query, values = query + condition, [*values, value]
    query += " ORDER BY r.id DESC" + (f" LIMIT {int(limit)}" if limit >= 0 else "")
    return [_letter(*row) for row in store._all(query, *values)]


def _letter(
    piece_id: int,
    device_id: str,
    sink: str,
    stream: bytes,
    first: int,
    answer: str,
    session_id: int,
    *rest: int,
) -> DeadLetter:
    number, settled_ms, attempts = rest
    raw = b'{"session_id":%d,"piece":%d}' % (session_id, number)
    return DeadLetter(piece_id, device_id, sink, stream, first, answer, raw, settled_ms, settled_ms, attempts)


def requeue(store: SqlStore, ids: Iterable[int]) -> int:
    """Try dead pieces again; returns how many."""
    again = (
        "UPDATE replay_pieces SET state = 'waiting', next_try_ms = 0, settled_ms = NULL"
        " WHERE id = ? AND state = 'dead'"
    )
    wanted = list(ids)
    return store.commit_batch(lambda tx: sum(tx.db.execute(again, (one,)).rowcount for one in wanted))


def give_up(store: SqlStore, ids: Iterable[int]) -> int:
    """Take dead pieces out of the lists; they stay counted as not sent. Returns how many."""
    ended = "UPDATE replay_pieces SET state = 'purged' WHERE id = ? AND state = 'dead'"
    wanted = list(ids)
    return store.commit_batch(lambda tx: sum(tx.db.execute(ended, (one,)).rowcount for one in wanted))
