"""Calls: complete Segment events, and what store and sinks say to each other about them.

An event is what Segment's Tracking API takes: `type`, `messageId`, `timestamp`, `context`, `integrations`, an ID of
whom it is about, and the fields of its type. Rules that hold for all of them:

- `anonymousId` and `context.device.id` are the device ID, and so is the first half of the Replay ID: Amplitude's
  destination takes its `device_id` from there, and a replay is found by the two being equal.
- `integrations["Actions Amplitude"].session_id` is an integer on every event, -1 without a session.
- `[Amplitude] Session Replay ID` is on track, screen and page while the session is recorded, unless the event brings
  its own. Event names beginning `[Amplitude] ` belong to Amplitude and are refused before they come here.
- `messageId` is a hash of where the record stands, so that it is the same whenever and wherever the call is made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from ..sessions.ids import NO_SESSION, replay_id
from ..wire.messages import Display, Hello

CallType = Literal["track", "screen", "page", "identify", "group", "alias"]
LIBRARY = "pixeltrail"
REPLAY_PROPERTY = "[Amplitude] Session Replay ID"
LINK_PROPERTY = "Replay Link"
DEBUG_PROPERTY = "[Amplitude] Session Replay Debug"
REPLAY_CHUNKS = "Replay Chunks"  # the event that carries a piece of the recording itself
RESERVED_PREFIX = "[Amplitude] "
REPLAY_TYPES = ("track", "screen", "page")
MAX_EXACT = (1 << 53) - 1  # integers above it are rounded by JSON readers; they travel as text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999  # the end of year 9999
_MAKERS = (  # by words in a board's name; who made the chip counts only where nobody else is named
    ("LILYGO", ("lilygo", "t-display", "ttgo")),
    ("M5Stack", ("m5stack", "m5stick", "cardputer")),
    ("Adafruit", ("adafruit", "feather")),
    ("Pimoroni", ("pimoroni", "tufty", "badger", "presto")),
    ("Arduino", ("arduino", "portenta")),
    ("STMicroelectronics", ("stm32", "nucleo", "pyboard", "pybv")),
    ("Raspberry Pi", ("raspberry", "pico", "rp2")),
    ("Espressif", ("esp32", "esp8266", "espressif")),
)
_MAX_CONTEXTS = 1024
# By identity, which costs a tenth of comparing hellos: those that are kept here stay what they are.
_contexts: dict[tuple[object, ...], tuple[Hello | None, Display | None, dict[str, Any]]] = {}
_AS_IT_IS = frozenset((str, bool, type(None)))
_SYSTEMS = {"micropython": "MicroPython", "cpython": "CPython", "circuitpython": "CircuitPython"}


class Call(msgspec.Struct, frozen=True, gc=False):
    """One event for the sinks. `event` names it in lists; `payload` is what is sent, to the letter."""

    message_id: str
    device_id: str
    session_id: int
    type: CallType
    event: str
    payload: dict[str, Any]
    time_ms: int


class Shaped(msgspec.Struct, frozen=True):
    """What rules leave of a call: the sinks it goes to (None: all), and payloads of theirs that are not the call's."""

    call: Call
    sinks: tuple[str, ...] | None = None
    own: Mapping[str, dict[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A call leased to a sink. `attempts` counts the deliveries tried before; `payload` is its JSON."""

    id: int
    device_id: str
    message_id: str
    type: str
    payload: bytes
    attempts: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a leased call: `next_try_ms` (host epoch) counts for "retry" alone."""

    id: int
    state: Literal["sent", "retry", "dead"]
    status: int | None = None
    answer: str = ""
    next_try_ms: int = 0


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Who sends, in which session, and what the bridge knows of the device: common to all events of a moment."""

    device_id: str
    hello: Hello | None = None
    display: Display | None = None
    name: str | None = None
    user_id: str | None = None
    session_id: int = NO_SESSION
    session_start_ms: int = 0
    is_recording: bool = False
    is_estimated: bool = False
    public_url: str | None = None
    classic: bool = False  # also set integrations.Amplitude, for the classic destination in cloud mode
    replay_device: str | None = None  # first half of the Replay ID where it is not the device ID
    debug: str | None = None  # value of the debug property, if events shall carry it


def debug_value(key: str) -> str:
    """What the debug property says of an API key: its 32-bit hash, h * 31 + c and signed, as JavaScript has it."""
    value = 0
    for character in key:
        value = (value * 31 + ord(character)) & 0xFFFFFFFF
    return f'{{"appHash":"{value - (1 << 32) if value >> 31 else value}"}}'


def message_id(device_id: str, stream: bytes, seq: int, index: int) -> str:
    """ID of the call that record `index` of a chunk makes."""
    place = b"\0\0\0\4" + seq.to_bytes(4) + b"\0\0\0\2" + index.to_bytes(2)
    return f"px-{blake2b(_record_prefix(device_id, stream) + place, digest_size=16).hexdigest()}"


@lru_cache(1024)
def _record_prefix(device_id: str, stream: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4) + part for part in (b"record", device_id.encode(), stream))


def made_message_id(device_id: str, event: str, *place: int | bytes) -> str:
    """ID of an event the bridge makes itself; `place` tells it from its like (session or stream, start or seq)."""
    parts = [p if isinstance(p, bytes) else b"%d" % p for p in place]
    return _hash_id(b"made", device_id.encode(), event.encode(), *parts)


def iso_time(epoch_ms: int) -> str:
    """ISO 8601 in UTC with milliseconds, as Segment's libraries write it."""
    seconds, ms = divmod(min(max(epoch_ms, 0), _LAST_MS), 1000)
    return f"{_iso_second(seconds)}.{ms:03d}Z"


def viewer_link(public_url: str, device_id: str, session_id: int, offset_ms: int) -> str:
    """Address of the player at a moment, counted from the session's start."""
    seconds = f"{max(0, offset_ms) / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{public_url.rstrip('/')}/sessions/{quote(device_id)}/{session_id}?t={seconds}"


def build_call(
    origin: Origin,
    call_type: CallType,
    call_id: str,
    time_ms: int,
    fields: Mapping[str, Any],
    *,
    event: str,
    original_ms: int | None = None,
) -> Call:
    """A complete event: `fields` are those of its type, with `properties` or `traits` as the device gave them."""
    payload: dict[str, Any] = {
        "type": call_type,
        "messageId": call_id,
        "timestamp": iso_time(time_ms),
        "anonymousId": origin.device_id,
    }
    if original_ms is not None:
        payload["originalTimestamp"] = iso_time(original_ms)
    if origin.user_id:
        payload["userId"] = origin.user_id
    payload |= {key: clean(value) for key, value in fields.items()}
    if call_type in REPLAY_TYPES and origin.is_recording:
        payload["properties"] = _replay_properties(origin, time_ms) | payload["properties"]
    payload["context"] = build_context(origin)
    payload["integrations"] = _integrations(origin)
    return Call(call_id, origin.device_id, origin.session_id, call_type, event, payload, time_ms)


def build_context(origin: Origin) -> dict[str, Any]:
    """What every event says of its device; without a hello only the ID is known. Shared by events: do not change it."""
    hello, display = origin.hello, origin.display
    key = (origin.device_id, origin.name, id(hello), id(display), origin.is_estimated)
    found = _contexts.get(key)
    if found is None:
        context = _context(origin.device_id, origin.name, hello, display, origin.is_estimated)
        if len(_contexts) >= _MAX_CONTEXTS:
            _contexts.clear()
        found = _contexts[key] = (hello, display, context)
    return found[2]


def _context(
    device_id: str, name: str | None, hello: Hello | None, display: Display | None, is_estimated: bool
) -> dict[str, Any]:
    device = {"id": device_id, "type": "embedded", "name": name or device_id}
    context: dict[str, Any] = {"device": device}
    library_version = "unknown"
    if hello is not None:
        library_version = hello.library.replace("/", " ").rpartition(" ")[2] or "unknown"
        device |= {"manufacturer": _maker(hello.board), "model": hello.board or "unknown"}
        os_name, _, os_version = hello.os.partition(" ")
        context["os"] = _named(_SYSTEMS.get(os_name, os_name), os_version)
        context["app"] = _named(hello.app, hello.app_version)
    context["library"] = {"name": LIBRARY, "version": library_version}
    if display is not None:
        context["screen"] = {"width": display.width, "height": display.height}
    if is_estimated:
        context["pixeltrail"] = {"time": "estimated"}
    return context


def clean(value: Any) -> Any:
    """What CBOR can say and JSON cannot: NaN and infinity become null, an integer beyond 2^53 becomes text."""
    kind = type(value)
    if kind in _AS_IT_IS:
        return value
    if kind is int:
        return value if -MAX_EXACT <= value <= MAX_EXACT else str(value)
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is dict or isinstance(value, Mapping):
        return {str(key): item if type(item) in _AS_IT_IS else clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value


def _replay_properties(origin: Origin, time_ms: int) -> dict[str, Any]:
    replay_device = origin.replay_device or origin.device_id
    replay = replay_id(replay_device, origin.session_id) if origin.is_recording else None
    if replay is None:
        return {}
    properties = {REPLAY_PROPERTY: replay}
    if origin.debug:
        properties[DEBUG_PROPERTY] = origin.debug
    if origin.public_url:
        offset_ms = time_ms - origin.session_start_ms
        properties[LINK_PROPERTY] = viewer_link(
            origin.public_url, origin.device_id, origin.session_id, offset_ms
        )
    return properties


def _integrations(origin: Origin) -> dict[str, Any]:
    session = {"session_id": origin.session_id}
    return {"Actions Amplitude": session} | ({"Amplitude": dict(session)} if origin.classic else {})


@lru_cache(1024)
def _iso_second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def _named(name: str, version: str) -> dict[str, Any]:
    return {"name": name or "unknown"} | ({"version": version} if version else {})


def _maker(board: str) -> str:
    words = board.lower()
    return next((maker for maker, marks in _MAKERS if any(mark in words for mark in marks)), "unknown")


def _hash_id(*parts: bytes) -> str:
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(4) + part)
    return f"px-{digest.hexdigest()}"
