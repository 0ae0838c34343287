"""The store for many bridges: PostgreSQL, which every worker of a fleet may write.

What keeps workers apart is PostgreSQL's alone: a device's row is locked while its
messages are committed, a sink's calls are leased with SKIP LOCKED (leases.py), and
what one worker does at a time is an advisory lock (workers.py). A connection that
breaks is opened again for the next transaction; whether the one under way was
committed does not matter, since everything in it may be written twice.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import psycopg
from psycopg import conninfo
from psycopg.pq import TransactionStatus

from ..errors import ConfigError, StoreAway, StoreError
from ..mapping.calls import Call
from . import days
from .ahead import ReadAhead
from .base import Fill, NewChunk
from .migrate import migrate_postgres
from .outbox import encode_json
from .sharing import SharedStore
from .sql import Connection, Rows, load_bridge_id
from .workers import KEEPALIVE

_NEWCOMERS: Final = 0x7079  # first half of the advisory lock of whoever adds devices
_CONNECT_TIMEOUT_S: Final = 10
_SILENCE_MS: Final = 15_000  # what was sent and not confirmed ends a connection after this long
_SHRINK_EVERY_S: Final = 3_600.0  # such a look reads through every day's rows
_STUCK_S: Final = 60  # a worker that stops in the middle of a transaction loses its locks after this long
_SESSION: Final = {**KEEPALIVE, "idle_in_transaction_session_timeout": _STUCK_S * 1000}

_PUT_CHUNKS = """
INSERT INTO chunks (key, received_ms, session_id, host_ms, fault, data)
SELECT * FROM unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::text[], ?::bytea[]) ON CONFLICT DO NOTHING
"""
_ENQUEUE = """
WITH added AS (
    INSERT INTO events (message_id, device, session_id, type, event, time_ms, payload)
    SELECT c.message_id, d.no, c.session_id, c.type, c.event, c.time_ms, c.payload
    FROM unnest(?::text[], ?::text[], ?::bigint[], ?::text[], ?::text[], ?::bigint[], ?::bytea[]) WITH ORDINALITY
        AS c (message_id, device_id, session_id, type, event, time_ms, payload, place)
    JOIN devices d ON d.device_id = c.device_id ORDER BY c.place
    ON CONFLICT (message_id) DO NOTHING RETURNING id, device, length(payload) AS size
), owed AS (
    INSERT INTO deliveries (event, sink, device) SELECT id, sink, device FROM added, unnest(?::text[]) AS sink
)
SELECT count(*), coalesce(sum(size), 0) FROM added
"""


class _Connection:
    """A psycopg connection that takes the statements of sql.py. Values travel in binary."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw = raw

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Rows:
        if not values:
            return self.raw.execute(query.encode())  # several statements, too
        return self.raw.execute(_translated(query), _clean(values), binary=True)

    def executemany(self, query: str, values: Iterable[Sequence[Any]], /) -> None:
        rows = [_clean(row) for row in values]
        if rows:
            with self.raw.cursor() as cursor:
                cursor.executemany(_translated(query), rows)


@lru_cache(512)
def _translated(query: str) -> bytes:
    return query.replace("?", "%b").encode()


def _clean(values: Sequence[Any]) -> Sequence[Any]:
    """Texts without NUL, which PostgreSQL cannot keep in one; what is sent to sinks is kept as bytes."""
    if any(type(value) is str and "\0" in value for value in values):
        return [value.replace("\0", "\ufffd") if type(value) is str else value for value in values]
    return values


