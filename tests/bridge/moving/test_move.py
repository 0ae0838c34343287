"""A store that is moved and back is the same, whatever it holds and whenever the mover dies."""

from __future__ import annotations

import itertools
import sqlite3
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pixeltrail_bridge.errors import InUseError, LocalError, StoreError
from pixeltrail_bridge.moving import Move, Side
from pixeltrail_bridge.moving import ends as ends_module
from pixeltrail_bridge.moving.ends import End, SqliteEnd
from pixeltrail_bridge.moving.move import take_back
from pixeltrail_bridge.moving.postgres import PostgresEnd
from pixeltrail_bridge.moving.tables import NOT_MOVED, tables
from pixeltrail_bridge.store.moved import MARKS
from pixeltrail_bridge.store.objects import FolderObjects
from pixeltrail_bridge.store.opening import open_store

from tests.support.full_stores import fill
from tests.support.histories import House
from tests.support.services import Postgres
from tests.support.stores import PostgresPlace, SqlitePlace

_TRUTHS = (
    "SELECT table_name, column_name FROM information_schema.columns"
    " WHERE table_schema = current_schema() AND data_type = 'boolean'"
)
_KINDS = {"INTEGER": {"bigint", "boolean"}, "TEXT": {"text"}, "BLOB": {"bytea"}}


def made(place: SqlitePlace) -> SqlitePlace:
    """With the schema and a bridge ID."""
    place.open().close()
    return place


def truths_of(server: PostgresPlace) -> set[tuple[str, str]]:
    """Columns that are true or false; makes the schema."""
    server.open().close()
    return {(table, column) for table, column in server.query(_TRUTHS)}


def end_of(place: SqlitePlace | PostgresPlace) -> End:
    store = place.open()
    if isinstance(place, PostgresPlace):
        return PostgresEnd(store)
    store.close()
    return SqliteEnd(str(place.path))


class Moving:
    """Both sides of a move, closed with the block."""

    def __init__(self, source: Any, target: Any, folder: Path) -> None:
        self.old, self.new = end_of(source), end_of(target)
        self.at = FolderObjects(folder / f"objects of {source.__class__.__name__}")
        self.to = FolderObjects(folder / f"objects of {target.__class__.__name__}")

    def __enter__(self) -> Moving:
        return self

    def __exit__(self, *_: object) -> None:
        self.old.close()
        self.new.close()

    def move(self, target: End | None = None) -> Move:
        return Move(Side(self.old, self.at), Side(target or self.new, self.to))


def contents(place: Any) -> dict[str, list[Any]]:
    with closing(end_of(place)) as end:
        found = {table.name: list(end.rows(table)) for table in tables()}
    found["meta"] = [row for row in found["meta"] if row[0] not in MARKS]
    return found


