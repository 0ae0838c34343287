"""One run of a target: a process of libFuzzer with its limits, and then the lines that its inputs reach."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import targets

ROOT: Final = Path(__file__).resolve().parents[2]
# For one input. Time is for what never ends, not for what is slow: a machine may be busy.
_MOST_SECONDS: Final = 60
_MOST_MEMORY_MB: Final = 1_024
_STATUS = re.compile(r"^#(\d+)\t.*?\bcov: (\d+)", re.M)
_PEAK = re.compile(r"^stat::peak_rss_mb:\s+(\d+)", re.M)


@dataclass(frozen=True, slots=True)
class Limit:
    """Of a whole run, one of both."""

    runs: int | None = None
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """`edges` as libFuzzer counts them; `lines` of the decoder's functions, of `of_lines`. `found`: files."""

    target: str
    executions: int
    seconds: float
    edges: int
    inputs: int
    peak_mb: int
    lines: int
    of_lines: int
    missed: dict[str, list[int]]
    found: list[str]
    log: str = ""


def fuzz(name: str, limit: Limit, corpus: Path, seed: int = 1, blind: bool = False) -> Outcome:
    """Fuzz a target in a process of its own. `corpus` gets `inputs` and `found`."""
    inputs, found = corpus / "inputs", corpus / "found"
    inputs.mkdir(parents=True, exist_ok=True)
    found.mkdir(exist_ok=True)
    options = [f"-seed={seed}", f"-max_len={targets.load(name).MAX_BYTES}", f"-timeout={_MOST_SECONDS}"]
    options += [f"-rss_limit_mb={_MOST_MEMORY_MB}", "-print_final_stats=1", f"-artifact_prefix={found}/"]
    options += [f"-runs={limit.runs}" if limit.runs else f"-max_total_time={limit.seconds}"]
    with tempfile.TemporaryDirectory(prefix="pixeltrail-fuzz-seeds-") as seeds:
        for data in targets.all_seeds(name):
            (Path(seeds) / hashlib.blake2b(data, digest_size=8).hexdigest()).write_bytes(data)
        begun = time.monotonic()
        log = _python("worker", *["--blind"] * blind, name, *options, str(inputs), seeds)
        seconds = time.monotonic() - begun
        files = sorted(str(path) for path in found.iterdir())
        told = _STATUS.findall(log)
        if not files and "Done " not in log:
            raise RuntimeError(f"the fuzzer ended early:\n{log[-4_000:]}")
        reached = {"lines": 0, "of": 0, "missed": {}}
        if not files:
            reached = json.loads(_python("lines", name, str(inputs), seeds))
    executions, edges = (int(number) for number in told[-1]) if told else (0, 0)
    peak = _PEAK.search(log)
    return Outcome(
        name,
        executions,
        round(seconds, 1),
        edges,
        len(list(inputs.iterdir())),
        int(peak[1]) if peak else 0,
        reached["lines"],
        reached["of"],
        reached["missed"],
        files,
        log[-4_000:] if files else "",
    )


def _python(module: str, *arguments: str) -> str:
    """What a module of ours printed, errors too: libFuzzer says all there."""
    done = subprocess.run(
        [sys.executable, "-m", f"{__package__}.{module}", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return done.stdout
