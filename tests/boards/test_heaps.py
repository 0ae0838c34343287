"""On 32 bits a board's main.py runs in the board's own heap, with the library as it is copied there: compiled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pixeltrail_bridge.boards import size
from pixeltrail_bridge.boards.catalogue import Board, find_board
from pixeltrail_bridge.boards.imitation import HARDWARE, prepare
from pixeltrail_bridge.simulate import SimulatedBoard, boards_folder, launch

from tests.support import armhf, mpy
from tests.support.bridge_process import wait_until

from .imitations import DEVICE_ID, bridge_for, recorded

_FRAMES = 5


def stand_ins_bytes(folder: Path) -> int:
    """What the imitated hardware takes of the heap, which is no part of the board."""
    script = (
        "import gc; gc.collect(); n = gc.mem_alloc(); import machine; gc.collect(); print(gc.mem_alloc() - n)"
    )
    return int(armhf.run(script, search=(boards_folder() / HARDWARE,), cwd=folder))


def heap_bytes(board: Board, folder: Path) -> int:
    """The board's heap without the machine code that lies in it there, and outside of it here."""
    (kernels,) = (row.size_bytes for row in size.budget(board).rows if row.what == "its machine code")
    return board.heap_kb * 1024 - kernels + stand_ins_bytes(folder)


@pytest.mark.parametrize("name", ["pico-w-ssd1306", pytest.param("pico-2-w-st7789", marks=pytest.mark.slow)])
def test_main_runs_in_the_heap_of_its_board(name: str, tmp_path: Path) -> None:
    board = find_board(name)
    flash = tmp_path / "flash"
    with bridge_for(board, tmp_path) as (bridge, line):
        settings = {"broker": "127.0.0.1", "port": bridge.mqtt_port or 0, "device_id": DEVICE_ID}
        prepare(board, flash, settings)
        search = [".frozen", str(boards_folder() / HARDWARE), str(mpy.tree(board.architecture))]
        process = launch(
            armhf.command("main.py", heap=f"{heap_bytes(board, flash)}"),
            {"MICROPYPATH": os.pathsep.join(search)},
            tmp_path / "log",
            terminal=line.device_path if line is not None else None,
            cwd=flash,
        )
        with SimulatedBoard(board.id, DEVICE_ID, process) as running:

            def has_recorded() -> bool:
                assert running.running, (tmp_path / "log").read_text()
                return len(recorded(bridge.store)) >= _FRAMES

            wait_until(has_recorded, f"{_FRAMES} frames arrived", 100)
