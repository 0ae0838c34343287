"""Sessions and the decision what to record, without a recorder."""

from __future__ import annotations

import pytest
from pixeltrail.session import Session, is_sampled
from pixeltrail_bridge.sessions import sampling

from .device.parts import Ticks

DATE = 1_767_323_045_000  # hashes to 989302 of 1,000,000


def started(date=None, **settings):
    ticks = Ticks()
    ticks.date = date
    session = Session(settings.pop("rate", 1.0), settings.pop("timeout_ms", 1000), **settings)
    session.begin(ticks.clock)
    return session, ticks


def test_a_rate_of_0_or_1_needs_no_date():
    assert started(rate=0)[0].sampled is False
    assert started(rate=1)[0].sampled is True
    assert started(rate=0.5)[0].sampled is None


def test_the_decision_is_strict():
    assert started(date=DATE, rate=0.989302)[0].sampled is False
    assert started(date=DATE, rate=0.989303)[0].sampled is True


def test_the_id_is_the_date_or_the_bridges_word():
    session, _ = started(date=DATE)
    assert session.known_id() == DATE
    session, _ = started()
    assert session.known_id() == -1
    assert not session.settle(1, (5).to_bytes(8, "big"), True)
    assert session.settle(0, (5).to_bytes(8, "big"), True)
    assert session.known_id() == 5


def test_the_bridge_decides_only_what_is_open():
    session, _ = started(rate=0.5)
    session.settle(0, bytes(8), False)
    assert session.sampled is False
    session.settle(0, bytes(8), True)
    assert session.sampled is False


def test_a_timeout_counts_from_the_last_input():
    session, ticks = started()
    assert not session.is_over(999) and session.is_over(1000)
    session.touch(900)
    assert not session.is_over(1899) and session.is_over(1900)
    session.begin(ticks.clock)
    assert session.index == 1 and not session.is_over(10)


def test_the_end_of_a_session_outlasts_the_wrap_of_the_clock():
    session, _ = started()
    assert session.is_over(5000)
    assert session.is_over(0), "the clock came round"


def test_opt_out_has_two_sources_and_the_app_lifts_both():
    session, _ = started()
    session.set_opt_out(session.opted_out_by_app, True)
    session.opt_out(True)
    session.set_opt_out(session.opted_out_by_app, False)
    assert session.opted_out
    session.set_opt_out(session.opted_out_by_app, True)
    session.opt_out(False)
    assert not session.opted_out


def test_enabled_says_no():
    assert started(date=DATE, enabled=lambda: False)[0].sampled is False


# What xxHash32 of these IDs comes to, modulo 1,000,000: tests/bridge/sessions/test_sampling.py has the whole numbers.
@pytest.mark.parametrize(
    ("session_id", "share"),
    [(1767323045000, 989302), (1767323045001, 867324), (1700000000000, 223047), (1719847315000, 76842)],
)
def test_decisions_are_those_of_the_table(session_id, share):
    for decide in (is_sampled, sampling.is_sampled):
        assert not decide(session_id, share / 1_000_000)
        assert decide(session_id, (share + 1) / 1_000_000)


@pytest.mark.parametrize("rate", [0.001, 0.05, 0.5, 0.93])
def test_the_share_of_recorded_sessions_fits_the_rate(rate):
    """Sessions a minute or so apart, within four standard deviations; the bridge decides as the device does."""
    count = 100_000
    ids = range(DATE, DATE + count * 61_003, 61_003)
    chosen = sum(is_sampled(session_id, rate) for session_id in ids)
    assert abs(chosen - count * rate) < 4 * (count * rate * (1 - rate)) ** 0.5
    assert all(is_sampled(i, rate) == sampling.is_sampled(i, rate) for i in ids[::100])
