"""Ticks that wrap, dates that are carried on, and names of streams."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail import clock
from pixeltrail.clock import STREAM_LIMIT_MS, Clock, elapsed, epoch_ms, new_stream_id, ticks_diff

from .device.parts import Ticks


@given(st.integers(0, (1 << 30) - 1), st.lists(st.integers(0, 1 << 27), max_size=20))
def test_time_goes_on_across_the_wrap(start, passes):
    ticks = Ticks()
    ticks.ms = start
    clock = Clock(ticks._ticks, ticks._epoch, ticks._us)
    total = 0
    for passed in passes:
        before = clock.now
        ticks.ms += passed
        total += passed
        clock.update()
        assert elapsed(clock.now, before) == passed
        assert 0 <= clock.now < 1 << 30
    assert clock.stream_ms == min(total, STREAM_LIMIT_MS)


def test_a_stream_has_its_own_zero():
    ticks = Ticks()
    ticks.ms = 500
    ticks.clock.update()
    ticks.clock.begin_stream()
    ticks.ms = 700
    ticks.clock.update()
    assert (ticks.clock.stream_ms, ticks.clock.now) == (200, 700)


@given(st.integers(1_735_689_600_000, 1 << 42), st.integers(0, 1 << 29))
def test_a_date_is_carried_on(date, passed):
    ticks = Ticks()
    ticks.date = date
    assert ticks.clock.date() is None
    assert ticks.clock.read_date() == date
    ticks.ms += passed
    ticks.clock.update()
    assert int.from_bytes(ticks.clock.date(), "big") == date + passed


def test_the_date_of_this_machine():
    assert 1_735_689_600_000 < epoch_ms() < 1 << 53


@pytest.mark.parametrize(("later", "earlier", "expected"), [(5, 3, 2), (3, 5, -2), (1, (1 << 30) - 1, 2)])
def test_ticks_diff(later, earlier, expected):
    assert ticks_diff(later, earlier) == expected


def test_stream_ids_differ():
    names = {new_stream_id(b"previous") for _ in range(200)}
    assert len(names) == 200 and all(len(name) == 8 for name in names)


@pytest.mark.parametrize("us", [0, (1 << 30) - 1, 1 << 32, (1 << 62) - 1])
def test_stream_ids_do_not_mind_how_long_the_machine_has_run(monkeypatch, us):
    """A 64-bit port counts microseconds beyond 32 bits: past 72 minutes of uptime no recorder would start."""
    monkeypatch.setattr(clock, "ticks_us", lambda: us)
    assert len(new_stream_id()) == 8
