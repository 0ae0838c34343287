"""`./dev bench frames [--seconds N] [--rounds N] [--report FILE] [--plot FILE]`: does an app keep its frame times?

A simulated board (frames_board) draws 30 frames a second by its own clock, beside each thing that can happen to a link,
a flash and a heap (frames_faults.py). Each run has a twin without the recorder, right before or after it in turn, so
that what else the machine does falls on both. Linux tells how long it let the app wait for a processor; that is taken
off where a figure says "own".
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.bench.frames_faults import SCENARIOS, Fault
from tests.support import micropython

BOARD = Path(__file__).parent / "frames_board" / "main.py"
SIMULATION = Path(__file__).resolve().parents[2] / "boards" / "sim"
HEAP = "2m"
PERIOD_US = 33_333
LATE_US = PERIOD_US // 4
COLUMNS = 10
_ON_TIME_MS = 2.0  # what drawing takes, and a poll before it
_PATIENCE_S = 120.0  # for an app that is not done long after its time, whatever the machine has to do

Frames = npt.NDArray[np.int64]


class Run:
    """The frames of one run, in ms, and what the recorder counted."""

    def __init__(self, data: Frames, counts: dict[str, Any], happened: int) -> None:
        self.counts, self.happened = counts, happened
        due, _, done, poll, own_poll, busy, show, own_show, call, waited = data.T
        follows = np.diff(due) == PERIOD_US
        waits = np.diff(waited, prepend=waited[0])
        self.intervals = np.diff(done)[follows] / 1000
        self.lateness = (done - due) / 1000
        self.own_lateness = np.maximum(self.lateness - _owed(self.lateness, waits / 1000), 0)
        self.polls, self.own_polls = poll / 1000, own_poll / 1000
        self.busy, self.calls = busy / 1000, call / 1000
        self.shows, self.own_shows = show / 1000, own_show / 1000
        self.waited_ms = float(waits.sum()) / 1000
        self.lasted_ms = float(done[-1] - due[0]) / 1000


def _owed(lateness: npt.NDArray[np.float64], waits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How much of the lateness of each frame is waiting for a processor: in it, or in late ones right before it."""
    owed = np.zeros_like(waits)
    for at, wait in enumerate(waits):
        is_behind = at > 0 and lateness[at - 1] > _ON_TIME_MS
        owed[at] = wait + (owed[at - 1] if is_behind else 0)
    return owed


@dataclass
class Pair:
    """All runs of a scenario, and the twins without the recorder."""

    runs: list[Run] = field(default_factory=list)
    twins: list[Run] = field(default_factory=list)


