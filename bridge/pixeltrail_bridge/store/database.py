"""What both stores share: one transaction at a time, the outbox, and what becomes of a fault.

A store that can no longer be trusted closes for good: nothing is written on the
same connection again, `on_failure` is told, and the process is expected to end.
"""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ..errors import StoreError, StoreFailure
from ..mapping.calls import Call, OutboxRow, Settled
from . import clips, outbox
from .base import Fill
from .forgetful import ForgetfulWrites
from .letters import LetterBudget
from .packs import PackReader
from .readers import Readers
from .sql import Connection, replacing
from .tombstones import Tombstones
from .workers import Team

T = TypeVar("T")
DROPPED = "dropped_by_rules"  # counter of a device: its events that rules kept out
RECOUNT_S = 60.0  # how old our word on the outbox may be where others write as well


class SqlTransaction(ForgetfulWrites):
    """Everything that may be written inside `commit_batch`."""

    def __init__(
        self,
        db: Connection,
        budget: LetterBudget,
        sinks: Sequence[str],
        shaping: outbox.Shaping | None = None,
        tombstones: Tombstones | None = None,
    ) -> None:
        super().__init__(db, budget, Tombstones() if tombstones is None else tombstones)
        self._sinks, self._shaping = sinks, shaping
        self.connection_no = 0
        self.dropped = 0  # events that rules kept out
        self.filled: list[tuple[str, Fill]] = []  # by how much what waits for sinks changed
        self._numbers: dict[str, int] = {}

    def enqueue_calls(self, calls: Iterable[Call]) -> int:
        """Add events, with a delivery to each configured sink; one whose message ID is known is left out.

        Rules, where there are some, come first: this is the one door to the outbox, and nothing of what they take away
        is written down.
        """
        calls = self.known_calls(calls)
        if self._shaping is not None:
            return self._enqueue_shaped(calls, self._shaping)
        added = self._enqueue(calls)
        self.filled += ((sink, added) for sink in self._sinks)
        return added.events

    def _enqueue_shaped(self, calls: Sequence[Call], shaping: outbox.Shaping) -> int:
        shaped = [one for call in calls if (one := shaping.shape(call)) is not None]
        if len(shaped) < len(calls):
            self._count_dropped(calls, {one.call.message_id for one in shaped})
        self.lock_devices({one.call.device_id for one in shaped})
        special = {one.call.message_id: one for one in shaped if one.sinks is not None or one.own}
        known = outbox.known_ids(self.db, list(special))
        added = self._enqueue([one.call for one in shaped])
        self.filled += ((sink, added) for sink in self._sinks)
        for message_id, one in special.items():
            if message_id not in known:
                self.filled += outbox.shape_deliveries(self.db, one, self._sinks)
        return added.events

    def _count_dropped(self, calls: Sequence[Call], kept: set[str]) -> None:
        dropped = Counter((call.device_id, DROPPED) for call in calls if call.message_id not in kept)
        self.dropped += dropped.total()
        self.count_all(dropped)

    def redacted(self, event: Any) -> Any:
        """An event as a dead letter may hold it."""
        return event if self._shaping is None else self._shaping.redact(event)

    def _enqueue(self, calls: Iterable[Call]) -> Fill:
        return outbox.enqueue_calls(self.db, calls, self._sinks, self._numbers)

    def settle(self, sink: str, results: Sequence[Settled], now_ms: int) -> None:
        self.filled.append((sink, outbox.settle(self.db, sink, results, now_ms)))

    def set_projection(self, stream: bytes, cursor: int, state_json: bytes | str) -> None:
        """How far the projector has come in a stream, with what it must remember."""
        self.db.execute(
            "INSERT INTO projections (stream, cursor, state) SELECT no, ?, ? FROM streams WHERE stream = ?"
            + replacing("stream", "cursor, state"),
            (cursor, state_json.encode() if isinstance(state_json, str) else state_json, stream),
        )

    def add_keyframe(self, stream: bytes, seq: int, index: int, host_ms: int) -> None:
        self.db.execute(
            "INSERT INTO keyframes (stream, seq, number, host_ms) SELECT no, ?, ?, ? FROM streams WHERE stream = ?"
            + replacing("stream, seq, number", "host_ms"),
            (seq, index, host_ms, stream),
        )

    def put_clips(self, stream: bytes, rows: Iterable[clips.Clip]) -> None:
        """What the projector saw of a stream."""
        clips.put_clips(self.db, stream, self.without_forgotten(stream, rows))


