"""A page of Markdown about a run."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Sequence
from statistics import median

from .killer import Fault
from .rig import VIEWERS, WORKERS
from .verdict import Verdict


def report(verdict: Verdict, options: argparse.Namespace, load: tuple[float, float, float]) -> str:
    figures = verdict.figures
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, CPython {platform.python_version()}"
    words = f"--devices {options.devices} --boards {options.boards} --minutes {options.minutes:g} --seed {options.seed}"
    rows = {
        "lost": len(verdict.lost),
        "doubled": len(verdict.doubled),
        "out of order at the stand-in for Segment": len(verdict.disordered),
        "calls or chunks that wait for ever": len(verdict.stuck),
        "what nothing explains": len(verdict.unexplained),
        "faults": len(verdict.faults),
        "minutes of faults": round(figures["seconds"] / 60, 1),
        "simulated devices, which send recorded chunks": figures["devices"],
        "boards with the real encoder (MicroPython)": figures["boards"],
        "chunks made and confirmed, without the boards'": f"{figures['chunks_made']:,}, {figures['chunks_acked']:,}",
        "chunks stored, with the boards'": figures["chunks_stored"],
        "times a device went back to send again": figures["resends"],
        "chunks that came when they were there already": figures["duplicates_refused"],
        "calls in chunks, and events delivered": f"{figures['calls']:,}, {figures['events_delivered']:,}",
        "gaps, all told by devices whose outbox was full": figures["gaps"],
        "sessions, and how many were packed into objects": f"{figures['sessions']:,}, {figures['packed']:,}",
        "devices whose picture was the same on all pages": figures["pictures_compared"],
        "times that open pages connected": figures["page_connections"],
    }
    table = [
        f"| {name} | {value:,} |" if isinstance(value, int) else f"| {name} | {value} |"
        for name, value in rows.items()
    ]
    return "\n".join(
        [
            "# A cluster, broken at random",
            "",
            f"Written by `python -m tests.cluster {words} --report FILE`; `tests/cluster/` says what is",
            "done (`killer.py`) and how it is judged (`verdict.py`).",
            "",
            f"Three NATS servers, {WORKERS} workers, {VIEWERS} viewer nodes, PostgreSQL, objects (moto), the stand-in",
            "for Segment, all devices and the links between them share one machine, which did other work too",
            f"(load {load[0]:.0f} at the end), so the times say how it went there and no more: {machine}.",
            "",
            "| figure | |",
            "|---|---|",
            *table,
            "",
            "A kill is SIGKILL; the process is started again at once or up to 4 s later. A link is cut or stalled for",
            "up to 8 s. Well again: everything that all simulated devices had made until the fault ended was confirmed",
            "to them. The time counts from the fault's beginning, with the start of processes and what earlier faults",
            "had left behind. One fault in four overlaps with the next. A worker that is stopped (SIGSTOP) stands",
            "still for up to 30 s and then goes on; one that is cut off reaches no NATS server for as long; a",
            "connection is one on which a node writes, ended by the server.",
            "",
            "| fault | times | lasted, median s | well again after, median s | 95 % | longest |",
            "|---|---|---|---|---|---|",
            *_by_kind(verdict.faults),
            "",
        ]
    )


def _by_kind(faults: Sequence[Fault]) -> list[str]:
    rows = []
    for kind in sorted({one.kind for one in faults}):
        some = [one for one in faults if one.kind == kind]
        times = sorted(one.recovery_s for one in some)
        lasted = median(one.lasted_s for one in some)
        p95 = times[int(len(times) * 0.95)]
        rows.append(
            f"| {kind} | {len(some)} | {lasted:.1f} | {median(times):.1f} | {p95:.1f} | {times[-1]:.1f} |"
        )
    return rows
