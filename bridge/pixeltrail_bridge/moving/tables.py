"""What is moved: every table of the SQLite schema, which is read from its migrations, so that none can be missed.

A row is a tuple of int, str, bytes and None, the same on both sides: PostgreSQL's booleans are 0 and 1 in it, and a
NUL in a text, which PostgreSQL cannot keep, is U+FFFD.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any, Final

from ..store.migrate import migrations

Row = tuple[Any, ...]
# The processes of one side only: versions of its schema, and who has leased what.
NOT_MOVED: Final = frozenset({"sqlite_sequence", "schema_version", "outbox_slots"})


@dataclass(frozen=True, slots=True)
class Table:
    """`key`: places of the primary key's columns. `uniques`: columns of the other unique indexes."""

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    key: tuple[int, ...]
    uniques: tuple[tuple[str, ...], ...]

    @property
    def listed(self) -> str:
        return ", ".join(map(quoted, self.columns))

    @property
    def key_columns(self) -> tuple[str, ...]:
        return tuple(self.columns[place] for place in self.key)

    @property
    def begins_with_text(self) -> bool:
        return self.types[self.key[0]] == "TEXT"

    def key_of(self, row: Row) -> Row:
        return tuple(row[place] for place in self.key)

    def values_of(self, row: Row, columns: Sequence[str]) -> Row:
        return tuple(row[self.columns.index(name)] for name in columns)


@cache
def tables() -> tuple[Table, ...]:
    """In the order in which the migrations make them."""
    with closing(sqlite3.connect(":memory:")) as db:
        for step in migrations("sqlite"):
            db.executescript(step.sql)
        names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid").fetchall()
        return tuple(_table(db, name) for (name,) in names if name not in NOT_MOVED)


def _table(db: sqlite3.Connection, name: str) -> Table:
    info = db.execute(f'PRAGMA table_info("{name}")').fetchall()
    places = sorted((rank, place) for place, (*_, rank) in enumerate(info) if rank)
    uniques = [
        tuple(column for _, _, column in db.execute(f'PRAGMA index_info("{index}")'))
        for _, index, is_unique, origin, _ in db.execute(f'PRAGMA index_list("{name}")').fetchall()
        if is_unique and origin != "pk"
    ]
    columns, types = map(itemgetter(1), info), map(itemgetter(2), info)
    return Table(name, tuple(columns), tuple(types), tuple(place for _, place in places), tuple(uniques))


def quoted(name: str) -> str:
    return f'"{name}"'


def canonical(row: Sequence[Any]) -> Row:
    """As the module says."""
    return tuple([value if value is None or type(value) is int else _plain(value) for value in row])


def _plain(value: Any) -> Any:
    if type(value) is str:
        return value.replace("\0", "\ufffd")
    return int(value) if type(value) is bool else bytes(value)


def size_of(row: Row) -> int:
    """Bytes of its values, about."""
    return sum(8 if value is None or type(value) is int else len(value) for value in row)
