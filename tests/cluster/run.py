"""A run: faults at random while the fleet reports, then rest, then the verdict."""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from pixeltrail_bridge.replay.timeline import Timeline
from pixeltrail_bridge.store.base import Store

from tests.support import harness
from tests.support.bridge_process import wait_until

from .killer import Killer
from .pictures import Watcher
from .rig import Cluster, cluster, pictures_of_boards
from .verdict import Verdict, judge, judge_boards

_SHOWN_S = 60.0  # for faults, until all pages show the last picture


def run(
    folder: Path,
    *,
    devices: int,
    boards: int,
    seconds: float,
    idle: float,
    seed: int = 1,
    kinds: Sequence[str] = (),
) -> Verdict:
    """Faults of these `kinds`, or at random for `seconds`; boards play for as long, devices to the end."""
    began_s = time.monotonic()
    with ExitStack() as stack:
        world = stack.enter_context(
            cluster(folder, devices=devices, boards=boards, idle=idle, board_s=seconds, seed=seed)
        )
        names = [board.device_id for board in world.boards[:4]]
        watchers = [stack.enter_context(Watcher(port, names)) for port in world.viewer_ports]
        world.fleet.await_all(devices)
        started_s = time.monotonic() - began_s
        killer = Killer(world, random.Random(seed))
        if kinds:
            for kind in kinds:
                killer.strike(kind)
        else:
            killer.run(seconds)
        killer.conclude()
        worked_s = time.monotonic() - began_s
        account, counters = world.finish()
        pages = _compare(stack, world, watchers, names)
        for worker in world.bridges:
            worker.stop()
        with world.opened() as store:
            verdict = judge(store, account, counters, world.events)
            judge_boards(verdict, store, counters, pictures_of_boards(seconds)[0])
            verdict.unexplained += _strange_pictures(store, pages)
            verdict.figures["packed"] = store._all("SELECT count(*) FROM packs")[0][0]
        verdict.faults = killer.faults
        verdict.figures |= {
            "seed": seed,
            "seconds": round(worked_s),
            "seconds_to_start": round(started_s),
            "page_connections": sum(one.connections for one in watchers),
            "pictures_compared": len(pages),
        }
    if not verdict.is_good:
        _keep(folder, verdict)
    return verdict


Pages = dict[str, list[tuple[tuple[int, ...], bytes] | None]]


def _compare(stack: ExitStack, world: Cluster, watchers: list[Watcher], names: list[str]) -> Pages:
    """What pages show that were open all the time, and such that are opened now, at each viewer node."""
    late = [stack.enter_context(Watcher(port, names)) for port in world.viewer_ports]
    pages = [*watchers, *late]

    def found() -> Pages:
        return {name: [page.picture(name) for page in pages] for name in names}

    def agree() -> bool:
        return all(len(set(pictures)) == 1 and pictures[0] for pictures in found().values())

    with suppress(AssertionError):  # the verdict says which do not
        wait_until(agree, "all pages show the same", _SHOWN_S)
    return found()


def _strange_pictures(store: Store, pages: Pages) -> list[str]:
    """Pages that do not show what the recording ends with."""
    strange = []
    for name, pictures in pages.items():
        line = Timeline()
        for chunk in harness.chunks_of(store, name):  # type: ignore[arg-type]
            for _ in line.feed(chunk):
                pass
        canvas = line.canvas
        assert canvas is not None
        height, width = canvas.rgb().shape[:2]
        last = ((height, width, 4), canvas.rgba(0, 0, width, height))
        strange += [
            f"page {number} shows {'another picture' if one else 'nothing'} of {name}"
            for number, one in enumerate(pictures)
            if one != last
        ]
    return strange


def _keep(folder: Path, verdict: Verdict) -> None:
    kept = Path(tempfile.mkdtemp(prefix="pixeltrail-cluster-"))
    for path in folder.rglob("log"):
        (kept / path.parent.name).mkdir(exist_ok=True)
        shutil.copy(path, kept / path.parent.name / "log")
    shutil.copy(folder / "events.jsonl", kept)
    (kept / "verdict.json").write_text(json.dumps(verdict.kinds | {"figures": verdict.figures}, default=str))
    print(f"{verdict}\nlogs and events are kept in {kept}", file=sys.stderr)
