"""Deletes recordings, sessions, events and devices, some hundred rows at a time, so that no device waits for it.

`counts` tells how many rows of each table are gone. An object goes after its rows: its name stands in `doomed_objects`
from the commit that removes them until it is deleted, whatever is killed in between.

Of a recording that goes, the chunks that name the display stay as long as the stream goes on, without anything else
that was in them: what is recorded later cannot be decoded without.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from ..errors import PeerError
from ..sessions.ids import NO_SESSION
from ..wire.decode import decode_uplink
from ..wire.messages import Chunk
from ..wire.scrub import scrub
from .base import SEQ_SPAN
from .database import SqlStore, SqlTransaction
from .objects import ObjectError
from .sql import marks

ROWS: Final = 400  # deleted in one transaction
_CLIPS: Final = 100  # larger rows
T = TypeVar("T")
IsDue = Callable[[SqlTransaction], bool]

_BY_SESSION: Final = ("spans", "gaps", "stars", "shares", "event_names", "sessions")
_BY_STREAM: Final = ("heads", "keyframes", "skips", "gaps", "spans", "projections", "clips", "replay_pieces")
_BY_DEVICE: Final = ("gaps", "spans", "clips", "stars", "shares", "event_names", "replay_pieces", "sessions")


class _Stays(Exception):
    """It was to go, and is to be kept now."""


class Eraser:
    def __init__(self, store: SqlStore, now_ms: Callable[[], int]) -> None:
        self._store, self._now_ms = store, now_ms
        self.counts: Counter[str] = Counter()
        self._is_due: IsDue | None = None

    @contextmanager
    def as_long_as(self, is_due: IsDue) -> Iterator[None]:
        """Asked in each transaction, before it erases anything: once it says no, what is left stays."""
        self._is_due = is_due
        try:
            yield
        except _Stays:
            pass
        finally:
            self._is_due = None

    def _commit(self, work: Callable[[SqlTransaction], T]) -> T:
        is_due = self._is_due

        def asked(tx: SqlTransaction) -> T:
            if is_due is not None and not is_due(tx):
                raise _Stays
            return work(tx)

        return self._store.commit_batch(asked)

    # ---- a device -------------------------------------------------------------------

    def device(self, device_id: str) -> None:
        """All that there is of a device or an app, its own row included."""
        row = self._one("SELECT no FROM devices WHERE device_id = ?", device_id)
        if row is not None:
            self._events_of(row[0])
            self._packs("device = ?", row[0])
            for (stream,) in self._store._all("SELECT no FROM streams WHERE device = ?", row[0]):
                self.stream(stream)
            self._commit(lambda tx: self._finish_device(tx, row[0], device_id))
        self._letters("device_id = ?", device_id)
        self._delete("counters", "device_id = ?", device_id)

    def stream(self, stream: int) -> None:
        """What hangs on a stream; its own row stays."""
        first, end = stream * SEQ_SPAN, (stream + 1) * SEQ_SPAN
        self._chunks("key >= ? AND key < ?", first, end)
        self._clips("stream = ?", stream)
        for table in _BY_STREAM:
            self._delete(table, "stream = ?", stream)
        self._delete("scrubbed", "key >= ? AND key < ?", first, end)

    def _finish_device(self, tx: SqlTransaction, number: int, device_id: str) -> None:
        """What came while the rest was deleted goes with the rows that it hung on, under the device's lock."""
        tx.lock_devices([device_id])
        streams = [row[0] for row in tx.db.execute("SELECT no FROM streams WHERE device = ?", (number,))]
        for stream in streams:
            between = (stream * SEQ_SPAN, (stream + 1) * SEQ_SPAN)
            self._run(tx, "chunks", "DELETE FROM chunks WHERE key >= ? AND key < ?", *between)
            self._run(tx, "scrubbed", "DELETE FROM scrubbed WHERE key >= ? AND key < ?", *between)
            for table in _BY_STREAM:
                self._run(tx, table, f"DELETE FROM {table} WHERE stream = ?", stream)
        self._doom(tx, "device = ?", number)
        self._run(tx, "deliveries", "DELETE FROM deliveries WHERE device = ?", number)
        remade = "DELETE FROM remade_events WHERE event IN (SELECT id FROM events WHERE device = ?)"
        self._run(tx, "remade_events", remade, number)
        self._run(tx, "events", "DELETE FROM events WHERE device = ?", number)
        for table in _BY_DEVICE:
            self._run(tx, table, f"DELETE FROM {table} WHERE device = ?", number)
        self._run(tx, "apps", "DELETE FROM apps WHERE device = ?", number)
        self._run(tx, "streams", "DELETE FROM streams WHERE device = ?", number)
        self._run(tx, "devices", "DELETE FROM devices WHERE no = ?", number)

    # ---- a session ------------------------------------------------------------------

    def session(self, device_id: str, session_id: int, *, with_events: bool = True) -> None:
        """A session with its recording. Without events, those go on alone."""
        row = self._one("SELECT no FROM devices WHERE device_id = ?", device_id)
        if row is None:
            return
        number = row[0]
        spans = self._spans(number, session_id)
        self.recording(device_id, session_id)
        if with_events:
            self._events_of(number, " AND session_id = ?", session_id)
        for stream, name, first, last in spans:
            del stream
            self._letters("stream = ? AND seq >= ? AND seq <= ?", bytes(name), first, last)

        def finish(tx: SqlTransaction) -> None:
            tx.lock_devices([device_id])
            for table in (*_BY_SESSION, "clips", "replay_pieces"):
                self._run(
                    tx, table, f"DELETE FROM {table} WHERE device = ? AND session_id = ?", number, session_id
                )
            self._doom(tx, "device = ? AND session_id = ?", number, session_id)
            tx.db.execute("UPDATE devices SET version = version + 1 WHERE no = ?", (number,))

        self._commit(finish)

    def recording(self, device_id: str, session_id: int) -> None:
        """What was recorded in a session: pictures, touches, keys, logs, and the index of them. Its row stays."""
        row = self._one("SELECT no FROM devices WHERE device_id = ?", device_id)
        if row is None:
            return
        number = row[0]
        for stream, name, first, last in self._spans(number, session_id):
            kept = self._keep_displays(device_id, stream, bytes(name), session_id, first, last)
            skipped = f" AND key NOT IN {marks(kept)}" if kept else ""
            self._chunks(
                "key >= ? AND key <= ? AND (session_id = ? OR session_id IS NULL)" + skipped,
                *(stream * SEQ_SPAN + first, stream * SEQ_SPAN + last, session_id, *kept),
            )
            seqs = [key % SEQ_SPAN for key in kept]
            heads = f" AND seq NOT IN {marks(seqs)}" if seqs else ""
            self._delete("heads", "stream = ? AND seq >= ? AND seq <= ?" + heads, stream, first, last, *seqs)
            self._delete("keyframes", "stream = ? AND seq >= ? AND seq <= ?", stream, first, last)
        self._clips("device = ? AND session_id = ?", number, session_id)
        self._delete(
            "replay_pieces", "device = ? AND session_id = ? AND state = 'waiting'", number, session_id
        )
        self._packs("device = ? AND session_id = ?", number, session_id)
        self._delete("spans", "device = ? AND session_id = ?", number, session_id)

    def _spans(self, number: int, session_id: int) -> list[Any]:
        query = (
            "SELECT p.stream, s.stream, p.first, p.last FROM spans p JOIN streams s ON s.no = p.stream"
            " WHERE p.device = ? AND p.session_id = ?"
        )
        return self._store._all(query, number, session_id)

    def _keep_displays(
        self, device_id: str, stream: int, name: bytes, session_id: int, first: int, last: int
    ) -> list[int]:
        """Reduce the chunks that name a display to that, where the stream goes on; returns their keys."""
        goes_on = self._one(
            "SELECT 1 FROM spans WHERE stream = ? AND session_id <> ? UNION ALL"
            " SELECT 1 FROM streams s WHERE s.no = ? AND s.no = (SELECT max(no) FROM streams WHERE device = s.device)",
            *(stream, session_id, stream),
        )
        if goes_on is None:
            return []
        kept: list[int] = []
        query = "SELECT seq FROM heads WHERE stream = ? AND is_display AND seq >= ? AND seq <= ?"
        for (seq,) in self._store._all(query, stream, first, last):
            try:
                stored = next(self._store.chunks(device_id, name, seq, seq + 1), None)
                chunk = decode_uplink(stored.data) if stored is not None else None
            except (PeerError, ObjectError):
                continue
            data = scrub(chunk, displays_only=True) if isinstance(chunk, Chunk) else None
            if stored is None or data is None:
                continue
            key = stream * SEQ_SPAN + seq
            values = (key, stored.received_ms, NO_SESSION, stored.host_ms, data)

            def put(tx: SqlTransaction, key: int = key, values: tuple[Any, ...] = values) -> None:
                tx.db.execute(
                    "INSERT INTO chunks (key, received_ms, session_id, host_ms, fault, data)"
                    " VALUES (?, ?, ?, ?, NULL, ?) ON CONFLICT (key) DO UPDATE"
                    " SET data = excluded.data, session_id = excluded.session_id",
                    values,
                )
                tx.note_scrubbed([key])

            self._commit(put)
            kept.append(key)
        return kept

    # ---- rows -------------------------------------------------------------------------

    def events(self, ids: Sequence[int]) -> None:
        """Events with what became of them at each sink."""
        for first in range(0, len(ids), ROWS):
            some = ids[first : first + ROWS]

            def work(tx: SqlTransaction, some: Sequence[int] = some) -> None:
                self._run(tx, "deliveries", f"DELETE FROM deliveries WHERE event IN {marks(some)}", *some)
                self._run(
                    tx, "remade_events", f"DELETE FROM remade_events WHERE event IN {marks(some)}", *some
                )
                self._run(tx, "events", f"DELETE FROM events WHERE id IN {marks(some)}", *some)

            self._commit(work)

    def letters(self, ids: Sequence[int]) -> None:
        for first in range(0, len(ids), ROWS):
            some = ids[first : first + ROWS]
            self._letters(f"id IN {marks(some)}", *some)

    def orphans(self, keys: Sequence[int]) -> None:
        """Single chunks that are in no session."""
        for first in range(0, len(keys), ROWS):
            some = keys[first : first + ROWS]
            self._chunks(f"key IN {marks(some)}", *some)

    def objects(self) -> int:
        """Delete the objects whose rows are gone; returns how many. ObjectError: later."""
        gone = 0
        for (name,) in self._store._all("SELECT name FROM doomed_objects ORDER BY name"):
            if self._store.packs.objects is None:
                break
            again = self._one("SELECT 1 FROM packs WHERE name = ?", name)  # imported and packed since
            if again is None:
                self._store.packs.objects.delete(name)
                gone += 1
            self._delete("doomed_objects", "name = ?", name, is_counted=False)
        if gone:
            self._store.packs.clear()
            self.counts["objects"] += gone
        return gone

    def _events_of(self, number: int, more: str = "", *values: Any) -> None:
        query = f"SELECT id FROM events WHERE device = ?{more} ORDER BY id LIMIT {ROWS}"
        while found := [row[0] for row in self._store._all(query, number, *values)]:
            self.events(found)

    def _packs(self, where: str, *values: Any) -> None:
        self._commit(lambda tx: self._doom(tx, where, *values))

    def _doom(self, tx: SqlTransaction, where: str, *values: Any) -> None:
        tx.db.execute(
            "INSERT INTO doomed_objects (name, since_ms) SELECT name, ? FROM packs"
            f" WHERE {where} ON CONFLICT DO NOTHING",
            (self._now_ms(), *values),
        )
        self._run(
            tx, "packed", f"DELETE FROM packed WHERE pack IN (SELECT no FROM packs WHERE {where})", *values
        )
        self._run(tx, "packs", f"DELETE FROM packs WHERE {where}", *values)

    def _chunks(self, where: str, *values: Any) -> None:
        """`where` bounds the keys, and stands outside as well: PostgreSQL then leaves the other days alone."""
        inner = f"SELECT key FROM chunks WHERE {where} ORDER BY key LIMIT {ROWS}"
        self._paged("chunks", f"DELETE FROM chunks WHERE {where} AND key IN ({inner})", *values, *values)

    def _clips(self, where: str, *values: Any) -> None:
        inner = f"SELECT stream, seq, number FROM clips WHERE {where} LIMIT {_CLIPS}"
        self._paged("clips", f"DELETE FROM clips WHERE (stream, seq, number) IN ({inner})", *values)

    def _letters(self, where: str, *values: Any) -> None:
        self._delete("dead_letters", where, *values)
        self._store.recount()

    def _delete(self, table: str, where: str, *values: Any, is_counted: bool = True) -> None:
        def work(tx: SqlTransaction) -> int:
            return tx.db.execute(f"DELETE FROM {table} WHERE {where}", values).rowcount

        gone = self._commit(work)
        if is_counted:
            self.counts[table] += gone

    def _paged(self, table: str, query: str, *values: Any) -> None:
        while gone := self._commit(lambda tx: tx.db.execute(query, values).rowcount):
            self.counts[table] += gone

    def _run(self, tx: SqlTransaction, table: str, query: str, *values: Any) -> None:
        self.counts[table] += tx.db.execute(query, values).rowcount

    def _one(self, query: str, *values: Any) -> Any:
        rows = self._store._all(query, *values)
        return rows[0] if rows else None
