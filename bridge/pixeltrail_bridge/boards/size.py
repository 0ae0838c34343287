"""What a recorder takes of a board's memory, and whether that fits.

Computed from costs.toml, measured on the 32-bit build, and from the formula of docs/codec.md for what depends on the
display. Compiled files lie in Python's heap; machine code does too, but for esp32, which keeps it in memory of its own.
Frozen code takes neither. What is left must hold the driver, the app and what it allocates.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from .catalogue import FORMATS, Board, BoardError, Display

COSTS: Final = Path(__file__).with_name("costs.toml")
TLS_BYTES: Final = 21_000
"""What TLS takes of the heap on rp2, in one piece (its sources); esp32 has it elsewhere."""
ROOM_BYTES: Final = 24 * 1024
"""What an app and its driver need at least, and a heap that is never quite full."""
REFERENCES: Final = 128
_REFERENCE_BYTES: Final = 8
_STRIP_PX: Final = 32
_NARROW_STRIP_PX: Final = 16
_NARROW_PX: Final = 160
_SMALL_FRAME_BYTES: Final = 8192
# By architecture: whose costs stand for it, and whether machine code lies in Python's heap.
_MEASURED_AS: Final = {"armv7m": "armv7emsp", "armv7emdp": "armv7emsp"}
_CODE_ELSEWHERE: Final = ("xtensawin", "rv32imc")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a recorder is used on a board."""

    display: Display
    architecture: str
    link: str
    is_frozen: bool = False
    references: int = REFERENCES
    outbox_bytes: int | None = None
    max_chunk: int = 1024


@dataclass(frozen=True, slots=True)
class Row:
    what: str
    size_bytes: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    board: Board
    plan: Plan
    rows: tuple[Row, ...]
    flash_bytes: int

    @property
    def used_bytes(self) -> int:
        return sum(row.size_bytes for row in self.rows)

    @property
    def heap_bytes(self) -> int:
        return self.board.heap_kb * 1024

    @property
    def left_bytes(self) -> int:
        return self.heap_bytes - self.used_bytes

    @property
    def verdict(self) -> str:
        """`fits`, `tight` or `does not fit`."""
        if self.left_bytes < 0:
            return "does not fit"
        return "fits" if self.left_bytes >= ROOM_BYTES else "tight"


@cache
def costs() -> dict[str, Any]:
    with COSTS.open("rb") as file:
        return tomllib.load(file)


def plan_of(board: Board) -> Plan:
    given = board.recorder
    return Plan(
        board.display,
        board.architecture,
        board.link,
        bool(given.get("frozen", False)),
        int(given.get("references", REFERENCES)),
        given.get("outbox_bytes"),
        int(given.get("max_chunk", 1024)),
    )


def budget(board: Board, plan: Plan | None = None) -> Budget:
    """Raises BoardError for a computer, where Python takes what it likes."""
    if not board.heap_kb or board.architecture == "none":
        raise BoardError(f"board {board.id!r} has no heap of a fixed size, so there is no budget to compute")
    plan = plan or plan_of(board)
    return Budget(board, plan, tuple(_rows(plan)), 0 if plan.is_frozen else flash_bytes(plan.architecture))


def flash_bytes(architecture: str) -> int:
    """The compiled library as files."""
    return int(costs()["files"][_MEASURED_AS.get(architecture, architecture)])


