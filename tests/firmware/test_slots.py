"""No function of a step, a refresh or a call gets its frame from the heap (tests/support/bytecode.py says why)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.bytecode import MOST_SLOTS, functions
from tests.support.micropython import FIRMWARE
from tests.support.requirements import require

# Of each module, what runs once, rarely, or only where a thing is made or has failed.
RARE = {
    "announce": "__init__ _tell_refusals",
    "capture": "__init__",
    "cbor": "cut_text",
    "chunk": "__init__",
    "clock": "new_stream_id",
    "controls": "__init__ stop new_session opt_out mask unmask mark_dirty session_id replay_id _apply_opt_out",
    "engine": "__init__",
    "flash": "open purge",
    "link": "__init__",
    "masks": "settle outward _clip _outside",
    "message": "sync masks unknown_area read",
    "outbox": "purge count_run",
    "parts": "__init__",
    "recorder": "__init__ background crash flush stats",
    "sending": "__init__ _send_sync purge _of_newest",  # every 30 s, and on opt-out
    "streams": "begin kept",
    "taps/direct": "__init__ _on_block",  # its five arguments alone are more
    "taps/lvgl": "__init__",
    "transport/connection": "__init__ _step_secure",
    "transport/mqtt": "__init__ attach",
    "transport/serial": "<listcomp> write _write_piece open_terminal",
}
MODULES = (*RARE, "faults", "pacing", "session", "vitals")
STATIC = {
    17: "__init__",
    118: "open",
    125: "read",
    150: "stop",
    164: "write",
}  # names that every MicroPython knows by number


@pytest.mark.parametrize("module", MODULES)
def test_frames_lie_on_the_stack(module: str, tmp_path: Path) -> None:
    source, out = FIRMWARE / "pixeltrail" / f"{module}.py", tmp_path / "out.mpy"
    subprocess.run([require("mpy-cross"), "-O3", source, "-o", out], check=True)
    found = {_name(function.name): function.slots for function in functions(out.read_bytes())}
    assert len(found) > 3
    larger = {name for name, slots in found.items() if slots > MOST_SLOTS}
    assert larger <= set(RARE.get(module, "").split()), f"{larger}: more than {MOST_SLOTS} slots"


def _name(name: str) -> str:
    number = name.removeprefix("(static ").removesuffix(")")
    return STATIC.get(int(number), name) if number.isdigit() else name
