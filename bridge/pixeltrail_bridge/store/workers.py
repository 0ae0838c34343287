"""Who works on a PostgreSQL store: advisory locks of a worker's writing connection, which end with it.

The server lets go of them as soon as the connection is gone, within KEEPALIVE's seconds where a machine or a line died
without a word. Of a process that stands still the machine goes on saying that it is there: whoever shares a task asks
for something now and then, and after SILENT_S without a question the server ends the connection. So no lock has to be
renewed, and nobody's clock is asked. Three kinds, in three classes of locks that are made of the store's bridge ID,
since the schemas of a database share their locks:

    living   one lock a worker: whoever is not in here has ended
    joined   one lock a worker and task: how many share a task
    duties   one lock a duty: what one worker does at a time

A transaction on the same connection proves that the worker still has all it had: `connection_no` counts them.
"""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import version
from typing import Final

from .sql import Connection

RESTART_GRACE_S: Final = 5  # after the server's start everybody who lives needs a moment to say so
SILENT_S: Final = 60  # far above the time between two questions (division.py)
KEEPALIVE: Final = {"tcp_keepalives_idle": 5, "tcp_keepalives_interval": 2, "tcp_keepalives_count": 3}

_LOCKS: Final = (
    "pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


_NAME: Final = re.compile(r"pixeltrail (\S+) at (.+?)(?:, clock ([+-]\d+) ms)?")
_SKEW_MS: Final = 500  # less is not told: what a slow answer looks like
_MOST_NAME: Final = 63  # bytes that PostgreSQL keeps of a connection's name


@dataclass(frozen=True, slots=True)
class Member:
    """A worker as it told the server when it connected. `skew_ms`: by how much its clock was ahead of the server's."""

    version: str
    host: str
    skew_ms: int = 0


@dataclass(frozen=True, slots=True)
class Team:
    """Who takes part in a task, and which of its parts somebody has."""

    members: tuple[Member, ...]
    parts: frozenset[int]


def _number(*words: bytes) -> int:
    """31 bits, which fit a signed half of a lock and the OID that pg_locks shows."""
    return int.from_bytes(blake2b(b"\0".join(words), digest_size=4).digest()) >> 1


class Workers:
    """One worker among the others. Its connection is the store's to open, and its lock the store's to hold."""

    def __init__(self, bridge_id: bytes, worker: int) -> None:
        self._bridge_id, self._worker = bridge_id, worker
        self._living = self._class("living")
        self._duties = self._class("duties")
        self._joined: set[str] = set()
        self.held: set[str] = set()
        self.connection_no = 0

    def _class(self, word: str) -> int:
        return _number(self._bridge_id, word.encode())

    def ended(self, column: str) -> str:
        """SQL: whether the worker in this column has ended."""
        return (
            f"({column} NOT IN (SELECT objid::bigint FROM {_LOCKS} AND classid = {self._living}) AND"
            f" clock_timestamp() > pg_postmaster_start_time() + interval '{RESTART_GRACE_S} s')"
        )

    def enrol(self, db: Connection) -> None:
        """On a new connection: live again, with the tasks joined before, and no duty."""
        self.connection_no += 1
        self.held.clear()
        self._lock(db, self._living, self._worker)
        for task in self._joined:
            self._join(db, task)

    def join(self, db: Connection, task: str) -> None:
        if task not in self._joined:
            self._join(db, task)
            self._joined.add(task)

    def _join(self, db: Connection, task: str) -> None:
        self._lock(db, self._class(task), self._worker)
        db.execute(f"SET idle_session_timeout = {SILENT_S * 1000}")
        sent_ms = _now_ms()
        ((at_ms,),) = db.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint").fetchall()
        name = _name((sent_ms + _now_ms()) // 2 - int(at_ms))
        db.execute("SELECT set_config('application_name', ?::text, false)", (name,))

    def team(self, db: Connection, task: str, duties: list[str]) -> Team:
        """Who has joined a task, and the numbers of those of its duties that somebody has."""
        query = f"SELECT application_name FROM pg_stat_activity WHERE pid IN (SELECT pid FROM {_LOCKS} AND classid = ?)"
        names = [name for (name,) in db.execute(query, (self._class(task),)).fetchall()]
        taken = self.taken(db, duties)
        return Team(
            tuple(sorted((_member(name) for name in names), key=lambda one: one.host)),
            frozenset(number for number, duty in enumerate(duties) if duty in taken),
        )

    def leave(self, db: Connection, task: str) -> None:
        """What of it is ours stays so until it is let go."""
        if task in self._joined:
            db.execute("SELECT pg_advisory_unlock(?::int, ?::int)", (self._class(task), self._worker))
            self._joined.remove(task)

    def has_others(self, db: Connection, task: str) -> bool:
        """Whether another worker has joined a task."""
        query = (
            f"SELECT 1 FROM {_LOCKS} AND classid = {self._class(task)} AND objid <> {self._worker} LIMIT 1"
        )
        return db.execute(query).fetchone() is not None

    def count(self, db: Connection, task: str) -> int:
        """How many workers have joined a task; 1 at least."""
        query = f"SELECT count(*) FROM {_LOCKS} AND classid = {self._class(task)}"
        return max(1, int(db.execute(query).fetchone()[0]))

    def hold(self, db: Connection, duty: str) -> bool:
        """Take a duty that nobody has; whether it is ours, asked of the server each time."""
        if duty in self.held:
            db.execute("SELECT 1")  # raises where the connection is gone, and the duty with it
            return True
        query = "SELECT pg_try_advisory_lock(?::int, ?::int)"
        if db.execute(query, (self._duties, _number(duty.encode()))).fetchone()[0]:
            self.held.add(duty)
        return duty in self.held

    def let_go(self, db: Connection, duty: str) -> None:
        if duty in self.held:
            db.execute("SELECT pg_advisory_unlock(?::int, ?::int)", (self._duties, _number(duty.encode())))
            self.held.remove(duty)

    def taken(self, db: Connection, duties: list[str]) -> set[str]:
        """Those of these duties that some worker has."""
        found = {
            number
            for (number,) in db.execute(f"SELECT objid::bigint FROM {_LOCKS} AND classid = {self._duties}")
        }
        return {duty for duty in duties if _number(duty.encode()) in found}

    def _lock(self, db: Connection, kind: int, number: int) -> None:
        db.execute("SELECT pg_advisory_lock(?::int, ?::int)", (kind, number))


def _name(skew_ms: int) -> str:
    clock = f", clock {skew_ms:+d} ms" if abs(skew_ms) >= _SKEW_MS else ""
    head = f"pixeltrail {version('pixeltrail')} at "
    host = re.sub(r"[^!-~]", "?", socket.gethostname())  # what PostgreSQL leaves as it is
    return f"{head}{host[: _MOST_NAME - len(head) - len(clock)]}{clock}"


def _member(name: str) -> Member:
    found = _NAME.fullmatch(name or "")
    return Member(found[1], found[2], int(found[3] or 0)) if found else Member("unknown", name or "unknown")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
