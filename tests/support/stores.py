"""Stores for tests, of either kind, as places that can be opened, copied and put back.

A `Place` is one database: a SQLite file, or a schema of its own in a PostgreSQL cluster.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
from pathlib import Path
from typing import Any, Protocol

import psycopg
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.store.postgres import PostgresStore
from pixeltrail_bridge.store.sqlite import SqliteStore

_numbers = itertools.count()


class Place(Protocol):
    def open(self, sinks: tuple[str, ...] = ("sink",)) -> SqlStore: ...
    def copy(self) -> Place:
        """As a backup makes it."""
        ...

    def query(self, sql: str) -> list[Any]: ...


class SqlitePlace:
    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, sinks: tuple[str, ...] = ("sink",)) -> SqliteStore:
        return SqliteStore(self.path, sinks)

    def copy(self) -> SqlitePlace:
        target = SqlitePlace(self.path.with_name(f"copy-{next(_numbers)}.db"))
        source, copy = sqlite3.connect(self.path), sqlite3.connect(target.path)
        source.backup(copy)
        source.close()
        copy.close()
        return target

    def query(self, sql: str) -> list[Any]:
        db = sqlite3.connect(self.path, isolation_level=None)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()


class PostgresPlace:
    def __init__(self, url: str) -> None:
        self._server, self.schema = url, f"s{os.getpid()}_{next(_numbers)}"
        self.url = f"{url}?options=-csearch_path%3D{self.schema}"
        self.query(f"CREATE SCHEMA {self.schema}")

    def open(self, sinks: tuple[str, ...] = ("sink",)) -> PostgresStore:
        return PostgresStore(self.url, sinks)

    def copy(self) -> PostgresPlace:
        target = PostgresPlace(self._server)
        target.open().close()
        with psycopg.connect(self._server) as db:
            db.execute("SET session_replication_role = replica")  # rows come in any order of their references
            found = db.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p')"
                " AND NOT relispartition",
                (self.schema,),
            )
            tables = [table for (table,) in found.fetchall()]
            db.execute(f"TRUNCATE {', '.join(f'{target.schema}.{table}' for table in tables)}")
            for table in tables:
                names = f"{target.schema}.{table}", f"{self.schema}.{table}"
                db.execute(f"INSERT INTO {names[0]} OVERRIDING SYSTEM VALUE SELECT * FROM {names[1]}")
            for table, column in (
                ("devices", "no"),
                ("streams", "no"),
                ("events", "id"),
                ("dead_letters", "id"),
            ):
                name = f"{target.schema}.{table}"
                db.execute(
                    f"SELECT setval(pg_get_serial_sequence('{name}', '{column}'),"
                    f" (SELECT coalesce(max({column}), 0) + 1 FROM {name}), false)"
                )
        return target

    def query(self, sql: str) -> list[Any]:
        with psycopg.connect(self._server, autocommit=True, options=f"-csearch_path={self.schema}") as db:
            cursor = db.execute(sql)
            return cursor.fetchall() if cursor.description else []