class SqlStore(Readers):
    """See base.Store. `sinks` names those that get a delivery row for each new event."""

    transaction: ClassVar[type[SqlTransaction]]
    faults: ClassVar[type[Exception]]  # what its driver raises
    is_shared: ClassVar[bool]  # other processes may write as well
    holder_has_ended = "true"  # of a lease, as SQL
    contains: ClassVar[str]  # SQL: whether bytes hold those of a value
    as_bytes: ClassVar[str]  # SQL: the bytes of a text or blob
    tables_query: ClassVar[str]  # names of all tables
    texts_query: ClassVar[str]  # table and column of each text and blob
    worker = 0  # under which this process leases
    connection_no = 0  # of the one that writes: what was held on an earlier one may be somebody else's
    bridge_id: bytes
    place: str
    folder: Path | None

    def __init__(self, sinks: Sequence[str] = ()) -> None:
        self.sinks: tuple[str, ...] = tuple(sinks)
        self.shaping: outbox.Shaping | None = None  # may be exchanged at any time, for the next transactions
        self.packs = PackReader(self._all)
        self.tombstones = Tombstones()
        self.on_failure: Callable[[str], None] = lambda reason: None
        self._lock = threading.RLock()
        self._failure: str | None = None
        self._budget: LetterBudget | None = None
        self._fill: dict[str, Fill] | None = None
        self._filled_s = 0.0
        self._lease_after: dict[str, int] = {}
        self.duties: dict[str, bool] = {}  # by duty that was asked for: whether it is ours

    @abstractmethod
    def _writing(self) -> Connection:
        """The connection that writes, with a transaction begun."""

    @abstractmethod
    def _roll_back(self) -> None:
        """End a transaction that failed, if there still is one; raises nothing."""

    @abstractmethod
    def _explain(self, error: Exception) -> StoreError:
        """What a fault of the driver means and what to do; a StoreFailure when the store must not be used again."""

    @abstractmethod
    def compact(self, full: bool = False) -> str | None:
        """Give back the room of what was deleted, and leave nothing of it in the files; what could not be done."""

    def truncate_log(self) -> None:
        """Leave nothing of what was overwritten in the store's log, where it has one beside its file."""

    @abstractmethod
    def give_back(self, most_bytes: int) -> bool:
        """Give some room back to the disk, within milliseconds; True: there is more."""

    def keep_days(self, now_ms: int) -> None:
        """Where chunks lie in a table for each day: make those of the next days."""

    def drop_days(self, before_ms: int) -> int:
        """Drop days, chunks and all, of which nothing is of later or to be kept; the rest is erased row by row."""
        return 0

    @abstractmethod
    def close(self) -> None:
        """Let go of all connections; may be called twice."""

    def commit_batch(self, work: Callable[[SqlTransaction], T]) -> T:
        """Run `work` in one transaction and return its result once it is durable. StoreError: nothing was written."""
        with self._lock:
            self._check_usable()
            try:
                db = self._writing()
                if self._budget is None:
                    self._budget = LetterBudget.read(db)
                tx = self.transaction(db, self._budget, self.sinks, self.shaping, self.tombstones)
                tx.connection_no = self.connection_no
                result = work(tx)
                db.execute("COMMIT")
            except self.faults as error:
                self._abandon()
                raise self._fault(error) from error
            except BaseException:
                self._abandon()
                raise
            self._note_fill(tx.filled)
            return result

    def _check_usable(self) -> None:
        if self._failure is not None:
            raise StoreFailure(self._failure)

    def _abandon(self) -> None:
        self._roll_back()
        self._budget = None  # it counted letters that were not kept

    def _fault(self, error: Exception) -> StoreError:
        explained = self._explain(error)
        if isinstance(explained, StoreFailure) and self._failure is None:
            self._failure = str(explained)
            self.on_failure(self._failure)
        return explained

    # ---- duties ---------------------------------------------------------------

    def hold(self, duty: str) -> bool:
        """Whether what one worker alone does is ours: asked before each turn of it, and kept until the process ends.

        StoreError: nobody knows, so it is not ours now.
        """
        try:
            is_ours = self._hold(duty)
        except BaseException:
            self.duties[duty] = False
            raise
        self.duties[duty] = is_ours
        return is_ours

    def _hold(self, duty: str) -> bool:
        return True  # of a file there is one user

    def team(self) -> Team | None:
        """The workers that share the store; None where one alone can use it."""
        return None

    def let_go(self, duty: str) -> None:
        """Let another worker have a duty."""
        self.duties.pop(duty, None)

    # ---- outbox ---------------------------------------------------------------

    def enqueue_calls(self, tx: SqlTransaction, calls: Iterable[Call]) -> int:
        return tx.enqueue_calls(calls)

    def lease(self, sink: str, limit: int, now_ms: int, lease_ms: int) -> list[OutboxRow]:
        """Waiting events for a sink, oldest first per device, kept from others for `lease_ms`."""
        if not self._all("SELECT 1 FROM deliveries WHERE sink = ? AND state = 'waiting' LIMIT 1", sink):
            return []  # a look costs no write

        def work(tx: SqlTransaction) -> list[OutboxRow]:
            after = self._lease_after.get(sink, 0)
            times = (now_ms, now_ms + lease_ms)
            rows, self._lease_after[sink] = outbox.lease(tx.db, sink, limit, *times, after, self.worker)
            return rows

        return self.commit_batch(work)

    def settle(self, sink: str, results: Iterable[Settled], now_ms: int) -> None:
        """Write down what became of leased events."""
        settled = list(results)
        self.commit_batch(lambda tx: tx.settle(sink, settled, now_ms))

    def pending(self, sink: str) -> int:
        rows = self._all("SELECT count(*) FROM deliveries WHERE sink = ? AND state = 'waiting'", sink)
        return int(rows[0][0])

    def release_leases(self, sink: str) -> None:
        """Give back what processes that have ended had leased, and try at once what was put off.

        A restart is how a person says that the fault (a wrong key, a wrong address) is mended.
        """
        query = (
            "UPDATE deliveries SET next_try_ms = 0,"
            f" lease_until_ms = CASE WHEN {self.holder_has_ended} THEN 0 ELSE lease_until_ms END"
            " WHERE sink = ? AND state = 'waiting' AND (lease_until_ms > 0 OR next_try_ms > 0)"
        )
        self.commit_batch(lambda tx: tx.db.execute(query, (sink,)))

    def requeue_dead(self, sink: str, event_ids: Iterable[int] | None = None) -> int:
        """Try dead deliveries again, all of a sink's or some; returns how many."""
        count = self.commit_batch(lambda tx: outbox.requeue_dead(tx.db, sink, event_ids))
        self.recount()
        return count

    def fill(self) -> dict[str, Fill]:
        """What waits for each sink, counted once and then kept up."""
        with self._lock:
            is_old = self.is_shared and time.monotonic() - self._filled_s > RECOUNT_S
            if self._fill is None or is_old:
                self._filled_s = time.monotonic()
                self._fill = {sink: Fill(int(n), int(size)) for sink, n, size in self._all(outbox.FILL)}
            return dict(self._fill)

    def recount(self) -> None:
        """Rows were written that were not counted, perhaps by another process: count anew."""
        with self._lock:
            self._fill = self._budget = None

    def _note_fill(self, changes: Iterable[tuple[str, Fill]]) -> None:
        for sink, change in changes if self._fill is not None else ():
            assert self._fill is not None
            now = self._fill.get(sink, Fill())
            self._fill[sink] = Fill(now.events + change.events, now.size_bytes + change.size_bytes)

    def purge_dead_letters(self, ids: Iterable[int] | None = None) -> int:
        """Delete dead letters, all or some; returns how many."""

        def work(tx: SqlTransaction) -> int:
            if ids is None:
                gone = tx.db.execute("DELETE FROM dead_letters").rowcount
            else:
                delete = "DELETE FROM dead_letters WHERE id = ?"
                gone = sum(tx.db.execute(delete, (letter,)).rowcount for letter in ids)
            self._budget = None
            return gone

        return self.commit_batch(work)
