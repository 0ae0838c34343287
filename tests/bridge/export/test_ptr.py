"""A `.ptr` file gives back what went in; any other file is refused with a reason, and never more."""

from __future__ import annotations

import io

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixeltrail_bridge.errors import LocalError
from pixeltrail_bridge.export import ptr
from pixeltrail_bridge.replay.recording import Recording
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.recording_file import Head, read_file

from tests.support import sessions

HEAD = Head(sessions.DEVICE_ID, sessions.SESSION_ID, sessions.START_MS, sessions.START_MS + 60_000)
CHUNKS = list(
    sessions.session(
        sessions.coded("mono_invaders", 10), 2, inputs=[(300, m.Touch(3, 4, 0)), (350, m.Touch(3, 4, 2))]
    )
)


def filed() -> bytes:
    file = io.BytesIO()
    assert ptr.write_ptr(HEAD, CHUNKS, file) == len(CHUNKS)
    return file.getvalue()


WHOLE = filed()


def opened(data: bytes) -> Recording:
    return ptr.open_ptr(io.BufferedReader(io.BytesIO(data)), "a.ptr")  # type: ignore[arg-type]


def test_a_file_plays_like_the_store() -> None:
    wanted = Recording.of_chunks(HEAD.device_id, HEAD.session_id, HEAD.start_ms, CHUNKS)
    got = opened(WHOLE)
    assert list(got.pictures()) == list(wanted.pictures())
    assert list(got.marks()) == list(wanted.marks())
    assert (got.device_id, got.session_id, got.start_ms) == (HEAD.device_id, HEAD.session_id, HEAD.start_ms)
    assert got.end_ms == HEAD.end_ms


def test_the_chunks_are_the_devices_own_bytes() -> None:
    _, chunks = read_file(io.BufferedReader(io.BytesIO(WHOLE)), "a.ptr")  # type: ignore[arg-type]
    assert [(one.stream, one.seq, one.data) for one in chunks] == [(c.stream, c.seq, c.data) for c in CHUNKS]


def test_it_is_a_cbor_sequence() -> None:
    """RFC 8742: item behind item, nothing between. This is what schema/wire.md says of it."""
    file = io.BytesIO(WHOLE)
    items = []
    while file.tell() < len(WHOLE):
        items.append(cbor2.load(file, read_size=1))
    head = [HEAD.device_id, HEAD.session_id, HEAD.start_ms, HEAD.end_ms]
    assert items[0] == ["pixeltrail", 1, *head]
    assert items[1:] == [[chunk.host_ms, True, chunk.data, chunk.received_ms] for chunk in CHUNKS]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no recording"),
        (b"GIF89a", "no recording"),
        (cbor2.dumps(["pixeltrail", 2, "x", 1, 2, 3]), "version 2"),
        (cbor2.dumps(["pixeltrail", 1, "../../x", 1, 2, 3]), "names no device"),
        (cbor2.dumps(["pixeltrail", 1, "kitchen-01", 1, -2, 3]), "names no device"),
        (WHOLE[:-1], "ends in the middle; get the whole file"),
        (WHOLE + cbor2.dumps([1, True, b"\xff", 1]), "behind item"),
        (WHOLE + cbor2.dumps(["soon", True, CHUNKS[0].data, 1]), "with its time"),
        (WHOLE + cbor2.dumps([1, True, bytes(5_000), 1]), "expected a chunk's bytes"),
        (WHOLE + b"\x81" * 100, "behind item"),
    ],
)
def test_a_file_that_is_none_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(LocalError, match=reason):
        opened(data)


@settings(deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_any_damage_is_refused_or_seen_in_the_replay(at: int, flip: int) -> None:
    data = bytearray(WHOLE)
    data[at] ^= flip
    try:
        recording = opened(bytes(data))
    except LocalError:
        return
    assert len(list(recording.pictures())) <= 20


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_by_our_error_alone(data: bytes) -> None:
    with pytest.raises(LocalError):
        opened(data)
    with pytest.raises(LocalError):
        opened(WHOLE + data + b"\xff")
