"""What the two databases have in common for a statement: `?` for a value, and rows as tuples.

Statements are written once, in the SQL that SQLite and PostgreSQL share. Where they differ, one of the two modules
named after them says how.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol


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


def replacing(key: str, columns: str) -> str:
    """The end of an INSERT whose row takes the place of one with the same `key`; both are names with commas."""
    names = (name.strip() for name in columns.split(","))
    return f" ON CONFLICT ({key}) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in names)
