"""The numbers of the vitals record."""

from types import SimpleNamespace

from pixeltrail import wire
from pixeltrail.vitals import Vitals

from tests.support import micropython

from .device.parts import Ticks


def vitals_every(interval_ms):
    return Vitals(interval_ms, Ticks().clock.microseconds)


def test_numbers_are_kept_by_key():
    vitals = vitals_every(60_000)
    vitals.longest_step_us = 300
    vitals.tell(-50, None)
    vitals.tell("strong", 3600)
    capture = SimpleNamespace(frames=1, skipped=2, refused=3, mixed=4)
    vitals.collect(
        capture, SimpleNamespace(bytes_sent=5, resent=6), SimpleNamespace(refused_calls=lambda: 7), 8
    )
    n = vitals.numbers
    assert n[wire.VITAL_FRAMES : wire.VITAL_BYTES + 1] == [1, 2, 3, 4, 5]
    assert (n[wire.VITAL_RESENT], n[wire.VITAL_REFUSED_CALLS], n[wire.VITAL_ERRORS]) == (6, 7, 8)
    assert (n[wire.VITAL_LONGEST_STEP_US], n[wire.VITAL_RSSI], n[wire.VITAL_BATTERY_MV]) == (300, -50, 3600)
    vitals.begin_counting(0)
    assert vitals.longest_step_us == 0


def test_the_first_record_of_a_stream_comes_soon():
    vitals = vitals_every(60_000)
    assert not vitals.is_due(1999) and vitals.is_due(2000)
    vitals.note_told(2000)
    assert not vitals.is_due(61_999) and vitals.is_due(62_000)
    vitals.begin_counting(70_000)
    assert not vitals.is_due(71_999) and vitals.is_due(72_000)
    assert not vitals_every(0).is_due(1 << 29)
    assert vitals_every(1000).is_due(1000)


def test_a_heap_that_takes_long_to_count_is_not_counted():
    script = """
from pixeltrail import wire
from pixeltrail.vitals import Vitals
for us in (100, 5000):
    now = [0]
    def microseconds():
        now[0] += us
        return now[0]
    vitals = Vitals(60_000, microseconds)
    print(*[type(vitals.numbers[key]).__name__ for key in (wire.VITAL_HEAP_FREE, wire.VITAL_HEAP_USED)])
"""
    assert micropython.run(script).splitlines() == ["int int", "NoneType NoneType"]
