"""Kills: after any of them every picture and every event is there, once, or a gap says what is not.

A board plays a recorded sequence in lock-step and numbers its events; bridge and broker die at moments that a seed
chooses. The last tests prove that the judgement can fail, with a bridge that acks what it has not committed.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.wire.messages import GapReason

from tests.support import corpus, harness
from tests.support.vendors import AMPLITUDE, SEGMENT, Vendor

from .rig import Chaos, World, recorded, rig

BROKEN_BRIDGE = Path(__file__).with_name("broken_bridge.py")
DEVICE = "crash-board"


def play_through_kills(world: World, name: str, loops: int, seed: int, kills: int) -> int:
    """Play with kills, to the end; returns how many events the board made."""
    board = world.play(DEVICE, name, loops=loops)
    Chaos(world, seed).strike(board, kills)
    return world.finish(board)["ticks"]


def judge(world: World, name: str, loops: int, ticks: int) -> None:
    with world.bridge.store() as store:
        harness.judge_custody(store, DEVICE)
        harness.judge_every_frame(harness.replay_of(store, DEVICE), loops * recorded(corpus.load(name)))
        harness.judge_events(store, DEVICE, ticks, world.server)


@pytest.mark.parametrize(
    ("name", "loops", "seed", "kills", "vendor"),
    [
        ("mono_invaders", 1, 1, 3, SEGMENT),
        pytest.param("mono_invaders", 1, 9, 3, AMPLITUDE, marks=pytest.mark.slow),
        pytest.param("mono_invaders", 3, 2, 12, SEGMENT, marks=pytest.mark.slow),
        pytest.param("mono_invaders", 3, 10, 12, AMPLITUDE, marks=pytest.mark.slow),
        pytest.param("gs4_aclock", 5, 3, 8, SEGMENT, marks=pytest.mark.slow),
        pytest.param("lv_benchmark", 1, 4, 12, SEGMENT, marks=pytest.mark.slow),
        pytest.param("rgb_thermostat", 4, 5, 8, SEGMENT, marks=pytest.mark.slow),
    ],
    ids=str,
)
@pytest.mark.timeout(300)
def test_kills_of_bridge_and_broker_lose_and_double_nothing(
    tmp_path: Path, name: str, loops: int, seed: int, kills: int, vendor: Vendor
) -> None:
    with rig(tmp_path, vendor=vendor) as world:
        ticks = play_through_kills(world, name, loops, seed, kills)
        assert ticks > 50
        judge(world, name, loops, ticks)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("vendor", [SEGMENT, pytest.param(AMPLITUDE, marks=pytest.mark.slow)], ids=str)
def test_kills_of_the_broker_inside_lose_and_double_nothing(tmp_path: Path, vendor: Vendor) -> None:
    with rig(tmp_path, embedded=True, vendor=vendor) as world:
        board = world.play(DEVICE, "gs4_aclock")
        chaos = Chaos(world, seed=6)
        chaos.strike(board, 1, victims=("nats",))
        chaos.strike(board, 1, victims=("bridge",))
        ticks = world.finish(board)["ticks"]
        judge(world, "gs4_aclock", 1, ticks)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("vendor", [SEGMENT, pytest.param(AMPLITUDE, marks=pytest.mark.slow)], ids=str)
def test_an_older_copy_of_the_store_is_put_back(tmp_path: Path, vendor: Vendor) -> None:
    """What the device freed meanwhile is a gap, nothing else is missing, and pictures are exact again after it."""
    dice = random.Random(7)
    with rig(tmp_path, vendor=vendor) as world:
        bridge = world.bridge
        board = world.play(DEVICE, "mono_invaders", loops=2)
        goal = dice.randint(15, 30)
        bridge.wait_until(lambda: bridge.count("chunks") >= goal, "there is something to copy")
        bridge.stop()
        copy = bridge.copy_data("copy")
        bridge.start()
        goal = bridge.count("chunks") + dice.randint(20, 40)
        bridge.wait_until(lambda: bridge.count("chunks") >= goal, "more came after the copy")
        bridge.kill()
        newer = bridge.put_back(copy)
        bridge.start()
        world.finish(board)

        with bridge.store() as store, harness.opened(newer) as lost:
            freed = judge_gap(store, lost)
            pictures = harness.replay_of(store, DEVICE).pictures
            shown = 2 * recorded(corpus.load("mono_invaders"))
            harness.judge_frames_around(pictures, shown, freed)
            harness.judge_identity(store, lost, DEVICE)
            assert store.devices()[0].device_id == DEVICE


def judge_gap(store: SqliteStore, lost: SqliteStore) -> range:
    """The one gap of reason 5 covers exactly what the lost store had and this one has not. Returns its seqs."""
    freed = [gap for gap in store.gaps(DEVICE) if gap.reason == GapReason.FREED]
    assert len(freed) == 1, f"one gap was expected: {freed}"
    gap = range(freed[0].first, freed[0].end)
    (stream,) = {row.stream for row in store.streams(DEVICE)}
    had = {chunk.seq for chunk in lost.chunks(DEVICE, stream)}
    has = {chunk.seq for chunk in store.chunks(DEVICE, stream)}
    assert had - has == set(gap), f"missing: {sorted(had - has)}, the gap says {gap}"
    return gap


@pytest.mark.timeout(300)
def test_a_bridge_that_acks_before_it_commits_is_found_out(tmp_path: Path) -> None:
    with rig(tmp_path, entry=[str(BROKEN_BRIDGE), "hasty"]) as world:
        board = world.play(DEVICE, "mono_invaders")
        Chaos(world, seed=8).strike(board, 2, victims=("bridge",))
        ticks = world.finish(board)["ticks"]
        with world.bridge.store() as store:
            replay = harness.replay_of(store, DEVICE)
            with pytest.raises(AssertionError, match="freed chunks that were never committed"):
                harness.judge_custody(store, DEVICE)
            with pytest.raises(AssertionError, match="recorded ones are missing"):
                harness.judge_every_frame(replay, recorded(corpus.load("mono_invaders")))
            with pytest.raises(AssertionError, match="ticks are missing at the store"):
                harness.judge_events(store, DEVICE, ticks, world.server)


@pytest.mark.timeout(300)
def test_a_bridge_of_which_a_thread_ends_is_not_deaf_but_ends(tmp_path: Path) -> None:
    with rig(tmp_path, entry=[str(BROKEN_BRIDGE), "stumbling"]) as world:
        board = world.play(DEVICE, "mono_invaders")
        assert world.bridge.wait() == 1
        assert "a thread ended" in world.bridge.log
        assert "report it with the log, and start again" in world.bridge.tail
        assert board.running, "it keeps what is not acked"
