"""Pauses are cut, close items merged, and every time that is left is right."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pixeltrail_bridge.export import pacing

APART_MS = 20
times = st.lists(st.integers(0, 300), max_size=60).map(sorted)


def numbered(at_ms: list[int]) -> list[tuple[int, int]]:
    return list(zip(at_ms, range(len(at_ms)), strict=True))


@given(times)
def test_merged_items_are_apart_and_keep_their_times(at_ms: list[int]) -> None:
    merged = list(pacing.merge_close(numbered(at_ms), APART_MS))
    assert bool(merged) == bool(at_ms)
    gaps = [b[0] - a[0] for a, b in zip(merged, merged[1:], strict=False)]
    assert all(gap >= APART_MS for gap in gaps)
    assert [item for _, item in merged] == sorted({item for _, item in merged})
    assert all(shown_ms == at_ms[item] for shown_ms, item in merged[1:])
    if merged:
        assert merged[0][0] == at_ms[0] and at_ms[merged[0][1]] - at_ms[0] < APART_MS


@given(times)
def test_a_merged_item_is_followed_soon_and_the_last_is_shown(at_ms: list[int]) -> None:
    merged = list(pacing.merge_close(numbered(at_ms), APART_MS))
    assert not at_ms or merged[-1][1] == len(at_ms) - 1
    shown = {item for _, item in merged}
    for came_ms, item in numbered(at_ms):
        if item not in shown:
            following = min(one for one in shown if one > item)
            assert at_ms[following] - came_ms < 3 * APART_MS  # what takes its place may be taken from itself


@given(st.lists(st.integers(0, 10_000), max_size=40).map(sorted), st.integers(1, 3_000))
def test_no_pause_is_longer_than_the_limit(at_ms: list[int], limit_ms: int) -> None:
    cut = list(pacing.cut_idle(numbered(at_ms), limit_ms))
    assert [item for _, item in cut] == list(range(len(at_ms)))
    for (a, _), (b, _), before, after in zip(cut, cut[1:], at_ms, at_ms[1:], strict=False):
        assert b - a == min(limit_ms, after - before)


def test_the_last_of_a_cluster_stands() -> None:
    """A press that flashes for 10 ms before the display rests must not hide where it came to rest."""
    assert list(pacing.merge_close([(0, "a"), (100, "b"), (110, "c"), (500, "d")], APART_MS)) == [
        (0, "a"),
        (110, "c"),
        (500, "d"),
    ]


def test_a_steady_stream_is_thinned_not_held_back() -> None:
    """60 pictures a second: a player gets the most that it can show."""
    merged = list(pacing.merge_close(numbered([round(n * 1000 / 60) for n in range(60)]), APART_MS))
    assert len(merged) == 30 and merged[-1][1] == 59


def test_speed() -> None:
    assert list(pacing.faster([(0, "a"), (1_000, "b")], 4)) == [(0, "a"), (250, "b")]
