"""What a row says. Everything in it is checked here, before it comes near a store.

Rows come in two forms: an event as Segment's S3 destination writes it, and a row of the table `replay_chunks` of a
warehouse, whose columns are the properties in snake case beside `context_device_id`, `anonymous_id` and `user_id`. Of
the other tables nothing is taken: a warehouse keeps only a part of an event, and what chunks hold is made from them.
"""

from __future__ import annotations

import binascii
import io
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, get_args

import cbor2
import msgspec

from ..errors import PeerError
from ..mapping.calls import REPLAY_CHUNKS, Call, CallType, iso_time
from ..mapping.inline import FORMAT
from ..sessions.ids import NO_SESSION
from ..wire.decode import decode_uplink
from ..wire.limits import DEVICE_ID, EPOCH_MAX, MAX_MESSAGE_BYTES, STREAM_ID_BYTES, U30_MAX
from ..wire.messages import Chunk
from ..wire.recording_file import Head
from .files import Row, RowProblem

MAX_DATA_CHARS: Final = 32 << 10  # Segment takes no larger event
MAX_EVENT_BYTES: Final = 32 << 10
MAX_USER_CHARS: Final = 1_024
_DEPTH: Final = 4
_MESSAGE_ID: Final = re.compile(r"px-[0-9a-f]{32}")
_STREAM: Final = re.compile(r"[0-9a-f]{16}")
_ADDED: Final = (  # by Segment, to what was sent
    *("receivedAt", "sentAt", "version", "projectId", "channel", "writeKey", "_metadata", "sourceId"),
)
_TRUE, _FALSE = ("true", "t", "1", "yes"), ("false", "f", "0", "no", "")


@dataclass(frozen=True, slots=True)
class Placed:
    """A chunk with its place in time. `session_id` is None where only another piece knows it."""

    seq: int
    received_ms: int
    session_id: int | None
    host_ms: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """Chunks of `from_seq <= seq < end_seq`, all that will ever come of these, and some from before."""

    device_id: str
    stream: bytes
    from_seq: int
    end_seq: int
    session_id: int
    session_start_ms: int
    sampled: bool
    estimated: bool
    user_id: str | None
    chunks: tuple[Placed, ...]


def read_row(row: Row) -> Piece | Call | None:
    """None: an event or row that is not ours. RowProblem: one of ours that cannot be used."""
    if "messageId" in row and "type" in row:
        return _read_event(row)
    named = {key.lower(): value for key, value in row.items()}
    if "from_seq" not in named or "data" not in named:
        return None
    device_id = named.get("context_device_id") or named.get("anonymous_id")
    is_estimated = named.get("context_pixeltrail_time") == "estimated"
    return _read_piece(named, device_id, "context_device_id", named.get("user_id"), is_estimated)


def _read_event(row: Row) -> Piece | Call | None:
    context = _table(row.get("context"))
    device_id = _table(context.get("device")).get("id") or row.get("anonymousId")
    if row["type"] == "track" and row.get("event") == REPLAY_CHUNKS:
        properties = row.get("properties")
        if not isinstance(properties, dict):
            raise RowProblem("properties", "must be an object, with the properties that were sent")
        is_estimated = _table(context.get("pixeltrail")).get("time") == "estimated"
        return _read_piece(properties, device_id, "context.device.id", row.get("userId"), is_estimated)
    message_id = row["messageId"]
    if not isinstance(message_id, str) or not _MESSAGE_ID.fullmatch(message_id):
        return None
    return _read_call(row, message_id, _device("context.device.id", device_id))


# ---- events -----------------------------------------------------------------------------------------


def _read_call(row: Row, message_id: str, device_id: str) -> Call:
    kind = row["type"]
    if kind not in get_args(CallType):
        raise RowProblem("type", f"must be a type of call, got {_short(kind)}")
    payload = {key: value for key, value in row.items() if key not in _ADDED}
    size = len(msgspec.json.encode(payload))
    if size > MAX_EVENT_BYTES:
        raise RowProblem("", f"the event has {size:,} bytes; Segment takes {MAX_EVENT_BYTES:,}")
    time_ms = _time(row.get("timestamp"), "timestamp")
    if "receivedAt" in row and "originalTimestamp" in row:
        # Segment moves timestamp by what it takes for a wrong clock, and keeps what was sent beside it.
        time_ms = _time(row["originalTimestamp"], "originalTimestamp")
        payload["timestamp"] = iso_time(time_ms)
        del payload["originalTimestamp"]
    amplitude = _table(_table(row.get("integrations")).get("Actions Amplitude"))
    session_id = amplitude.get("session_id", _table(row.get("properties")).get("session_id", NO_SESSION))
    session_id = session_id if type(session_id) is int and 0 < session_id <= EPOCH_MAX else NO_SESSION
    return Call(message_id, device_id, session_id, kind, _name(row, kind), payload, time_ms)


