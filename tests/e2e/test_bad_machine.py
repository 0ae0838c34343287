"""The machine under everything has faults while devices are at work: nothing is lost, doubled or left lying.

A library that is loaded before all others (tests/support/bad_machine.c) makes the faults; a store that is put back from
a copy is in test_crash.py.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.requirements import require
from tests.support.vendors import AMPLITUDE, SEGMENT, Vendor

from . import hammer

SOURCE = Path(__file__).resolve().parents[1] / "support" / "bad_machine.c"
DAY_S = 86_400


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder; a file in it switches the fault of its name on for every process that we start."""
    folder, library = tmp_path / "faults", tmp_path / "bad_machine.so"
    folder.mkdir()
    command = [require("gcc"), "-shared", "-fPIC", "-O1", "-Wall", "-o", library, SOURCE, "-ldl"]
    subprocess.run(command, check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("BAD_MACHINE", str(folder))
    return folder


def finish(world: hammer.Hammer) -> None:
    world.finish()
    verdict = world.verdict()
    assert verdict.is_good, verdict


each_vendor = pytest.mark.parametrize(
    "vendor", [SEGMENT, pytest.param(AMPLITUDE, marks=pytest.mark.slow)], ids=str
)


@pytest.mark.timeout(300)
@each_vendor
def test_a_slow_disk_and_kills(tmp_path: Path, faults: Path, vendor: Vendor) -> None:
    with hammer.hammer(tmp_path, devices=4, vendor=vendor) as world:
        (faults / "slow").write_text("20")
        for _ in range(2):
            world.await_progress(60)
            world.bridge.kill()
            world.bridge.start()
        world.await_progress(60)
        finish(world)


@pytest.mark.timeout(300)
def test_a_disk_that_fails_to_sync_ends_the_bridge_and_costs_nothing(tmp_path: Path, faults: Path) -> None:
    """A later sync that succeeds proves nothing: see tests/bridge/store/test_bad_disk.py."""
    with hammer.hammer(tmp_path, devices=4) as world:
        world.await_progress(60)
        (faults / "eio").touch()
        assert world.bridge.wait(60) != 0
        assert "the disk failed a write" in world.bridge.log
        (faults / "eio").unlink()
        world.bridge.start()
        world.await_progress(60)
        finish(world)


@pytest.mark.timeout(300)
@each_vendor
def test_a_full_disk_stops_confirmations_until_there_is_room(
    tmp_path: Path, faults: Path, vendor: Vendor
) -> None:
    with hammer.hammer(tmp_path, devices=4, vendor=vendor) as world:
        world.await_progress(60)
        (faults / "full").touch()
        world.bridge.wait_until(
            lambda: "disk is full" in world.bridge.log, "the bridge says that the disk is full"
        )
        accepted = world.journal.read().accepted
        chunks = world.bridge.count("chunks")
        assert accepted <= chunks, "more was accepted than is stored"
        (faults / "full").unlink()
        world.await_progress(60)
        finish(world)


@pytest.mark.timeout(300)
@each_vendor
@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S], ids=["forward", "back"])
def test_a_wall_clock_that_jumps(tmp_path: Path, faults: Path, jump_s: int, vendor: Vendor) -> None:
    with hammer.hammer(tmp_path, devices=4, vendor=vendor) as world:
        world.await_progress(60)
        world.break_server({"kind": "status", "status": 503, "retry_after": "3"})
        world.bridge.wait_until(world.has_retry, "an event waits for its second try")
        (faults / "clock").write_text(str(jump_s))
        world.await_progress(60)
        finish(world)
