"""What the bridge remembers between chunks: one DeviceState per device, one StreamState per stream.

Both are kept as JSON (`msgspec.json`) in the transaction that commits the chunk they were changed by. SessionRow and
GapRow are what one chunk says about the store's tables; a row replaces the earlier one with the same key.
"""

from __future__ import annotations

import msgspec

from ..wire.messages import Display, Hello
from ..wire.signed import Seal
from .ids import NO_SESSION
from .remote import Told


class OpenSession(msgspec.Struct):
    """A device's newest session, in whichever stream it runs."""

    session_id: int
    index: int
    boot: int
    stream: str  # hex; the last stream that carried it
    start_ms: int  # host time
    last_ms: int  # host time of its newest record
    sampled: bool
    estimated: bool = False  # its times are: the stream had no sync
    ended: bool = False
    row_ms: int = 0  # last_ms of the newest SessionRow made of it


class Standing(msgspec.Struct):
    """A watermark that may stand still, and how often each message without a place had come when it did."""

    watermark: int
    counts: dict[int, int] = {}  # by the number of the dead letter


class DeviceState(msgspec.Struct):
    """`seal`: of its newest sync, when that was signed; what goes down is bound to it."""

    name: str | None = None
    user_id: str | None = None
    last_session_id: int = 0
    session: OpenSession | None = None
    opted_out_ms: int | None = None  # host time since when replay data is refused; None: it is welcome
    said_opted_out: bool | None = None  # what the device itself said last
    told: Told | None = None  # remote settings
    is_away: bool = False  # its broker said so, and no sync has come since
    away_since_ms: int = 0
    alive_ms: int = 0  # when its newest sync came
    departures: int = 0  # how often it went
    user_refused: bool = False  # its user is one of whom nothing is kept, until it names another
    seal: Seal | None = None

    @property
    def opted_out(self) -> bool:
        return self.opted_out_ms is not None


class StreamState(msgspec.Struct):
    """`own` and `user_id` are those of a late stream; the device's are for streams that are not."""

    hello: Hello | None = None
    display: Display | None = None
    session_index: int | None = None
    session_id: int = NO_SESSION
    sampled: bool = False
    opted_out: bool = False  # since a record of this stream said so
    epoch_offset_ms: int | None = None  # device's epoch minus stream clock; only from a good clock
    last_host_ms: int = 0  # host times of a stream never run backwards by less than a jump
    vitals: dict[str, int] = {}
    vitals_ms: int = 0
    is_late: bool = False  # of an earlier start than the device's newest
    own: OpenSession | None = None
    user_id: str | None = None
    standing: Standing | None = None  # only while messages come that nothing tells the place of
    signed_sync: tuple[int, bytes] | None = None  # time and number of the newest sync that was signed
    midway: bool | None = None  # its first chunk that we ever saw was not its first: no hello, no display

    @property
    def is_recording(self) -> bool:
        """Whether replay data is kept and events carry the Replay ID."""
        return self.session_id != NO_SESSION and self.sampled and not self.opted_out


class SessionRow(msgspec.Struct, frozen=True):
    """Key: (device_id, session_id). end_ms is None while the session runs."""

    device_id: str
    session_id: int
    index: int
    boot: int
    stream: bytes
    start_ms: int
    last_ms: int
    end_ms: int | None
    sampled: bool
    estimated: bool
    user_id: str | None


class GapRow(msgspec.Struct, frozen=True):
    """Key: (device_id, stream, seq, index), the place of the gap record."""

    device_id: str
    session_id: int
    stream: bytes
    seq: int
    index: int
    first: int
    end: int
    frames: int
    inputs: int
    calls: int
    reason: int
    host_ms: int
