import msgspec
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail_bridge.sessions.clock import JUMP_MS, WINDOW_MS, TimeLine
from pixeltrail_bridge.wire.messages import ClockQuality

BOOT = 1_767_323_045_000  # host time at which the stream's clock stood at 0


def test_smallest_difference_counts():
    line = TimeLine()
    for now_ms, delay_ms in [(0, 300), (30_000, 40), (60_000, 900)]:
        line.observe(now_ms, BOOT + now_ms + delay_ms)
    assert line.host_ms(1_000) == BOOT + 1_040
    assert line.quality is ClockQuality.GOOD


def test_a_value_is_forgotten_after_an_hour():
    line = TimeLine()
    line.observe(0, BOOT)
    for now_ms in range(30_000, WINDOW_MS + 120_000, 30_000):
        line.observe(now_ms, BOOT + now_ms + 100)
    assert line.offset_ms == BOOT + 100


def test_clock_set_back_begins_a_segment():
    line = TimeLine()
    line.observe(0, BOOT)
    line.observe(60_000, BOOT)  # the host's clock was set back by a minute
    assert line.host_ms(60_000) == BOOT
    assert line.host_ms(59_000) == BOOT + 59_000


def test_one_late_sync_is_no_jump():
    line = TimeLine()
    line.observe(0, BOOT)
    line.observe(30_000, BOOT + 30_000 + 20_000)
    line.observe(60_000, BOOT + 60_000)
    assert line.host_ms(60_000) == BOOT + 60_000
    assert line.segments == []


def test_jump_forward_wants_a_second_witness_and_begins_at_the_first():
    line = TimeLine()
    line.observe(0, BOOT)
    line.observe(30_000, BOOT + 3_630_000)
    line.observe(60_000, BOOT + 3_660_000)
    assert line.host_ms(30_000) == BOOT + 3_630_000
    assert line.host_ms(29_999) == BOOT + 29_999


def test_without_a_sync_the_stream_ends_when_its_last_chunk_came():
    line = TimeLine()
    line.estimate(500, BOOT + 9_000)
    line.estimate(8_000, BOOT + 9_000)
    assert line.quality is ClockQuality.ESTIMATED
    assert line.host_ms(8_000) == BOOT + 9_000
    line.observe(8_000, BOOT + 8_000)
    assert line.host_ms(0) == BOOT


def test_says_when_it_knows_nothing():
    assert TimeLine().quality is ClockQuality.NONE


@given(st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(0, 1 << 50)), max_size=40))
def test_any_syncs_keep_it_small_and_storable(syncs):
    line = TimeLine()
    for now_ms, received_ms in syncs:
        line.observe(now_ms, received_ms)
    assert msgspec.json.decode(msgspec.json.encode(line), type=TimeLine) == line
    assert line.host_ms(0) >= 0
    assert len(line.minutes) <= 61


@given(st.lists(st.integers(0, JUMP_MS), min_size=1, max_size=60))
def test_delays_below_a_jump_never_make_it_late_by_more_than_the_smallest(delays):
    line = TimeLine()
    for index, delay_ms in enumerate(delays):
        line.observe(index * 30_000, BOOT + index * 30_000 + delay_ms)
    assert line.host_ms(0) == BOOT + min(delays)
