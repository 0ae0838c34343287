"""Pieces: whatever chunks a stream has, together its events are its chunks, each event within Segment's limits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from pixeltrail_bridge.importing.records import Piece as Read
from pixeltrail_bridge.importing.records import read_row
from pixeltrail_bridge.mapping.calls import Origin
from pixeltrail_bridge.mapping.inline import PIECE_BYTES, Gatherer, item_bytes, piece_call
from pixeltrail_bridge.sessions.ids import NO_SESSION
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_uplink

from tests.support.segment_server import find_problems

from .build import BOOT_MS, DEVICE, DISPLAY, HELLO, STREAM

LENGTH_MS = 10_000
MAX_EVENT_BYTES = 24_000
TEXT = "\N{SNOWMAN}" * 66  # 198 bytes: the longest name the wire has
LONG = m.Hello("x" * 64, 1 << 29, 1, TEXT, TEXT, TEXT, TEXT, 2, STREAM, TEXT)


@dataclass(frozen=True)
class Stored:
    seq: int
    received_ms: int
    session_id: int | None
    host_ms: int | None
    data: bytes


def chunk(seq: int, at_ms: int, bodies: list[m.Body]) -> m.Chunk:
    return m.Chunk(STREAM, seq, at_ms, tuple(m.Record(i, at_ms, body) for i, body in enumerate(bodies)))


bodies = st.one_of(
    st.binary(min_size=1, max_size=3_900).map(lambda data: [m.Frame(int(data[0]), data[1:])]),
    st.just([HELLO, DISPLAY]),
    st.just([m.SessionStart(0, True, None)]),
    st.just([m.SessionEnd(0)]),
    st.just([m.Vitals({1: 2})]),
    st.text(max_size=30).map(lambda text: [m.Track("Event", {"text": text})]),
    st.just([m.Touch(1, 2, 0), m.Touch(1, 2, 2)]),
)
steps = st.tuples(
    bodies,
    st.integers(0, 3),  # seqs that never came before it
    st.sampled_from((0, 1, 700, LENGTH_MS, -6_000)),  # ms since the one before
    st.sampled_from((NO_SESSION, 1_000, 2_000)),
    st.booleans(),  # its session's turn to be sampled
)


@given(st.lists(steps, min_size=1, max_size=60))
@settings(max_examples=150, deadline=None)
def test_split_and_join_is_identity(script: list[Any]) -> None:
    gatherer, stored = Gatherer(LENGTH_MS, 0), list[Stored]()
    seq, at_ms = 0, 1_000_000
    for said, lost, later, session_id, _ in script:
        seq, at_ms = seq + lost, max(0, at_ms + later)
        one = chunk(seq, at_ms, said)
        stored.append(Stored(seq, at_ms + 40, session_id, at_ms + 5, encode_uplink(one)))
        gatherer.add(stored[-1], one, session_id, 900_000, at_ms + 5, stored[:1])
        seq += 1
    gatherer.close()
    events, sent = [], 0
    for piece in gatherer.closed:
        origin = Origin(DEVICE, LONG, DISPLAY, session_id=piece.session_id, is_recording=True)
        call = piece_call(origin, STREAM, piece, sent, sampled=True)
        assert call is not None
        sent = piece.end_seq
        events.append(msgspec.json.encode(call.payload))
    joined: dict[int, tuple[Any, ...]] = {}
    at = 0
    for event in events:
        assert len(event) < MAX_EVENT_BYTES
        assert not [p for p in find_problems(json.loads(event)) if "session_id" not in p]
        read = read_row(json.loads(event))
        assert isinstance(read, Read)
        assert read.from_seq == at, "each piece begins where the one before ended"
        at = read.end_seq
        for one in read.chunks:
            assert one.seq < read.from_seq or one.seq not in joined, "a piece's own chunks are in no other"
            if one.session_id is not None or one.seq >= read.from_seq:
                joined[one.seq] = (one.received_ms, one.session_id, one.host_ms, one.data)
    assert joined == {s.seq: (s.received_ms, s.session_id, s.host_ms, s.data) for s in stored}
    assert at == stored[-1].seq + 1
    ids = [json.loads(event)["messageId"] for event in events]
    assert len(set(ids)) == len(ids)


def test_the_largest_event_there_can_be_is_below_24_kb() -> None:
    """Chunks of the largest size, the longest names, and a user ID and link as long as they may be."""
    gatherer = Gatherer(LENGTH_MS, 0)
    full = chunk(0, 0, [m.Frame(1, bytes(4_070))])
    lead = Stored(0, BOOT_MS, 1, BOOT_MS, encode_uplink(full))
    for seq in range(1, 10):
        one = chunk(seq, 0, [m.Frame(1, bytes(4_070))])
        gatherer.add(Stored(seq, BOOT_MS, 1, BOOT_MS, encode_uplink(one)), one, 1, BOOT_MS, BOOT_MS, [lead])
    gatherer.close()
    assert len(gatherer.closed) > 1
    for piece in gatherer.closed:
        assert piece.size_bytes <= PIECE_BYTES
        origin = Origin(
            "x" * 64,
            LONG,
            DISPLAY,
            "n" * 200,
            TEXT,
            (1 << 53) - 1,
            0,
            True,
            True,
            "https://" + "h" * 500,
            True,
        )
        call = piece_call(origin, STREAM, piece, (1 << 30) - 1, sampled=True)
        assert call is not None and len(msgspec.json.encode(call.payload)) < MAX_EVENT_BYTES


def test_vitals_alone_wait_and_what_a_quiet_stream_left_is_closed() -> None:
    gatherer = Gatherer(LENGTH_MS, 0)
    for seq in range(10):
        one = chunk(seq, seq * 30_000, [m.Vitals({1: seq})])
        gatherer.add(Stored(seq, seq, 1, seq * 30_000, encode_uplink(one)), one, 1, 0, seq * 30_000)
    assert not gatherer.closed
    assert not gatherer.close_quiet(LENGTH_MS) and gatherer.close_quiet(1_000_000)
    one = chunk(10, 0, [m.Touch(1, 1, 0)])
    gatherer.add(Stored(10, 0, 1, 0, encode_uplink(one)), one, 1, 0, 0)
    assert not gatherer.close_quiet(LENGTH_MS - 1) and gatherer.close_quiet(LENGTH_MS)


def test_of_what_is_not_recorded_only_heads_leave() -> None:
    gatherer = Gatherer(LENGTH_MS, 0)
    said = [[HELLO, DISPLAY], [m.SessionStart(0, False, None)], [m.Track("Secret", {})], [m.Frame(7, b"x")]]
    for seq, what in enumerate(said):
        one = chunk(seq, 0, list(what))
        gatherer.add(Stored(seq, 0, 1, 0, encode_uplink(one)), one, 1, 0, 0)
    gatherer.close()
    (piece,) = gatherer.closed
    call = piece_call(Origin(DEVICE, session_id=1), STREAM, piece, 0, sampled=False)
    assert call is not None
    read = read_row(json.loads(msgspec.json.encode(call.payload)))
    assert isinstance(read, Read) and [one.seq for one in read.chunks] == [0, 1] and not read.sampled
    assert (read.from_seq, read.end_seq) == (0, 4)
    assert item_bytes(read.chunks[0]) > 0
