"""The custody protocol, rule by rule, with a link whose chunks are written by hand."""

from __future__ import annotations

import pytest
from pixeltrail import message
from pixeltrail.chunk import Chunk
from pixeltrail.link import (
    ORDER_KEYFRAME,
    ORDER_NEW_STREAM,
    ORDER_OPT_IN,
    ORDER_OPT_OUT,
    ORDER_SESSION,
    Link,
)
from pixeltrail.outbox import CALLS, Outbox
from pixeltrail.streams import MAX_STREAMS
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_uplink
from pixeltrail_bridge.wire.encode import encode_downlink

from .model import BRIDGE, Line, ModelBridge

STREAM = b"stream-1"
OTHER = b"another1"


class Bench:
    def __init__(self, **line):
        self.line = Line(**line)
        self.outbox = Outbox(4096)
        self.chunk = Chunk(self.outbox, 512)
        self.link = Link(self.outbox, self.chunk, self.line, "device-1", 7, lambda: None)
        self.link.begin_stream(STREAM, 0)
        self.now = 0

    def put(self, count=1, is_replay=False):
        for _ in range(count):
            assert self.chunk.open(is_replay, CALLS, self.now)
            message.track(self.chunk.begin_record(self.now), "Event", {"n": self.chunk.seq}, None)
            assert self.chunk.end_record()
            self.chunk.close()

    def step(self, ms=10):
        """One step; returns orders."""
        self.now += ms
        sent = self.link.bytes_sent
        orders = self.link.step(self.now, self.now)
        if self.link.bytes_sent == sent:
            self.link.send(self.now, self.now)  # as the engine does while there is time
        return orders

    def steps(self, count):
        """A message goes up in each."""
        for _ in range(count):
            self.step()

    def sent(self):
        """What went up since the last call, decoded."""
        seen = [decode_uplink(data) for data in self.line.up]
        self.line.up.clear()
        return seen

    def seqs(self):
        return [seen.seq for seen in self.sent() if isinstance(seen, m.Chunk)]

    def tell(self, down):
        self.line.down.append(encode_downlink(down) if not isinstance(down, bytes) else down)

    def ack(self, next_seq, stream=STREAM, window=16, bridge=BRIDGE):
        self.tell(m.Ack(stream, next_seq, window, bridge))


def test_a_connection_begins_with_a_sync():
    bench = Bench()
    bench.put()
    bench.steps(2)
    sync, chunk = bench.sent()
    assert sync == m.Sync(STREAM, 0, 1, 10, None, 7, None, "device-1")
    assert chunk.seq == 0
    bench.line.cut()
    bench.step()
    bench.line.join()
    bench.step()
    assert [type(seen) for seen in bench.sent()] == [
        m.Sync
    ]  # what was sent waits for the timer, not for the line


def test_the_window_bounds_what_is_in_flight():
    bench = Bench()
    bench.put(30)
    for _ in range(20):
        bench.step()
    assert bench.seqs() == list(range(16))
    bench.ack(10, window=4)
    for _ in range(20):
        bench.step()
    assert bench.seqs() == []  # 6 are still in flight
    bench.ack(14, window=4)
    for _ in range(20):
        bench.step()
    assert bench.seqs() == [16, 17]


def test_without_progress_it_goes_back_ever_more_rarely():
    bench = Bench()
    bench.put(3)
    bench.steps(4)
    bench.sent()
    times = []
    for _ in range(3000):
        bench.step(100)
        if any(isinstance(seen, m.Chunk) and seen.seq == 0 for seen in bench.sent()):
            times.append(bench.now)
    waits = [after - before for before, after in zip(times, times[1:])]
    assert 2000 <= times[0] <= 2200
    assert 4000 <= waits[0] <= 5100 and 8000 <= waits[1] <= 10_100
    assert 60_000 <= waits[-1] <= 75_100
    assert bench.link.resent == 3 * len(times)
    bench.ack(1)
    bench.step()
    bench.sent()
    bench.step(2050)
    bench.steps(2)
    assert bench.seqs() == [1, 2], "progress makes the wait short again"


def test_a_resend_begins_with_a_sync_and_repeats_the_bytes():
    bench = Bench()
    bench.put(2)
    bench.steps(3)
    first = list(bench.line.up)
    bench.line.up.clear()
    bench.step(2100)
    bench.steps(2)
    again = list(bench.line.up)
    assert isinstance(decode_uplink(again[0]), m.Sync)
    assert again[1:] == first[1:]


def test_a_sync_every_30_seconds():
    bench = Bench()
    bench.step()
    bench.sent()
    for _ in range(601):
        bench.step(100)
    assert len(bench.sent()) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        m.Ack(OTHER, 1, 16, BRIDGE),
        m.Ack(STREAM, 1, 16, BRIDGE),  # below the last one
        m.Ack(STREAM, 6, 16, BRIDGE),  # above next
        m.Ack(STREAM, 4, 16, OTHER),  # another bridge
    ],
)
def test_acks_that_are_ignored_and_counted(wrong):
    bench = Bench()
    bench.put(5)
    bench.step()
    bench.ack(2)
    bench.step()
    assert (bench.outbox.count, bench.link.acks) == (3, 1)
    bench.tell(wrong)
    bench.step()
    assert (bench.outbox.count, bench.link.acks, bench.link.acks_ignored) == (3, 1, 1)


