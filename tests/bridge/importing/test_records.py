"""A row is one of ours and whole, or it says which field is wrong; nothing else comes of it."""

from __future__ import annotations

import base64
import json
from typing import Any

import cbor2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail_bridge.importing.files import RowProblem
from pixeltrail_bridge.importing.records import Piece, read_row
from pixeltrail_bridge.mapping.calls import Call, Origin, build_call, message_id
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_uplink

from tests.bridge.mapping.build import BOOT_MS, DEVICE, DISPLAY, HELLO, STREAM

SESSION = BOOT_MS + 7
TRACK = build_call(
    Origin(DEVICE, HELLO, DISPLAY, user_id="user-7", session_id=SESSION, is_recording=True),
    "track",
    message_id(DEVICE, STREAM, 3, 0),
    BOOT_MS + 9,
    {"event": "Pressed", "properties": {"a": 1}},
    event="Pressed",
)


def chunk(seq: int, stream: bytes = STREAM) -> bytes:
    return encode_uplink(m.Chunk(stream, seq, 0, (m.Record(0, 0, m.Touch(1, 2, 0)),)))


def data(*items: Any) -> str:
    return base64.b64encode(b"".join(cbor2.dumps(one) for one in items)).decode()


def item(seq: int, own: bool = True, stream: bytes = STREAM) -> list[Any]:
    return [BOOT_MS + seq, own, chunk(seq, stream), BOOT_MS + seq + 20]


def row(**changes: Any) -> dict[str, Any]:
    """Of a warehouse."""
    whole = {
        "format": 1,
        "stream": STREAM.hex(),
        "from_seq": 3,
        "end_seq": 6,
        "chunks": 3,
        "session_id": SESSION,
        "session_start_ms": SESSION,
        "sampled": True,
        "data": data(item(0, False), item(3), item(5)),
        "context_device_id": DEVICE,
        "anonymous_id": "someone-else",
        "user_id": "user-7",
    }
    return whole | changes


def test_a_whole_row() -> None:
    piece = read_row(row())
    assert isinstance(piece, Piece)
    assert (piece.device_id, piece.stream, piece.from_seq, piece.end_seq) == (DEVICE, STREAM, 3, 6)
    assert [(one.seq, one.session_id, one.host_ms) for one in piece.chunks] == [
        (0, None, BOOT_MS),
        (3, SESSION, BOOT_MS + 3),
        (5, SESSION, BOOT_MS + 5),
    ]
    assert piece.sampled and not piece.estimated and piece.user_id == "user-7"


@pytest.mark.parametrize(
    "changes",
    [
        {
            name: str(row()[name])
            for name in ("format", "from_seq", "end_seq", "chunks", "session_id", "sampled")
        },
        {"from_seq": 3.0, "end_seq": "6.0", "session_id": float(SESSION), "sampled": "t"},
        {"sampled": 1, "context_device_id": None, "anonymous_id": DEVICE},
    ],
)
def test_values_as_warehouses_write_them(changes: dict[str, Any]) -> None:
    assert read_row(row(**changes)) == read_row(row())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"format": 2}, "format"),
        ({"format": None}, "format"),
        ({"stream": "xyz"}, "stream"),
        ({"stream": STREAM.hex().upper() + "0"}, "stream"),
        ({"from_seq": -1}, "from_seq"),
        ({"from_seq": 1 << 30}, "from_seq"),
        ({"from_seq": "1e400"}, "from_seq"),
        ({"from_seq": "nan"}, "from_seq"),
        ({"from_seq": True}, "from_seq"),
        ({"from_seq": 3.5}, "from_seq"),
        ({"end_seq": 3}, "end_seq"),
        ({"session_id": 0}, "session_id"),
        ({"session_id": 1 << 60}, "session_id"),
        ({"session_start_ms": -5}, "session_start_ms"),
        ({"sampled": "maybe"}, "sampled"),
        ({"context_device_id": "../../etc", "anonymous_id": ""}, "context_device_id"),
        ({"context_device_id": 7}, "context_device_id"),
        ({"data": ""}, "data"),
        ({"data": None}, "data"),
        ({"data": "A" * 40_000}, "data"),
        ({"data": row()["data"][:64]}, "data"),
        ({"data": row()["data"][:-7]}, "data"),
        ({"data": "!!!!"}, "data"),
        ({"data": data([1, True, b"\xff", 1])}, "data"),
        ({"data": data([1, True, bytes(5_000), 1])}, "data"),
        ({"data": data([1, 1, chunk(3), 1])}, "data"),
        ({"data": data([-1, True, chunk(3), 1])}, "data"),
        ({"data": data([1, True, chunk(3)])}, "data"),
        ({"data": data(7)}, "data"),
        ({"data": data(item(3, stream=b"another!"), item(4), item(5))}, "data"),
        ({"data": data(item(5), item(3), item(4))}, "data"),
        ({"data": data(item(3), item(4), item(9))}, "data"),
        ({"data": base64.b64encode(b"\x81" * 3_000).decode()}, "data"),
        ({"data": base64.b64encode(b"\x9b" + b"\xff" * 8).decode()}, "data"),
        ({"chunks": 4}, "data"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(RowProblem) as caught:
        read_row(row(**changes))
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ") and len(str(caught.value)) < 300


def test_an_event_as_it_was_sent() -> None:
    assert read_row(json.loads(msgspec.json.encode(TRACK.payload))) == TRACK


def test_an_event_with_what_segment_adds() -> None:
    stored = TRACK.payload | {
        "receivedAt": "2026-01-02T03:05:00.000Z",
        "sentAt": "2026-01-02T03:04:59.000Z",
        "originalTimestamp": TRACK.payload["timestamp"],
        "timestamp": "2026-01-02T03:04:06.123Z",
        "projectId": "p",
        "channel": "server",
        "version": 2,
    }
    assert read_row(json.loads(msgspec.json.encode(stored))) == TRACK


@pytest.mark.parametrize(
    "foreign",
    [
        {},
        {"messageId": "ajs-1", "type": "track", "event": "Clicked"},
        {"messageId": 7, "type": "track"},
        {"id": "px-" + "0" * 32, "event": "brew_started", "cups": 2},
    ],
)
def test_what_is_not_ours_is_left_out(foreign: dict[str, Any]) -> None:
    assert read_row(foreign) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": None}, "timestamp"),
        ({"type": "delete"}, "type"),
        ({"context": {"device": {"id": "x"}}, "anonymousId": None}, "context.device.id"),
        ({"properties": {"text": "x" * 40_000}}, ""),
        ({"event": "Replay Chunks", "properties": "cut"}, "properties"),
    ],
)
def test_events_of_ours_that_cannot_be_used(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(RowProblem) as caught:
        read_row(TRACK.payload | changes)
    assert caught.value.field == field


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=8), v, max_size=3)
)
names = st.sampled_from([*row(), "messageId", "type", "event", "properties", "context", "timestamp"])


@given(st.dictionaries(names, values), st.booleans(), st.booleans())
def test_any_row_is_read_or_refused(changes: dict[str, Any], as_row: bool, as_piece: bool) -> None:
    base = row() if as_row else dict(TRACK.payload)
    if not as_row and as_piece:
        base |= {"event": "Replay Chunks", "properties": row() | changes}
    try:
        found = read_row(base | changes)
    except RowProblem as problem:
        assert str(problem)
    else:
        assert found is None or isinstance(found, Piece | Call)
