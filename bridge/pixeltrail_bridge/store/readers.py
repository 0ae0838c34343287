"""Reads for delivery, projector, viewer and command line. Any thread, on a connection of its own."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import groupby
from typing import Any

from ..sessions.state import GapRow, SessionRow
from ..wire.limits import EPOCH_MAX
from .base import (
    SEQ_SPAN,
    DeadLetter,
    DeliveryRow,
    DeviceRow,
    EventRow,
    Keyframe,
    Projection,
    Span,
    StoredChunk,
    StreamRow,
)
from .packs import PackReader

_PAGE = 64  # chunks fetched at a time: a reader holds no statement open while its caller works

_EVENTS = """
SELECT e.id, e.message_id, d.device_id, e.session_id, e.type, e.event, e.time_ms, e.payload,
       v.sink, v.state, v.attempts, v.status, v.answer, v.next_try_ms, v.settled_ms, v.payload
FROM (
    SELECT id, message_id, device, session_id, type, event, time_ms, payload FROM events
    WHERE id > ? AND {where} ORDER BY id LIMIT ?
) e
JOIN devices d ON d.no = e.device LEFT JOIN deliveries v ON v.event = e.id ORDER BY e.id, v.sink
"""
_DEVICES = """
SELECT d.device_id, d.first_seen_ms, d.last_seen_ms, d.is_online, d.state, s.stream, s.state,
       (SELECT count(*) FROM sessions WHERE device = d.no)
FROM devices d LEFT JOIN streams s ON s.no = (
    SELECT no FROM streams WHERE device = d.no ORDER BY imported_ms IS NOT NULL, no DESC LIMIT 1
)
WHERE NOT EXISTS (SELECT 1 FROM apps a WHERE a.device = d.no) ORDER BY d.device_id
"""
_SESSIONS = """
SELECT d.device_id, s.session_id, s.number, s.boot, s.stream, s.start_ms, s.last_ms, s.end_ms, s.sampled,
       s.estimated, s.user_id
FROM sessions s JOIN devices d ON d.no = s.device {where} ORDER BY s.start_ms, s.session_id
"""
_GAPS = """
SELECT d.device_id, g.session_id, s.stream, g.seq, g.number, g.first, g."end", g.frames, g.inputs, g.calls, g.reason,
       g.host_ms
