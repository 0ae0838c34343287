"""The longest steps of a recorder on 32 bits, in instructions: `python -m tests.firmware.armhf.steps` prints the table.

`max_step_ms` is 5 ms when nothing else is set, 500,000 instructions of a processor that executes 100 of them in a
microsecond, and such a one is the recorder's clock here (steps.c). device/steps.py has the scenarios.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import subprocess
import tempfile
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.firmware.armhf import brokers
from tests.firmware.armhf.measures import PANELS, PARTS, SCRIPTS
from tests.support import armhf, mpy
from tests.support.requirements import require

COMMAND = "python -m tests.firmware.armhf.steps"
STEP = 500_000
SCENARIOS = (
    "idle",
    "animation",
    "keyframe",
    "scrolling",
    "calls",
    "outbox_full",
    "serial_host_gone",
    "sessions",
    "opt_out",
    "opt_out_of_much",
    "broker_gone",
    "unresponsive_socket",
    "dns_hanging",
    "tls_stalled",
    "tls",
    "spool_full",
    "spool_failing",
    "heap_used_up",
)
_HEAP = {"rgb565_320x240": "1m", "mono_128x64": "400k"}
_ABOVE = """\
None is above 500,000 but an `exact` capture, which is as long as its frame, and a key exchange, which is as long as the
port's TLS makes it. The longest is a refresh of 320x240 in which each column of strips moved by another distance: its
hash pass tells of every strip, and the search for moves ends when its share of the refresh is spent.
"""
_EMPTY = 2
_KINDS = {3: "poll", 4: "refresh", 5: "call", 6: "first_poll", 7: "first_refresh", 9: "key_exchange"}


@dataclass(frozen=True, slots=True)
class Steps:
    """The longest step of each kind, without the marks around it; 0 where there was none."""

    poll: int = 0
    refresh: int = 0
    call: int = 0
    first_poll: int = 0
    """Before it first came to rest."""
    first_refresh: int = 0
    key_exchange: int = 0
    """A poll while `on_busy` said so, or that began it."""


@functools.cache
def _plugin() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="steps-"))
    plugin = folder / "libsteps.so"
    source = Path(__file__).with_name("steps.c")
    options = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra"]
    subprocess.run([require("gcc"), *options, "-o", plugin, source], check=True, timeout=60)
    return plugin


def measure(panel: str, scenario: str, is_exact: bool = False) -> Steps:
    with tempfile.TemporaryDirectory() as folder, _peer(scenario, Path(folder)) as port:
        out, clock = Path(folder) / "out", Path(folder) / "clock"
        clock.write_bytes(bytes(4096))
        size = map(str, (*PANELS[panel], int(is_exact), port))
        start = armhf.command(
            armhf.LAUNCHER,
            SCRIPTS / "steps.py",
            *size,
            scenario,
            folder,
            clock,
            heap=_HEAP[panel],
            plugin=_plugin(),
        )
        search = (mpy.tree("armv7m"), SCRIPTS, PARTS)
        done = subprocess.run(
            start,
            env={
                "MICROPYPATH": os.pathsep.join([".frozen", *map(str, search)]),
                "STEPS_OUT": str(out),
                "STEPS_CLOCK": str(clock),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode:
            raise RuntimeError(f"{scenario} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        lines = [list(map(int, line.split())) for line in out.read_text().splitlines()]
    marks = next(least for kind, least, _, _ in lines if kind == _EMPTY)
    return Steps(**{_KINDS[kind]: most - marks for kind, _, most, _ in lines if kind in _KINDS})


def _peer(scenario: str, folder: Path) -> AbstractContextManager[int]:
    """Whom the device talks to, as a port of this machine."""
    if scenario in ("unresponsive_socket", "tls_stalled"):
        return brokers.silent()
    if scenario == "dns_hanging":
        return brokers.silent_dns()
    return brokers.secure(folder) if scenario == "tls" else brokers.nobody()


def rows() -> dict[str, dict[str, Steps]]:
    """Display and scenario to steps. Where a capture is `exact`, the whole of it is in the refresh."""
    found = {panel: {scenario: measure(panel, scenario) for scenario in SCENARIOS} for panel in PANELS}
    for panel in PANELS:
        found[f"{panel}, exact"] = {name: measure(panel, name, True) for name in ("animation", "keyframe")}
    return found


def report() -> str:
    lines = [
        "# The longest steps of the recorder",
        "",
        "Instructions of 32-bit Arm code of the longest `poll()`, refresh and call in each scenario of",
        f"`tests/firmware/armhf/device/steps.py`, printed by `{COMMAND}`. {STEP:,} are the 5 ms of",
        "`max_step_ms` on a processor that executes 100 in a microsecond, which is the clock of these runs.",
        "*First* is before the recorder was first at rest. *Key exchange*: the polls of TLS that `on_busy` announces.",
        "",
        *_ABOVE.splitlines(),
        "",
        "| display | scenario | poll | refresh | call | first poll | first refresh | key exchange |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for panel, scenarios in rows().items():
        for scenario, steps in scenarios.items():
            numbers = " | ".join(f"{n:,}" if n else "" for n in dataclasses.astuple(steps))
            lines.append(f"| {panel} | {scenario.replace('_', ' ')} | {numbers} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())
