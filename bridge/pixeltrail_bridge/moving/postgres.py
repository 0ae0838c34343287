"""The PostgreSQL end of a move; ends.py says what an end does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any, Final

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from ..errors import StoreError
from ..store.postgres import PostgresStore
from .ends import IS_FILLED
from .tables import NOT_MOVED, Row, Table, canonical, tables

_FETCH_ROWS: Final = 250  # at a time; of 4 KB, most often
_FORM: Final = {"bigint": "int8", "boolean": "bool", "text": "text", "bytea": "bytea"}
_COUNTERS: Final = """
SELECT c.table_name, pg_get_serial_sequence(quote_ident(c.table_name), c.column_name)
FROM information_schema.columns c WHERE c.table_schema = current_schema() AND c.is_identity = 'YES'
"""


class PostgresEnd:
    """On a store that stays open, so that others see somebody at work; two connections of its own."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self.place = store.place
        self._reader, self._writer = self._connect(), self._connect()

    def _connect(self) -> psycopg.Connection[Any]:
        raw = self._store._connect().raw
        raw.execute("SET idle_in_transaction_session_timeout = 0")  # the other end may be slow
        return raw

    def rows(self, table: Table) -> Iterator[Row]:
        query = SQL("SELECT {} FROM {} ORDER BY {}").format(
            _listed(table.columns), Identifier(table.name), self._order(table)
        )
        yield from map(canonical, self._stream(query))

    def objects(self) -> Iterator[tuple[str, int]]:
        yield from self._stream(SQL('SELECT name, size FROM packs ORDER BY name COLLATE "C"'))

    def knows_object(self, name: str) -> bool:
        with self._explained():
            found = self._writer.execute("SELECT 1 FROM packs WHERE name = %s", (name,))
            return found.fetchone() is not None

    def _stream(self, query: SQL | Composed) -> Iterator[Row]:
        with (
            self._explained(),
            self._reader.transaction(),
            self._reader.cursor("pixeltrail_move", scrollable=False) as cursor,
        ):
            cursor.itersize = _FETCH_ROWS
            yield from cursor.execute(query, binary=True)

    def _order(self, table: Table) -> Composed:
        return SQL(", ").join(
            SQL('{} COLLATE "C"').format(Identifier(name))
            if table.types[place] == "TEXT"
            else Identifier(name)
            for place, name in zip(table.key, table.key_columns, strict=True)
        )

    def change(self, table: Table, gone: Sequence[Row], rows: Sequence[Row]) -> None:
        """Rows that stand in the way are looked for only when there are some."""
        out = [table.key_of(row) for row in (*gone, *rows)]
        with self._explained():
            try:
                with self._writer.transaction():
                    self._delete(table, table.key_columns, out if gone else [])
                    self._copy(table, rows)
            except psycopg.errors.UniqueViolation:
                with self._writer.transaction():
                    self._delete(table, table.key_columns, out)
                    for columns in table.uniques:
                        self._delete(table, columns, [table.values_of(row, columns) for row in rows])
                    self._copy(table, rows)

    def _delete(self, table: Table, columns: Sequence[str], values: Sequence[Row]) -> None:
        if not values:
            return
        forms = [_FORM[self._types[table.name, name]] for name in columns]
        arrays = SQL(", ").join([SQL("%s::{}[]").format(Identifier(form)) for form in forms])
        query = SQL("DELETE FROM {} WHERE ({}) IN (SELECT * FROM unnest({}))")
        lists = [list(column) for column in zip(*values, strict=True)]
        self._writer.execute(query.format(Identifier(table.name), _listed(columns), arrays), lists)

    def _copy(self, table: Table, rows: Sequence[Row]) -> None:
        """COPY takes numbers of identity columns as they are."""
        query = SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            Identifier(table.name), _listed(table.columns)
        )
        forms = [_FORM[self._types[table.name, name]] for name in table.columns]
        truths = [place for place, form in enumerate(forms) if form == "bool"]
        with self._writer.cursor() as cursor, cursor.copy(query) as copy:
            copy.set_types(forms)
            for row in rows:
                copy.write_row(_with_truths(row, truths) if truths else row)

    @cached_property
    def _types(self) -> dict[tuple[str, str], str]:
        query = (
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = current_schema()"
        )
        return {(table, column): kind for table, column, kind in self._writer.execute(query)}

    @cached_property
    def _sequences(self) -> dict[str, str]:
        return {table: name for table, name in self._writer.execute(_COUNTERS) if table not in NOT_MOVED}

    def counters(self) -> dict[str, int]:
        with self._explained():
            found = {}
            for table, name in self._sequences.items():
                query = SQL("SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM {}")
                row = self._writer.execute(query.format(Identifier(*_parts(name)))).fetchone()
                found[table] = int(row[0]) if row else 0
            return found

    def set_counters(self, counters: Mapping[str, int]) -> None:
        keys = {table.name: table.key_columns[0] for table in tables()}
        with self._explained():
            for table, name in self._sequences.items():
                query = SQL("SELECT setval(%s, greatest(%s, (SELECT max({}) FROM {}), 0) + 1, false)")
                self._writer.execute(
                    query.format(Identifier(keys[table]), Identifier(table)), (name, counters.get(table, 0))
                )

    def meta(self, key: str) -> bytes | None:
        with self._explained():
            row = self._writer.execute("SELECT value FROM meta WHERE key = %s", (key,)).fetchone()
            return None if row is None else bytes(row[0])

    def set_meta(self, marks: Mapping[str, bytes | None]) -> None:
        put = "INSERT INTO meta (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        with self._explained(), self._writer.transaction():
            for key, value in marks.items():
                if value is None:
                    self._writer.execute("DELETE FROM meta WHERE key = %s", (key,))
                else:
                    self._writer.execute(put, (key, value))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Who wants to write waits, also a bridge that starts: it finds the mark when it may go on."""
        names = SQL(", ").join(Identifier(table.name) for table in tables())
        with self._explained(), self._writer.transaction():
            self._writer.execute(SQL("LOCK TABLE {} IN SHARE MODE").format(names))
            yield

    def others(self) -> int:
        return self._store._told(lambda db: self._store.workers.count(db, "living")) - 1

    def size_bytes(self) -> int:
        query = (
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
            " WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
        )
        with self._explained():
            row = self._writer.execute(query).fetchone()
            return int(row[0] or 0) if row else 0

    def is_empty(self) -> bool:
        with self._explained():
            row = self._writer.execute(IS_FILLED).fetchone()
            return not (row and row[0])

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            words = " ".join(str(error).split())
            raise StoreError(f"database {self.place}: {words}; run `pixeltrail migrate` again") from error

    def close(self) -> None:
        for raw in (self._reader, self._writer):
            with suppress(psycopg.Error):
                raw.close()
        self._store.close()


def _listed(columns: Sequence[str]) -> Composed:
    return SQL(", ").join(map(Identifier, columns))


def _with_truths(row: Row, places: Sequence[int]) -> list[Any]:
    values = list(row)
    for place in places:
        values[place] = None if values[place] is None else bool(values[place])
    return values


def _parts(name: str) -> list[str]:
    """Schema and name of what pg_get_serial_sequence says."""
    return [part.strip('"') for part in name.split(".")]
