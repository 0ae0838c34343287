"""The numbers of the vitals record."""

from types import SimpleNamespace

from pixeltrail import wire
from pixeltrail.vitals import Vitals


def test_numbers_are_kept_by_key():
    vitals = Vitals(60_000)
    vitals.note_step(300)
    vitals.note_step(200)
    vitals.tell(-50, None)
    vitals.tell("strong", 3600)
    capture = SimpleNamespace(frames=1, skipped=2, refused=3, mixed=4)
    vitals.collect(capture, SimpleNamespace(bytes_sent=5, resent=6), SimpleNamespace(refused_calls=7), 8)
    n = vitals.numbers
    assert n[wire.VITAL_FRAMES : wire.VITAL_BYTES + 1] == [1, 2, 3, 4, 5]
    assert (n[wire.VITAL_RESENT], n[wire.VITAL_REFUSED_CALLS], n[wire.VITAL_ERRORS]) == (6, 7, 8)
    assert (n[wire.VITAL_LONGEST_STEP_US], n[wire.VITAL_RSSI], n[wire.VITAL_BATTERY_MV]) == (300, -50, 3600)
    vitals.begin_counting(0)
    assert vitals.longest_step_us == 0


def test_the_first_record_of_a_stream_comes_soon():
    vitals = Vitals(60_000)
    assert not vitals.is_due(1999) and vitals.is_due(2000)
    vitals.note_told(2000)
    assert not vitals.is_due(61_999) and vitals.is_due(62_000)
    vitals.begin_counting(70_000)
    assert not vitals.is_due(71_999) and vitals.is_due(72_000)
    assert not Vitals(0).is_due(1 << 29)
    assert Vitals(1000).is_due(1000)
