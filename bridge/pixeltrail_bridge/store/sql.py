"""What the two databases have in common for a statement: `?` for a value, and rows as tuples.

Statements are written once, in the SQL that SQLite and PostgreSQL share. Where they differ, one of the two modules
named after them says how.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Protocol

from ..wire.limits import BRIDGE_ID_BYTES

# A serial host's hello names the bridge, also to a board that is just starting: 3 is Ctrl-C to its REPL and would end
# its app, and a 0 becomes a length in COBS, which may be 3.
_BRIDGE_ID_VALUES: Final = [value for value in range(256) if value not in (0, 3)]

_MOST_ROWS = 128  # of 7 values, below the 999 that older builds of SQLite take


class Rows(Protocol):
    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    def execute(self, query: str, values: Sequence[Any] = ..., /) -> Rows: ...
    def executemany(self, query: str, values: Iterable[Sequence[Any]], /) -> object: ...


def marks(values: Sequence[Any]) -> str:
    """The right side of IN for these values, of which there must be one at least."""
    return f"({', '.join('?' * len(values))})"


def insert_rows(db: Connection, insert: str, rows: Sequence[Sequence[Any]], end: str = "") -> None:
    """Run `insert`, which stops before VALUES, with many rows a statement; `end` comes after them.

    SQLite's driver lets go of the interpreter for each row of an executemany, and with messages coming in the other
    thread takes it each time: at 500 rows that cost as much as all the rest. Sizes are powers of two, so that the
    driver finds each statement compiled.
    """
    size, first = _MOST_ROWS, 0
    while first < len(rows):
        while size > len(rows) - first:
            size >>= 1
        some = rows[first : first + size]
        first += size
        values = ", ".join([marks(some[0])] * size)
        db.execute(f"{insert} VALUES {values}{end}", [value for row in some for value in row])


def replacing(key: str, columns: str) -> str:
    """The end of an INSERT whose row takes the place of one with the same `key`; both are names with commas."""
    names = (name.strip() for name in columns.split(","))
    return f" ON CONFLICT ({key}) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in names)


def load_bridge_id(db: Connection) -> bytes:
    """Who this store is to devices and to other bridges; made with the store."""
    made = bytes(secrets.choice(_BRIDGE_ID_VALUES) for _ in range(BRIDGE_ID_BYTES))
    db.execute("INSERT INTO meta VALUES ('bridge_id', ?) ON CONFLICT DO NOTHING", (made,))
    return bytes(db.execute("SELECT value FROM meta WHERE key = 'bridge_id'").fetchone()[0])
