"""Every refresh that changes the display is told of: it has a frame of its own, or it is counted as skipped."""

from __future__ import annotations

import random

import pytest

from .rig import Rig


@pytest.mark.parametrize("seed", range(20))
def test_frames_and_skipped_refreshes_make_up_all_that_was_shown(seed: int) -> None:
    dice = random.Random(seed)
    rig = Rig(exact=False, max_fps=dice.choice([10, 50, 120]), max_step_ms=1, keyframe_interval_s=86_400)
    previous = bytes(rig.display.buffer)
    rig.display.show()
    changes = 1  # the first picture is news, whatever it shows
    for _ in range(60):
        for _ in range(dice.randint(0, 3)):
            # a small change, a large one, the same again, or back to what was
            rig.draw(dice.randrange(1024), dice.randrange(4), dice.choice([0, 1, 1, 400, 1024]))
            rig.display.show()
            changes += rig.display.buffer != previous
            previous = bytes(rig.display.buffer)
        rig.step(dice.randint(0, 2), ms=dice.choice([1, 10, 40]))
    rig.settle()
    stats = rig.recorder.stats()
    assert stats["refused"] == 0
    assert stats["frames"] + stats["skipped"] == changes
    assert rig.pictures()[-1] == (previous, False)
