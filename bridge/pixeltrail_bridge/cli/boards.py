"""`pixeltrail boards`: what boards there are, and what one is made of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import JsonOption, print_table

if TYPE_CHECKING:
    from ..boards.catalogue import Board

_HEADS = ("Board", "What it is", "Chip", "Display", "Link", "Flashed by")

BoardArgument = Annotated[
    str,
    typer.Argument(metavar="BOARD", help="Name of a board, or the path of its folder.", show_default=False),
]


def run(
    name: Annotated[
        str | None, typer.Argument(metavar="[BOARD]", help="Show this one in detail.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the boards, or show what board.toml says of one."""
    from ..boards.catalogue import all_boards, find_board

    found = all_boards() if name is None else [find_board(name)]
    if as_json:
        for board in found:
            print(json.dumps(_facts(board)))
    elif name is None:
        print_table(_HEADS, [_cells(board) for board in found])
    else:
        for what, value in _details(found[0]):
            print(f"{what:<14}{value}")


def _display(board: Board) -> str:
    at = board.display
    return f"{at.width}x{at.height} {at.format}"


def _cells(board: Board) -> list[str]:
    method = "" if board.is_simulated or board.flash.method == "none" else board.flash.method
    return [
        board.id,
        board.name,
        board.chip.partition(":")[0],
        _display(board),
        board.link.partition(";")[0],
        method,
    ]


def _details(board: Board) -> list[tuple[str, Any]]:
    at = board.display
    rows: list[tuple[str, Any]] = [
        ("board", board.id),
        ("what it is", board.name),
        ("chip", board.chip),
        ("display", f"{_display(board)}, {at.frame_bytes:,} bytes, {at.driver}"),
        ("input", board.input),
        ("link", board.link),
        ("MicroPython", board.micropython),
    ]
    if board.heap_kb:
        rows.append(("memory", f"{board.ram_kb} KB, {board.heap_kb} KB of it for Python"))
    rows += [("pin", f"{pin}: {what}") for what, pin in board.pins.items()]
    if board.usb_running:
        rows.append(("USB ID", ", ".join(board.usb_running)))
    if board.flash.firmware:
        rows.append(("firmware", board.flash.firmware))
    rows.append(("folder", board.folder))
    return rows


def _facts(board: Board) -> dict[str, Any]:
    at = board.display
    return {
        "board": board.id,
        "name": board.name,
        "chip": board.chip,
        "display": {"width": at.width, "height": at.height, "format": at.format, "driver": at.driver},
        "input": board.input,
        "link": board.link,
        "micropython": board.micropython,
        "ram_kb": board.ram_kb,
        "heap_kb": board.heap_kb,
        "pins": board.pins,
        "usb": [*board.usb_running, *board.usb_loader],
        "flash": {"method": board.flash.method, "firmware": board.flash.firmware},
        "simulated": board.is_simulated,
        "folder": str(board.folder),
    }
