"""What messages mean: one frozen class per message and record of schema/wire.cddl.

Dataclasses, but for those that a busy bridge makes by the thousand: a struct of msgspec is made five times as fast.
Times are integer milliseconds. `time_ms` of a record is on the stream's clock
(0 = the stream began). Knows nothing of bytes: decode.py and encode.py do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any, Final

import msgspec

Properties = Mapping[str, Any]


class PixelFormat(IntEnum):
    """Layout of a display's buffer, named as in MicroPython's framebuf."""

    MONO_VLSB = 0
    MONO_HLSB = 1
    MONO_HMSB = 2
    GS2_HMSB = 3
    GS4_HMSB = 4
    GS8 = 5
    RGB565 = 6
    RGB565S = 7
    RGB332 = 8


class FrameFlag(IntFlag):
    KEY = 1
    FIRST = 2
    LAST = 4
    MIXED = 8
    RESET = 16


class Phase(IntEnum):
    DOWN = 0
    MOVE = 1
    UP = 2
    CANCEL = 3
    TURN = 4


class GapReason(IntEnum):
    OUTBOX_FULL = 1
    OPT_OUT = 2
    ENCODER = 3
    TOO_LARGE = 4
    FREED = 5  # made by the bridge: freed before this store existed


NOT_IMPORTED: Final = (
    6  # reason of a gap that an import makes, for pieces that its files lack; no device knows it
)


def gap_reason(reason: int) -> str:
    """A gap's reason in words."""
    known = {int(one): one.name.lower().replace("_", " ") for one in GapReason}
    return (known | {NOT_IMPORTED: "not in the imported files"}).get(reason, f"reason {reason}")


class ClockQuality(IntEnum):
    NONE = 0
    ESTIMATED = 1
    GOOD = 2


VITAL_NAMES: Mapping[int, str] = {
    1: "heap_free",
    2: "heap_used",
    3: "frames",
    4: "skipped",
    5: "refused",
    6: "mixed",
    7: "bytes",
    8: "longest_step_us",
    9: "rssi",
    10: "battery_mv",
    11: "errors",
    12: "resent",
    13: "refused_calls",
}


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A part of a frame: flags byte and payload (with the trailing checksum of a last keyframe part)."""

    flags: int
    payload: bytes

    @property
    def payload_type(self) -> int:
        return self.flags >> 5


@dataclass(frozen=True, slots=True)
class Hello:
    device_id: str
    boot: int
    boot_reason: int
    board: str
    library: str
    app: str
    app_version: str
    clock_quality: int
    previous: bytes | None
    os: str


@dataclass(frozen=True, slots=True)
class Display:
    width: int
    height: int
    format: PixelFormat
    strip_width: int
    strip_rows: int
    references: int
    palette: bytes | None
    rotation: int


@dataclass(frozen=True, slots=True)
class SessionStart:
    index: int
    sampled: bool | None
    epoch_ms: int | None


@dataclass(frozen=True, slots=True)
class SessionEnd:
    index: int


class Touch(msgspec.Struct, frozen=True, gc=False):
    x: int | None
    y: int | None
    phase: int


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    phase: int
    amount: int


class Track(msgspec.Struct, frozen=True, gc=False):
    event: str
    properties: Properties


@dataclass(frozen=True, slots=True)
class Screen:
    name: str
    properties: Properties


@dataclass(frozen=True, slots=True)
class Identify:
    user_id: str | None
    traits: Properties


@dataclass(frozen=True, slots=True)
class Group:
    group_id: str
    traits: Properties


@dataclass(frozen=True, slots=True)
class Alias:
    user_id: str
    previous_id: str | None


@dataclass(frozen=True, slots=True)
class Gap:
    """Sequence numbers first <= seq < end are not coming; counts say what else was refused."""

    first: int
    end: int
    frames: int
    inputs: int
    calls: int
    reason: int


@dataclass(frozen=True, slots=True)
class Vitals:
    values: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Log:
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Masks:
    rectangles: tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class UnknownArea:
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class OptOut:
    opted_out: bool


@dataclass(frozen=True, slots=True)
class Unknown:
    """A kind this version does not know: skipped and counted."""

    kind: int


@dataclass(frozen=True, slots=True)
class Bad:
    """A record of a known kind that breaks the contract: kept as a dead letter, the rest of its chunk counts."""

    raw: bytes
    reason: str


Body = (
    Frame
    | Hello
    | Display
    | SessionStart
    | SessionEnd
    | Touch
    | Key
    | Track
    | Screen
    | Identify
    | Group
    | Alias
    | Gap
    | Vitals
    | Log
    | Masks
    | UnknownArea
    | OptOut
    | Unknown
    | Bad
)
REPLAY_BODIES = (Frame, Touch, Key, Log)


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record of a chunk: `index` counts from 0 within the chunk, `time_ms` is on the stream's clock."""

    index: int
    time_ms: int
    body: Body


class Chunk(msgspec.Struct, frozen=True, gc=False):
    stream: bytes
    seq: int
    time_ms: int
    records: tuple[Record, ...]

    @property
    def is_replay(self) -> bool:
        """True when the chunk carries replay data, which an opt-out drops whole."""
        return bool(self.records) and isinstance(self.records[0].body, REPLAY_BODIES)


@dataclass(frozen=True, slots=True)
class Sync:
    stream: bytes
    oldest: int
    next: int
    now_ms: int
    epoch_ms: int | None
    boot: int
    previous: bytes | None
    device_id: str


@dataclass(frozen=True, slots=True)
class Ack:
    stream: bytes
    next: int
    window: int
    bridge_id: bytes


@dataclass(frozen=True, slots=True)
class Session:
    stream: bytes
    index: int
    session_id: int
    sampled: bool


@dataclass(frozen=True, slots=True)
class Config:
    settings: Properties
    ttl_s: int


@dataclass(frozen=True, slots=True)
class KeyframeRequest:
    stream: bytes


@dataclass(frozen=True, slots=True)
class Time:
    epoch_ms: int


@dataclass(frozen=True, slots=True)
class OptOutOrder:
    opted_out: bool


@dataclass(frozen=True, slots=True)
class NewStream:
    stream: bytes


@dataclass(frozen=True, slots=True)
class HostHello:
    bridge_id: bytes
    oldest_version: int
    newest_version: int


Uplink = Chunk | Sync
Downlink = Ack | Session | Config | KeyframeRequest | Time | OptOutOrder | NewStream | HostHello
