"""Migrations: an old database comes up to date, with a copy kept; a newer or damaged one is refused, and stays."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from pixeltrail_bridge.errors import StoreError
from pixeltrail_bridge.store import migrate
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.store.sqlite import SqliteStore

from tests.support.ingest import Bench, track_chunk
from tests.support.stores import Place, PostgresPlace, SqlitePlace

SCHEMA_1 = Path(__file__).resolve().parents[2] / "data" / "schema_1.sql"
NEWEST = migrate.migrations("sqlite")[-1].number


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(SCHEMA_1.read_text())
    db.close()
    return path


def version_of(path: Path) -> int:
    return int(SqlitePlace(path).query("PRAGMA user_version")[0][0])


def test_both_databases_have_the_same_steps() -> None:
    names = [[step.name for step in migrate.migrations(kind)] for kind in ("sqlite", "postgres")]
    assert names[0] == names[1]
    assert [int(name[:4]) for name in names[0]] == list(range(1, len(names[0]) + 1))


def test_an_old_database_comes_up_to_date(old: Path) -> None:
    bench = Bench(old, ("segment",))
    store = bench.store
    assert version_of(old) == NEWEST and store.bridge_id == bytes(range(1, 9))
    assert [chunk.data for chunk in store.session_chunks("old-device", 1000)] == [b"\1", b"\2"]
    assert [(e.event, [d.state for d in e.deliveries]) for e in store.events()] == [
        ("First", ["sent"]),
        ("Second", ["waiting"]),
    ]
    assert store.sessions()[0].user_id == "user-7" and store.counters() == {"old-device": {"duplicates": 3}}
    bench.feed(track_chunk(2), device_id="old-device")
    assert bench.channel.watermark == 3, "its stream goes on"
    assert [row.message_id for row in store.lease("segment", 10, 0, 100)][0] == "px-2"
    bench.close()
    (copy,) = (old.parent / "backups").iterdir()
    assert version_of(copy) == 1 and SqlitePlace(copy).query("SELECT count(*) FROM chunks") == [(2,)]


def test_the_newest_copies_are_kept(old: Path) -> None:
    folder = old.parent / "backups"
    folder.mkdir()
    for number in range(migrate.KEPT_BACKUPS + 2):
        (folder / f"old-schema0000-{number}.db").write_bytes(b"")
    (folder / "of-somebody-else.db").write_bytes(b"")
    SqliteStore(old).close()
    names = {path.name for path in folder.iterdir()}
    assert len(names) == migrate.KEPT_BACKUPS + 1 and "of-somebody-else.db" in names
    assert any(name.startswith("old-schema0001-") for name in names)


def test_no_copy_no_update(old: Path) -> None:
    (old.parent / "backups").write_bytes(b"a file in the way")
    with pytest.raises(StoreError, match=r"copy that is made before an update failed.*nothing was changed"):
        SqliteStore(old)
    assert version_of(old) == 1


def test_a_new_database_needs_no_copy(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "new.db").close()
    SqliteStore(tmp_path / "new.db").close()
    assert not (tmp_path / "backups").exists()


def test_a_newer_database_is_refused(place: Place) -> None:
    place.open().close()
    if isinstance(place, PostgresPlace):
        place.query("INSERT INTO schema_version VALUES (9999)")
    else:
        place.query("PRAGMA user_version = 9999")
    with pytest.raises(StoreError, match="newer than this bridge's.*update pixeltrail"):
        place.open()


def test_a_migration_is_whole_or_not_at_all(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.open().close()
    real = migrate.migrations
    broken = migrate.Migration(
        NEWEST + 1, "broken.sql", "CREATE TABLE later (x int); CREATE TABLE later (x int);"
    )
    monkeypatch.setattr(migrate, "migrations", lambda kind: [*real(kind), broken])
    with pytest.raises(StoreError, match=r"broken\.sql failed.*nothing was changed"):
        place.open()
    monkeypatch.undo()
    place.open().close()
    place.query("CREATE TABLE later (x int)")


def test_an_old_postgres_comes_up_to_date(postgres_server, monkeypatch: pytest.MonkeyPatch) -> None:
    place = PostgresPlace(postgres_server.url)
    real = migrate.migrations
    monkeypatch.setattr(migrate, "migrations", lambda kind: real(kind)[:1])
    store = place.open()
    store.commit_batch(lambda tx: tx.db.execute("INSERT INTO counters VALUES ('a', 'x', 3)"))
    store.close()
    monkeypatch.undo()
    store = place.open()
    assert store.counters() == {"a": {"x": 3}}
    assert place.query("SELECT max(number) FROM schema_version") == [(NEWEST,)]
    store.close()


def spoil(path: Path, offset: int) -> bytes:
    """Overwrite a part of the file; returns what it is now."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * 512)
    return path.read_bytes()


@pytest.mark.parametrize("offset", [0, 100, 4096 * 3], ids=["head", "schema", "page"])
def test_a_damaged_database_is_refused_and_stays(old: Path, offset: int) -> None:
    before = spoil(old, offset)
    with pytest.raises(StoreError, match=r"damaged.*nothing was deleted.*backups.*\.recover"):
        SqliteStore(old)
    assert old.read_bytes() == before


@pytest.mark.parametrize("is_old", [False, True])
def test_workers_that_start_at_once_migrate_one_after_the_other(
    postgres_server, monkeypatch: pytest.MonkeyPatch, is_old: bool
) -> None:
    place = PostgresPlace(postgres_server.url)
    if is_old:
        real = migrate.migrations
        with monkeypatch.context() as early:
            early.setattr(migrate, "migrations", lambda kind: real(kind)[:3])
            place.open().close()
        place.query("INSERT INTO counters VALUES ('a', 'x', 3)")
    ready, stores, faults = threading.Barrier(3), list[SqlStore](), list[Exception]()

    def start() -> None:
        ready.wait()
        try:
            stores.append(place.open())
        except Exception as error:  # noqa: BLE001 the test's own thread tells it
            faults.append(error)

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults and len({store.bridge_id for store in stores}) == 1
    assert place.query("SELECT number FROM schema_version ORDER BY 1") == [(n,) for n in range(1, NEWEST + 1)]
    stores[0].commit_batch(lambda tx: tx.count("a", "x"))
    assert stores[1].counters() == {"a": {"x": 4 if is_old else 1}}
    for store in stores:
        store.close()
