"""Decoder and encoder: identity over valid messages, one family of errors for everything else."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixeltrail_bridge.errors import LocalError, UnknownMessageError, WireError
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_downlink, decode_uplink
from pixeltrail_bridge.wire.encode import encode_downlink, encode_uplink

from tests.support import cddl

from .messages import downlinks, uplinks

STREAM = b"stream-1"


@settings(max_examples=100, deadline=None)
@given(uplinks)
def test_up_and_back(message: m.Chunk | m.Sync) -> None:
    data = encode_uplink(message)
    assert decode_uplink(data) == message
    cddl.check(data, "uplink")


@settings(max_examples=60, deadline=None)
@given(downlinks)
def test_down_and_back(message: m.Downlink) -> None:
    data = encode_downlink(message)
    assert decode_downlink(data) == message
    cddl.check(data, "downlink")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    for decode in (decode_uplink, decode_downlink):
        try:
            decode(data)
        except WireError as error:
            assert str(error)


@settings(max_examples=200, deadline=None)
@given(uplinks, st.data())
def test_any_damage(message: m.Chunk | m.Sync, data: st.DataObject) -> None:
    raw = bytearray(encode_uplink(message))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw
    try:
        decoded = decode_uplink(bytes(raw))
    except WireError as error:
        assert str(error)
    else:
        assert isinstance(decoded, m.Chunk | m.Sync)


def test_one_bad_record_leaves_the_others() -> None:
    bodies = [[7, "Good", {}], [7, b"bad", {}], [17, True]]
    chunk = decode_uplink(cbor2.dumps([1, STREAM, 3, 9, *(item for body in bodies for item in (1, body))]))
    good, bad, last = chunk.records
    assert (good.body, last.body) == (m.Track("Good", {}), m.OptOut(True))
    assert bad.body.raw == cbor2.dumps(bodies[1]) and "track event" in bad.body.reason
    assert [record.time_ms for record in chunk.records] == [10, 11, 12]


def test_the_last_bad_record_of_an_open_array_ends_before_the_break() -> None:
    data = b"\x9f" + cbor2.dumps([1, STREAM, 0, 0, 0, [17]])[1:] + b"\xff"
    assert decode_uplink(data).records[0].body.raw == cbor2.dumps([17])


def test_a_later_kind_is_its_own_error() -> None:
    with pytest.raises(UnknownMessageError):
        decode_uplink(cbor2.dumps([1, 77, "later"]))
    with pytest.raises(WireError) as caught:
        decode_uplink(cbor2.dumps([1, None]))
    assert not isinstance(caught.value, UnknownMessageError)


def test_what_cannot_be_encoded_is_our_fault() -> None:
    with pytest.raises(LocalError, match="at most 4096"):
        encode_downlink(m.Config({"text": "x" * 5000}, 1))
    with pytest.raises(LocalError, match="properties hold"):
        encode_downlink(m.Config({"object": object()}, 1))
    with pytest.raises(LocalError, match="no form"):
        encode_uplink(m.Chunk(STREAM, 0, 0, (m.Record(0, 0, m.Bad(b"", "")),)))
