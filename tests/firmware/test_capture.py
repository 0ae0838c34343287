"""Frames as records, with an encoder that does what each test says."""

from __future__ import annotations

import pytest
from pixeltrail import wire
from pixeltrail.capture import Capture
from pixeltrail.chunk import Chunk
from pixeltrail.outbox import FRAMES, Outbox
from pixeltrail_bridge.wire.decode import decode_uplink

KEY, FIRST, LAST, MIXED = wire.FRAME_KEY, wire.FRAME_FIRST, wire.FRAME_LAST, wire.FRAME_MIXED


class Script:
    """An encoder whose parts are given: each a size in bytes, or 0 for "does not fit"."""

    payload_type = 0

    def __init__(self):
        self.parts = []
        self.changed = 0
        self.exact = True
        self.has_spent = 0

    def refresh(self):
        return self.changed

    @property
    def dirty(self):
        return bool(self.parts)

    @property
    def finished(self):
        return not self.parts

    def begin(self, key):
        pass

    def limit(self, effort):
        self.effort = effort

    def spent(self):
        return self.has_spent

    def encode_into(self, out, start, end, budget_px):
        if not self.parts or self.parts[0] > end - start:
            return 0
        size = self.parts.pop(0)
        for i in range(start, start + size):
            out[i] = (i - start) & 0xFF
        return size

    def checksum_into(self, out, start):
        out[start : start + 4] = b"SUM!"


class Bench:
    def __init__(self, max_chunk=512, outbox=4096):
        self.encoder = Script()
        self.outbox = Outbox(outbox)
        self.chunk = Chunk(self.outbox, max_chunk)
        self.chunk.begin_stream(b"stream-1", 0)
        self.capture = Capture(self.encoder, self.chunk, self.outbox, max_chunk)

    def refresh(self, *parts):
        self.encoder.parts = list(parts)
        self.encoder.changed = len(parts)
        self.capture.refreshed(10)

    def run(self, is_key=False):
        self.capture.begin(is_key, 20)
        while self.capture.is_open and self.capture.step(20, False):
            pass

    def frames(self):
        self.chunk.close()
        found = []
        at = self.outbox.oldest()
        while at >= 0:
            start = self.outbox.start(at)
            chunk = decode_uplink(bytes(self.outbox.buffer[start : start + self.outbox.length(at)]))
            found += [record.body for record in chunk.records]
            self.outbox.free()
            at = self.outbox.oldest()
        return found


@pytest.mark.parametrize("size", [1, 22, 23, 24, 200, 254, 255, 256, 470])
def test_heads_of_every_length_keep_the_payload(size):
    bench = Bench()
    bench.refresh(size)
    bench.run()
    (frame,) = bench.frames()
    assert frame.flags == FIRST | LAST
    assert frame.payload == bytes(i & 0xFF for i in range(size))


def test_parts_of_a_keyframe_end_in_the_checksum():
    bench = Bench()
    bench.refresh(300, 300, 40)
    bench.run(is_key=True)
    frames = bench.frames()
    assert [frame.flags for frame in frames] == [KEY | FIRST | wire.FRAME_RESET, KEY, KEY | LAST]
    assert frames[2].payload[-4:] == b"SUM!" and len(frames[2].payload) == 44
    assert bench.capture.frames == 1


def test_a_frame_waits_for_room_in_the_outbox():
    bench = Bench(outbox=1024)
    bench.refresh(400, 400, 400)
    bench.run()
    assert bench.capture.is_open and bench.outbox.room(FRAMES) < 400
    for _ in range(2):
        bench.outbox.free()
        while bench.capture.step(20, False):
            pass
    assert not bench.capture.is_open and bench.capture.frames == 1


def test_what_had_changed_and_is_as_it_was_is_no_frame():
    bench = Bench()
    bench.refresh(5)
    bench.encoder.parts = []
    bench.run()
    assert bench.frames() == [] and bench.capture.frames == 0 and not bench.capture.is_open


def test_a_refresh_that_changes_nothing_does_not_disturb_a_frame():
    bench = Bench()
    bench.refresh(5, 5)
    bench.capture.begin(False, 20)
    bench.capture.step(20, False)
    bench.encoder.changed = 0
    bench.capture.refreshed(30)
    while bench.capture.step(30, False):
        pass
    assert [frame.flags for frame in bench.frames()] == [FIRST, LAST]


def test_a_torn_delta_is_mixed():
    bench = Bench()
    bench.refresh(5)
    bench.encoder.exact = False
    bench.run()
    assert bench.frames()[0].flags == FIRST | LAST | MIXED
    assert bench.capture.mixed == 1 and not bench.capture.is_waiting, (
        "the next refresh tells what is there now"
    )


def test_an_interrupted_delta_ends_in_an_empty_mixed_part():
    bench = Bench()
    bench.refresh(5, 5)
    bench.capture.begin(False, 20)
    bench.capture.step(20, False)
    bench.refresh(7)
    assert not bench.capture.step(30, False)
    assert bench.capture.is_waiting and not bench.capture.is_open
    first, last = bench.frames()
    assert (first.flags, last.flags, last.payload) == (FIRST, LAST | MIXED, b"")


def test_halting_before_the_first_part_leaves_no_record_and_needs_no_keyframe():
    bench = Bench()
    bench.refresh(5)
    bench.capture.begin(False, 20)
    assert not bench.capture.halt(30)
    assert bench.frames() == [] and bench.capture.is_waiting


def test_halting_a_keyframe_needs_another():
    bench = Bench()
    bench.refresh(5, 5)
    bench.capture.begin(True, 20)
    bench.capture.step(20, False)
    assert bench.capture.halt(30)


def test_what_fits_no_chunk_is_a_fault_and_not_a_loop():
    bench = Bench()
    bench.refresh(5000)
    bench.run()
    assert bench.capture.has_failed and not bench.capture.is_open
    assert bench.frames() == []


def test_an_encoder_that_writes_too_much_is_caught():
    bench = Bench()
    bench.refresh(5)
    bench.capture.begin(False, 20)
    bench.encoder.encode_into = lambda out, start, end, budget: end - start + 1
    with pytest.raises(RuntimeError, match="more than it was given"):
        bench.capture.step(20, False)


def test_the_parts_follow_the_pace():
    bench = Bench()
    capture = bench.capture
    for _ in range(40):
        capture.pace(10, 1000)
    most = capture._budget_px
    for _ in range(40):
        capture.pace(2000, 1000)
    assert most >= 1 << 20 and capture._budget_px == 64
    capture.pace(500, 1000)
    assert capture._budget_px == 64


def test_a_part_of_many_bytes_is_paced_by_its_bytes():
    bench = Bench()
    capture = bench.capture
    budget = capture._budget_px
    for _ in range(10):
        bench.encoder.has_spent = capture._effort
        capture.pace(2000, 1000)
    assert capture._effort == 64 and capture._budget_px == budget
    bench.encoder.has_spent = 10
    capture.pace(10, 1000)
    assert capture._effort == 64 and capture._budget_px == 2 * budget
