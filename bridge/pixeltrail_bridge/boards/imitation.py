"""A board's own main.py, unchanged, on this machine: its display, pins, network and heap are imitated.

The files that `pixeltrail flash` would copy lie in a folder that stands for the board's flash, beside settings.json and
emulation.json, which tells the stand-ins of boards/sim/hardware what is wired to the board and what a person does. A
file that a stand-in replaces is not copied. MicroPython's unix port runs main.py there; a board that runs Linux gets
CPython, with the stand-ins of boards/sim/linux.

Objects and code of the 64-bit port take about twice the room of a microcontroller's, and it compiles the library from
source on start, so its heap is twice the board's and what compiling takes. tests/boards runs the boards on 32 bits with
their own heap.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..simulate import PtyPair, SimulatedBoard, boards_folder, launch, library_path, micropython_path
from .catalogue import Board, BoardError

_COMPILING_KB: Final = 700
HARDWARE: Final = Path("sim", "hardware")
LINUX: Final = Path("sim", "linux")


def emulated_heap_kb(board: Board) -> int:
    return 2 * board.heap_kb + _COMPILING_KB


def prepare(board: Board, folder: Path, settings: Mapping[str, Any], dump: Path | None = None) -> None:
    """Fill the folder that stands for the board's flash."""
    about = emulation(board, dump)
    folder.mkdir(parents=True, exist_ok=True)
    stand_ins = boards_folder() / (HARDWARE if board.heap_kb else LINUX)
    for path in board.files():
        if not (stand_ins / path.name).exists():
            shutil.copy(path, folder / path.name)
    (folder / "settings.json").write_text(
        json.dumps(dict.fromkeys(board.flash.settings, "") | dict(settings))
    )
    (folder / "emulation.json").write_text(json.dumps(about))


def emulation(board: Board, dump: Path | None = None) -> dict[str, Any]:
    """What the stand-ins need to know."""
    given = board.emulation
    if given is None:
        raise BoardError(
            f"board {board.id!r} cannot be imitated: {board.folder}/board.toml has no table [emulation] with its chips"
        )
    return {
        "name": board.id,
        "mhz": board.mhz,
        "width": board.display.width,
        "height": board.display.height,
        "chips": given.get("chips", []),
        "person": given.get("person", []),
        "adc": given.get("adc", {}),
        "dump": str(dump) if dump is not None else None,
    }


def command(board: Board) -> tuple[list[str], dict[str, str]]:
    """What runs main.py of the current folder, and its environment."""
    if not board.heap_kb:  # a computer
        search = [str(boards_folder() / LINUX), str(library_path())]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(search)}
        return [sys.executable, "-u", "main.py"], environment
    search = [".frozen", str(boards_folder() / HARDWARE), str(library_path())]
    environment = {**os.environ, "MICROPYPATH": os.pathsep.join(search)}
    heap = f"heapsize={emulated_heap_kb(board)}k"
    return [str(micropython_path()), "-X", heap, "main.py"], environment


def imitate(
    board: Board,
    folder: Path,
    settings: Mapping[str, Any],
    *,
    dump: Path | None = None,
    output: Path | None = None,
    line: PtyPair | None = None,
) -> SimulatedBoard:
    """Start the board; leaving the `with` block of what it returns ends it, as pulling its plug would.

    `settings` are those of settings.json. With `line`, MicroPython's console is the device's end of that line, and what
    the board prints goes there too. `dump` gets every picture that its panel showed, in the panel's own format.
    """
    prepare(board, folder, settings, dump)
    words, environment = command(board)
    terminal = line.device_path if line is not None else None
    process = launch(words, environment, output, terminal=terminal, cwd=folder)
    return SimulatedBoard(board.id, str(settings.get("device_id", "")), process)
