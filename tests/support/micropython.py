"""Runs scripts on MicroPython's unix port.

The binary is a small CPython launcher around the port's shared library: one process, whose pid is the
port's own.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .requirements import ROOT, require

FIRMWARE = ROOT / "firmware"


def path() -> Path:
    return require("micropython")


def command(*args: str | Path, heap: str | None = None) -> list[str]:
    """The command line for `args`; `heap` is a size as `-X heapsize` takes it: "180k", "2m"."""
    options = ["-X", f"heapsize={heap}"] if heap else []
    return [str(path()), *options, *map(str, args)]


def environment(
    search: Sequence[Path] = (FIRMWARE,), extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """This process's environment, with `search` as MicroPython's import path after the frozen modules."""
    folders = os.pathsep.join([".frozen", *map(str, search)])
    return {**os.environ, "MICROPYPATH": folders, **(extra or {})}


def run(
    script: str | Path,
    *args: str | Path,
    heap: str | None = None,
    search: Sequence[Path] = (FIRMWARE,),
    timeout_s: float = 60,
    cwd: Path | None = None,
) -> str:
    """Run a file (a Path) or source text (a str) and return what it printed.

    A script that fails raises RuntimeError with all it printed: the port's tracebacks go to standard output.
    """
    where = [script] if isinstance(script, Path) else ["-c", script]
    done = subprocess.run(
        command(*where, *args, heap=heap),
        env=environment(search),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    if done.returncode:
        raise RuntimeError(f"micropython ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout
