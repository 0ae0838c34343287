"""Runs scripts on 32-bit MicroPython, and counts the instructions they execute.

Debian's MicroPython for armhf runs real Thumb-2 code under qemu-user. A count is exact: the same script gives the same
number on any host, under any load. What it says holds for viper, native code and bytecode on a microcontroller too. It
does not hold for C built-ins, which come from another libc here, and a call from Python into viper costs twice as much
as there. 64-bit timings say nothing about either.

tests/firmware/armhf/setup makes the folder; `./dev test` and `./dev bench insn` run it.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .micropython import FIRMWARE
from .requirements import ROOT, MissingTool, require

LAUNCHER = ROOT / "tests" / "firmware" / "armhf" / "launch.py"
FOLDER = ROOT / ".venv" / "armhf"
# Start-up, import and compilation are in both runs and cancel out; so do the arguments, if they are equally long.
FEW, STEP = 10, 10


def _root() -> Path:
    if not (FOLDER / "version").is_file():
        raise MissingTool(
            f"32-bit MicroPython is missing in {FOLDER.relative_to(ROOT)}; ./dev test fetches it."
        )
    return FOLDER / "root"


def command(*args: str | Path, heap: str | None = None, plugin: Path | None = None) -> list[str]:
    """The command line for `args`; `heap` is a size as `-X heapsize` takes it: "180k", "2m"."""
    root = _root()
    plugins = ["-plugin", str(plugin)] if plugin else []
    options = ["-X", f"heapsize={heap}"] if heap else []
    program = [str(require("qemu-arm")), *plugins, "-L", str(root), str(root / "usr/bin/micropython")]
    return [*program, *options, *map(str, args)]


def run(
    script: str | Path,
    *args: str | Path,
    heap: str | None = None,
    search: Sequence[Path] = (FIRMWARE,),
    timeout_s: float = 100,
    cwd: Path | None = None,
) -> str:
    """As micropython.run: a file (a Path) or source text (a str); returns what it printed, or raises RuntimeError."""
    where = [LAUNCHER, script] if isinstance(script, Path) else ["-c", script]
    return _finish(command(*where, *args, heap=heap), search, timeout_s, cwd)


def count(
    script: Path,
    *args: str | int | Path,
    heap: str | None = None,
    search: Sequence[Path] = (FIRMWARE,),
    timeout_s: float = 100,
) -> int:
    """The instructions of a whole run."""
    with tempfile.TemporaryDirectory() as folder:
        counted = Path(folder) / "count"
        plugin = FOLDER / "libinsn.so"
        line = command(LAUNCHER, script, *map(str, args), heap=heap, plugin=plugin)
        _finish(line, search, timeout_s, None, {"INSN_OUT": str(counted)})
        return int(counted.read_text())


def count_each(
    script: Path,
    *args: str | int | Path,
    heap: str | None = None,
    search: Sequence[Path] = (FIRMWARE,),
    few: int = FEW,
    step: int = STEP,
) -> int:
    """The instructions of one repetition. The script takes how many to run as its last argument."""
    less = count(script, *args, few, heap=heap, search=search)
    more = count(script, *args, few + step, heap=heap, search=search)
    return round((more - less) / step)


def _finish(
    line: list[str],
    search: Sequence[Path],
    timeout_s: float,
    cwd: Path | None,
    extra: dict[str, str] | None = None,
) -> str:
    folders = os.pathsep.join([".frozen", *map(str, search)])
    done = subprocess.run(
        line,
        env={"MICROPYPATH": folders, **(extra or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    if done.returncode:
        raise RuntimeError(f"32-bit MicroPython ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout
