"""Numbered SQL files, a folder for each database, to the schema of this code: all that are due in one transaction.

`PRAGMA user_version`, on PostgreSQL the table `schema_version`, says how far a database is. A newer one is refused:
older code would read tables it does not know. Before a SQLite file is changed it is checked and copied; what is
damaged is refused and never deleted. A PostgreSQL server has backups of its own.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from importlib import resources
from pathlib import Path
from typing import Final, LiteralString, NamedTuple

from ..errors import StoreError
from .sql import Connection

KEPT_BACKUPS: Final = 5
_LOCK: Final = 0x7078_0001  # of pg_advisory_xact_lock: bridges that start at once migrate one after the other


class Migration(NamedTuple):
    number: int
    name: str
    sql: str


def migrations(database: LiteralString) -> list[Migration]:
    """Those of "sqlite" or "postgres", in order."""
    folder = resources.files(__package__) / "migrations" / database
    files = sorted((f.name, f.read_text("utf-8")) for f in folder.iterdir() if f.name.endswith(".sql"))
    return [Migration(int(name[:4]), name, text) for name, text in files]


def migrate_sqlite(db: sqlite3.Connection, path: Path) -> None:
    """Raises StoreError, and then nothing was changed."""
    steps = migrations("sqlite")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    due = _due(steps, version, f"database {path}")
    if not due:
        return
    if version:
        _check(db, path)
        _back_up(db, path, version)
    script = "\n".join(step.sql for step in due)
    try:
        db.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {due[-1].number};\nCOMMIT;")
    except sqlite3.Error as error:
        if db.in_transaction:
            db.rollback()
        if _was_first(db, due[-1].number):
            return
        raise _failed(f"database {path}", due, error) from error


def _was_first(db: sqlite3.Connection, number: int) -> bool:
    """Whether another process did it while we waited for it."""
    return bool(db.execute("PRAGMA user_version").fetchone()[0] == number)


def migrate_postgres(db: Connection, faults: type[Exception], place: str) -> None:
    """Raises StoreError, and then nothing was changed."""
    steps = migrations("postgres")
    db.execute("BEGIN")
    try:
        db.execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
        db.execute("CREATE TABLE IF NOT EXISTS schema_version (number bigint NOT NULL)")
        (version,) = db.execute("SELECT coalesce(max(number), 0) FROM schema_version").fetchone()
        due = _due(steps, version, f"database {place}")
        try:
            for step in due:
                db.execute(step.sql)
                db.execute("INSERT INTO schema_version VALUES (?)", (step.number,))
        except faults as error:
            raise _failed(f"database {place}", due, error) from error
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(faults):
            db.execute("ROLLBACK")
        raise


def _due(steps: list[Migration], version: int, what: str) -> list[Migration]:
    newest = steps[-1].number
    if version > newest:
        raise StoreError(
            f"{what}: schema version {version} is newer than this bridge's {newest}; "
            "update pixeltrail, or restore the backup made before the update"
        )
    return [step for step in steps if step.number > version]


def _failed(what: str, due: list[Migration], error: Exception) -> StoreError:
    names = ", ".join(step.name for step in due)
    return StoreError(f"{what}: migration {names} failed: {error}; nothing was changed, please report it")


def _check(db: sqlite3.Connection, path: Path) -> None:
    (answer,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    if answer != "ok":
        damage = " ".join(answer.split())
        raise StoreError(f"database {path} is damaged: {damage}; {remedy(path)}")


def remedy(path: Path) -> str:
    """What to do about a damaged file."""
    return (
        f"nothing was deleted: put the newest good copy from {path.absolute().parent / 'backups'} in its place, or "
        f"recover it with `sqlite3 {path} .recover`"
    )


def _back_up(db: sqlite3.Connection, path: Path, version: int) -> None:
    """A copy in `backups` beside the file, whole or not there; the newest KEPT_BACKUPS stay."""
    folder = path.absolute().parent / "backups"
    name = f"{path.stem}-schema{version:04d}"
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    target = folder / f"{name}-{stamp}{path.suffix}"
    part = target.with_suffix(".part")
    try:
        folder.mkdir(exist_ok=True)
        with contextlib.closing(sqlite3.connect(part)) as copy:
            db.backup(copy)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    except (sqlite3.Error, OSError) as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise StoreError(
            f"database {path}: the copy that is made before an update failed: {error}; nothing was changed. "
            f"Make room for {path.stat().st_size >> 20} MB in {folder}"
        ) from error
    backups = sorted(folder.glob(f"{path.stem}-schema*{path.suffix}"), key=lambda file: file.stat().st_mtime)
    for old in backups[:-KEPT_BACKUPS]:
        old.unlink()
