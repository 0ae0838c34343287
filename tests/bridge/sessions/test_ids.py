from hypothesis import given
from hypothesis import strategies as st
from pixeltrail_bridge.sessions import ids

NOW = 1_767_323_045_000
DAY = 86_400_000
GOOD, ESTIMATED = 2, 1


def test_device_epoch_counts_with_a_good_clock():
    assert ids.choose_session_id(NOW - DAY, GOOD, NOW - 10, NOW, 0) == NOW - DAY


def test_host_time_of_the_start_otherwise():
    start = NOW - 10
    assert ids.choose_session_id(NOW - DAY, ESTIMATED, start, NOW, 0) == start
    assert ids.choose_session_id(None, GOOD, start, NOW, 0) == start


def test_bounds_of_a_believable_epoch():
    assert ids.epoch_counts(NOW - 365 * DAY, GOOD, NOW)
    assert not ids.epoch_counts(NOW - 365 * DAY - 1, GOOD, NOW)
    assert ids.epoch_counts(NOW + 300_000, GOOD, NOW)
    assert not ids.epoch_counts(NOW + 300_001, GOOD, NOW)


@given(
    st.none() | st.integers(0, 1 << 53),
    st.integers(0, 2),
    st.integers(0, 1 << 52),
    st.integers(0, 1 << 52),
    st.integers(0, 1 << 52),
)
def test_always_positive_and_above_the_last(epoch, quality, start, received, last):
    assert ids.choose_session_id(epoch, quality, start, received, last) > max(last, 0)


def test_replay_id():
    assert ids.replay_id("dev-1", NOW) == f"dev-1/{NOW}"
    assert ids.replay_id("dev-1", ids.NO_SESSION) is None
    assert ids.replay_id("dev-1", 0) is None
