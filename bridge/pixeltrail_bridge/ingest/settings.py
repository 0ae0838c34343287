"""How ingest batches and what it defends, with the reason of each number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..mapping.calls import Call
from ..sessions.clock import TimeLine
from ..sessions.state import DeviceState, GapRow, SessionRow, StreamState
from ..wire.messages import Bad, Chunk, Downlink, Sync
from .quotas import QuotaSettings
from .refusals import Blocked
from .seals import KeysOf, nobody_signs


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """`mapping` is handed through to `map_chunk` and `map_sync`."""

    mapping: Any = None
    blocked: Blocked = Blocked()
    keys_of: KeysOf = nobody_signs  # that devices sign with
    batch_messages: int = (
        4_000  # 0.2 s of work, beside which a slow fsync is small: of 500 one of 20 ms took 40 %
    )
    batch_bytes: int = 4 << 20
    share_messages: int = 500  # of one device in a batch, 25 ms of work: others wait no longer for its sake
    linger_ms: float = 3.0  # 2 to 5: fewer wake-ups and fsyncs, and invisible to a person
    spacing_ms: float = (
        20.0  # from one commit to the next: fifty fsyncs a second are the most that a card has to bear
    )
    queue_bytes: int = 64 << 20  # what a stalled disk may cost in memory; beyond, devices resend
    ack_interval_ms: int = 20
    window: int = 16
    min_free_bytes: int = 64 << 20  # stop before the disk is full: then even a delete fails
    ballast_bytes: int = 0  # a file to delete when something else fills the disk; 0: none
    max_events: int = 1_000_000  # that may wait for a sink; beyond, devices keep what they have
    max_event_bytes: int = 2 << 30
    quotas: QuotaSettings = field(default_factory=QuotaSettings)
    retry_ms: tuple[int, ...] = (100, 300, 1_000, 3_000, 10_000)


class Mapped(Protocol):
    """What map_chunk makes of a chunk; mapping/chunks.py has the class."""

    @property
    def calls(self) -> Sequence[Call]: ...
    @property
    def sessions(self) -> Sequence[SessionRow]: ...
    @property
    def gaps(self) -> Sequence[GapRow]: ...
    @property
    def replies(self) -> Sequence[Downlink]: ...
    @property
    def session_id(self) -> int: ...
    @property
    def host_ms(self) -> int: ...
    @property
    def is_kept(self) -> bool: ...
    @property
    def discarded(self) -> Mapping[str, int]: ...
    @property
    def bad(self) -> Sequence[Bad]: ...
    @property
    def names_refused(self) -> bool: ...
    @property
    def end_ms(self) -> int: ...
    def withhold(self, is_gone: Callable[[SessionRow], bool]) -> None: ...
    def drop(self) -> None: ...


# device, stream, line, chunk, received_ms, device_id, settings.mapping
MapChunk = Callable[[DeviceState, StreamState, TimeLine, Chunk, int, str, Any], Mapped]
# device, stream, line, sync, received_ms, device_id, settings.mapping
MapSync = Callable[[DeviceState, StreamState, TimeLine, Sync, int, str, Any], Sequence[Downlink]]
# device, stream, its ID, its watermark, is online, now_ms, device_id, settings.mapping
MapPresence = Callable[[DeviceState, StreamState, bytes, int, bool, int, str, Any], Sequence[Call]]


def no_presence(*_: object) -> Sequence[Call]:
    return ()


@dataclass(frozen=True, slots=True)
class Mapper:
    """What messages mean, as functions: ingest itself does not know."""

    chunk: MapChunk
    sync: MapSync
    presence: MapPresence
