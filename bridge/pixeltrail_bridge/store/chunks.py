"""Writes that ingest makes: devices, streams, chunks in any order, and what their records say."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from hashlib import blake2b

from ..sessions.state import GapRow, SessionRow
from ..wire.limits import STREAM_ID_BYTES
from .base import SEQ_SPAN, DeviceSave, LoadedDevice, NewChunk, StreamRow, StreamSave
from .sql import Connection, insert_rows, marks, replacing

_SESSION_REST = "number, boot, stream, start_ms, last_ms, end_ms, sampled, estimated, user_id"
_GAP_REST = 'device, session_id, first, "end", frames, inputs, calls, reason, host_ms'


def aside_id(stream: bytes) -> bytes:
    """The ID of an imported stream whose own ID the device has taken."""
    return blake2b(b"imported" + stream, digest_size=STREAM_ID_BYTES).digest()


class ChunkWrites:
    """Part of a transaction. Devices and streams are loaded once and then known by number."""

    locking = ""  # what a SELECT ends with to keep other writers from its rows until the commit

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def lock_devices(self, device_ids: Collection[str]) -> dict[str, int]:
        """Keep other writers away from devices, until the commit; returns the version of each that exists.

        A version that is not the one remembered says that another process wrote the device or its streams.
        """
        if not device_ids:
            return {}
        ids = sorted(device_ids)  # always in this order: two writers never wait for each other
        query = f"SELECT device_id, version FROM devices WHERE device_id IN {marks(ids)} ORDER BY device_id"
        return dict(self._db.execute(query + self.locking, ids).fetchall())

    def read_ahead(
        self,
        locked: Collection[str],
        devices: Collection[str],
        streams: Collection[bytes],
        places: Collection[tuple[bytes, int]],
        keys: Iterable[int],
    ) -> None:
        """What a batch will ask for; a file answers at once, so nothing is read here. See ahead.py."""

    def load_device(self, device_id: str) -> LoadedDevice | None:
        """A device, locked."""
        row = self._db.execute(
            "SELECT no, state, opt_out_order, version FROM devices WHERE device_id = ?" + self.locking,
            (device_id,),
        ).fetchone()
        if row is None:
            return None
        return LoadedDevice(row[0], row[1], None if row[2] is None else bool(row[2]), row[3])

    def add_device(self, device_id: str, state: bytes, now_ms: int) -> int | None:
        """The number of a new device; None when another writer was first."""
        row = self._db.execute(
            "INSERT INTO devices (device_id, state, first_seen_ms, last_seen_ms, is_online) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (device_id) DO NOTHING RETURNING no",
            (device_id, state, now_ms, now_ms, True),
        ).fetchone()
        return None if row is None else int(row[0])

    def save_devices(self, rows: Iterable[DeviceSave]) -> None:
        self._db.executemany(
            "UPDATE devices SET state = ?, opt_out_order = ?, version = version + 1,"
            " last_seen_ms = CASE WHEN last_seen_ms < ? THEN ? ELSE last_seen_ms END WHERE no = ?",
            [(r.state, r.opt_out_order, r.seen_ms, r.seen_ms, r.number) for r in rows],
        )

    def set_online(self, device_id: str, is_online: bool) -> None:
        self._db.execute("UPDATE devices SET is_online = ? WHERE device_id = ?", (is_online, device_id))

    def newest_stream(self, device_id: str) -> bytes | None:
        """The stream of a device that began last; none that was imported."""
        row = self._db.execute(
            "SELECT s.stream FROM streams s JOIN devices d ON d.no = s.device WHERE d.device_id = ?"
            " AND s.imported_ms IS NULL ORDER BY s.no DESC LIMIT 1",
            (device_id,),
        ).fetchone()
        return None if row is None else bytes(row[0])

    def load_stream(self, stream: bytes) -> StreamRow | None:
        row = self._db.execute(
            "SELECT s.no, d.device_id, s.watermark, s.state, s.line, s.imported_ms FROM streams s"
            " JOIN devices d ON d.no = s.device WHERE s.stream = ?",
            (stream,),
        ).fetchone()
        if row is None:
            return None
        number, device_id, watermark, state, line, imported_ms = row
        if imported_ms is not None:
            return StreamRow(number, device_id, stream, watermark, state, line, is_imported=True)
        bounds = (number * SEQ_SPAN + watermark, (number + 1) * SEQ_SPAN)
        keys = self._db.execute("SELECT key FROM chunks WHERE key >= ? AND key < ?", bounds)
        ahead = frozenset(key % SEQ_SPAN for (key,) in keys)
        skips = self._db.execute(
            'SELECT first, "end" FROM skips WHERE stream = ? AND "end" > ?', (number, watermark)
        )
        return StreamRow(number, device_id, stream, watermark, state, line, ahead, tuple(skips.fetchall()))

    def set_aside(self, number: int, stream: bytes) -> None:
        """Give an imported stream another ID, because the device sends the stream itself from now on.

        What was imported is in nobody's custody: an ack for it would make the device free what is not here.
        """
        self._db.execute("UPDATE streams SET stream = ? WHERE no = ?", (aside_id(stream), number))

    def add_stream(self, device: int, stream: bytes, state: bytes, line: bytes, now_ms: int) -> int:
        (number,) = self._db.execute(
            "INSERT INTO streams (device, stream, watermark, state, line, first_seen_ms, last_seen_ms)"
            " VALUES (?, ?, 0, ?, ?, ?, ?) RETURNING no",
            (device, stream, state, line, now_ms, now_ms),
        ).fetchone()
        return int(number)

    def save_streams(self, rows: Iterable[StreamSave]) -> None:
        self._db.executemany(
            "UPDATE streams SET watermark = ?, state = ?, line = ?,"
            " last_seen_ms = CASE WHEN last_seen_ms < ? THEN ? ELSE last_seen_ms END WHERE no = ?",
            [(r.watermark, r.state, r.line, r.seen_ms, r.seen_ms, r.number) for r in rows],
        )

    def chunk(self, key: int) -> tuple[bytes, str | None, int] | None:
        """Bytes, fault and time of receipt of a stored chunk."""
        row = self._db.execute("SELECT data, fault, received_ms FROM chunks WHERE key = ?", (key,)).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def put_chunks(self, chunks: Iterable[NewChunk]) -> None:
        rows = [(c.key, c.received_ms, c.session_id, c.host_ms, c.fault, c.data) for c in chunks]
        insert_rows(self._db, "INSERT INTO chunks (key, received_ms, session_id, host_ms, fault, data)", rows)

    def place_chunks(self, places: Iterable[tuple[int, int, int]]) -> None:
        """Session, host time and key of chunks stored earlier that have now passed in order."""
        self._db.executemany("UPDATE chunks SET session_id = ?, host_ms = ? WHERE key = ?", places)

    def drop_chunks(self, keys: Iterable[int]) -> None:
        """Remove chunks that were stored ahead and, once they passed, may not be kept."""
        self._db.executemany("DELETE FROM chunks WHERE key = ?", [(key,) for key in keys])

    def replace_chunks(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Put other bytes in the place of stored chunks, by key."""
        self._db.executemany("UPDATE chunks SET data = ? WHERE key = ?", [(data, key) for key, data in rows])

    def note_scrubbed(self, keys: Iterable[int]) -> None:
        """Of these chunks only a part is kept."""
        insert = "INSERT INTO scrubbed (key) VALUES (?) ON CONFLICT DO NOTHING"
        self._db.executemany(insert, [(key,) for key in keys])

    def is_scrubbed(self, key: int) -> bool:
        return self._db.execute("SELECT 1 FROM scrubbed WHERE key = ?", (key,)).fetchone() is not None

    def put_skips(self, rows: Iterable[tuple[int, int, int]]) -> None:
        """Stream number, first and end of seqs that will not come."""
        self._db.executemany("INSERT INTO skips VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows)

    def put_heads(self, rows: Iterable[tuple[int, int, bool]]) -> None:
        """Stream number and seq of chunks with a hello or (True) a display record."""
        query = "INSERT INTO heads (stream, seq, is_display) VALUES (?, ?, ?)"
        self._db.executemany(query + replacing("stream, seq", "is_display"), rows)

    def put_spans(self, rows: Iterable[tuple[int, int, int, int, int]]) -> None:
        """Device number, session, stream number, first and last seq, which widen what is known."""
        self._db.executemany(
            "INSERT INTO spans (device, session_id, stream, first, last) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (device, session_id, stream) DO UPDATE"
            " SET first = CASE WHEN excluded.first < spans.first THEN excluded.first ELSE spans.first END,"
            " last = CASE WHEN excluded.last > spans.last THEN excluded.last ELSE spans.last END",
            rows,
        )

    def put_sessions(self, rows: Iterable[SessionRow]) -> None:
        self._db.executemany(
            f"INSERT INTO sessions (device, session_id, {_SESSION_REST})"
            " SELECT no, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM devices WHERE device_id = ?"
            + replacing("device, session_id", _SESSION_REST),
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
            f"INSERT INTO gaps (stream, seq, number, {_GAP_REST})"
            " SELECT no, ?, ?, device, ?, ?, ?, ?, ?, ?, ?, ? FROM streams WHERE stream = ?"
            + replacing("stream, seq, number", _GAP_REST),
            [
                (
                    *(r.seq, r.index, r.session_id, r.first, r.end, r.frames, r.inputs, r.calls),
                    *(r.reason, r.host_ms, r.stream),
                )
                for r in rows
            ],
        )