def play(fault: Fault, folder: Path, seconds: float, name: str) -> Run:
    """Run the app once, with the fault that strikes after a quarter of its frames."""
    frames, out = round(seconds * 1_000_000 / PERIOD_US), folder / f"{name}.frames"
    options = {
        "frames": frames,
        "strike": frames // 4,
        "out": out,
        "device-id": f"frames-{name}",
        **fault.options,
    }
    words = [str(word) for key, value in options.items() for word in (f"--{key}", value)]
    app = subprocess.Popen(
        micropython.command(BOARD, fault.link, *words, heap=HEAP),
        env=micropython.environment((micropython.FIRMWARE, SIMULATION)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert app.stdin is not None and app.stdout is not None
    watchdog = threading.Timer(seconds + _PATIENCE_S, app.kill)
    watchdog.start()
    said = []
    try:
        for line in app.stdout:
            said.append(line)
            if line == "strike\n":
                fault.strike()
            if line.startswith("{"):
                break
        else:
            raise RuntimeError(f"the app ended with {app.wait()}:\n{''.join(said)}")
        counts = json.loads(line)
        happened = fault.happened(counts)
        app.stdin.close()
        if app.wait():
            raise RuntimeError(f"the app ended with {app.returncode}:\n{''.join(said)}")
    finally:
        watchdog.cancel()
        app.kill()
        app.wait()
        app.stdout.close()
    return Run(np.fromfile(out, np.int64).reshape(frames, COLUMNS), counts, happened)


def run_pair(name: str, number: int, seconds: float, pair: Pair) -> None:
    """One round of a scenario; who of the two goes first changes from round to round."""
    with tempfile.TemporaryDirectory(prefix="pixeltrail-frames-") as folder_name:
        folder = Path(folder_name)
        with SCENARIOS[name][0](folder) as fault:
            slug = name.replace(" ", "-").replace(",", "").lower()
            twin = Fault("none", fault.bare, lambda _: 1)
            if number % 2:
                pair.twins.append(play(twin, folder, seconds, f"{slug}-twin"))
            run = play(fault, folder, seconds, slug)
            if not number % 2:
                pair.twins.append(play(twin, folder, seconds, f"{slug}-twin"))
    if not run.happened:
        raise RuntimeError(f"{name}: it never happened; the app counted {run.counts}")
    pair.runs.append(run)


def measure(seconds: float, rounds: int, names: list[str], at_once: int = 1) -> dict[str, Pair]:
    """`at_once`: how many scenarios run beside each other. Times are worth something with 1 only."""
    found = {name: Pair() for name in names}
    for number in range(rounds):
        with ThreadPoolExecutor(at_once) as pool:
            jobs = [pool.submit(run_pair, name, number, seconds, found[name]) for name in names]
            for job in jobs:
                job.result()
    return found


# ---- figures ------------------------------------------------------------------------


def spread(runs: list[Run]) -> dict[str, float]:
    """Of all frames of some runs, in ms; shares in percent."""

    def of(name: str) -> npt.NDArray[np.float64]:
        return np.concatenate([getattr(run, name) for run in runs])

    intervals, late = of("intervals"), LATE_US / 1000
    return {
        "median": float(np.median(intervals)),
        "p99": float(np.quantile(intervals, 0.99)),
        "max": float(intervals.max()),
        "late": 100 * float((of("lateness") > late).mean()),
        "own_late": 100 * float((of("own_lateness") > late).mean()),
        "latest": float(of("lateness").max()),
        "own_latest": float(of("own_lateness").max()),
        "poll": float(of("polls").max()),
        "own_poll": float(of("own_polls").max()),
        "key_exchange": float(of("busy").max()),
        "show": float(of("shows").max()),
        "own_show": float(of("own_shows").max()),
        "call": float(of("calls").max()),
        "waited": 100 * sum(run.waited_ms for run in runs) / sum(run.lasted_ms for run in runs),
        "frames": sum(len(run.lateness) for run in runs),
    }


def counted(runs: list[Run]) -> dict[str, Any]:
    """What the recorder counted, summed; the names of what it turned off."""
    names = (
        "frames",
        "skipped",
        "refused",
        "refused_calls",
        "mixed",
        "errors",
        "line_errors",
        "acks",
        "resent",
    )
    sums = {name: sum(int(run.counts[name]) for run in runs) for name in names}
    return {**sums, "off": sorted({name for run in runs for name in run.counts["off"]})}


def figures(found: dict[str, Pair], seconds: float, rounds: int, machine: str) -> list[dict[str, Any]]:
    every = []
    for name, pair in found.items():
        ours, twin = spread(pair.runs), spread(pair.twins)
        detail = {
            "scenario": name,
            "happened": [sum(run.happened for run in pair.runs), SCENARIOS[name][1]],
            "with": {key: round(value, 3) for key, value in ours.items()},
            "without": {key: round(value, 3) for key, value in twin.items()},
            "ratios": {key: round(ours[key] / twin[key], 3) for key in ("median", "p99", "max")},
            "counted": counted(pair.runs),
            "runs": f"{rounds} of {seconds:g} s each, and as many without the recorder in turn",
            "machine": machine,
        }
        every.append(
            {
                "name": "frames." + name.replace(",", "").replace(" ", "_").lower(),
                "value": ours["p99"] / twin["p99"],
                "unit": "ratio",
                "against": "p99 of the frame intervals of the app without the recorder",
                "detail": detail,
            }
        )
    return every


def _machine(load: float) -> str:
    what = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"
    version = subprocess.run(
        micropython.command("-c", "import sys; print('%d.%d.%d' % sys.implementation[1][:3])"),
        capture_output=True,
        text=True,
        check=True,
    )
    loads = f"load {load:.1f} at the start, {os.getloadavg()[0]:.1f} at the end"
    return f"{what}, MicroPython {version.stdout.strip()}; {loads}"


def main(argv: list[str]) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser(prog="./dev bench frames", allow_abbrev=False)
    parser.add_argument("--seconds", type=float, default=20.0, help="of frames, in each run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each scenario")
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), help="this one, not all")
    parser.add_argument("--report", type=Path, metavar="FILE", help="Markdown")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="a picture")
    options = parser.parse_args(argv)
    load = os.getloadavg()[0]
    found = measure(options.seconds, options.rounds, options.scenario or list(SCENARIOS))
    every = figures(found, options.seconds, options.rounds, _machine(load))
    if options.report:
        from tests.bench.frames_report import report

        options.report.write_text(report(every, argv))
    if options.plot:
        from tests.bench.frames_report import draw

        draw(every).save(options.plot, optimize=True)
    return every
