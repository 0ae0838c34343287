"""When acks go out."""

from __future__ import annotations

from pixeltrail_bridge.ingest.acks import AckSchedule


def test_at_most_one_per_device_and_interval() -> None:
    acks = AckSchedule(20)
    acks.add("a", b"s", 1, False)
    assert list(acks.take(100)) == [("a", b"s", 1)]
    acks.add("a", b"s", 2, False)
    acks.add("b", b"t", 5, False)
    assert list(acks.take(110)) == [("b", b"t", 5)]
    assert acks.wait_ms(110) == 10
    acks.add("a", b"s", 3, False)
    assert list(acks.take(120)) == [("a", b"s", 3)] and acks.wait_ms(120) is None


def test_a_hole_or_a_sync_does_not_wait() -> None:
    acks = AckSchedule(20)
    acks.add("a", b"s", 1, False)
    list(acks.take(100))
    acks.add("a", b"s", 1, True)
    assert list(acks.take(101)) == [("a", b"s", 1)]
