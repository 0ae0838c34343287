"""One pass over a table or over the objects: afterwards the target holds what the source held while it was read.

Both sides are read in the order of their keys, and what differs is written, so a pass that was cut off is simply made
again, and one that changes nothing has compared everything. Objects are never changed, so theirs is a comparison of
names; a name is the digest of an object's bytes, which are checked on the way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from ..store.moved import MARKS
from ..store.objects import ObjectError, Objects, scratch_file
from .ends import PAGE_BYTES, PAGE_ROWS, End
from .tables import Row, Table, size_of

Tell = Callable[[str, int], None]  # what is read, and how many bytes of it more
_READ_BYTES: Final = 8 << 20
_NAME_BYTES: Final = 20  # of an object's digest
_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Contents:
    """Of a table: how many rows, and a digest of them in the order of their keys."""

    rows: int
    digest: str


@dataclass(slots=True)
class Objected:
    """`missing`: names that the source's database knows, and its objects lack as well."""

    copied: int = 0
    dropped: int = 0
    missing: int = 0


def copy_table(table: Table, source: End, target: End, tell: Tell) -> tuple[int, Contents]:
    """How many rows were written or deleted, and what the source holds."""
    changes = _Changes(table, target)
    counting = _Counting()
    there = _rows(target, table)
    other = next(there, None)
    for row in _rows(source, table):
        counting.add(row)
        tell(table.name, size_of(row))
        key = table.key_of(row)
        while other is not None and table.key_of(other) < key:
            changes.drop(other)
            other = next(there, None)
        is_there = other is not None and table.key_of(other) == key
        if other != row:
            changes.put(row, is_there)
        if is_there:
            other = next(there, None)
    while other is not None:
        changes.drop(other)
        other = next(there, None)
    changes.write()
    return changes.count, counting.contents()


def contents_of(table: Table, end: End, tell: Tell) -> Contents:
    counting = _Counting()
    for row in _rows(end, table):
        counting.add(row)
        tell(table.name, size_of(row))
    return counting.contents()


def _rows(end: End, table: Table) -> Iterator[Row]:
    """Without the marks, which say something of the store they are in."""
    rows = end.rows(table)
    return (row for row in rows if row[0] not in MARKS) if table.name == "meta" else rows


class _Counting:
    def __init__(self) -> None:
        self._rows, self._digest = 0, hashlib.blake2b(digest_size=16)

    def add(self, row: Row) -> None:
        self._rows += 1
        self._digest.update(_encode(row))

    def contents(self) -> Contents:
        return Contents(self._rows, self._digest.hexdigest())


class _Changes:
    """What is to be done to a table, written when it is a page."""

    def __init__(self, table: Table, target: End) -> None:
        self._table, self._target = table, target
        self._gone: list[Row] = []
        self._new: list[Row] = []
        self._size = self.count = 0

    def drop(self, row: Row) -> None:
        self._gone.append(row)
        self._note(0)

    def put(self, row: Row, is_there: bool) -> None:
        self._new.append(row)
        if is_there:
            self._gone.append(row)
        self._note(size_of(row))

    def _note(self, size: int) -> None:
        self.count += 1
        self._size += size
        if len(self._gone) + len(self._new) >= PAGE_ROWS or self._size >= PAGE_BYTES:
            self.write()

    def write(self) -> None:
        if self._gone or self._new:
            self._target.change(self._table, self._gone, self._new)
        self._gone, self._new, self._size = [], [], 0


def copy_objects(source: End, at: Objects, target: End, to: Objects, tell: Tell) -> Objected:
    """Before the tables are copied. What only the target's database knows is deleted there: it was forgotten since."""
    done = Objected()
    for name, _ in _only_in(target.objects(), (name for name, _ in source.objects())):
        to.delete(name)
        done.dropped += 1
    for name, size in _only_in(source.objects(), to.names()):
        if _copy_object(name, size, at, to, tell):
            done.copied += 1
        elif source.knows_object(name):
            done.missing += 1
    return done


def _copy_object(name: str, size: int, at: Objects, to: Objects, tell: Tell) -> bool:
    """False: there is none. ObjectError: it cannot be had now, or is not what its name says."""
    digest = hashlib.blake2b(digest_size=_NAME_BYTES)
    with scratch_file(to) as file:
        for start in range(0, size, _READ_BYTES):
            try:
                data = at.get(name, start, min(start + _READ_BYTES, size))
            except ObjectError:
                if name in at.names():
                    raise
                return False
            digest.update(data)
            file.write(data)
            tell("objects", len(data))
        file.flush()
        if digest.hexdigest() != name:
            raise ObjectError(
                f"object {name} in {at.place} is damaged: its bytes are not those of its name; put it back from a "
                "backup, or delete its session with `pixeltrail forget --session`"
            )
        to.put(name, Path(file.name))
    return True


def _only_in(objects: Iterable[tuple[str, int]], others: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Those that the others lack; both are sorted by name."""
    rest = iter(others)
    other = next(rest, None)
    for name, size in objects:
        while other is not None and other < name:
            other = next(rest, None)
        if other != name:
            yield name, size
