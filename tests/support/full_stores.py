"""Rows for every table of a store, made of the schema alone, so that a table that is added has some as well.

They mean nothing together; what can be kept is in them: the limits of numbers, empty and strange texts, any bytes.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from pixeltrail_bridge.moving.tables import Table, tables
from pixeltrail_bridge.store.moved import MARKS

from .film import BOOT_MS

_DAY_MS = 86_400_000
_INTEGERS = (0, 1, -1, 1 << 30, (1 << 63) - 1, -(1 << 63))
_TEXTS = (
    "",
    "a",
    "B",
    "Z",
    "a b",
    "é",
    "ß",
    "\U0001f600",
    'it\'s "so"',
    "\ufffd",
    "\\x00",
    "\t\n",
    "x" * 3_000,
)
_BLOBS = (b"", b"\0", bytes(range(256)), b"\xff" * 3_000, b"text")


def fill(
    path: Path, seed: int, rows: int, truths: Collection[tuple[str, str]], *, changed: bool = False
) -> None:
    """Into a file with the schema. `truths`: columns that know true and false alone. `changed`: go on with a full one.

    Then some rows are deleted, some get other values, and others come.
    """
    dice = random.Random(seed)
    with closing(sqlite3.connect(path)) as db:
        for table in tables():
            if changed:
                _disturb(db, table, dice)
            for row in _rows(db, table, dice, rows, truths):
                marks = ", ".join("?" * len(row))
                db.execute(f"INSERT OR REPLACE INTO {table.name} ({table.listed}) VALUES ({marks})", row)
        db.commit()


def _disturb(db: sqlite3.Connection, table: Table, dice: random.Random) -> None:
    keys = db.execute(f"SELECT {', '.join(map(_quoted, table.key_columns))} FROM {table.name}").fetchall()
    where = " AND ".join(f"{_quoted(name)} = ?" for name in table.key_columns)
    own = [key for key in keys if key[0] != "bridge_id"]
    for key in dice.sample(own, len(own) // 3):
        db.execute(f"DELETE FROM {table.name} WHERE {where}", key)


def _quoted(name: str) -> str:
    return f'"{name}"'


def _rows(
    db: sqlite3.Connection, table: Table, dice: random.Random, count: int, truths: Collection[tuple[str, str]]
) -> Iterator[list[Any]]:
    info = db.execute(f"PRAGMA table_info({table.name})").fetchall()
    may_lack = {name for _, name, _, is_needed, _, rank in info if not (is_needed or rank)}
    for _ in range(count):
        row = [
            _value(name, "TRUTH" if (table.name, name) in truths else kind, dice, place == table.key[0])
            for place, (name, kind) in enumerate(zip(table.columns, table.types, strict=True))
        ]
        row = [
            None if name in may_lack and dice.random() < 0.3 else value
            for name, value in zip(table.columns, row, strict=True)
        ]
        if not (table.name == "meta" and row[0] in (*MARKS, "bridge_id")):
            yield row


def _value(name: str, kind: str, dice: random.Random, is_key: bool) -> Any:
    if kind == "INTEGER" and is_key:
        return dice.randrange(1 << 50)  # a sequence goes on above it
    if name.endswith("_ms"):
        return BOOT_MS + dice.randrange(-400, 400) * _DAY_MS
    makers: dict[str, Callable[[], Any]] = {
        "TRUTH": lambda: dice.choice((0, 1)),
        "INTEGER": lambda: dice.choice((*_INTEGERS, dice.randrange(1 << 40))),
        "TEXT": lambda: dice.choice((*_TEXTS, f"text {dice.random()}")),
        "BLOB": lambda: dice.choice((*_BLOBS, dice.randbytes(dice.randrange(60)))),
    }
    return makers[kind]()