def test_another_bridge_is_followed_once_the_first_is_silent():
    bench = Bench()
    bench.put(5)
    bench.step()
    bench.ack(1)
    bench.step()
    bench.step(119_000)
    bench.ack(2, bridge=OTHER)
    bench.step()
    assert bench.outbox.count == 4
    bench.step(1_000)
    bench.ack(2, bridge=OTHER)
    bench.step()
    assert bench.outbox.count == 3
    bench.ack(3)
    bench.step()
    assert bench.outbox.count == 3, "now the other one is followed"


def test_two_messages_a_step_and_one_ack():
    bench = Bench()
    bench.put(6)
    bench.steps(7)
    for n in range(1, 7):
        bench.ack(n)
    for left in (5, 4, 3, 2, 1, 0):
        bench.step()
        assert bench.outbox.count == left
    for _ in range(3):
        bench.tell(m.KeyframeRequest(STREAM))
    for left in (1, 0):
        bench.step()
        assert len(bench.line.down) == left


def test_orders():
    bench = Bench()
    bench.tell(m.KeyframeRequest(STREAM))
    bench.tell(m.Session(STREAM, 3, 1_700_000_000_000, True))
    assert bench.step() == ORDER_KEYFRAME | ORDER_SESSION
    assert (bench.link.downlink.index, bench.link.downlink.sampled) == (3, True)
    assert int.from_bytes(bench.link.downlink.session_id, "big") == 1_700_000_000_000
    bench.tell(m.OptOutOrder(True))
    assert bench.step() == ORDER_OPT_OUT
    bench.tell(m.OptOutOrder(True))
    bench.tell(m.OptOutOrder(False))
    assert bench.step() == ORDER_OPT_IN, "the last word counts"
    bench.tell(m.NewStream(STREAM))
    assert bench.step() == ORDER_NEW_STREAM
    bench.tell(m.KeyframeRequest(OTHER))
    bench.tell(m.Session(OTHER, 3, 1, True))
    bench.tell(m.NewStream(OTHER))
    assert [bench.step() for _ in range(3)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("data", "unknown", "malformed"),
    [
        (b"\x83\x01\x18\x63\x00", 1, 0),
        (b"\x82\x01\x18\x63", 1, 0),
        (b"\x83\x02\x05\x48stream-1", 0, 1),
        (b"\x83\x01\x05\x47stream-", 0, 1),
        (b"\x83\x01\x05\x48stream", 0, 1),
        (b"\x86\x01\x02\x48stream-1\x00\x00\x48bridge-1", 0, 1),  # a window of 0
        (b"\xff", 0, 1),
        (b"\x00", 0, 1),
    ],
)
def test_what_cannot_be_read_is_counted(data, unknown, malformed):
    bench = Bench()
    bench.tell(data)
    assert bench.step() == 0
    assert (bench.link.unknown, bench.link.malformed) == (unknown, malformed)


def test_a_serial_line_waits_for_the_host():
    bench = Bench(needs_host_hello=True)
    bench.put(2)
    bench.step()
    assert bench.sent() == []
    bench.tell(m.HostHello(BRIDGE, 1, 1))
    bench.steps(3)
    assert [type(seen) for seen in bench.sent()] == [m.Sync, m.Chunk, m.Chunk]
    bench.put()
    bench.step(4870)
    bench.sent()
    bench.step(200)
    bench.put()
    bench.step()
    assert bench.sent() == [], "the host has been silent for more than 5 s"
    bench.tell(m.HostHello(BRIDGE, 2, 9))
    bench.step()
    assert bench.sent() == [] and bench.link.unknown == 1, "a host that does not speak our version"
    bench.tell(m.HostHello(BRIDGE, 1, 2))
    bench.step()
    assert isinstance(bench.sent()[0], m.Sync)


def test_a_line_with_other_users_is_told_when_the_host_comes_and_goes():
    bench = Bench(needs_host_hello=True)
    told = bench.line.told
    bench.step()
    bench.tell(m.HostHello(BRIDGE, 1, 1))
    bench.steps(3)
    assert told == [True]
    bench.step(5_000)
    assert told == [True, False], "the host has been silent"
    bench.tell(m.HostHello(BRIDGE, 1, 1))
    bench.step()
    bench.line.connected = False
    bench.steps(2)
    assert told == [True, False, True, False], "the line is gone"


def test_a_bridge_that_begins_on_a_broker_hears_at_once_what_it_missed():
    bench = Bench()
    bench.put(2)
    for _ in range(3000):  # the waits have become long
        bench.step(100)
    bench.sent()
    bench.tell(m.HostHello(BRIDGE, 1, 1))
    bench.steps(3)
    assert [type(seen) for seen in bench.sent()] == [m.Sync, m.Chunk, m.Chunk]
    bench.step(1_900)
    assert bench.seqs() == []
    bench.step(200)
    bench.steps(2)
    assert bench.seqs() == [0, 1], "the shortest wait again"