FROM gaps g JOIN devices d ON d.no = g.device JOIN streams s ON s.no = g.stream
WHERE {where} ORDER BY g.stream, g.first, g.seq, g.number
"""
# What was imported comes first, by when it began: files bring streams in any order. A device's own are numbered in it.
_IN_ORDER = f"coalesce(s.imported_ms, {EPOCH_MAX}), s.no"
_SPANS = f"""
SELECT p.stream, s.stream, p.first, p.last FROM spans p JOIN streams s ON s.no = p.stream
JOIN devices d ON d.no = p.device WHERE d.device_id = ? AND p.session_id = ? ORDER BY {_IN_ORDER}
"""
_DISPLAYS = """
SELECT seq FROM heads WHERE stream = ? AND is_display AND seq <= ? AND seq >= (
    SELECT coalesce(max(seq), ?) FROM heads WHERE stream = ? AND is_display AND seq <= ?
) ORDER BY seq
"""
_LETTERS = """
SELECT id, device_id, kind, stream, seq, reason, raw, first_ms, last_ms, count FROM dead_letters WHERE id > ?
ORDER BY id LIMIT ?
"""
_DEAD_DELIVERIES = """
SELECT e.id, d.device_id, v.sink, v.answer, coalesce(v.payload, e.payload), v.settled_ms, v.settled_ms, v.attempts
FROM deliveries v JOIN events e ON e.id = v.event JOIN devices d ON d.no = v.device
WHERE v.state = 'dead' AND e.id > ? ORDER BY e.id LIMIT ?
"""


class Readers:
    """The reading half of a store. `packs` reads what closed sessions were packed into."""

    packs: PackReader

    def _all(self, query: str, *values: Any) -> list[Any]:
        """The rows of a query on this thread's connection. Raises StoreError."""
        raise NotImplementedError

    def _number(self, stream: bytes) -> int | None:
        rows = self._all("SELECT no FROM streams WHERE stream = ?", stream)
        return rows[0][0] if rows else None

    # ---- chunks -------------------------------------------------------------

    def chunks(
        self, device_id: str, stream: bytes, first_seq: int = 0, end_seq: int | None = None
    ) -> Iterator[StoredChunk]:
        """Chunks of a stream in seq order, also beyond a hole; without those that cannot be read."""
        owner = self._all(
            "SELECT s.no FROM streams s JOIN devices d ON d.no = s.device WHERE s.stream = ? AND d.device_id = ?",
            stream,
            device_id,
        )
        if owner:
            yield from self._chunks(device_id, stream, owner[0][0], first_seq, end_seq)

    def _chunks(
        self, device_id: str, stream: bytes, number: int, first_seq: int, end_seq: int | None
    ) -> Iterator[StoredChunk]:
        """From rows and objects. Rows are read before the blocks of the same seqs: what is packed meanwhile is in one.

        A chunk may be in both while its row is being dropped.
        """
        base = number * SEQ_SPAN
        seq, end = first_seq, SEQ_SPAN if end_seq is None else end_seq
        while seq < end:
            page = self._all(
                "SELECT key, received_ms, session_id, host_ms, data FROM chunks"
                " WHERE key >= ? AND key < ? AND fault IS NULL ORDER BY key LIMIT ?",
                base + seq,
                base + end,
                _PAGE,
            )
            rows = [StoredChunk(device_id, stream, row[0] - base, *row[1:]) for row in page]
            last = rows[-1].seq if len(page) == _PAGE else end - 1
            packed = self.packs.chunks(device_id, stream, number, seq, last)
            for _, same in groupby(merge(rows, packed, key=_seq), key=_seq):
                yield next(same)
            seq = last + 1

    def session_chunks(self, device_id: str, session_id: int) -> Iterator[StoredChunk]:
        """Chunks of a session, stream after stream, each from the last display record before the session on.

        What comes before the session's own chunks (`session_id` differs) is there for the decoder alone.
        """
        for number, stream, first, last in self._all(_SPANS, device_id, session_id):
            heads = self._all(
                "SELECT max(seq) FROM heads WHERE stream = ? AND is_display AND seq <= ?", number, first
            )
            start = first if heads[0][0] is None else heads[0][0]
            hello = self._all("SELECT max(seq) FROM heads WHERE stream = ? AND seq < ?", number, start)[0][0]
            if hello is not None:
                yield from self._chunks(device_id, stream, number, hello, hello + 1)
            yield from self._chunks(device_id, stream, number, start, last + 1)

    def spans(self, device_id: str, session_id: int) -> list[Span]:
        """Where a session's chunks are, stream after stream; `chunks` reads them."""
        found = []
        for number, stream, first, last in self._all(_SPANS, device_id, session_id):
            displays = self._all(_DISPLAYS, number, last, first, number, first)
            found.append(Span(stream, first, last, tuple(seq for (seq,) in displays)))
        return found

    # ---- projector ----------------------------------------------------------

    def projection(self, stream: bytes) -> int:
        """The next seq that the projector has not seen."""
        rows = self._all("SELECT cursor FROM projections WHERE stream = ?", self._number(stream))
        return int(rows[0][0]) if rows else 0

    def projection_state(self, stream: bytes) -> bytes | None:
        rows = self._all("SELECT state FROM projections WHERE stream = ?", self._number(stream))
        return bytes(rows[0][0]) if rows else None

    def is_imported(self, stream: bytes) -> bool:
        """Whether a stream was read from files: then no sink hears of it."""
        return bool(self._all("SELECT 1 FROM streams WHERE stream = ? AND imported_ms IS NOT NULL", stream))

    def device_state(self, device_id: str) -> bytes | None:
        """A device's DeviceState as JSON."""
        rows = self._all("SELECT state FROM devices WHERE device_id = ?", device_id)
        return bytes(rows[0][0]) if rows else None

    def streams_to_project(self) -> list[Projection]:
        """Streams whose committed chunks the projector has not all seen, oldest first."""
        query = (
            "SELECT d.device_id, s.stream, coalesce(p.cursor, 0), s.watermark FROM streams s"
            " JOIN devices d ON d.no = s.device LEFT JOIN projections p ON p.stream = s.no"
            " WHERE coalesce(p.cursor, 0) < s.watermark ORDER BY s.no"
        )
        return [Projection(*row) for row in self._all(query)]

    def keyframes(self, device_id: str, session_id: int) -> list[Keyframe]:
        """Keyframes within a session's chunks, in stream and seq order."""
        query = (
            "SELECT s.stream, k.seq, k.number, k.host_ms FROM spans p JOIN devices d ON d.no = p.device"
            " JOIN streams s ON s.no = p.stream JOIN keyframes k ON k.stream = p.stream"
            " AND k.seq BETWEEN p.first AND p.last"
            f" WHERE d.device_id = ? AND p.session_id = ? ORDER BY {_IN_ORDER}, k.seq, k.number"
        )
        return [Keyframe(*row) for row in self._all(query, device_id, session_id)]

    def clip_ends(self, device_id: str, session_id: int) -> list[tuple[bytes, int, int]]:
        """Stream, first seq and host time of the end of each clip of a session, in order."""
        query = (
            "SELECT s.stream, c.seq, c.to_ms FROM clips c JOIN streams s ON s.no = c.stream"
            " WHERE c.device = (SELECT no FROM devices WHERE device_id = ?) AND c.session_id = ?"
            f" ORDER BY {_IN_ORDER}, c.seq, c.number"
        )
        return [(stream, seq, to_ms) for stream, seq, to_ms in self._all(query, device_id, session_id)]

    # ---- lists --------------------------------------------------------------

    def devices(self) -> list[DeviceRow]:
        return [_device(*row) for row in self._all(_DEVICES)]

    def streams(self, device_id: str) -> list[StreamRow]:
        query = (
            "SELECT s.no, d.device_id, s.stream, s.watermark, s.state, s.line FROM streams s"
            " JOIN devices d ON d.no = s.device WHERE d.device_id = ? ORDER BY s.no"
        )
        return [StreamRow(*row) for row in self._all(query, device_id)]

    def sessions(self, device_id: str | None = None) -> list[SessionRow]:
        """All sessions, or those of one device, oldest first."""
        if device_id is None:
            rows = self._all(_SESSIONS.format(where=""))
        else:
            rows = self._all(_SESSIONS.format(where="WHERE d.device_id = ?"), device_id)
        return [_session(row) for row in rows]

    def session(self, device_id: str, session_id: int) -> SessionRow | None:
        where = "WHERE d.device_id = ? AND s.session_id = ?"
        rows = self._all(_SESSIONS.format(where=where), device_id, session_id)
        return _session(rows[0]) if rows else None

    def gaps(self, device_id: str | None = None, session_id: int | None = None) -> list[GapRow]:
        where, values = "true", list[Any]()
        if device_id is not None:
            where, values = where + " AND d.device_id = ?", [*values, device_id]
        if session_id is not None:
            where, values = where + " AND g.session_id = ?", [*values, session_id]
        return [GapRow(*row) for row in self._all(_GAPS.format(where=where), *values)]

    def holes(self, stream: bytes) -> list[tuple[int, int]]:
        """Seqs that have not come, as (first, end), up to the highest one stored."""
        number = self._number(stream)
        query = "SELECT watermark FROM streams WHERE no = ?"
        (watermark,) = self._all(query, number)[0] if number is not None else (0,)
        holes, expected = [], int(watermark)
        base = (number or 0) * SEQ_SPAN
        rows = self._all(
            "SELECT key FROM chunks WHERE key >= ? AND key < ? ORDER BY key",
            base + expected,
            base + SEQ_SPAN,
        )
        for (key,) in rows:
            seq = key - base
            if seq > expected:
                holes.append((expected, seq))
            expected = seq + 1
        return holes

    def events(
        self,
        device_id: str | None = None,
        session_id: int | None = None,
        after_id: int = 0,
        limit: int = 100,
    ) -> list[EventRow]:
        """Events in the order they were made, with what each sink answered."""
        where, values = "true", list[Any]()
        if device_id is not None:
            where += " AND device = (SELECT no FROM devices WHERE device_id = ?)"
            values.append(device_id)
        if session_id is not None:
            where += " AND session_id = ?"
            values.append(session_id)
        rows = self._all(_EVENTS.format(where=where), after_id, *values, limit)
        events = []
        for head, group in groupby(rows, key=lambda row: row[:8]):
            deliveries = tuple(_delivery(row[8:]) for row in group if row[8] is not None)
            events.append(_event(head, deliveries))
        return events

    def dead_letters(self, limit: int = 100, after_id: int = 0) -> list[DeadLetter]:
        """What devices sent and nobody could read, oldest first."""
        return [DeadLetter(*row) for row in self._all(_LETTERS, after_id, limit)]

    def dead_deliveries(self, limit: int = 100, after_id: int = 0) -> list[DeadLetter]:
        """Events that a sink (`kind`) refused for good; `id` is the event's, `reason` the answer."""
        rows = self._all(_DEAD_DELIVERIES, after_id, limit)
        return [_dead_delivery(*row) for row in rows]

    def kept_bytes(self) -> dict[str, int]:
        """What lies in the database of each device. Reads through all chunks: rarely, and in a thread of its own."""
        query = (
            "SELECT d.device_id, sum(length(c.data)) FROM chunks c JOIN streams s ON s.no = c.key >> 30"
            " JOIN devices d ON d.no = s.device GROUP BY d.device_id"
        )
        return {device_id: int(size) for device_id, size in self._all(query)}

    def counters(self, device_id: str | None = None) -> dict[str, dict[str, int]]:
        """Counts by name, by device ('' for what no device can be named for)."""
        where, values = ("", []) if device_id is None else (" WHERE device_id = ?", [device_id])
        found: dict[str, dict[str, int]] = {}
        for owner, name, value in self._all("SELECT device_id, name, value FROM counters" + where, *values):
            found.setdefault(owner, {})[name] = value
        return found


