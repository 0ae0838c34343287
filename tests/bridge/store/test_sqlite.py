"""The SQLite store: its settings, its migrations, and what it makes of a failing disk."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pixeltrail_bridge.errors import StoreError, StoreFailure
from pixeltrail_bridge.store import letters
from pixeltrail_bridge.store.base import SEQ_SPAN, NewChunk
from pixeltrail_bridge.store.sqlite import SqliteStore


@pytest.fixture
def store(tmp_path: Path):
    store = SqliteStore(tmp_path / "store.db", ("one", "two"))
    yield store
    store.close()


def test_settings_of_the_connection(store: SqliteStore) -> None:
    values = [
        store._writer.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
    ]
    assert values == ["wal", 2]


def test_a_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="check that the folder exists"):
        SqliteStore(tmp_path / "no" / "folder" / "a.db")


def fail_with(code: int):
    def fail(tx) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = code
        raise error

    return fail


def test_an_io_error_closes_the_store_for_good(store: SqliteStore) -> None:
    told: list[str] = []
    store.on_failure = told.append
    with pytest.raises(StoreFailure, match="check the disk, then restart"):
        store.commit_batch(fail_with(sqlite3.SQLITE_IOERR_FSYNC))
    with pytest.raises(StoreFailure, match="check the disk, then restart"):
        store.commit_batch(lambda tx: None)
    assert len(told) == 1 and "check the disk" in told[0]


def test_giving_back_room_closes_it_as_well(store: SqliteStore) -> None:
    """What is written there is synced, too; after that nothing is tried on the same connection again."""

    class Writer:
        tried = 0

        def execute(self, query: str, values: object = ()) -> Any:
            self.tried += 1
            found = {"PRAGMA freelist_count": 10, "PRAGMA auto_vacuum": 2}.get(query)
            return real.execute(f"SELECT {found}" if found else query)

        def executescript(self, script: str) -> None:
            fail_with(sqlite3.SQLITE_IOERR_FSYNC)(None)

    told: list[str] = []
    store.on_failure, real, writer = told.append, store._writer, Writer()
    store._writer = writer  # type: ignore[assignment]
    try:
        for work in (
            lambda: store.give_back(4096),
            lambda: store.give_back(4096),
            lambda: store.commit_batch(len),
        ):
            with pytest.raises(StoreFailure, match="check the disk, then restart"):
                work()
        assert writer.tried == 3 and len(told) == 1
    finally:
        store._writer = real


def test_a_lock_that_fails_is_tried_again(store: SqliteStore) -> None:
    with pytest.raises(StoreError) as caught:
        store.commit_batch(fail_with(sqlite3.SQLITE_IOERR_SHMSIZE))
    assert not isinstance(caught.value, StoreFailure)
    store.commit_batch(lambda tx: tx.count("", "goes on"))


def test_a_read_that_fails_is_a_store_error(store: SqliteStore) -> None:
    store._writer.execute("DROP TABLE counters")
    with pytest.raises(StoreError, match="cannot be read"):
        store.counters()


def test_letters_that_were_rolled_back_take_no_room(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "MAX_LETTERS", 2)

    def fail(tx) -> None:
        tx.add_dead_letter("device-a", "record", "bad", b"1", 1)
        raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            store.commit_batch(fail)
    store.commit_batch(lambda tx: tx.add_dead_letter("device-a", "record", "bad", b"2", 1))
    assert [letter.raw for letter in store.dead_letters()] == [b"2"]


QUERIES = {
    "SELECT id FROM events WHERE device = 1 ORDER BY id DESC LIMIT 5": "events_of_device",
    "SELECT id FROM events WHERE device = 1 AND session_id = 2 AND id > 3 ORDER BY id LIMIT 5": "events_of_",
    "SELECT id FROM dead_letters WHERE device_id = 'a' ORDER BY id DESC LIMIT 5": "letters_of_device",
    "SELECT event FROM deliveries WHERE sink = 'one' AND state = 'waiting' AND device > 1"
    " ORDER BY device, event LIMIT 1": "deliveries_waiting",
}


@pytest.mark.parametrize("query", QUERIES)
def test_what_readers_ask_often_has_an_index(store: SqliteStore, query: str) -> None:
    plan = " ".join(row[3] for row in store._writer.execute(f"EXPLAIN QUERY PLAN {query}"))
    assert QUERIES[query] in plan and "TEMP B-TREE" not in plan, plan


def test_a_full_disk_is_named(store: SqliteStore) -> None:
    store._writer.execute("PRAGMA max_page_count = 60")
    with pytest.raises(StoreError, match="disk is full"):
        store.commit_batch(lambda tx: tx.put_chunks([NewChunk(SEQ_SPAN, 1, bytes(1 << 20))]))
    store._writer.execute("PRAGMA max_page_count = 1000000")
    store.commit_batch(lambda tx: tx.count("", "goes on"))
    assert store.counters() == {"": {"goes on": 1}}


# Threads that read all the time, and an end in the midst of it; prints how many were told.
READ_AND_CLOSE = """
import sys, threading
from pixeltrail_bridge.errors import StoreError
from pixeltrail_bridge.store.sqlite import SqliteStore

QUERY = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300) SELECT i, i || '' FROM n"
for number in range(20):
    store = SqliteStore(f"{sys.argv[1]}/{number}.db")
    have_read, told = threading.Barrier(5), []

    def read():
        store._all(QUERY)
        have_read.wait()
        try:
            while True:
                store._all(QUERY)
        except StoreError:
            told.append(True)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    have_read.wait()
    store.close()
    for thread in threads:
        thread.join()
    assert len(told) == 4
"""


def test_closing_ends_a_read_that_is_under_way(tmp_path: Path) -> None:
    """A look at everything as the bridge ends, say: it ended the process with a fault of memory."""
    words = [sys.executable, "-c", READ_AND_CLOSE, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