class PostgresTransaction(ReadAhead):
    """READ COMMITTED, with locks of the devices that it writes."""

    locking = " FOR UPDATE"

    def lock_devices(self, device_ids: Collection[str]) -> dict[str, int]:
        """Those that do not exist yet have no row to lock: whoever may add some is alone until its commit.

        That is asked before a row is locked, since whoever is alone may wait for rows.
        """
        ids = list(device_ids)
        if ids:
            known = self.db.execute(
                "SELECT count(*) FROM devices WHERE device_id = ANY(?)", (ids,)
            ).fetchone()[0]
            if known < len(set(ids)):
                self.db.execute("SELECT pg_advisory_xact_lock(?, 0)", (_NEWCOMERS,))
        return super().lock_devices(ids)

    def put_chunks(self, chunks: Iterable[NewChunk]) -> None:
        rows = [(c.key, c.received_ms, c.session_id, c.host_ms, _text(c.fault), c.data) for c in chunks]
        if rows:
            self.db.execute(_PUT_CHUNKS, [list(column) for column in zip(*rows, strict=True)])

    def _enqueue(self, calls: Iterable[Call]) -> Fill:
        rows = [
            (
                *(c.message_id, c.device_id, c.session_id, c.type, _text(c.event)),
                *(c.time_ms, encode_json(c.payload)),
            )
            for c in calls
        ]
        if not rows:
            return Fill()
        self.lock_devices({row[1] for row in rows})  # so that a device's events are committed in their order
        columns = [list(column) for column in zip(*rows, strict=True)]
        count, size_bytes = self.db.execute(_ENQUEUE, [*columns, list(self._sinks)]).fetchone()
        return Fill(int(count), int(size_bytes))


def _text(value: str | None) -> str | None:
    return value.replace("\0", "\ufffd") if value is not None else None


class PostgresStore(SharedStore):
    """See base.Store. `url` as libpq takes it; a password that it lacks comes from `password` or libpq's own places."""

    transaction = PostgresTransaction
    faults = psycopg.Error
    is_shared = True
    contains = "position(?::bytea in {}) > 0"
    as_bytes = "CASE WHEN pg_typeof({0})::text = 'bytea' THEN {0}::text::bytea ELSE convert_to({0}::text, 'UTF8') END"
    tables_query = (
        "SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1"
    )
    texts_query = (
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
        " AND data_type IN ('text', 'bytea') AND NOT (SELECT relispartition FROM pg_class"
        " WHERE relnamespace = current_schema()::regnamespace AND relname = table_name) ORDER BY 1, 2"
    )
    folder = None

    def __init__(self, url: str, sinks: Sequence[str] = (), password: str = "") -> None:
        super().__init__(sinks)
        self._url, self._password = url, password
        self.place = describe(url)
        self._writer: _Connection | None = None
        self._shrink_s = 0.0  # when to look next for days with little in them
        self._local = threading.local()
        self._readers: list[_Connection] = []
        self._readers_lock = threading.Lock()
        try:
            writer = self._connect()
            try:
                migrate_postgres(writer, psycopg.Error, self.place)
                self.bridge_id = load_bridge_id(writer)
                self._begin_sharing()
                self._enrol(writer)
            except BaseException:
                writer.raw.close()
                raise
        except psycopg.Error as error:
            raise _refused(url, error) from error

    def compact(self, full: bool = False) -> str | None:
        """VACUUM; with `full` each table is written anew, and nobody else reaches it meanwhile."""
        try:
            with self._lock:
                writer = self._writing()
                writer.execute("COMMIT")
                for (table,) in self._all(self.tables_query):
                    writer.execute(f'VACUUM {"(FULL)" if full else ""} "{table}"')
        except psycopg.Error as error:
            return f"{self.place}: VACUUM failed ({_words(error)})"
        return None

    def give_back(self, most_bytes: int) -> bool:
        """The server does so by itself, but for a day of which little is left."""
        if time.monotonic() < self._shrink_s:
            return False
        try:
            is_more = days.shrink(self, self.open_connection)
            self._shrink_s = time.monotonic() + (0 if is_more else _SHRINK_EVERY_S)
            return is_more
        except psycopg.Error as error:
            raise self._explain(error) from error

    def keep_days(self, now_ms: int) -> None:
        days.keep_ahead(self, now_ms)

    def drop_days(self, before_ms: int) -> int:
        return days.drop_old(self, before_ms)

    def open_connection(self) -> psycopg.Connection[Any]:
        """Another connection of the caller's own, each statement by itself. Raises psycopg.Error."""
        return self._connect().raw

    def _connect(self) -> _Connection:
        return _connect(self._url, self._password)

    def _enrol(self, writer: _Connection) -> None:
        self.workers.enrol(writer)
        self.connection_no, self._writer = self.workers.connection_no, writer

    def _all(self, query: str, *values: Any) -> list[Any]:
        try:
            try:
                return self._reader().execute(query, values).fetchall()
            except psycopg.OperationalError:
                if not self._local.db.raw.closed:
                    raise
                return self._reader().execute(query, values).fetchall()  # it broke since it was used last
        except psycopg.Error as error:
            raise StoreError(f"database {self.place} cannot be read: {_words(error)}") from error

    def _reader(self) -> _Connection:
        db: _Connection | None = getattr(self._local, "db", None)
        if db is None or db.raw.closed:
            fresh = self._connect()
            fresh.execute("SET default_transaction_read_only = on")
            with self._readers_lock:
                self._readers = [reader for reader in self._readers if not reader.raw.closed]
                self._readers.append(fresh)
            self._local.db = db = fresh
        return db

    def _writing(self) -> Connection:
        writer = self._connected()
        writer.execute("BEGIN")
        return writer

    def _connected(self) -> _Connection:
        if self._writer is None or self._writer.raw.closed:
            self._enrol(self._connect())
        assert self._writer is not None
        return self._writer

    def _roll_back(self) -> None:
        with contextlib.suppress(psycopg.Error):
            if (
                self._writer is not None
                and self._writer.raw.info.transaction_status != TransactionStatus.IDLE
            ):
                self._writer.execute("ROLLBACK")

    def _explain(self, error: Exception) -> StoreError:
        if isinstance(error, psycopg.errors.DiskFull):
            return StoreError(
                f"database {self.place}: the server's disk is full; free some space, devices keep what is not acked"
            )
        return StoreError(
            f"database {self.place}: {_words(error)}; the bridge tries again, devices keep what is not acked"
        )

    def close(self) -> None:
        with self._lock, self._readers_lock:
            for db in self._readers:
                db.raw.close()
            if self._writer is not None:
                self._writer.raw.close()
            self._readers.clear()


