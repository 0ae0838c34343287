"""The chunk being filled: its classes, its numbers, and what a record leaves behind that does not fit."""

from __future__ import annotations

import pytest
from pixeltrail import message
from pixeltrail.chunk import Chunk
from pixeltrail.outbox import CALLS, CONTROL, Outbox
from pixeltrail_bridge.wire.decode import decode_uplink

STREAM = b"stream-1"


@pytest.fixture
def outbox():
    return Outbox(2048)


@pytest.fixture
def chunk(outbox):
    chunk = Chunk(outbox, 512)
    chunk.begin_stream(STREAM, 0)
    return chunk


def add(chunk, text, now, is_replay=False, level=CALLS):
    assert chunk.open(is_replay, level, now)
    message.log(chunk.begin_record(now), 3, text, None)
    return chunk.end_record()


def stored(outbox):
    found = []
    while outbox.count:
        at = outbox.oldest()
        start = outbox.start(at)
        found.append(decode_uplink(bytes(outbox.buffer[start : start + outbox.length(at)])))
        outbox.free()
    return found


def test_times_add_up_and_never_go_back(chunk, outbox):
    for now in (100, 130, 120, 400):
        assert add(chunk, "text", now, is_replay=True)
    chunk.close()
    (seen,) = stored(outbox)
    assert (seen.stream, seen.seq, seen.time_ms) == (STREAM, 0, 100)
    assert [record.time_ms for record in seen.records] == [100, 130, 130, 400]


def test_the_other_class_closes_it(chunk, outbox):
    add(chunk, "a", 0, is_replay=True)
    assert chunk.open(False, CALLS, 5)
    message.screen(chunk.begin_record(5), "Home", None, None)
    assert chunk.end_record()
    add(chunk, "b", 6, is_replay=True)
    chunk.close()
    assert [seen.seq for seen in stored(outbox)] == [0, 1, 2]


def test_a_dropped_record_leaves_no_trace(chunk, outbox):
    add(chunk, "a", 0, is_replay=True)
    chunk.open(True, CALLS, 1)
    message.key(chunk.begin_record(1), 5, 0, 0)
    assert not chunk.end_record()
    chunk.drop_record()
    add(chunk, "b", 2, is_replay=True)
    chunk.close()
    assert [record.body.text for record in stored(outbox)[0].records] == ["a", "b"]


def test_a_chunk_without_records_gives_its_number_back(chunk, outbox):
    chunk.open(True, CALLS, 0)
    message.key(chunk.begin_record(0), 5, 0, 0)
    assert not chunk.end_record()
    chunk.drop_record()
    assert chunk.close() == 0
    add(chunk, "a", 1, is_replay=True)
    chunk.discard()
    add(chunk, "b", 2, is_replay=True)
    chunk.close()
    assert [seen.seq for seen in stored(outbox)] == [0]


def test_a_full_chunk_stays_within_its_size(chunk, outbox):
    count = 0
    while add(chunk, "x" * 19, 0, is_replay=True) and chunk.seq == 0:
        count += 1
        if chunk.writer.at > 480:
            break
    size = chunk.close()
    assert size <= 512 and len(stored(outbox)[0].records) == count


def test_without_room_it_does_not_open(chunk, outbox):
    while outbox.room(CALLS) >= 60:
        outbox.reserve(CALLS, 52)
        outbox.commit(9, 52, 0)
    assert not chunk.open(False, CALLS, 0)
    assert chunk.open(False, CONTROL, 0)


def test_at_most_500_records(chunk, outbox):
    chunk = Chunk(Outbox(65536), 4096)
    chunk.begin_stream(STREAM, 0)
    for _ in range(501):
        assert chunk.open(True, CALLS, 0)
        message.touch(chunk.begin_record(0), 1, 1, 1)
        assert chunk.end_record()
    assert (chunk.seq, chunk.records) == (1, 1)