def test_every_table_has_its_like_on_the_other_side(postgres_server: Postgres) -> None:
    place = PostgresPlace(postgres_server.url)
    place.open().close()
    columns: dict[str, dict[str, str]] = {}
    query = (
        "SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c JOIN pg_class p"
        " ON p.relname = c.table_name AND p.relnamespace = current_schema()::regnamespace"
        " WHERE c.table_schema = current_schema() AND NOT p.relispartition"
    )
    for table, column, kind in place.query(query):
        columns.setdefault(table, {})[column] = kind
    assert columns.keys() - NOT_MOVED == {table.name for table in tables()}
    for table in tables():
        assert columns[table.name].keys() == set(table.columns), table.name
        for column, kind in zip(table.columns, table.types, strict=True):
            assert columns[table.name][column] in _KINDS[kind], f"{table.name}.{column}"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_there_and_back_is_the_same(
    seed: int, tmp_path: Path, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every table; what changed during the move, and on the other side, as well."""
    monkeypatch.setattr(ends_module, "PAGE_ROWS", 7)
    file, back = SqlitePlace(tmp_path / "store.db"), SqlitePlace(tmp_path / "back.db")
    server = PostgresPlace(postgres_server.url)
    made(file)
    truths = truths_of(server)
    fill(file.path, seed, 20, truths)
    with Moving(file, server, tmp_path) as moving:
        moving.to = moving.at
        assert moving.move().copy() > 20 * len(tables()) / 2
        fill(file.path, seed + 1, 10, truths, changed=True)
        moving.move().copy()
        fill(file.path, seed + 2, 5, truths, changed=True)
        counters = moving.old.counters()
        moving.move().finish()
        assert {name: moving.new.counters()[name] for name in counters} == counters
    before = contents(file)
    assert contents(server) == before
    with Moving(server, back, tmp_path) as moving:
        moving.to = moving.at
        moving.move().finish()
        assert moving.new.counters() == {**counters, **moving.new.counters()}
    assert contents(back) == before
    _numbers_go_on(server, before)


def _numbers_go_on(server: PostgresPlace, before: Mapping[str, Sequence[Any]]) -> None:
    added = "INSERT INTO devices (device_id, state, first_seen_ms, last_seen_ms) VALUES ('new', '', 0, 0) RETURNING no"
    assert server.query(added)[0][0] > max(row[0] for row in before["devices"])


class Dying:
    """An end that dies at its nth write."""

    def __init__(self, end: End, writes: int) -> None:
        self._end, self._left = end, writes

    def __getattr__(self, name: str) -> Any:
        if name in ("change", "set_meta", "set_counters"):
            self._left -= 1
            if self._left < 0:
                raise KeyboardInterrupt
        return getattr(self._end, name)


def house(store: Any, folder: Path) -> None:
    found = House(store, folder)
    for device in ("house-1", "house-2"):
        for _ in range(3):
            session = found.tell(device, "ann", None, "bob")
        found.decorate(device, session)
    found.pack()


def test_a_mover_that_dies_anywhere_is_run_again(tmp_path: Path, postgres_server: Postgres) -> None:
    file, server = SqlitePlace(tmp_path / "store.db"), PostgresPlace(postgres_server.url)
    store = file.open()
    house(store, tmp_path)
    names = sorted(store.packs.objects.names())
    store.close()
    before = contents(file)
    deaths = 0
    for writes in itertools.count():
        with Moving(file, server, tmp_path) as moving:
            moving.at = FolderObjects(tmp_path / "objects")
            assert writes < 2 or moving.new.meta("coming_from")
            try:
                moving.move(Dying(moving.new, writes)).finish()
                break
            except KeyboardInterrupt:
                deaths += 1
                if moving.old.meta("moved_to") is None:
                    open_store(file.path).close()
                if writes:
                    with pytest.raises(LocalError, match="not whole"):
                        open_store(tmp_path, server.url)
    assert deaths > 3 and contents(server) == before
    assert sorted(moving.to.names()) == names and names
    open_store(tmp_path, server.url).close()
    with pytest.raises(LocalError, match=r"has moved to postgresql://.*--take-back"):
        open_store(file.path)


def test_what_was_forgotten_since_does_not_come_back(tmp_path: Path, postgres_server: Postgres) -> None:
    """Moved, forgotten there, and moved back over the old file and folder."""
    file, server = SqlitePlace(tmp_path / "store.db"), PostgresPlace(postgres_server.url)
    store = file.open()
    house(store, tmp_path)
    store.close()
    with Moving(file, server, tmp_path) as moving:
        moving.at = FolderObjects(tmp_path / "objects")
        moving.move().finish()
        gone = next(iter(moving.to.names()))
    server.query(f"DELETE FROM packs WHERE name = '{gone}'")
    moving.to.delete(gone)
    with Moving(server, file, tmp_path) as moving:
        moving.to = FolderObjects(tmp_path / "objects")
        report = moving.move().finish()
        assert report.objects.dropped == 1 and gone not in set(moving.to.names())
        assert sorted(moving.to.names()) == sorted(moving.at.names())
    open_store(file.path).close()


def test_a_store_that_is_in_use_or_somebody_elses_is_left_alone(
    tmp_path: Path, postgres_server: Postgres
) -> None:
    file, server = SqlitePlace(tmp_path / "store.db"), PostgresPlace(postgres_server.url)
    other = SqlitePlace(tmp_path / "other.db")
    for place in (file, other):
        fill(made(place).path, 1, 3, truths_of(server))
    with Moving(file, server, tmp_path) as moving:
        moving.move().finish()
    with (
        Moving(other, server, tmp_path) as moving,
        pytest.raises(LocalError, match="holds recordings already"),
    ):
        moving.move()
    with closing(server.open()), Moving(server, file, tmp_path) as moving:
        with pytest.raises(InUseError, match="1 others work on"):
            moving.move().finish()
        assert moving.old.meta("moved_to") is None
    with Moving(file, server, tmp_path) as moving, pytest.raises(LocalError, match="not whole"):
        moving.move()
    with Moving(server, file, tmp_path) as moving:
        moving.move().finish()
        assert take_back(moving.old) == str(file.path)
        with pytest.raises(LocalError, match="has not moved"):
            take_back(moving.old)
    with (
        Moving(server, file, tmp_path) as moving,
        pytest.raises(LocalError, match="holds recordings already"),
    ):
        moving.move()


class Lying:
    """An end that gives back a row less than it was given."""

    def __init__(self, end: End) -> None:
        self._end = end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._end, name)

    def rows(self, table: Any) -> Iterator[Any]:
        rows = self._end.rows(table)
        return itertools.islice(rows, 1, None) if table.name == "events" else rows


def test_what_does_not_come_back_the_same_is_not_changed_over(
    tmp_path: Path, postgres_server: Postgres
) -> None:
    file, server = SqlitePlace(tmp_path / "store.db"), PostgresPlace(postgres_server.url)
    fill(made(file).path, 1, 3, truths_of(server))
    with Moving(file, server, tmp_path) as moving:
        moving.to = moving.at
        with pytest.raises(StoreError, match="table events: .* has 3 rows, .* gives back 2, digest"):
            moving.move(Lying(moving.new)).finish()
        assert moving.old.meta("moved_to") is None and moving.new.meta("coming_from")


def test_memory_does_not_grow_with_the_store(tmp_path: Path, postgres_server: Postgres) -> None:
    file, server = SqlitePlace(tmp_path / "store.db"), PostgresPlace(postgres_server.url)
    size, most = 1 << 20, 5 * ends_module.PAGE_BYTES
    with closing(sqlite3.connect(made(file).path)) as db:
        insert = "INSERT INTO chunks (key, received_ms, data) VALUES (?, 0, ?)"
        db.executemany(insert, ((number, bytes([number]) * size) for number in range(2 * most // size)))
        db.commit()
    with Moving(file, server, tmp_path) as moving:
        tracemalloc.start()
        try:
            moving.move().copy()
            assert tracemalloc.get_traced_memory()[1] < most
        finally:
            tracemalloc.stop()
    assert server.query("SELECT sum(length(data)) FROM chunks") == [(2 * most,)]


def test_a_pass_ends_though_rows_keep_coming(tmp_path: Path) -> None:
    """As many come as are read: without an end of its own it would run after them for ever."""
    file = made(SqlitePlace(tmp_path / "store.db"))
    (table,) = (one for one in tables() if one.name == "chunks")
    with closing(end_of(file)) as end, closing(sqlite3.connect(file.path, isolation_level=None)) as bridge:
        insert = "INSERT INTO chunks (key, received_ms, data) VALUES (?, 0, '')"
        bridge.execute(insert, (0,))
        read = 0
        for read, _ in enumerate(end.rows(table), 1):
            bridge.execute(insert, (read,))
            assert read < 5, "it goes on with what came since"
        assert read == 1 and len(list(end.rows(table))) == 2


def test_a_nul_which_postgres_cannot_keep_stops_nothing(tmp_path: Path, postgres_server: Postgres) -> None:
    file, server = SqlitePlace(tmp_path / "store.db"), PostgresPlace(postgres_server.url)
    file.open().close()
    names = ("a\0b", "a\ufffdb", "a", "b\0", "\0")
    with closing(sqlite3.connect(file.path)) as db:
        rows = [(name, number // 2) for number, name in enumerate(names)]
        db.executemany("INSERT INTO event_names VALUES (?, ?, 1)", rows)
        db.commit()
    with Moving(file, server, tmp_path) as moving:
        moving.move().finish()
    assert sorted(server.query("SELECT event, device FROM event_names")) == [
        ("a", 1),
        ("a\ufffdb", 0),
        ("b\ufffd", 1),
        ("\ufffd", 2),
    ]
