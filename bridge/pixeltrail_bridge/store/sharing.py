"""What workers of one PostgreSQL share: the outbox, the streams to project, and duties that one has at a time."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from ..mapping.calls import OutboxRow, Settled
from . import leases
from .database import SqlStore, SqlTransaction
from .sql import Connection
from .workers import Team, Workers

T = TypeVar("T")
_DELIVERY: Final = "delivery"
_PROJECTION: Final = "projection"
PARTS: Final = 16  # into which devices are divided (../division.py); as many workers can take part


class SharedStore(SqlStore):
    """Part of PostgresStore: what other workers may have is asked of the server, on the connection that writes."""

    workers: Workers

    def __init__(self, sinks: Sequence[str] = ()) -> None:
        super().__init__(sinks)
        self.worker = int.from_bytes(os.urandom(4)) >> 1 or 1
        self._leases = leases.Leases(self.worker)

    def _begin_sharing(self) -> None:
        self.workers = Workers(self.bridge_id, self.worker)
        self.holder_has_ended = self.workers.ended("lease_by")

    @abstractmethod
    def _connected(self) -> Connection:
        """The connection that writes, opened again where it broke."""

    @abstractmethod
    def _reader(self) -> Connection:
        """This thread's own connection, which reads."""

    # ---- outbox ---------------------------------------------------------------

    def lease(self, sink: str, limit: int, now_ms: int, lease_ms: int) -> list[OutboxRow]:
        """See SqlStore; of devices that no other worker has a call of."""
        try:
            due = leases.due_slots(self._reader(), sink, now_ms)
        except self.faults as error:
            raise self._explain(error) from error
        if not due:
            return []  # a look costs no write

        def work(tx: SqlTransaction) -> tuple[list[OutboxRow], dict[int, set[int]]]:
            others = self.workers.count(tx.db, _DELIVERY)
            times = (now_ms, now_ms + lease_ms)
            return self._leases.take(tx.db, sink, due, limit, *times, self.workers.ended("worker"), others)

        with self._lock:
            rows, out = self.commit_batch(work)
            self._leases.note(sink, out)
        return rows

    def settle(self, sink: str, results: Iterable[Settled], now_ms: int) -> None:
        settled = list(results)
        events = [one.id for one in settled]

        def work(tx: SqlTransaction) -> None:
            tx.settle(sink, settled, now_ms)
            leases.give_back(tx.db, sink, self._leases.emptied(sink, events), self.worker)

        with self._lock:
            self.commit_batch(work)
            self._leases.settled(sink, events)

    def release_leases(self, sink: str) -> None:
        """As SqlStore. Leases of processes that have ended need nobody's word: whoever leases next may have them."""

        def work(tx: SqlTransaction) -> None:
            leases.add_slots(tx.db, sink)
            tx.hurry_deliveries(sink)

        self._told(lambda db: self.workers.join(db, _DELIVERY))
        self.commit_batch(work)

    # ---- duties ---------------------------------------------------------------

    def _hold(self, duty: str) -> bool:
        return self._told(lambda db: self.workers.hold(db, duty))

    def let_go(self, duty: str) -> None:
        self.duties.pop(duty, None)
        self._told(lambda db: self.workers.let_go(db, duty))

    def take_parts(self, is_able: bool = True) -> tuple[set[int], set[int], int]:
        """Of the streams to project, the parts that are this worker's, and those of them that others should have.

        Give those back with `give_parts`, once nothing of them is under way. With the number of the connection that
        has them. Whoever is not able to serve them has none, unless nobody else is there.
        """

        def work(db: Connection) -> tuple[set[int], set[int], int]:
            takes_part = is_able or not self.workers.has_others(db, _PROJECTION)
            if takes_part:
                self.workers.join(db, _PROJECTION)
            else:
                self.workers.leave(db, _PROJECTION)
            names = {f"{_PROJECTION} {part}": part for part in range(PARTS)}
            mine = {part for name, part in names.items() if name in self.workers.held}
            share = -(-PARTS // self.workers.count(db, _PROJECTION)) if takes_part else 0
            if len(mine) < share:
                taken = self.workers.taken(db, list(names))
                for name in [name for name in names if name not in taken][: share - len(mine)]:
                    if self.workers.hold(db, name):
                        mine.add(names[name])
            return mine, set(sorted(mine)[share:]), self.connection_no

        return self._told(work)

    def team(self) -> Team:
        """Who projects, which every worker does."""
        try:
            names = [f"{_PROJECTION} {part}" for part in range(PARTS)]
            return self.workers.team(self._reader(), _PROJECTION, names)
        except self.faults as error:
            raise self._explain(error) from error

    def stay(self) -> None:
        """Say that this worker has not come to a stand."""
        self._told(lambda db: db.execute("SELECT 1"))

    def give_parts(self, parts: Iterable[int]) -> None:
        def work(db: Connection) -> None:
            for part in parts:
                self.workers.let_go(db, f"{_PROJECTION} {part}")

        self._told(work)

    def _told(self, work: Callable[[Connection], T]) -> T:
        """What `work` asks of the writing connection, outside a transaction."""
        with self._lock:
            try:
                return work(self._connected())
            except self.faults as error:
                raise self._explain(error) from error
