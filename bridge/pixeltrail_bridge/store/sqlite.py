"""The store for one box: SQLite in WAL mode with `synchronous=FULL`, so that a commit survives a power cut.

One connection writes, under a lock; each thread that reads has its own. A commit
that fails with an I/O error closes the store for good: after a failed fsync the
kernel may have dropped the pages, and a second fsync that succeeds proves nothing.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ..errors import StoreError, StoreFailure
from .database import SqlStore, SqlTransaction
from .migrate import migrate_sqlite, remedy
from .objects import FolderObjects
from .sql import Connection, load_bridge_id

BUSY_TIMEOUT_MS = 5_000
CACHE_KIB = (
    16_384  # a whole batch of 4 KB messages: at the default 2 MB its pages go to the disk and come back
)
WAL_PAGES = 8_000  # 32 MB between checkpoints, each of which syncs twice: at the default 1,000 a burst is spent in them

_COMPACT_S: Final = 120.0  # how long to wait for other processes
_INCREMENTAL: Final = 2  # of PRAGMA auto_vacuum
_IOERR: Final = sqlite3.SQLITE_IOERR
_PASSING = (  # I/O errors of locks and of the shared index: the file itself was not written
    sqlite3.SQLITE_IOERR_BLOCKED,
    sqlite3.SQLITE_IOERR_LOCK,
    sqlite3.SQLITE_IOERR_NOMEM,
    sqlite3.SQLITE_IOERR_RDLOCK,
    sqlite3.SQLITE_IOERR_SHMLOCK,
    sqlite3.SQLITE_IOERR_SHMMAP,
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_IOERR_SHMSIZE,
)


class SqliteTransaction(SqlTransaction):
    """BEGIN IMMEDIATE keeps all other writers away, so no row needs a lock."""


class SqliteStore(SqlStore):
    """See base.Store. Opening it migrates the file; migrate.py says how."""

    transaction = SqliteTransaction
    faults = sqlite3.Error
    is_shared = False
    contains = "instr({}, ?) > 0"
    as_bytes = "CAST({} AS BLOB)"
    tables_query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    texts_query = (
        "SELECT m.name, i.name FROM sqlite_master m JOIN pragma_table_info(m.name) i"
        " WHERE m.type = 'table' AND upper(i.type) IN ('TEXT', 'BLOB') ORDER BY 1, 2"
    )

    def __init__(self, path: str | Path, sinks: Sequence[str] = ()) -> None:
        super().__init__(sinks)
        self.path = self.place = str(path)
        self.folder = Path(path).absolute().parent
        self.packs.objects = FolderObjects(self.folder / "objects")
        self._local = threading.local()
        self._readers: list[tuple[sqlite3.Connection, threading.Lock]] = []  # the lock is held while it reads
        self._readers_lock = threading.Lock()  # its own: a thread's first read must not wait for a commit
        try:
            self._writer = self._connect()
            try:
                self._writer.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file; others by a VACUUM
                self._writer.execute("PRAGMA journal_mode = WAL").fetchone()
                self._writer.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
                migrate_sqlite(self._writer, Path(path))
                self.bridge_id = load_bridge_id(self._writer)
            except BaseException:
                self._writer.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise self._explain_opening(error) from error

    def compact(self, full: bool = False) -> str | None:
        """Write the file anew. Other writers wait meanwhile, for seconds where it is large."""
        deadline_s = time.monotonic() + _COMPACT_S
        while True:
            try:
                with self._lock:
                    self._writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
                    self._writer.execute("VACUUM")
                    (is_busy, *_) = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not is_busy:
                    return None
                problem = "another process was reading"
            except sqlite3.Error as error:
                problem = str(error)
            if time.monotonic() > deadline_s:
                return f"{self.place} and its log may still hold what was deleted ({problem}); run it again"
            time.sleep(0.05)

    def truncate_log(self) -> None:
        with self._lock, contextlib.suppress(sqlite3.Error):  # somebody reads: the next one gets it
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def give_back(self, most_bytes: int) -> bool:
        with self._lock:
            self._check_usable()
            try:
                (size,) = self._writer.execute("PRAGMA page_size").fetchone()
                (free,) = self._writer.execute("PRAGMA freelist_count").fetchone()
                (kind,) = self._writer.execute("PRAGMA auto_vacuum").fetchone()
                if not free or kind != _INCREMENTAL:
                    return False
                pages = max(1, most_bytes // size)
                self._writer.executescript(f"PRAGMA incremental_vacuum({pages})")  # execute() takes one step
            except sqlite3.Error as error:
                raise self._fault(error) from error
            return bool(free > pages)

    def _connect(self) -> sqlite3.Connection:
        _make_private(self.path)
        db = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_MS / 1000
        )
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        db.execute("PRAGMA fullfsync = ON")  # macOS: a plain fsync there does not reach the disk
        db.execute("PRAGMA checkpoint_fullfsync = ON")
        db.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten, not only forgotten
        db.execute("PRAGMA foreign_keys = OFF")  # rows are written by number from the transaction's own reads
        return db

    def _all(self, query: str, *values: Any) -> list[Any]:
        try:
            db, is_reading = self._reader()
            with is_reading:
                return db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"database {self.place} cannot be read: {error}") from error

    def _reader(self) -> tuple[sqlite3.Connection, threading.Lock]:
        reader: tuple[sqlite3.Connection, threading.Lock] | None = getattr(self._local, "reader", None)
        if reader is None:
            db = self._connect()
            db.execute("PRAGMA query_only = ON")
            reader = self._local.reader = db, threading.Lock()
            with self._readers_lock:
                self._readers.append(reader)
        return reader

    def _writing(self) -> Connection:
        self._writer.execute("BEGIN IMMEDIATE")
        return self._writer

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._writer.in_transaction:  # SQLite itself rolls back when the disk is full
                self._writer.execute("ROLLBACK")

    def _explain(self, error: Exception) -> StoreError:
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF == _IOERR and code not in _PASSING:
            return StoreFailure(
                f"database {self.place}: {error}; the disk failed a write, so nothing is accepted any more: "
                "check the disk, then restart the bridge. Devices keep what is not acked"
            )
        if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return StoreFailure(f"database {self.place} is damaged: {error}; {remedy(Path(self.path))}")
        if code == sqlite3.SQLITE_FULL:
            return StoreError(
                f"database {self.place}: the disk is full; free some space, devices keep what is not acked"
            )
        return StoreError(f"database {self.place}: {error}")

    def _explain_opening(self, error: Exception) -> StoreError:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return StoreError(f"database {self.place} is damaged: {error}; {remedy(Path(self.path))}")
        return StoreError(
            f"database {self.place} cannot be opened: {error}; check that the folder exists and may be written"
        )

    def close(self) -> None:
        with self._lock, self._readers_lock:
            for db, is_reading in self._readers:
                db.interrupt()
                with is_reading:  # closed under a thread that reads, it ends the whole process
                    db.close()
            if self._failure is None:  # closing copies the log into the file and syncs both
                self._writer.close()
            self._readers.clear()


def _make_private(path: str) -> None:
    """Recordings are for the owner of the file alone, and for its log and index, which SQLite makes alike."""
    with contextlib.suppress(OSError):  # it is there already, or SQLite says what is wrong
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
