"""A serial line that flips, drops, repeats and cuts bytes in both directions: nothing is lost, nothing is doubled."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pixeltrail_bridge.simulate import PtyPair

from tests.support import corpus, harness
from tests.support.link_faults import Cut, Fault, chain, drops, flips, repeats

from .rig import World, recorded, rig

DEVICE = "noisy-board"
FLIP_ONE_IN = 3_000  # bytes: one flipped bit
DROP_ONE_IN = 6_000  # bytes: one run of up to 40 that never comes
REPEAT_ONE_IN = 40  # pieces: one that comes twice


class Count:
    """A fault, and how many pieces it changed."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self.damaged = 0

    def __call__(self, data: bytes) -> bytes:
        out = self._fault(data)
        self.damaged += out != data
        return out


def noise(seed: int) -> Count:
    return Count(
        chain(flips(seed, FLIP_ONE_IN), drops(seed + 1, DROP_ONE_IN), repeats(seed + 2, REPEAT_ONE_IN))
    )


@contextmanager
def pulled_now_and_then(cut: Cut, seed: int, times: int) -> Iterator[None]:
    """The wire is pulled out for up to half a second, again and again."""
    dice, over = random.Random(seed), threading.Event()

    def pull() -> None:
        for _ in range(times):
            if over.wait(dice.uniform(0.3, 2.0)):
                return
            cut.cut = True
            over.wait(dice.uniform(0.05, 0.5))
            cut.cut = False

    hand = threading.Thread(target=pull, name="hand", daemon=True)
    hand.start()
    try:
        yield
    finally:
        over.set()
        hand.join()
        cut.cut = False


def judge(world: World, name: str, loops: int, ticks: int) -> None:
    with world.bridge.store() as store:
        harness.judge_custody(store, DEVICE)
        harness.judge_every_frame(harness.replay_of(store, DEVICE), loops * recorded(corpus.load(name)))
        harness.judge_events(store, DEVICE, ticks, world.server)


@pytest.mark.parametrize(
    ("name", "loops", "seed", "pulls"),
    [
        ("mono_invaders", 1, 11, 3),
        pytest.param("gs4_aclock", 3, 12, 10, marks=pytest.mark.slow),
        pytest.param("rgb_thermostat", 4, 13, 10, marks=pytest.mark.slow),
    ],
)
@pytest.mark.timeout(300)
def test_a_bad_serial_line_loses_and_doubles_nothing(
    tmp_path: Path, name: str, loops: int, seed: int, pulls: int
) -> None:
    cut, up, down = Cut(), noise(seed), noise(seed + 100)
    with PtyPair(to_host=chain(up, cut), to_device=chain(down, cut)) as line:
        settings = {"serial": {"ports": [line.host_path]}, "mqtt": {"enabled": False}}
        with rig(tmp_path, settings) as world, pulled_now_and_then(cut, seed, pulls):
            board = world.play(DEVICE, name, f"serial://{line.device_path}", loops=loops)
            counters = world.finish(board, timeout_s=200)
            judge(world, name, loops, counters["ticks"])
            assert up.damaged > 3 and down.damaged > 0, "the line was too good to prove anything"
            assert counters["resent"] > 0
