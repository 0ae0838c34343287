"""What a store keeps and gives: rows as dataclasses, and the interface that ingest, delivery, projector and web use.

A store has one writer at a time: `commit_batch` runs a function inside one
transaction and returns after a durable commit. Reads may run in any thread
meanwhile. All calls block; an event loop calls them in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from ..mapping.calls import Call, OutboxRow, Settled
from ..sessions.state import GapRow, SessionRow
from ..wire.limits import U30_MAX

T = TypeVar("T")
SEQ_SPAN = U30_MAX + 1  # a chunk's key is its stream's number times this, plus its seq


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """`session_id` and `host_ms` are None until the chunk has passed in seq order."""

    device_id: str
    stream: bytes
    seq: int
    received_ms: int
    session_id: int | None
    host_ms: int | None
    data: bytes


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """`state` is its DeviceState as JSON, `stream` and `stream_state` those of its newest stream."""

    device_id: str
    first_seen_ms: int
    last_seen_ms: int
    is_online: bool
    state: bytes
    stream: bytes | None
    stream_state: bytes | None
    sessions: int


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A stream as ingest keeps it. `ahead`: seqs stored above the watermark; `skips`: seqs that will not come."""

    number: int
    device_id: str
    stream: bytes
    watermark: int
    state: bytes
    line: bytes
    ahead: frozenset[int] = frozenset()
    skips: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """What became of an event at one sink: waiting, sent or dead."""

    sink: str
    state: str
    attempts: int
    status: int | None
    answer: str
    next_try_ms: int
    settled_ms: int | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """A call as it is sent: `payload` is the exact JSON."""

    id: int
    message_id: str
    device_id: str
    session_id: int
    type: str
    event: str
    time_ms: int
    payload: bytes
    deliveries: tuple[DeliveryRow, ...]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message, record or call given up on. `kind`: undecodable, record, conflict, mismatch, or the name of a sink."""

    id: int
    device_id: str
    kind: str
    stream: bytes | None
    seq: int | None
    reason: str
    raw: bytes
    first_ms: int
    last_ms: int
    count: int


@dataclass(frozen=True, slots=True)
class Keyframe:
    stream: bytes
    seq: int
    index: int
    host_ms: int


@dataclass(frozen=True, slots=True)
class Projection:
    """A stream with committed chunks that the projector has not seen: `cursor` up to `watermark`."""

    device_id: str
    stream: bytes
    cursor: int
    watermark: int


class Transaction(Protocol):
    """The writes that parts other than ingest make, inside `commit_batch`."""

    def enqueue_calls(self, calls: Iterable[Call]) -> int: ...
    def set_projection(self, stream: bytes, cursor: int, state_json: bytes | str) -> None: ...
    def add_keyframe(self, stream: bytes, seq: int, index: int, host_ms: int) -> None: ...
    def put_sessions(self, rows: Iterable[SessionRow]) -> None: ...
    def count(self, device_id: str, name: str, by: int = 1) -> None: ...


class Store(Protocol):
    """See the module; sqlite.py is the implementation for one box."""

    bridge_id: bytes

    def commit_batch(self, work: Callable[[Any], T]) -> T: ...
    def enqueue_calls(self, tx: Any, calls: Iterable[Call]) -> int: ...
    def lease(self, sink: str, limit: int, now_ms: int, lease_ms: int) -> list[OutboxRow]: ...
    def settle(self, sink: str, results: Iterable[Settled], now_ms: int) -> None: ...
    def pending(self, sink: str) -> int: ...
    def release_leases(self, sink: str) -> None: ...
    def requeue_dead(self, sink: str, event_ids: Iterable[int] | None = None) -> int: ...
    def chunks(
        self, device_id: str, stream: bytes, first_seq: int = 0, end_seq: int | None = None
    ) -> Iterator[StoredChunk]: ...
    def session_chunks(self, device_id: str, session_id: int) -> Iterator[StoredChunk]: ...
    def projection(self, stream: bytes) -> int: ...
    def projection_state(self, stream: bytes) -> bytes | None: ...
    def streams_to_project(self) -> list[Projection]: ...
    def keyframes(self, device_id: str, session_id: int) -> list[Keyframe]: ...
    def devices(self) -> list[DeviceRow]: ...
    def streams(self, device_id: str) -> list[StreamRow]: ...
    def sessions(self, device_id: str | None = None) -> list[SessionRow]: ...
    def gaps(self, device_id: str | None = None, session_id: int | None = None) -> list[GapRow]: ...
    def events(
        self,
        device_id: str | None = None,
        session_id: int | None = None,
        after_id: int = 0,
        limit: int = 100,
    ) -> list[EventRow]: ...
    def dead_letters(self, limit: int = 100, after_id: int = 0) -> list[DeadLetter]: ...
    def counters(self, device_id: str | None = None) -> dict[str, dict[str, int]]: ...
    def close(self) -> None: ...
