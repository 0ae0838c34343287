"""What a store keeps and gives: rows as dataclasses, and the interface that ingest, delivery, projector and web use.

Of one store object, one thread writes at a time: `commit_batch` runs a function
inside one transaction and returns after a durable commit. Reads may run in any
thread meanwhile. All calls block; an event loop calls them in a thread. Several
processes may share a store: rows of devices are locked while they are written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ..mapping.calls import Call, OutboxRow, Settled
from ..sessions.state import GapRow, SessionRow
from ..wire.limits import U30_MAX
from .tombstones import Tombstones

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
    """A stream as ingest keeps it. `ahead`: seqs stored above the watermark; `skips`: seqs that will not come.

    Of one that was imported neither is told, because ingest has nothing to do with it.
    """

    number: int
    device_id: str
    stream: bytes
    watermark: int
    state: bytes
    line: bytes
    ahead: frozenset[int] = frozenset()
    skips: tuple[tuple[int, int], ...] = ()
    is_imported: bool = False


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
    payload: str | None = None  # what this sink gets, where rules make it another than the event's


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
class LooseLetter:
    """A dead letter of a device that nothing tells the place of. `count`: how often it came."""

    id: int
    raw: bytes
    reason: str
    first_ms: int
    count: int


@dataclass(frozen=True, slots=True)
class Keyframe:
    stream: bytes
    seq: int
    index: int
    host_ms: int


@dataclass(frozen=True, slots=True)
class Span:
    """A session's chunks within a stream: first <= seq <= last.

    `displays`: seqs of the chunks with a display record, from the one in force at `first` on.
    """

    stream: bytes
    first: int
    last: int
    displays: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Projection:
    """A stream with committed chunks that the projector has not seen: `cursor` up to `watermark`."""

    device_id: str
    stream: bytes
    cursor: int
    watermark: int


@dataclass(slots=True)
class NewChunk:
    """A chunk to be stored; session and host time are set when it passes in order within the same batch."""

    key: int
    received_ms: int
    data: bytes
    session_id: int | None = None
    host_ms: int | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class LoadedDevice:
    """`state` is DeviceState as JSON; `opt_out_order` waits for the device; `version` goes up with each change."""

    number: int
    state: bytes
    opt_out_order: bool | None
    version: int


@dataclass(frozen=True, slots=True)
class DeviceSave:
    number: int
    state: bytes
    opt_out_order: bool | None
    seen_ms: int


@dataclass(frozen=True, slots=True)
class StreamSave:
    number: int
    watermark: int
    state: bytes
    line: bytes
    seen_ms: int


@dataclass(frozen=True, slots=True)
class Fill:
    """What waits for a sink: events, and bytes of their payloads."""

    events: int = 0
    size_bytes: int = 0


class Transaction(Protocol):
    """The writes that parts other than ingest make, inside `commit_batch`.

    `connection_no` is that of the connection on which they are made; what a worker holds, it holds on one.
    """

    connection_no: int

    def enqueue_calls(self, calls: Iterable[Call]) -> int: ...
    def set_projection(self, stream: bytes, cursor: int, state_json: bytes | str) -> None: ...
    def add_keyframe(self, stream: bytes, seq: int, index: int, host_ms: int) -> None: ...
    def put_clips(self, stream: bytes, rows: Iterable[Any]) -> None: ...
    def put_sessions(self, rows: Iterable[SessionRow]) -> None: ...
    def count(self, device_id: str, name: str, by: int = 1) -> None: ...
    def count_all(self, counts: Mapping[tuple[str, str], int]) -> None: ...


class IngestTransaction(Transaction, Protocol):
    """The writes of ingest; chunks.py and letters.py say what each does."""

    @property
    def tombstones(self) -> Tombstones: ...
    def replace_chunks(self, rows: Iterable[tuple[int, bytes]]) -> None: ...
    def note_scrubbed(self, keys: Iterable[int]) -> None: ...
    def is_scrubbed(self, key: int) -> bool: ...
    def lock_devices(self, device_ids: Collection[str]) -> dict[str, int]: ...
    def read_ahead(
        self,
        locked: Collection[str],
        devices: Collection[str],
        streams: Collection[bytes],
        places: Collection[tuple[bytes, int]],
        keys: Iterable[int],
    ) -> None: ...
    def load_device(self, device_id: str) -> LoadedDevice | None: ...
    def add_device(self, device_id: str, state: bytes, now_ms: int) -> int | None: ...
    def save_devices(self, rows: Iterable[DeviceSave]) -> None: ...
    def set_online(self, device_id: str, is_online: bool) -> None: ...
    def newest_stream(self, device_id: str) -> bytes | None: ...
    def load_stream(self, stream: bytes) -> StreamRow | None: ...
    def set_aside(self, number: int, stream: bytes) -> None: ...
    def add_stream(self, device: int, stream: bytes, state: bytes, line: bytes, now_ms: int) -> int: ...
    def save_streams(self, rows: Iterable[StreamSave]) -> None: ...
    def chunk(self, key: int) -> tuple[bytes, str | None, int] | None: ...
    def packed_digest(self, key: int) -> bytes | None: ...
    def put_chunks(self, chunks: Iterable[NewChunk]) -> None: ...
    def place_chunks(self, places: Iterable[tuple[int, int, int]]) -> None: ...
    def drop_chunks(self, keys: Iterable[int]) -> None: ...
    def put_skips(self, rows: Iterable[tuple[int, int, int]]) -> None: ...
    def put_heads(self, rows: Iterable[tuple[int, int, bool]]) -> None: ...
    def put_spans(self, rows: Iterable[tuple[int, int, int, int, int]]) -> None: ...
    def put_gaps(self, rows: Iterable[GapRow]) -> None: ...
    def loose_letters(self, device_id: str, limit: int) -> list[LooseLetter]: ...
    def place_letter(self, letter: int, stream: bytes, seq: int) -> None: ...
    def add_dead_letter(
        self,
        device_id: str,
        kind: str,
        reason: str,
        raw: bytes,
        now_ms: int,
        stream: bytes | None = None,
        seq: int | None = None,
    ) -> None: ...


class Store(Protocol):
    """See the module. sqlite.py is the implementation for one box, postgres.py the one for many."""

    bridge_id: bytes
    sinks: tuple[str, ...]
    on_failure: Callable[[str], None]  # called once, by any thread, when the store has closed for good

    @property
    def place(self) -> str:
        """Where it is, for messages; without a password."""
        ...

    @property
    def folder(self) -> Path | None:
        """The folder on this machine whose disk it fills, if any."""
        ...

    def commit_batch(self, work: Callable[[Any], T]) -> T: ...
    def fill(self) -> dict[str, Fill]: ...
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
    def spans(self, device_id: str, session_id: int) -> list[Span]: ...
    def projection(self, stream: bytes) -> int: ...
    def projection_state(self, stream: bytes) -> bytes | None: ...
    def is_imported(self, stream: bytes) -> bool: ...
    def device_state(self, device_id: str) -> bytes | None: ...
    def streams_to_project(self) -> list[Projection]: ...
    def keyframes(self, device_id: str, session_id: int) -> list[Keyframe]: ...
    def clip_ends(self, device_id: str, session_id: int) -> list[tuple[bytes, int, int]]: ...
    def devices(self) -> list[DeviceRow]: ...
    def streams(self, device_id: str) -> list[StreamRow]: ...
    def sessions(self, device_id: str | None = None) -> list[SessionRow]: ...
    def session(self, device_id: str, session_id: int) -> SessionRow | None: ...
    def gaps(self, device_id: str | None = None, session_id: int | None = None) -> list[GapRow]: ...
    def events(
        self,
        device_id: str | None = None,
        session_id: int | None = None,
        after_id: int = 0,
        limit: int = 100,
    ) -> list[EventRow]: ...
    def dead_letters(self, limit: int = 100, after_id: int = 0) -> list[DeadLetter]: ...
    def kept_bytes(self) -> dict[str, int]: ...
    def counters(self, device_id: str | None = None) -> dict[str, dict[str, int]]: ...
    def close(self) -> None: ...
