"""A whole run: on a port, or on a virtual board that is made for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from ..boards import ports
from ..boards.catalogue import Board
from ..boards.imitation import emulated_heap_kb, emulation
from ..boards.virtual import VirtualBoard
from ..simulate import library_path
from .report import Report
from .runner import Runner
from .scenarios import Scenario

SIM: Final = "sim"
_SCRIPT_KB: Final = 600  # of the scenario itself and what it counts


def run_suite(
    board: Board,
    device: str,
    scenarios: Sequence[Scenario],
    folder: Path,
    link: dict[str, Any],
    say: Callable[[str], None],
) -> Report:
    """`device`: a serial port, or "sim". `folder` gets the store, and a virtual board's flash."""
    with ExitStack() as stack:
        port = device
        if device == SIM:
            chip = folder / "chip"
            chip.mkdir(parents=True, exist_ok=True)
            (chip / "emulation.json").write_text(json.dumps(emulation(board)))
            heap = f"{emulated_heap_kb(board) + _SCRIPT_KB}k"
            port = stack.enter_context(VirtualBoard(chip, heap, [library_path()])).port
        else:
            ports.check_port(port)
        runner = Runner(board, port, folder / "bridge", link, say)
        results = []
        for scenario in scenarios:
            result = runner.run(scenario)
            say(f"{scenario.name}: {'passed' if result.passed else '; '.join(result.problems)}")
            results.append(result)
    display = board.display
    size = f"{display.width}x{display.height} {display.format}"
    return Report(
        board.name, device, "MQTT" if link.get("broker") else "the serial line", size, tuple(results)
    )
