"""`pixeltrail size`: what a recorder takes of a board's memory, whether it fits, and what to change if not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from .boards import BoardArgument
from .options import JsonOption, print_table

if TYPE_CHECKING:
    from ..boards.size import Budget

_VERDICTS = {
    "fits": "It fits.",
    "tight": "It is tight: an app of some size, or a heap in pieces, will run out.",
    "does not fit": "It does not fit.",
}


def run(
    name: BoardArgument,
    link: Annotated[
        str | None,
        typer.Option(
            "--link", metavar="serial|mqtt|mqtts", help="Another link than the board's.", show_default=False
        ),
    ] = None,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="With the library frozen into the firmware.")
    ] = False,
    as_json: JsonOption = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As a table for the board's README.")] = False,
) -> None:
    """Compute the memory that recording takes on a board, from what was measured on 32 bits."""
    from dataclasses import replace

    from ..boards import size
    from ..boards.catalogue import LINKS, BoardError, find_board

    board = find_board(name)
    plan = size.plan_of(board)
    if link is not None and link not in LINKS:
        raise BoardError(f"--link must be one of {', '.join(LINKS)}, got {link!r}")
    found = size.budget(board, replace(plan, link=link or plan.link, is_frozen=frozen or plan.is_frozen))
    if as_json:
        print(json.dumps(size.as_json(found)))
    elif markdown:
        print(size.as_markdown(found), end="")
    else:
        _show(found)


def _show(found: Budget) -> None:
    from ..boards import size

    rows = [[row.what, f"{row.size_bytes:,}", row.note] for row in found.rows]
    rows.append(["together", f"{found.used_bytes:,}", f"of {found.heap_bytes:,} that Python has"])
    rows.append(["left", f"{found.left_bytes:,}", "for the driver, the app and what it allocates"])
    if found.flash_bytes:
        rows.append(["files in flash", f"{found.flash_bytes:,}", f"of {found.board.files_kb * 1024:,}"])
    print_table(("RAM", "Bytes", ""), rows, numbers={"Bytes"})
    print(_VERDICTS[found.verdict])
    if found.verdict != "fits":
        print("What would make room:")
        for row in size.remedies(found):
            print(f"  {row.size_bytes:>8,} bytes: {row.what}")