def _seq(chunk: StoredChunk) -> int:
    return chunk.seq


def _device(device_id: str, first_ms: int, last_ms: int, is_online: int, *rest: Any) -> DeviceRow:
    return DeviceRow(device_id, first_ms, last_ms, bool(is_online), *rest)


def _dead_delivery(event: int, device_id: str, sink: str, *rest: Any) -> DeadLetter:
    return DeadLetter(event, device_id, sink, None, None, *rest)


def _delivery(row: Any) -> DeliveryRow:
    sink, state, attempts, status, answer, next_try_ms, settled_ms, payload = row
    own = None if payload is None else payload.decode()
    return DeliveryRow(sink, state, attempts, status, answer, next_try_ms, settled_ms, own)


def _session(row: Any) -> SessionRow:
    device_id, session_id, number, boot, stream, start_ms, last_ms, end_ms, sampled, estimated, user_id = row
    times = (start_ms, last_ms, end_ms)
    return SessionRow(
        device_id, session_id, number, boot, stream, *times, bool(sampled), bool(estimated), user_id
    )


def _event(head: Any, deliveries: tuple[DeliveryRow, ...]) -> EventRow:
    number, message_id, device_id, session_id, kind, event, time_ms, payload = head
    return EventRow(number, message_id, device_id, session_id, kind, event, time_ms, payload, deliveries)