def encoder_bytes(display: Display, references: int = REFERENCES) -> int:
    """docs/codec.md, "RAM"."""
    is_paged = display.format == "MONO_VLSB"
    rows = (display.height + 7) // 8 if is_paged else display.height
    columns = -(-display.width // strip_px(display))
    is_mono = FORMATS[display.format] == 1
    is_565 = FORMATS[display.format] == 16
    hashes = 4 * rows * columns
    marks = columns * -(-rows // 8)
    states = 2230 if is_mono else 1084
    if is_mono:
        under_way = 2 * display.width + 20 + 4 * rows
    else:
        under_way = 544 + max((4 if is_565 else 6) * (display.width + 4), 4 * rows)
    return hashes + marks + 120 + _REFERENCE_BYTES * references + states + under_way + 1450


def strip_px(display: Display) -> int:
    is_narrow = display.width <= _NARROW_PX or display.format == "MONO_VLSB"
    return _NARROW_STRIP_PX if is_narrow else _STRIP_PX


def _rows(plan: Plan) -> list[Row]:
    table, display = costs(), plan.display
    class_ = f"{display.format}_{'narrow' if strip_px(display) == _NARROW_STRIP_PX else 'wide'}"
    frame = display.frame_bytes if display.has_buffer else 2 * display.width * display.height
    outbox = plan.outbox_bytes or default_outbox(display.frame_bytes, plan.max_chunk)
    rows = [
        Row(
            "frame" if display.has_buffer else "shadow of the picture",
            frame,
            "the app's own" if display.has_buffer else "",
        )
    ]
    if not plan.is_frozen:
        code = table["code"][class_] + table["link"][plan.link]
        rows.append(Row("library, compiled files", code))
        kernels = table["kernels"][_MEASURED_AS.get(plan.architecture, plan.architecture)][class_]
        if plan.architecture in _CODE_ELSEWHERE:
            rows.append(Row("its machine code", 0, f"{kernels:,} B outside of Python's heap"))
        else:
            rows.append(Row("its machine code", kernels))
    rows += [
        Row("encoder", encoder_bytes(display, plan.references)),
        Row("recorder", table["data"]["recorder"]),
        Row("outbox", outbox + table["data"]["outbox"]),
        Row(f"link, {plan.link}", table["data"][plan.link]),
    ]
    if plan.link == "mqtts" and plan.architecture not in _CODE_ELSEWHERE:
        rows.append(Row("TLS of the port", TLS_BYTES, "in one piece"))
    return rows


def default_outbox(frame_bytes: int, max_chunk: int = 1024) -> int:
    """As the device library chooses it."""
    return max(4096 if frame_bytes <= _SMALL_FRAME_BYTES else 16_384, 4 * max_chunk)


def remedies(found: Budget) -> list[Row]:
    """What would make room, and how much; the largest first."""
    plan, board = found.plan, found.board
    tries = {}
    if not plan.is_frozen:
        tries["freeze the library into the firmware (firmware/manifest.py)"] = replace(plan, is_frozen=True)
    if plan.link != "serial":
        tries["serial in place of MQTT"] = replace(plan, link="serial")
    if FORMATS[plan.display.format] == 16:
        small = replace(plan.display, format="GS4_HMSB", has_buffer=True)
        tries["a frame of 4 bits and a table of colours, as nano-gui's drivers have"] = replace(
            plan, display=small
        )
    if plan.references:
        tries["references = 0, for about 2 % more bytes on the line"] = replace(plan, references=0)
    if (plan.outbox_bytes or default_outbox(plan.display.frame_bytes)) > 8192:
        tries["outbox_bytes = 8192"] = replace(plan, outbox_bytes=8192)
    saved = [Row(what, found.used_bytes - budget(board, other).used_bytes) for what, other in tries.items()]
    return sorted((row for row in saved if row.size_bytes > 0), key=lambda row: -row.size_bytes)


def as_markdown(found: Budget) -> str:
    """The table of a board's README."""
    lines = ["| RAM | bytes | |", "|---|---:|---|"]
    lines += [f"| {row.what} | {row.size_bytes:,} | {row.note} |" for row in found.rows]
    lines.append(f"| together | {found.used_bytes:,} | of {found.heap_bytes:,} that Python has |")
    lines.append(f"| left for driver and app | {found.left_bytes:,} | {found.verdict} |")
    if found.flash_bytes:
        lines.append(f"| files in flash | {found.flash_bytes:,} | of {found.board.files_kb * 1024:,} |")
    return "\n".join(lines) + "\n"


def as_json(found: Budget) -> dict[str, Any]:
    return {
        "board": found.board.id,
        "rows": [{"what": row.what, "bytes": row.size_bytes, "note": row.note} for row in found.rows],
        "used_bytes": found.used_bytes,
        "heap_bytes": found.heap_bytes,
        "left_bytes": found.left_bytes,
        "flash_bytes": found.flash_bytes,
        "verdict": found.verdict,
        "remedies": [{"what": row.what, "saves_bytes": row.size_bytes} for row in remedies(found)],
    }
