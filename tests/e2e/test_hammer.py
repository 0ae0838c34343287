"""Devices, broker, bridge and server are killed again and again while all of them work; see hammer.py.

The other tests run the same against bridges that are broken on purpose, and prove that the judgement finds them out.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from . import hammer

BROKEN_BRIDGE = Path(__file__).with_name("broken_bridge.py")
KILLS = 20


@pytest.mark.timeout(300)
def test_kills_of_everything_lose_double_and_strand_nothing(tmp_path: Path) -> None:
    verdict = hammer.run(tmp_path, KILLS, seed=1)
    assert verdict.is_good, verdict
    figures = verdict.figures
    assert figures["chunks_accepted"] > 500 and figures["events_delivered"] == figures["calls"] > 500
    assert figures["dead_letters"], "some records cannot be read, so there are dead letters to be explained"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("how", "kills", "found"),
    [
        ("hasty", 3, {"lost"}),
        ("forgetful", 0, {"lost"}),
        ("restless", 0, {"doubled"}),
    ],
)
def test_a_broken_bridge_is_found_out(tmp_path: Path, how: str, kills: int, found: set[str]) -> None:
    with hammer.hammer(tmp_path, entry=[str(BROKEN_BRIDGE), how], devices=2, rate=60) as world:
        world.await_progress(40)
        for _ in range(kills):
            world.bridge.kill()
            world.bridge.start()
            world.await_progress(40)
        world.finish()
        verdict = world.verdict()
    assert {kind for kind in ("lost", "doubled", "stuck") if getattr(verdict, kind)} == found, verdict
