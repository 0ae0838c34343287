"""The store for one box: SQLite in WAL mode with `synchronous=FULL`, so that a commit survives a power cut.

One connection writes, under a lock; each thread that reads has its own. A commit
that fails with an I/O error closes the store for good: after a failed fsync the
kernel may have dropped the pages, and a second fsync that succeeds proves nothing.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from ..errors import StoreError
from ..mapping.calls import Call, OutboxRow, Settled
from ..wire.limits import BRIDGE_ID_BYTES
from . import outbox
from .chunks import ChunkWrites
from .letters import LetterBudget, LetterWrites
from .migrate import migrate
from .readers import Readers

T = TypeVar("T")
BUSY_TIMEOUT_MS = 5_000
WAL_PAGES = 4_000  # 16 MB between checkpoints: at the default 1,000 a burst spends its time in them


class SqliteTransaction(ChunkWrites, LetterWrites):
    """Everything that may be written inside `commit_batch`."""

    def __init__(self, db: sqlite3.Connection, budget: LetterBudget, sinks: Sequence[str]) -> None:
        ChunkWrites.__init__(self, db)
        LetterWrites.__init__(self, db, budget)
        self._sinks = sinks
        self._numbers: dict[str, int] = {}

    def enqueue_calls(self, calls: Iterable[Call]) -> int:
        """Add events, with a delivery to each configured sink; one whose message ID is known is left out."""
        return outbox.enqueue_calls(self._db, calls, self._sinks, self._numbers)

    def set_projection(self, stream: bytes, cursor: int, state_json: bytes | str) -> None:
        """How far the projector has come in a stream, with what it must remember."""
        self._db.execute(
            "INSERT OR REPLACE INTO projections SELECT no, ?, ? FROM streams WHERE stream = ?",
            (cursor, state_json.encode() if isinstance(state_json, str) else state_json, stream),
        )

    def add_keyframe(self, stream: bytes, seq: int, index: int, host_ms: int) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO keyframes SELECT no, ?, ?, ? FROM streams WHERE stream = ?",
            (seq, index, host_ms, stream),
        )


class SqliteStore(Readers):
    """See base.Store. `sinks` names those that get a delivery row for each new event."""

    def __init__(self, path: str | Path, sinks: Sequence[str] = ()) -> None:
        self.path = str(path)
        self.sinks: tuple[str, ...] = tuple(sinks)
        self._lock = threading.RLock()
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._readers_lock = threading.Lock()  # its own: a thread's first read must not wait for a commit
        self._failure: str | None = None
        self._lease_after: dict[str, int] = {}
        try:
            self._writer = self._connect()
            self._writer.execute("PRAGMA journal_mode = WAL").fetchone()
            migrate(self._writer, self.path)
            self.bridge_id = self._load_bridge_id()
            self._budget = LetterBudget.read(self._writer)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"database {self.path} cannot be opened: {error}; check that the folder exists and may be written"
            ) from error

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_MS / 1000
        )
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        db.execute("PRAGMA fullfsync = ON")  # macOS: a plain fsync there does not reach the disk
        db.execute("PRAGMA checkpoint_fullfsync = ON")
        db.execute(
            "PRAGMA foreign_keys = OFF"
        )  # rows are written by number from this transaction's own reads
        return db

    def _load_bridge_id(self) -> bytes:
        self._writer.execute(
            "INSERT OR IGNORE INTO meta VALUES ('bridge_id', ?)", (os.urandom(BRIDGE_ID_BYTES),)
        )
        return bytes(self._writer.execute("SELECT value FROM meta WHERE key = 'bridge_id'").fetchone()[0])

    def _reader(self) -> sqlite3.Connection:
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if db is None:
            db = self._connect()
            db.execute("PRAGMA query_only = ON")
            self._local.db = db
            with self._readers_lock:
                self._readers.append(db)
        return db

    def commit_batch(self, work: Callable[[SqliteTransaction], T]) -> T:
        """Run `work` in one transaction and return its result once it is durable. StoreError: nothing was written."""
        with self._lock:
            if self._failure is not None:
                raise StoreError(self._failure)
            db = self._writer
            try:
                db.execute("BEGIN IMMEDIATE")
                result = work(SqliteTransaction(db, self._budget, self.sinks))
                db.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back()
                raise self._explain(error) from error
            except BaseException:
                self._roll_back()
                raise
            return result

    def _roll_back(self) -> None:
        if self._writer.in_transaction:  # SQLite itself rolls back when the disk is full
            self._writer.execute("ROLLBACK")

    def _explain(self, error: sqlite3.Error) -> StoreError:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR:
            self._failure = (
                f"database {self.path}: {error}; the disk failed a write, so nothing is accepted any more: "
                "check the disk, then restart the bridge"
            )
            return StoreError(self._failure)
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
            return StoreError(
                f"database {self.path}: the disk is full; free some space, devices keep what is not acked"
            )
        return StoreError(f"database {self.path}: {error}")

    def close(self) -> None:
        with self._lock, self._readers_lock:
            for db in (*self._readers, self._writer):
                db.close()
            self._readers.clear()

    # ---- outbox ---------------------------------------------------------------

    def enqueue_calls(self, tx: SqliteTransaction, calls: Iterable[Call]) -> int:
        return tx.enqueue_calls(calls)

    def lease(self, sink: str, limit: int, now_ms: int, lease_ms: int) -> list[OutboxRow]:
        """Waiting events for a sink, oldest first per device, kept from others for `lease_ms`."""
        if not self._all("SELECT 1 FROM deliveries WHERE sink = ? AND state = 'waiting' LIMIT 1", sink):
            return []  # a look costs no write

        def work(tx: SqliteTransaction) -> list[OutboxRow]:
            after = self._lease_after.get(sink, 0)
            rows, self._lease_after[sink] = outbox.lease(
                self._writer, sink, limit, now_ms, now_ms + lease_ms, after
            )
            return rows

        return self.commit_batch(work)

    def settle(self, sink: str, results: Iterable[Settled], now_ms: int) -> None:
        """Write down what became of leased events."""
        self.commit_batch(lambda tx: outbox.settle(self._writer, sink, results, now_ms))

    def pending(self, sink: str) -> int:
        rows = self._all("SELECT count(*) FROM deliveries WHERE sink = ? AND state = 'waiting'", sink)
        return int(rows[0][0])

    def release_leases(self, sink: str) -> None:
        """Give back what an earlier process had leased, and try at once what it had put off.

        A restart is how a person says that the fault (a wrong key, a wrong address) is mended.
        """
        self.commit_batch(
            lambda tx: self._writer.execute(
                "UPDATE deliveries SET lease_until_ms = 0, next_try_ms = 0"
                " WHERE sink = ? AND state = 'waiting' AND (lease_until_ms > 0 OR next_try_ms > 0)",
                (sink,),
            )
        )

    def requeue_dead(self, sink: str, event_ids: Iterable[int] | None = None) -> int:
        """Try dead deliveries again, all of a sink's or some; returns how many."""
        return self.commit_batch(lambda tx: outbox.requeue_dead(self._writer, sink, event_ids))

    def purge_dead_letters(self, ids: Iterable[int] | None = None) -> int:
        """Delete dead letters, all or some; returns how many."""

        def work(tx: SqliteTransaction) -> int:
            if ids is None:
                gone = self._writer.execute("DELETE FROM dead_letters").rowcount
            else:
                delete = "DELETE FROM dead_letters WHERE id = ?"
                gone = sum(self._writer.execute(delete, (letter,)).rowcount for letter in ids)
            self._budget = LetterBudget.read(self._writer)
            return gone

        return self.commit_batch(work)
