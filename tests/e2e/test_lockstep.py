"""The replay law, end to end: every picture that the board showed comes back from the store, pixel for pixel.

The sequences are recorded from programs of others; `--all --corpus FOLDER` takes those of another folder.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import corpus
from tests.support.harness import judge_every_frame
from tests.support.playback import DEVICE_ID, Link, Played, playback


@pytest.mark.parametrize("link", ["mosquitto", "pty"])
def test_every_frame_of_a_sequence_comes_back(sequence: corpus.Sequence, link: Link, tmp_path: Path) -> None:
    with playback(sequence, link, tmp_path) as played:
        judge(sequence, played)


def test_every_frame_comes_back_through_the_bridges_own_broker(tmp_path: Path) -> None:
    sequence = corpus.load("gs4_aclock")
    with playback(sequence, "nats", tmp_path) as played:
        judge(sequence, played)


def judge(sequence: corpus.Sequence, played: Played) -> None:
    judge_every_frame(played.replay(), sequence.frames)
    assert played.store.gaps(DEVICE_ID) == []
    assert played.store.dead_letters() == []
    stats = played.stats
    assert stats["shown"] == len(sequence)
    for count in ("errors", "line_errors", "mixed", "refused", "refused_calls", "skipped", "malformed"):
        assert stats[count] == 0, f"{count} in {stats}"
