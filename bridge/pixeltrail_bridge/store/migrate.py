"""Numbered SQL files to a database's schema. Each runs in one transaction; `PRAGMA user_version` says how far.

A database newer than the code is refused: older code would read tables it does not know.
"""

from __future__ import annotations

import sqlite3
from importlib import resources

from ..errors import StoreError


def migrations() -> list[tuple[int, str, str]]:
    """Number, name and SQL of each migration, in order."""
    folder = resources.files(__package__) / "migrations"
    files = sorted((f.name, f.read_text("utf-8")) for f in folder.iterdir() if f.name.endswith(".sql"))
    return [(int(name[:4]), name, text) for name, text in files]


def migrate(connection: sqlite3.Connection, where: str) -> int:
    """Bring the database to this code's version and return it. Raises StoreError; then nothing was changed."""
    steps = migrations()
    newest = steps[-1][0]
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > newest:
        raise StoreError(
            f"database {where}: schema version {version} is newer than this bridge's {newest}; "
            "update pixeltrail, or restore the backup made before the update"
        )
    if version and version < newest:
        _check(connection, where)
        connection.execute("VACUUM INTO ?", (f"{where}.before-{newest:04d}",))
    for number, name, text in steps:
        if number > version:
            try:
                connection.executescript(
                    f"BEGIN IMMEDIATE;\n{text}\nPRAGMA user_version = {number};\nCOMMIT;"
                )
            except sqlite3.Error as error:
                if connection.in_transaction:
                    connection.rollback()
                raise StoreError(
                    f"database {where}: migration {name} failed: {error}; nothing was changed"
                ) from error
    return newest


def _check(connection: sqlite3.Connection, where: str) -> None:
    (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if answer != "ok":
        raise StoreError(
            f"database {where} is damaged: {answer}; restore a backup, or recover it with sqlite3 .recover"
        )