def probe(url: str, password: str) -> str:
    """The server's version, where it may be trusted. Raises StoreError."""
    try:
        db = _connect(url, password)
    except psycopg.Error as error:
        raise _refused(url, error) from error
    with db.raw:
        return f"PostgreSQL {db.execute('SHOW server_version').fetchone()[0]}"


def _connect(url: str, password: str) -> _Connection:
    db = _Connection(psycopg.connect(**_parameters(url, password), autocommit=True))
    for setting in ("fsync", "full_page_writes"):
        if db.execute(f"SHOW {setting}").fetchone()[0] == "off":
            db.raw.close()
            raise StoreError(
                f"database {describe(url)}: {setting} is off on the server, so a power cut could lose what devices "
                "were told is safe; turn it on"
            )
    if db.execute("SHOW synchronous_commit").fetchone()[0] in ("off", "local"):
        db.execute("SET synchronous_commit = on")
    for setting, value in _SESSION.items():
        db.execute(f"SET {setting} = {value}")
    return db


def _refused(url: str, error: Exception) -> StoreError:
    kind = StoreAway if isinstance(error, psycopg.OperationalError) else StoreError
    return kind(
        f"database {describe(url)} cannot be used: {_words(error)}; check store.url, the password, and that "
        "the server runs"
    )


def describe(url: str) -> str:
    """Where a database is, without password or options."""
    try:
        parts = conninfo.conninfo_to_dict(url)
    except psycopg.Error as error:
        raise ConfigError(
            f"store.url is no address of a PostgreSQL database ({_words(error)}); "
            "expected postgresql://user@host:5432/database"
        ) from None
    port = f":{parts['port']}" if "port" in parts else ""
    return f"postgresql://{parts.get('host', 'localhost')}{port}/{parts.get('dbname', '')}"


def _parameters(url: str, password: str) -> dict[str, Any]:
    describe(url)
    given = conninfo.conninfo_to_dict(url)
    if password:
        given["password"] = password
    own = {"connect_timeout": _CONNECT_TIMEOUT_S, "application_name": "pixeltrail"}
    keepalives = {name.removeprefix("tcp_"): value for name, value in KEEPALIVE.items()}
    return own | keepalives | {"tcp_user_timeout": _SILENCE_MS} | given


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
