"""A fleet at work for long: a simulated day in half an hour, with faults, and a bridge that must not tire.

    python -m tests.e2e.soak [--devices 200] [--speed 50] [--hours 24] [--report FILE] [--plot FILE]

The fleet is the product's own simulator (`pixeltrail sim --devices N`). Meanwhile /metrics is read as Prometheus would
read it. In the end every device has delivered what it held; then each stream's account is compared with the store,
and what the store sent with what Segment's stand-in took.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from statistics import mean
from typing import Any

from pixeltrail_bridge.config import DATABASE_NAME
from pixeltrail_bridge.fleet import recorded_scripts
from pixeltrail_bridge.fleet.scripts import load_script
from pixeltrail_bridge.store.base import Store
from pixeltrail_bridge.store.opening import open_store
from pixeltrail_bridge.wire.messages import GapReason, Track
from prometheus_client.parser import text_string_to_metric_families

from tests.support import services
from tests.support.bridge_process import COMMAND, BridgeProcess, bridge_process
from tests.support.services import LOOPBACK, Service
from tests.support.vendors import SEGMENT, taken_of_log

from .rig import bridge_settings

FAULTS = ("loss=1", "repeat=1", "reorder=1", "cuts=0.5", "reboots=0.2")
_START_S = 60.0
_END_S = 300.0
_FIGURES = {
    "memory_mb": "process_resident_memory_bytes",
    "queue": "pixeltrail_queue_messages",
    "lag_chunks": "pixeltrail_projection_lag_chunks",
    "waiting": "pixeltrail_outbox_waiting",
    "oldest_s": "pixeltrail_outbox_oldest_seconds",
    "online": "pixeltrail_devices_online",
    "messages": "pixeltrail_messages_total",
    "database_mb": "pixeltrail_database_bytes",
}


@dataclass
class Soak:
    """`samples`: figures by time. `faults_found`: what no fault that was made explains."""

    samples: list[dict[str, float]] = field(default_factory=list)
    faults_found: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def judge_figures(self) -> None:
        """Memory and lag of the last quarter against the second; the first is the warming up."""
        quarter = len(self.samples) // 4
        if quarter < 3:
            self.faults_found.append(f"only {len(self.samples)} samples: the run was too short to tell")
            return
        second, last = self.samples[quarter : 2 * quarter], self.samples[-quarter:]
        for name, slack in (("memory_mb", 30.0), ("queue", 200.0), ("lag_chunks", 500.0), ("waiting", 500.0)):
            before, after = (mean(one[name] for one in part) for part in (second, last))
            self.figures[f"{name}_second_quarter"], self.figures[f"{name}_last_quarter"] = before, after
            if after > before * 1.1 + slack:
                self.faults_found.append(
                    f"{name} grows: {before:.1f} in the second quarter, {after:.1f} in the last"
                )


def run(
    folder: Path,
    *,
    devices: int,
    seconds: float,
    speed: float,
    idle: float = 0.985,
    faults: tuple[str, ...] = FAULTS,
    every_s: float = 5.0,
    say: Any = lambda words: None,
) -> Soak:
    soak = Soak()
    with ExitStack() as stack:
        events = folder / "events.jsonl"
        port, mqtt, web = (services.free_port() for _ in range(3))
        (folder / "server").mkdir(parents=True)
        words = [sys.executable, *SEGMENT.command(events), "--port", str(port)]
        server = Service([str(word) for word in words], [port], folder / "server")
        stack.callback(server.kill)
        server.start()
        settings = bridge_settings(folder, f"http://{LOOPBACK}:{port}") | {
            "events": {"display_window_s": 10},
            "mqtt": {"port": mqtt},
            "web": {"enabled": True, "port": web},
            "metrics": {"devices": 0},
        }
        bridge = stack.enter_context(bridge_process(folder / "bridge", settings))
        bridge.wait_until(lambda: "bridge started" in bridge.log, "the bridge starts", _START_S)
        account = folder / "fleet.json"
        command = [
            *(sys.executable, *COMMAND, "sim", "--devices", str(devices), "--speed", str(speed)),
            *("--idle", str(idle), "--for", str(seconds), "--broker", f"mqtt://{LOOPBACK}:{mqtt}"),
            *("--report", str(account), *(word for fault in faults for word in ("--fault", fault))),
        ]
        log = stack.enter_context((folder / "fleet.log").open("w"))
        fleet = subprocess.Popen(command, stdout=log, stderr=log)
        stack.callback(fleet.kill)
        began_s = time.monotonic()
        while fleet.poll() is None:
            soak.samples.append(sample(web) | {"s": time.monotonic() - began_s})
            say(soak.samples[-1])
            try:
                fleet.wait(every_s)
            except subprocess.TimeoutExpired:
                continue
        assert fleet.returncode == 0, (folder / "fleet.log").read_text()[-2000:]
        soak.figures["seconds"] = time.monotonic() - began_s
        bridge.wait_until(lambda: _is_done(web), "all was projected and sent", _END_S)
        _close(soak, bridge, json.loads(account.read_text()), events)
    soak.judge_figures()
    return soak


def sample(web_port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://{LOOPBACK}:{web_port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    sums: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            sums[one.name] += one.value
    found = {name: float(sums[metric]) for name, metric in _FIGURES.items()}
    for name in ("memory_mb", "database_mb"):
        found[name] /= 1e6
    return found


def _is_done(web_port: int) -> bool:
    now = sample(web_port)
    return now["lag_chunks"] == 0 and now["waiting"] == 0 and now["queue"] == 0


def _close(soak: Soak, bridge: BridgeProcess, account: dict[str, Any], events: Path) -> None:
    bridge.stop()
    with closing(open_store(bridge.data / DATABASE_NAME)) as store:
        soak.faults_found += unexplained(store, account["streams"])
        ids = [event.message_id for event in store.events(limit=100_000_000)]
        soak.figures |= {
            "sessions": len(store.sessions()),
            "events": len(ids),
            "gaps": len(store.gaps()),
            "dead_letters": len(store.dead_letters(limit=1_000_000)),
        }
    delivered = Counter(one.message_id for one in taken_of_log(events))
    missing = set(ids) - set(delivered)
    soak.faults_found += [f"never delivered: {one}" for one in sorted(missing)[:5]]
    soak.faults_found += [f"delivered, not stored: {one}" for one in sorted(set(delivered) - set(ids))[:5]]
    soak.figures |= {"tally": account["tally"]}
    if account["tally"]["undrained"]:
        soak.faults_found.append(f"{account['tally']['undrained']} devices could not deliver what they held")


def unexplained(store: Store, streams: list[dict[str, Any]]) -> list[str]:
    """Where the store differs from what devices were promised. Without damage on the way, nothing may."""
    found = []
    calls: Counter[str] = Counter()
    least: Counter[str] = Counter()
    for ledger in streams:
        device, stream = ledger["device_id"], bytes.fromhex(ledger["stream"])
        if not ledger["acked"]:
            continue
        calls[device] += ledger["calls"]
        least[device] += ledger["calls"] if ledger["acked"] == ledger["made"] else 0
        seqs = {chunk.seq for chunk in store.chunks(device, stream)}
        lost = set(range(ledger["acked"])) - seqs
        if lost:
            found.append(
                f"{device} {ledger['stream']}: {len(lost)} chunks accepted and not stored, {min(lost)} first"
            )
        if max(seqs, default=0) >= ledger["made"]:
            found.append(f"{device} {ledger['stream']}: chunk {max(seqs)} was never made")
    made: Counter[str] = Counter()
    for event in store.events(limit=100_000_000):
        made[event.device_id] += event.type == "screen" or event.type == "track" and event.event in scripted()
    for device, count in least.items():
        if not count <= made[device] <= calls[device]:
            found.append(f"{device}: {made[device]} events of {count} to {calls[device]} calls")
    found += [f"dead letter: {one.kind}: {one.reason}" for one in store.dead_letters(limit=5)]
    reasons = {gap.reason for gap in store.gaps()} - {GapReason.OUTBOX_FULL}
    return [*found, *(f"gaps of reason {reason}" for reason in sorted(reasons))]


@lru_cache
def scripted() -> frozenset[str]:
    """Names of the calls that the fleet's recordings hold."""
    scenes = [scene for path in recorded_scripts() for scene in load_script(path).scenes]
    return frozenset(scene.parts[0].event for scene in scenes if isinstance(scene.parts[0], Track))