def _name(row: Row, kind: str) -> str:
    """What lists call an event, as mapping does."""
    key = {"track": "event", "screen": "name", "page": "name", "group": "groupId"}.get(kind, "userId")
    value = row.get(key)
    return value[:MAX_USER_CHARS] if isinstance(value, str) else ""


def _time(value: object, field: str) -> int:
    try:
        at = datetime.fromisoformat(value if isinstance(value, str) else "")
        time_ms = round(at.timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise RowProblem(field, f"must be a time in ISO 8601, got {_short(value)}") from None
    return min(max(time_ms, 0), EPOCH_MAX)


# ---- pieces -----------------------------------------------------------------------------------------


def _read_piece(
    row: Mapping[str, Any], device_id: object, field: str, user_id: object, is_estimated: bool
) -> Piece:
    """`field` is where the device's ID comes from."""
    if _integer(row, "format", 0, U30_MAX) != FORMAT:
        raise RowProblem("format", f"must be {FORMAT}, got {_short(row['format'])}; update pixeltrail")
    device = _device(field, device_id)
    stream = row.get("stream")
    if not isinstance(stream, str) or not _STREAM.fullmatch(stream):
        raise RowProblem("stream", f"must be {2 * STREAM_ID_BYTES} hexadecimal digits, got {_short(stream)}")
    from_seq, end_seq = _integer(row, "from_seq", 0, U30_MAX), _integer(row, "end_seq", 1, U30_MAX + 1)
    if from_seq >= end_seq:
        raise RowProblem("end_seq", f"must be above from_seq, {from_seq}, got {end_seq}")
    session_id = _integer(row, "session_id", NO_SESSION, EPOCH_MAX)
    if not session_id:
        raise RowProblem("session_id", "must be above 0, or -1 without a session, got 0")
    chunks = tuple(_chunks(row, bytes.fromhex(stream), from_seq, end_seq, session_id))
    if len(chunks) != _integer(row, "chunks", 0, U30_MAX):
        why = f"has {len(chunks)} chunks, and `chunks` says {_short(row['chunks'])}; export the whole column"
        raise RowProblem("data", why)
    return Piece(
        device_id=device,
        stream=bytes.fromhex(stream),
        from_seq=from_seq,
        end_seq=end_seq,
        session_id=session_id,
        session_start_ms=_integer(row, "session_start_ms", 0, EPOCH_MAX),
        sampled=_boolean(row, "sampled"),
        estimated=is_estimated,
        user_id=user_id if isinstance(user_id, str) and 0 < len(user_id) <= MAX_USER_CHARS else None,
        chunks=chunks,
    )


def _chunks(
    row: Mapping[str, Any], stream: bytes, from_seq: int, end_seq: int, session_id: int
) -> Iterator[Placed]:
    last = -1
    for number, item in enumerate(_items(row.get("data"))):
        placed = _placed(item, number, stream, from_seq, session_id)
        if not last < placed.seq < end_seq:
            why = f"chunk {number} has seq {placed.seq}, which must be above {last} and below end_seq, {end_seq}"
            raise RowProblem("data", why)
        last = placed.seq
        yield placed


def _items(data: object) -> Iterator[object]:
    if not isinstance(data, str) or not data:
        raise RowProblem("data", f"must be base64, got {_short(data)}")
    if len(data) > MAX_DATA_CHARS:
        raise RowProblem("data", f"must have {MAX_DATA_CHARS} characters at most, got {len(data)}")
    try:
        raw = b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        why = f"is no whole base64 of {len(data)} characters; a warehouse may have cut it: widen the column"
        raise RowProblem("data", why) from None
    file = io.BytesIO(raw)
    decoder = cbor2.CBORDecoder(file, max_depth=_DEPTH, read_size=1)
    while file.tell() < len(raw):
        try:
            yield decoder.decode()
        except (cbor2.CBORDecodeError, RecursionError, ValueError, OverflowError, MemoryError) as error:
            why = f"holds no chunk behind byte {file.tell()}: {_short(str(error))}"
            raise RowProblem("data", f"{why}; a warehouse may have cut it: widen the column") from None


def _placed(item: object, number: int, stream: bytes, from_seq: int, session_id: int) -> Placed:
    if not isinstance(item, list) or len(item) < 4:
        raise RowProblem("data", f"chunk {number} must be an array of 4, see schema/wire.md")
    host_ms, is_own, data, received_ms = item[:4]
    if not _is_time(host_ms) or not _is_time(received_ms) or type(is_own) is not bool:
        raise RowProblem(
            "data", f"chunk {number} must have its times in ms and say whether it is the session's own"
        )
    if type(data) is not bytes or len(data) > MAX_MESSAGE_BYTES:
        raise RowProblem("data", f"chunk {number} must be {MAX_MESSAGE_BYTES} bytes at most")
    try:
        chunk = decode_uplink(data)
    except PeerError as error:
        raise RowProblem("data", f"chunk {number}: {error}") from None
    if not isinstance(chunk, Chunk) or chunk.stream != stream:
        raise RowProblem("data", f"chunk {number} must be one of stream {stream.hex()}")
    if not is_own:
        session = None if chunk.seq < from_seq else NO_SESSION
    else:
        session = session_id
    return Placed(chunk.seq, received_ms, session, host_ms, data)


def pieces_of_file(head: Head, chunks: Iterator[Any]) -> Iterator[Piece]:
    """A recording file's chunks as pieces: the file is all there is of its streams, so what it lacks will not come."""
    place: dict[bytes, int] = {}
    leads: dict[bytes, list[Placed]] = {}
    for one in chunks:
        if one.session_id is None and one.stream not in place:
            before = Placed(one.seq, one.received_ms, None, one.host_ms or 0, one.data)
            leads.setdefault(one.stream, []).append(before)
            continue
        session_id = NO_SESSION if one.session_id is None else head.session_id
        placed = Placed(one.seq, one.received_ms, session_id, one.host_ms or 0, one.data)
        yield Piece(
            device_id=head.device_id,
            stream=one.stream,
            from_seq=min(place.get(one.stream, 0), one.seq),
            end_seq=one.seq + 1,
            session_id=head.session_id,
            session_start_ms=head.start_ms,
            sampled=True,
            estimated=False,
            user_id=None,
            chunks=(*leads.pop(one.stream, ()), placed),
        )
        place[one.stream] = one.seq + 1


# ---- values -----------------------------------------------------------------------------------------


def _device(field: str, value: object) -> str:
    if not isinstance(value, str) or not DEVICE_ID.fullmatch(value):
        raise RowProblem(field, f"must be the ID of a device, got {_short(value)}")
    return value


def _integer(row: Mapping[str, Any], field: str, low: int, high: int) -> int:
    """CSV has every number as text, and some warehouses have them as floating point."""
    value = row.get(field)
    try:
        number = (
            value
            if type(value) is int
            else int(value)
            if isinstance(value, str) and len(value) < 20
            else None
        )
    except ValueError:
        number = None
    if number is None:
        number = _whole(value)
    if number is None or not low <= number <= high:
        raise RowProblem(field, f"must be a whole number from {low} to {high}, got {_short(value)}")
    return number


def _whole(value: object) -> int | None:
    try:
        number = float(value) if isinstance(value, str | float) and len(str(value)) < 30 else None
    except ValueError:
        return None
    return int(number) if number is not None and number.is_integer() and abs(number) <= EPOCH_MAX else None


def _boolean(row: Mapping[str, Any], field: str) -> bool:
    value = row.get(field)
    text = str(value).lower() if isinstance(value, str | bool | int) else None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise RowProblem(field, f"must be true or false, got {_short(value)}")


def _is_time(value: object) -> bool:
    return type(value) is int and 0 <= value <= EPOCH_MAX


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _short(value: object) -> str:
    text = (
        value
        if isinstance(value, str)
        else repr(value)
        if isinstance(value, int | float | None)
        else type(value).__name__
    )
    return repr(text[:40]) if isinstance(value, str) else text[:40]
