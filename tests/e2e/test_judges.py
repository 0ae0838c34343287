"""The judges of the end-to-end tests find what they are there for: each kind of fault, made by hand, is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pixeltrail_bridge.replay.canvas import Shown
from pixeltrail_bridge.replay.timeline import Moment
from pixeltrail_bridge.wire.messages import Unknown

from tests.support.harness import Picture, Replay, judge_every_frame, judge_numbers, judge_paced_frames

RECORDED = [bytes([n, n]) for n in range(1, 9)]


def picture(data: bytes, seq: int = 0, is_mixed: bool = False) -> Picture:
    return Picture(Moment(0, seq, 0, Unknown(0), Shown(False, is_mixed, (), 1, 1)), data)


def replay(pictures: list[bytes]) -> Replay:
    return Replay([picture(data, seq) for seq, data in enumerate(pictures)], [])


def test_a_complete_replay_passes_in_lock_step_and_at_pace() -> None:
    repeated = [b"\0\0", *RECORDED[:3], RECORDED[2], *RECORDED[3:]]
    judge_every_frame(replay(repeated), RECORDED)
    assert judge_paced_frames(replay(RECORDED[1::2]), RECORDED) == [1, 3, 5, 7]


@pytest.mark.parametrize(
    ("pictures", "complaint"),
    [
        (RECORDED[:4] + RECORDED[5:], "1 recorded ones are missing"),
        (RECORDED[:-1], "1 recorded ones are missing"),
        ([*RECORDED[:3], b"\xff\xff", *RECORDED[3:]], "1 decoded ones were never shown"),
        ([RECORDED[1], RECORDED[0], *RECORDED[2:]], "the first difference is at 0"),
        ([], "0 different pictures"),
    ],
)
def test_lock_step_finds_lost_foreign_and_swapped_pictures(pictures: list[bytes], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        judge_every_frame(replay(pictures), RECORDED)


def test_lock_step_finds_mixed_and_undecodable_frames() -> None:
    whole = replay(RECORDED)
    mixed = [picture(RECORDED[0], is_mixed=True), *whole.pictures[1:]]
    with pytest.raises(AssertionError, match="flagged mixed"):
        judge_every_frame(Replay(mixed, []), RECORDED)
    with pytest.raises(AssertionError, match="could not be painted"):
        judge_every_frame(replace(whole, errors=["seq 3"]), RECORDED)


@pytest.mark.parametrize(
    ("pictures", "complaint"),
    [
        ([RECORDED[2], RECORDED[1], RECORDED[7]], "an earlier one"),
        ([RECORDED[2], b"\xff\xff", RECORDED[7]], "no recorded picture"),
        (RECORDED[:7], "not the last recorded picture"),
    ],
)
def test_pace_finds_disorder_foreign_pictures_and_a_wrong_end(pictures: list[bytes], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        judge_paced_frames(replay(pictures), RECORDED)


def test_pace_lets_a_mixed_frame_show_anything_but_not_at_the_end() -> None:
    foreign = picture(b"\xff\xff", is_mixed=True)
    end = picture(RECORDED[-1])
    assert judge_paced_frames(Replay([foreign, end], []), RECORDED) == [7]
    with pytest.raises(AssertionError, match="flagged mixed"):
        judge_paced_frames(Replay([picture(RECORDED[-1], is_mixed=True)], []), RECORDED)


@pytest.mark.parametrize(
    ("numbers", "refused", "complaint"),
    [
        ([0, 1, 3], 0, "1 of 4 ticks are missing"),
        ([0, 1, 2, 2, 3], 0, "came twice"),
        ([0, 1, 2, 3, 4], 0, "never sent"),
        ([0, 1, 3], 2, "gap records tell of 2"),
        ([0, 1, 2, 3], 1, "gap records tell of 1"),
    ],
)
def test_events_are_found_missing_doubled_and_foreign(
    numbers: list[int], refused: int, complaint: str
) -> None:
    judge_numbers("here", [0, 1, 2, 3], 4, 0)
    with pytest.raises(AssertionError, match=complaint):
        judge_numbers("here", numbers, 4, refused)
