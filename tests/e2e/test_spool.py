"""A board with a spool in flash is killed while bridge and broker are away: what was in flash arrives, once."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from pixeltrail.segments import SLOT
from pixeltrail.spool import Spool
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.wire.decode import decode_uplink
from pixeltrail_bridge.wire.messages import Chunk, Track

from tests.support import harness
from tests.support.bridge_process import wait_until
from tests.support.vendors import taken

from .rig import World, rig

SPOOLER = Path(__file__).with_name("spooler")
DEVICE = "spool-board"
SECOND = 1_000_000  # the first number of the second start
TICKS = 20

Place = tuple[bytes, int]


def chunks_in(folder: Path, copy: Path) -> dict[Place, bytes]:
    """What a start of the device would find in its flash, read from a copy."""
    shutil.copytree(folder, copy)
    spool = Spool(str(copy), 1 << 20, 1024)
    found: dict[Place, bytes] = {}
    for stream in dict.fromkeys(segment.stream for segment in spool.segments):
        acked = 0
        while length := spool.load(stream, acked):
            if length > 0:
                acked = spool.loaded_seq() + 1
                found[stream, acked - 1] = bytes(spool.buffer[SLOT : SLOT + length])
        while spool.segments and spool.segments[0].stream == stream:
            spool.free(stream, spool.segments[0].end)
    spool.close()
    return found


def closed_files(folder: Path) -> int:
    """Files of the spool but for the one that is being written."""
    return max(0, len(list(folder.glob("*.seg"))) - 1) if folder.is_dir() else 0


def numbers_of(data: bytes) -> list[int]:
    chunk = decode_uplink(data)
    assert isinstance(chunk, Chunk)
    return [r.body.properties["n"] for r in chunk.records if isinstance(r.body, Track)]


def kill_board_in_an_outage(world: World, folder: Path, files: int) -> None:
    bridge, broker = world.bridge, world.broker
    assert broker is not None
    board = world.spawn(str(SPOOLER), DEVICE, settings={"folder": str(folder)})
    bridge.wait_until(lambda: bridge.count("events", "event = 'Tick'") > 10, "it counts")
    bridge.kill()
    broker.kill()
    spool = folder / "spool"
    wait_until(lambda: not board.running or closed_files(spool) >= files, f"{files} files lie in flash", 100)
    assert board.running, world.output(DEVICE)
    board.kill()


def judge(store: SqlStore, world: World, spooled: dict[Place, bytes]) -> None:
    kept: dict[Place, bytes] = {}
    for row in store.streams(DEVICE):
        told = {
            seq for gap in store.gaps(DEVICE) if gap.stream == row.stream for seq in range(gap.first, gap.end)
        }
        kept.update({(row.stream, chunk.seq): chunk.data for chunk in store.chunks(DEVICE, row.stream)})
        missing = [seq for seq in range(row.watermark) if (row.stream, seq) not in kept and seq not in told]
        assert not missing, f"neither stored nor told of: {missing}"
    missing = [seq for (stream, seq), data in spooled.items() if kept.get((stream, seq)) != data]
    assert not missing, f"chunks that were in flash are not in the store: {missing}"
    wanted = {n for data in spooled.values() for n in numbers_of(data)} | {SECOND + n for n in range(TICKS)}
    sent = [event for event in taken(world.server) if event.event == harness.TICK]
    for ticks in (
        Counter(harness.ticks_of(store.events(DEVICE, limit=1_000_000))),
        Counter(event.properties["n"] for event in sent),
    ):
        assert max(ticks.values()) == 1, "a tick came twice"
        assert wanted <= set(ticks), "a tick that was in flash made no event"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("files", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_what_a_killed_board_had_in_flash_arrives_once(tmp_path: Path, files: int) -> None:
    folder = tmp_path / "flash"
    folder.mkdir()
    with rig(tmp_path) as world:
        kill_board_in_an_outage(world, folder, files)
        spooled = chunks_in(folder / "spool", tmp_path / "copy")
        assert sum(len(numbers_of(data)) for data in spooled.values()) > 5
        assert world.broker is not None
        world.broker.start()
        world.bridge.start()
        world.await_service()
        settings = {"folder": str(folder), "first": str(SECOND), "ticks": str(TICKS)}
        world.finish(world.spawn(str(SPOOLER), DEVICE, settings=settings))
        assert not list((folder / "spool").glob("*.seg")), "all of it is the bridge's"
        with world.bridge.store() as store:
            judge(store, world, spooled)
