"""Two bridges on one broker: the earlier serves, the later refuses, and a dead one blocks nobody."""

from __future__ import annotations

from pixeltrail_bridge.sources.herald import (
    ANNOUNCE_S,
    GRACE_S,
    SILENT_S,
    Alarm,
    Announce,
    Herald,
    Refuse,
    Serve,
    Stand,
)


def subscribed() -> Herald:
    herald = Herald("a")
    herald.subscribed(0)
    return herald


def test_alone_it_serves_after_the_grace() -> None:
    herald = subscribed()
    assert herald.tick(0) == [] and herald.next_s == GRACE_S
    assert herald.tick(GRACE_S) == [Serve(), Announce()]
    assert herald.tick(GRACE_S + 1) == []
    assert herald.tick(GRACE_S + ANNOUNCE_S) == [Announce()]


def test_what_was_heard_before_the_grace_counts() -> None:
    herald = Herald("a")
    assert herald.heard("b", False, True, 0) == []
    herald.subscribed(1)
    assert herald.tick(1 + GRACE_S) == [] and herald.stand is Stand.DOUBTING


def test_its_own_announcement_is_no_rival() -> None:
    herald = subscribed()
    assert herald.heard("a", False, True, 0) == []
    assert herald.tick(GRACE_S) == [Serve(), Announce()]


def test_a_living_rival_makes_it_refuse_until_it_is_silent() -> None:
    herald = subscribed()
    assert herald.heard("b", False, True, 0.1) == []
    assert herald.tick(GRACE_S) == [] and herald.stand is Stand.DOUBTING
    assert herald.heard("b", False, False, 5) == [Refuse("b")]
    assert herald.heard("b", False, False, 15) == []
    assert herald.tick(15 + SILENT_S - 1) == []
    assert herald.tick(15 + SILENT_S) == [Serve(("b",)), Announce()]


def test_a_rival_that_leaves_makes_room_at_once() -> None:
    herald = subscribed()
    herald.heard("b", False, True, 0.1)
    herald.heard("b", False, False, 5)
    assert herald.heard("b", True, False, 6) == [Serve(), Announce()]


def test_what_a_dead_bridge_left_is_cleared() -> None:
    herald = subscribed()
    herald.heard("b", False, True, 0.1)
    assert herald.tick(0.1 + SILENT_S) == [Serve(("b",)), Announce()]


def test_the_earlier_one_goes_on_and_says_so_once() -> None:
    herald = subscribed()
    herald.tick(GRACE_S)
    assert herald.heard("b", False, False, 3) == [Alarm("b")]
    assert herald.heard("b", False, False, 4) == []
    assert herald.stand is Stand.SERVING


def test_a_new_connection_asks_again() -> None:
    herald = subscribed()
    herald.tick(GRACE_S)
    herald.disconnected()
    assert herald.tick(1e9) == []
    herald.subscribed(100)
    herald.heard("b", False, True, 100.1)
    assert herald.heard("b", False, False, 101) == [Refuse("b")]