def test_a_chunk_being_written_is_not_freed():
    bench = Bench()
    bench.line.holds = True
    bench.put(1)
    while not bench.link.is_pinned() or bench.outbox.sent == 0:
        bench.step()
    bench.ack(1)
    bench.line.polls = 0
    bench.step()
    assert bench.link.is_pinned() and bench.outbox.count == 1
    bench.step()
    bench.step()
    assert not bench.link.is_pinned() and bench.outbox.count == 0
    assert bench.link.is_drained()


def test_a_stream_that_ends_with_a_pinned_chunk_is_kept_until_the_chunk_is_free():
    bench = Bench()
    bench.line.holds = True
    bench.put()
    while not bench.link.is_pinned() or bench.outbox.sent == 0:
        bench.step()
    bench.ack(1)
    bench.step()
    assert bench.link.is_pinned()
    bench.link.begin_stream(OTHER, bench.now)
    bench.put(2)
    bench.line.finish()
    for _ in range(6):
        bench.step()
    assert {seen.stream for seen in bench.sent()[-2:]} == {OTHER}
    assert len(bench.link.streams) == 1 and bench.outbox.count == 2


def test_a_new_stream_waits_until_the_earlier_one_is_delivered():
    bench = Bench()
    bench.put(2)
    bench.steps(3)
    bench.link.begin_stream(OTHER, bench.now)
    bench.put(1)
    bench.sent()
    bench.step()
    assert bench.sent() == []
    bench.ack(1, stream=OTHER)
    bench.step()
    assert bench.link.acks_ignored == 1
    bench.ack(2)
    bench.steps(2)
    sync, chunk = bench.sent()
    assert (sync.stream, sync.oldest, sync.next, sync.previous) == (OTHER, 0, 1, STREAM)
    assert (chunk.stream, chunk.seq) == (OTHER, 0)
    bench.ack(1, stream=OTHER)
    bench.step()
    assert bench.link.is_drained()


def test_the_clock_of_an_earlier_stream_goes_on():
    bench = Bench()
    bench.put(1)
    bench.step(5000)
    bench.link.begin_stream(OTHER, 5000)
    bench.sent()
    bench.link._wants_sync = True
    bench.link.step(bench.now + 10, 10)
    assert bench.sent()[0].now_ms == 5010


def test_streams_are_bounded():
    bench = Bench()
    for n in range(1, MAX_STREAMS):
        bench.put()
        assert bench.link.can_begin_stream()
        bench.link.begin_stream(b"stream-%d" % (n + 1), 0)
    assert not bench.link.can_begin_stream()


def test_holes_of_an_earlier_stream_are_told_by_syncs():
    bench = Bench()
    bridge = ModelBridge()
    for n in range(6):
        bench.put(1, is_replay=n not in (1, 4))
    bench.link.begin_stream(OTHER, 100)
    told = []
    bench.link.purge(lambda first, end: told.append((first, end)))
    assert told == []
    for _ in range(100):
        bench.step(100)
        bench.line.pump(bridge)
    assert bench.link.is_drained()
    store = bridge.streams[STREAM]
    assert sorted(store.chunks) == [1, 4]
    assert store.watermark == 6


def test_holes_of_this_stream_are_told_by_the_caller():
    bench = Bench()
    for n in range(7):
        bench.put(1, is_replay=n in (0, 1, 4, 6))
    told = []
    bench.link.purge(lambda first, end: told.append((first, end)))
    assert told == [(0, 2), (4, 5), (6, 7)]
    bench.step()
    assert bench.sent()[0].oldest == 0, "gap records explain these holes, the sync does not"


def test_holes_whose_gap_records_lie_beyond_the_window_are_told_by_syncs():
    """What comes behind a hole is never acked, so a gap record behind a whole window of it is never sent."""
    bench = Bench()
    bridge = ModelBridge(window=4)
    for n in range(30):
        bench.put(1, is_replay=n % 7 == 1)
    told = []
    bench.link.purge(lambda first, end: told.append(m.Gap(first, end, 0, 0, 0, m.GapReason.OPT_OUT)))
    for gap in told:
        assert bench.chunk.open(False, CALLS, bench.now)
        message.gap(bench.chunk.begin_record(bench.now), gap.first, gap.end, None, int(gap.reason))
        assert bench.chunk.end_record()
        bench.chunk.close()
    for _ in range(200):
        bench.step(100)
        bench.line.pump(bridge)
    assert bench.link.is_drained() and bench.link.resent < 30
    gaps = bridge.streams[STREAM].gaps
    assert [gap for gap in gaps if gap.reason == m.GapReason.OPT_OUT] == told
    assert bridge.streams[STREAM].watermark == 30 + len(told)


def test_a_transport_without_answers_acks_by_writing():
    bench = Bench(write_only=True)
    bench.put(5)
    bench.steps(6)
    assert bench.link.is_drained()
    assert bench.seqs() == [0, 1, 2, 3, 4]