def report(soak: Soak, options: argparse.Namespace) -> str:
    figures, tally = soak.figures, soak.figures["tally"]
    counts = tally["counts"]
    rows = {
        "devices": tally["devices"],
        "simulated hours": round(figures["seconds"] * options.speed / 3600, 1),
        "minutes it took": round(figures["seconds"] / 60, 1),
        "chunks made, and confirmed": f"{tally['made']:,}, {tally['acked']:,}",
        "frames, and calls": f"{counts['frames']:,}, {counts['calls']:,}",
        "sessions": figures["sessions"],
        "events delivered": figures["events"],
        "messages lost, repeated, reordered on the way": ", ".join(
            f"{counts.get(name, 0):,}" for name in ("loss", "repeat", "reorder")
        ),
        "lines cut, devices rebooted": f"{counts.get('cuts', 0):,}, {counts.get('reboots', 0):,}",
        "gap records, all told by devices": figures["gaps"],
        "dead letters": figures["dead_letters"],
        "memory, second and last quarter": f"{figures['memory_mb_second_quarter']:.0f} MB, "
        f"{figures['memory_mb_last_quarter']:.0f} MB",
        "chunks the replay was behind, second and last quarter": f"{figures['lag_chunks_second_quarter']:.0f}, "
        f"{figures['lag_chunks_last_quarter']:.0f}",
        "what nothing explains": len(soak.faults_found),
    }
    machine = f"{os.cpu_count()} cores, {platform.machine()}, CPython {platform.python_version()}"
    words = f"--devices {options.devices} --speed {options.speed:g} --hours {options.hours:g}"
    return "\n".join(
        [
            "# A day of a fleet",
            "",
            f"Written by `python -m tests.e2e.soak {words} --report FILE --plot FILE`; `tests/e2e/soak.py` says",
            "what is done and how it is judged.",
            f"Bridge, fleet, broker and the stand-in for Segment on one machine: {machine}.",
            "",
            "| figure | |",
            "|---|---|",
            *(
                f"| {name} | {value:,} |" if isinstance(value, int) else f"| {name} | {value} |"
                for name, value in rows.items()
            ),
            "",
            "![Memory, lag, queue and messages over the run](../images/soak.png)",
            "",
            *(f"- {words}" for words in soak.faults_found),
        ]
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.soak", allow_abbrev=False)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--speed", type=float, default=50.0)
    parser.add_argument("--hours", type=float, default=24.0, help="of simulated time")
    parser.add_argument("--report", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="pixeltrail-soak-") as folder:
        soak = run(
            Path(folder),
            devices=options.devices,
            seconds=options.hours * 3600 / options.speed,
            speed=options.speed,
            say=lambda one: print({name: round(value, 1) for name, value in one.items()}, file=sys.stderr),
        )
    text = report(soak, options)
    print(text)
    if options.report:
        options.report.write_text(text.rstrip() + "\n")
    if options.plot:
        from .soak_plot import draw

        draw(soak.samples).save(options.plot)
    return 1 if soak.faults_found else 0


if __name__ == "__main__":
    sys.exit(main())
