"""Sessions and the decision what to record, without a recorder."""

from __future__ import annotations

from pixeltrail.session import Session

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
    assert session.id == DATE
    session, _ = started()
    assert session.id == -1
    assert not session.settle(1, (5).to_bytes(8, "big"), True)
    assert session.settle(0, (5).to_bytes(8, "big"), True)
    assert session.id == 5


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
    session.opted_out_by_bridge = True
    session.opt_out(True)
    session.opted_out_by_bridge = False
    assert session.opted_out
    session.opted_out_by_bridge = True
    session.opt_out(False)
    assert not session.opted_out


def test_enabled_says_no():
    assert started(date=DATE, enabled=lambda: False)[0].sampled is False
