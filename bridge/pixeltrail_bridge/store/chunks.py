"""Writes that ingest makes: devices, streams, chunks in any order, and what their records say."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from ..sessions.state import GapRow, SessionRow
from .base import SEQ_SPAN, StreamRow


@dataclass(slots=True)
class NewChunk:
    """A chunk to be stored; session and host time are set when it passes in order within the same batch."""

    key: int
    received_ms: int
    data: bytes
    session_id: int | None = None
    host_ms: int | None = None
    fault: str | None = None


class ChunkWrites:
    """Part of a transaction. Devices and streams are loaded once and then known by number."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def load_device(self, device_id: str) -> tuple[int, bytes, bool | None] | None:
        """Number, DeviceState as JSON, and the opt-out order that waits for the device."""
        row = self._db.execute(
            "SELECT no, state, opt_out_order FROM devices WHERE device_id = ?", (device_id,)
        ).fetchone()
        return None if row is None else (row[0], row[1], None if row[2] is None else bool(row[2]))

    def add_device(self, device_id: str, state: bytes, now_ms: int) -> int:
        number = self._db.execute(
            "INSERT INTO devices (device_id, state, first_seen_ms, last_seen_ms, is_online) VALUES (?, ?, ?, ?, 1)",
            (device_id, state, now_ms, now_ms),
        ).lastrowid
        assert number is not None
        return number

    def save_device(self, number: int, state: bytes, order: bool | None, last_seen_ms: int) -> None:
        self._db.execute(
            "UPDATE devices SET state = ?, opt_out_order = ?, last_seen_ms = max(last_seen_ms, ?) WHERE no = ?",
            (state, order, last_seen_ms, number),
        )

    def order_opt_out(self, device_id: str, opted_out: bool) -> None:
        self._db.execute("UPDATE devices SET opt_out_order = ? WHERE device_id = ?", (opted_out, device_id))

    def set_online(self, device_id: str, is_online: bool) -> None:
        self._db.execute("UPDATE devices SET is_online = ? WHERE device_id = ?", (is_online, device_id))

    def load_stream(self, stream: bytes) -> StreamRow | None:
        row = self._db.execute(
            "SELECT s.no, d.device_id, s.watermark, s.state, s.line FROM streams s"
            " JOIN devices d ON d.no = s.device WHERE s.stream = ?",
            (stream,),
        ).fetchone()
        if row is None:
            return None
        number, device_id, watermark, state, line = row
        bounds = (number * SEQ_SPAN + watermark, (number + 1) * SEQ_SPAN)
        keys = self._db.execute("SELECT key FROM chunks WHERE key >= ? AND key < ?", bounds)
        ahead = frozenset(key % SEQ_SPAN for (key,) in keys)
        skips = self._db.execute(
            "SELECT first, end FROM skips WHERE stream = ? AND end > ?", (number, watermark)
        )
        return StreamRow(number, device_id, stream, watermark, state, line, ahead, tuple(skips.fetchall()))

    def add_stream(self, device: int, stream: bytes, state: bytes, line: bytes, now_ms: int) -> int:
        number = self._db.execute(
            "INSERT INTO streams (device, stream, watermark, state, line, first_seen_ms, last_seen_ms)"
            " VALUES (?, ?, 0, ?, ?, ?, ?)",
            (device, stream, state, line, now_ms, now_ms),
        ).lastrowid
        assert number is not None
        return number

    def save_stream(self, number: int, watermark: int, state: bytes, line: bytes, last_seen_ms: int) -> None:
        self._db.execute(
            "UPDATE streams SET watermark = ?, state = ?, line = ?, last_seen_ms = max(last_seen_ms, ?) WHERE no = ?",
            (watermark, state, line, last_seen_ms, number),
        )

    def chunk(self, key: int) -> tuple[bytes, str | None, int] | None:
        """Bytes, fault and time of receipt of a stored chunk."""
        row = self._db.execute("SELECT data, fault, received_ms FROM chunks WHERE key = ?", (key,)).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def put_chunks(self, chunks: Iterable[NewChunk]) -> None:
        self._db.executemany(
            "INSERT INTO chunks (key, received_ms, session_id, host_ms, fault, data) VALUES (?, ?, ?, ?, ?, ?)",
            [(c.key, c.received_ms, c.session_id, c.host_ms, c.fault, c.data) for c in chunks],
        )

    def place_chunks(self, places: Iterable[tuple[int, int, int]]) -> None:
        """Session, host time and key of chunks stored earlier that have now passed in order."""
        self._db.executemany("UPDATE chunks SET session_id = ?, host_ms = ? WHERE key = ?", places)

    def drop_chunks(self, keys: Iterable[int]) -> None:
        """Remove chunks that were stored ahead and, once they passed, may not be kept."""
        self._db.executemany("DELETE FROM chunks WHERE key = ?", [(key,) for key in keys])

    def put_skips(self, rows: Iterable[tuple[int, int, int]]) -> None:
        """Stream number, first and end of seqs that will not come."""
        self._db.executemany("INSERT OR IGNORE INTO skips VALUES (?, ?, ?)", rows)

    def put_heads(self, rows: Iterable[tuple[int, int, bool]]) -> None:
        """Stream number and seq of chunks with a hello or (True) a display record."""
        self._db.executemany("INSERT OR REPLACE INTO heads VALUES (?, ?, ?)", rows)

    def put_spans(self, rows: Iterable[tuple[int, int, int, int, int]]) -> None:
        """Device number, session, stream number, first and last seq, which widen what is known."""
        self._db.executemany(
            "INSERT INTO spans VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET first = min(first, excluded.first), last = max(last, excluded.last)",
            rows,
        )

    def put_sessions(self, rows: Iterable[SessionRow]) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO sessions SELECT no, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM devices WHERE device_id = ?",
            [
                (
                    *(r.session_id, r.index, r.boot, r.stream, r.start_ms, r.last_ms, r.end_ms),
                    *(r.sampled, r.estimated, r.user_id, r.device_id),
                )
                for r in rows
            ],
        )

    def put_gaps(self, rows: Iterable[GapRow]) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO gaps SELECT no, ?, ?, device, ?, ?, ?, ?, ?, ?, ?, ? FROM streams WHERE stream = ?",
            [
                (
                    *(r.seq, r.index, r.session_id, r.first, r.end, r.frames, r.inputs, r.calls),
                    *(r.reason, r.host_ms, r.stream),
                )
                for r in rows
            ],
        )
