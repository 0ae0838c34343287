"""The two ends of a move, read and written alike: tables.py says what a row is.

Rows come in the order of their keys. Those of SQLite are read some at a time, so that its log can be cut meanwhile,
those of PostgreSQL through a cursor of the server: neither holds more than some megabytes. Keys that begin with a text
are sorted first, by the bytes of UTF-8; these tables are small.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any, Final, Protocol

from ..errors import StoreError
from .tables import Row, Table, canonical, quoted, size_of

PAGE_ROWS: Final = 1_000
PAGE_BYTES: Final = 4 << 20
BUSY_TIMEOUT_S: Final = 60.0  # a bridge that writes all the time lets go between two commits

# A store that was only just made has none of these; what it holds besides is its own and nobody's loss.
IS_FILLED: Final = (
    "SELECT EXISTS (SELECT 1 FROM devices) OR EXISTS (SELECT 1 FROM events) OR EXISTS (SELECT 1 FROM dead_letters)"
    " OR EXISTS (SELECT 1 FROM erasures)"
)


class End(Protocol):
    """`place` as Store.place. Only one thread uses it."""

    place: str

    def rows(self, table: Table) -> Iterator[Row]: ...
    def objects(self) -> Iterator[tuple[str, int]]:
        """Names and sizes of those that it knows, by name."""
        ...

    def knows_object(self, name: str) -> bool: ...

    def change(self, table: Table, gone: Sequence[Row], rows: Sequence[Row]) -> None:
        """Delete the rows with the keys of `gone`, then write `rows` in place of any that are in their way."""
        ...

    def counters(self) -> dict[str, int]:
        """The highest number that was ever given, by table, where none is given twice."""
        ...

    def set_counters(self, counters: Mapping[str, int]) -> None: ...
    def meta(self, key: str) -> bytes | None: ...
    def set_meta(self, marks: Mapping[str, bytes | None]) -> None:
        """All of it in one transaction; None deletes."""
        ...

    def held(self) -> AbstractContextManager[None]:
        """Nobody else writes within the block, and what set_meta() writes there is durable after it, or undone."""
        ...

    def others(self) -> int:
        """Processes that work on it besides, as far as it can tell."""
        ...

    def size_bytes(self) -> int: ...
    def is_empty(self) -> bool: ...
    def close(self) -> None: ...


class SqliteEnd:
    """A file that a SqliteStore has opened before, so its schema is this code's."""

    def __init__(self, path: str) -> None:
        self.place = path
        self._reader, self._writer = self._connect(), self._connect()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.place, isolation_level=None, timeout=BUSY_TIMEOUT_S)
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA secure_delete = ON")
        db.create_function("cleaned", 1, lambda text: text.replace("\0", "\ufffd"), deterministic=True)
        return db

    def rows(self, table: Table) -> Iterator[Row]:
        return self._sorted(table) if table.begins_with_text else self._paged(table)

    def _sorted(self, table: Table) -> Iterator[Row]:
        """Of keys that are one without their NULs, one stays."""
        order = ", ".join(
            f"cleaned({quoted(name)})" if kind == "TEXT" else quoted(name)
            for name, kind in zip(table.key_columns, (table.types[n] for n in table.key), strict=True)
        )
        last = None
        with self._explained():
            for found in self._reader.execute(f"SELECT {_read(table)} FROM {table.name} ORDER BY {order}"):
                row = canonical(found)
                if table.key_of(row) != last:
                    yield row
                last = table.key_of(row)

    def _paged(self, table: Table) -> Iterator[Row]:
        key = ", ".join(map(quoted, table.key_columns))
        marks = ", ".join("?" * len(table.key))
        select, order = f"SELECT {_read(table)} FROM {table.name}", f"ORDER BY {key} LIMIT {PAGE_ROWS}"
        page, is_last = self._page(f"{select} {order}")
        yield from page
        while not is_last:
            last = table.key_of(page[-1])
            page, is_last = self._page(f"{select} WHERE ({key}) > ({marks}) {order}", last)
            yield from page

    def _page(self, query: str, values: Sequence[Any] = ()) -> tuple[list[Row], bool]:
        """And whether it is the last: one that is not full. Who went on would run after a bridge that writes."""
        page: list[Row] = []
        size = 0
        with self._explained(), closing(self._reader.execute(query, values)) as cursor:
            for found in cursor:
                page.append(canonical(found))
                size += size_of(page[-1])
                if size > PAGE_BYTES:
                    return page, False
        return page, len(page) < PAGE_ROWS

    def objects(self) -> Iterator[tuple[str, int]]:
        yield from self._reader.execute("SELECT name, size FROM packs ORDER BY name")

    def knows_object(self, name: str) -> bool:
        return self._reader.execute("SELECT 1 FROM packs WHERE name = ?", (name,)).fetchone() is not None

    def change(self, table: Table, gone: Sequence[Row], rows: Sequence[Row]) -> None:
        where = " AND ".join(f"{quoted(name)} = ?" for name in table.key_columns)
        marks = ", ".join("?" * len(table.columns))
        with self._transaction() as db:
            db.executemany(f"DELETE FROM {table.name} WHERE {where}", map(table.key_of, gone))
            db.executemany(f"INSERT OR REPLACE INTO {table.name} ({table.listed}) VALUES ({marks})", rows)

    def counters(self) -> dict[str, int]:
        return dict(self._reader.execute("SELECT name, seq FROM sqlite_sequence"))

    def set_counters(self, counters: Mapping[str, int]) -> None:
        """Tables that number by their highest row need nothing."""
        counted = {
            name
            for (name,) in self._reader.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"
            )
        }
        with self._transaction() as db:
            for name, value in counters.items():
                if name in counted:
                    db.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
                    db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, value))

    def meta(self, key: str) -> bytes | None:
        row = self._reader.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def set_meta(self, marks: Mapping[str, bytes | None]) -> None:
        with self._transaction() as db:
            for key, value in marks.items():
                if value is None:
                    db.execute("DELETE FROM meta WHERE key = ?", (key,))
                else:
                    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    @contextmanager
    def held(self) -> Iterator[None]:
        with self._transaction():
            yield

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self._writer.in_transaction:  # within held()
            yield self._writer
            return
        try:
            with self._explained():
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
        finally:
            self._roll_back()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"database {self.place}: {error}; run `pixeltrail migrate` again") from error

    def _roll_back(self) -> None:
        """What was not committed."""
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    def others(self) -> int:
        """A bridge locks its folder; others cannot be told."""
        return 0

    def size_bytes(self) -> int:
        (pages,) = self._reader.execute("PRAGMA page_count").fetchone()
        (size,) = self._reader.execute("PRAGMA page_size").fetchone()
        return int(pages * size)

    def is_empty(self) -> bool:
        return not self._reader.execute(IS_FILLED).fetchone()[0]

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


def _read(table: Table) -> str:
    """Its columns. A column of bytes takes texts as well, which SQLite then gives back as such."""
    return ", ".join(
        f"CAST({quoted(name)} AS BLOB)" if kind == "BLOB" else quoted(name)
        for name, kind in zip(table.columns, table.types, strict=True)
    )
