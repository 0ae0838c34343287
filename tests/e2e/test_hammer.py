"""Devices, broker, bridge and server are killed again and again while all of them work; see hammer.py.

The other tests run the same against bridges that are broken on purpose, and prove that the judgement finds them out.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from pixeltrail_bridge.mapping.calls import Settled
from pixeltrail_bridge.mapping.chunks import MappingSettings, map_chunk, map_sync

from tests.support import fleet
from tests.support.ingest import DEVICE, Bench
from tests.support.vendors import AMPLITUDE, SEGMENT, Vendor

from . import hammer
from .verdict import judge

BROKEN_BRIDGE = Path(__file__).with_name("broken_bridge.py")
KILLS = 20


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("vendor", "kills"),
    [
        (SEGMENT, KILLS),
        (AMPLITUDE, KILLS // 4),
        pytest.param(AMPLITUDE, 2 * KILLS, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_kills_of_everything_lose_double_and_strand_nothing(
    tmp_path: Path, vendor: Vendor, kills: int
) -> None:
    verdict = hammer.run(tmp_path, kills, seed=1, vendor=vendor)
    assert verdict.is_good, verdict
    figures = verdict.figures
    least = 20 * kills
    assert figures["chunks_accepted"] > least and figures["events_delivered"] == figures["calls"] > least
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
    kinds = {kind for kind in ("lost", "doubled", "stuck") if getattr(verdict, kind)}
    assert found <= kinds <= found | {"stuck"}, verdict  # what follows a lost chunk may stay behind it


def test_what_a_killed_device_left_above_a_hole_is_not_owed(tmp_path: Path) -> None:
    """Its stream ends at a chunk that was lost on the way; what came behind that was never acked."""
    bench = Bench(tmp_path / "store.db", map_chunk=map_chunk, map_sync=map_sync, mapping=MappingSettings())
    journal = fleet.Journal(tmp_path)
    lines: list[str] = []
    for boot in (1, 2):
        device = fleet.Device(DEVICE, boot, bench.feed, lines.append, random.Random(boot))
        for _ in range(6):
            device.produce()
        bench.feed(*(data for seq, data in enumerate(device.outbox) if boot == 2 or seq != 4))
        lines.append(f"acked {DEVICE} {device.stream.hex()} {4 if boot == 1 else 6}")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "one.journal").write_text("\n".join(lines) + "\n")
    log = tmp_path / "events.jsonl"
    log.write_text("".join(payload.decode() + "\n" for _, payload in bench.events()))
    bench.store.settle("sink", [Settled(row.id, "sent") for row in bench.store.lease("sink", 99, 0, 1)], 0)
    assert (verdict := judge(bench.store, journal.read(), log)).is_good, verdict
    assert verdict.figures["chunks_above_a_hole"] == 1

    lines.append(f"acked {DEVICE} {fleet.Device(DEVICE, 1, None, None, random.Random()).stream.hex()} 6")
    (tmp_path / "one" / "one.journal").write_text("\n".join(lines) + "\n")
    assert len(judge(bench.store, fleet.Journal(tmp_path).read(), log).lost) == 2, (
        "seq 4, and the ack above it"
    )
