"""`pixeltrail flash`: put MicroPython, the library, settings and a board's app on it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import LocalError
from .boards import BoardArgument

if TYPE_CHECKING:
    from ..boards.catalogue import Board

_NUMBERS = {"port": int, "sample_rate": float}


def run(
    name: BoardArgument,
    port: Annotated[
        str | None,
        typer.Option("--port", "-p", help="Serial port; found by USB ID unless given.", show_default=False),
    ] = None,
    firmware: Annotated[
        Path | None,
        typer.Option(
            "--firmware",
            help="MicroPython's image, which you fetched; `pixeltrail boards BOARD` says from where. Without it "
            "MicroPython stays as it is.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    drive: Annotated[
        Path | None,
        typer.Option(
            "--drive", help="Where the loader's drive is mounted (UF2).", exists=True, show_default=False
        ),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            help="JSON file with the board's settings, passwords among them.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="One setting; may be repeated.", show_default=False),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "--file",
            help="One more file for the board, such as the authority's ca.pem; may be repeated.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print every step.")] = False,
) -> None:
    """Install MicroPython where --firmware is given, then library, settings and app."""
    import tempfile

    from ..boards import flashing
    from ..boards.catalogue import find_board

    board = find_board(name)
    values = _settings(board, settings, set_ or [], ask=not dry_run and sys.stdin.isatty(), dry=dry_run)
    job = flashing.Job(board, port, firmware, values, drive, tuple(files or ()))
    if dry_run:
        print("\n".join(flashing.dry_run(job)))
        return
    with tempfile.TemporaryDirectory(prefix="pixeltrail-flash-") as folder:
        flashing.Flasher(job, Path(folder), say=lambda line: print(line, flush=True), progress=_show).run()
    print(f"{board.name} is ready. Its app runs; `pixeltrail devices` lists it once it has reported.")


def _show(title: str, percent: float) -> None:
    if sys.stdout.isatty():
        print(f"\r    {percent:3.0f} % ", end="\n" if percent >= 100 else "", flush=True)


def _settings(board: Board, file: Path | None, given: list[str], *, ask: bool, dry: bool) -> dict[str, Any]:
    """settings.json of the board: from a file, from --set, and asked for where a person is there."""
    import json

    from ..boards import flashing

    values: dict[str, Any] = {}
    if file is not None:
        try:
            values = json.loads(file.read_text())
        except ValueError as error:
            raise LocalError(f"--settings {file}: {error}") from None
        if not isinstance(values, dict):
            raise LocalError(f"--settings {file}: must be an object of names and values")
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals:
            raise LocalError(f"--set must be NAME=VALUE, got {pair!r}")
        if name in flashing.SECRETS:
            raise LocalError(
                f"--set: {name} would stand in the list of processes; put it into --settings FILE"
            )
        values[name] = _NUMBERS.get(name, str)(value)
    if dry:
        return values
    for name in board.flash.settings:
        if name not in values and ask:
            values[name] = typer.prompt(name, default="", hide_input="password" in name, show_default=False)
    missing = [name for name in board.flash.settings if name not in values]
    if missing:
        raise LocalError(
            f"{board.id} needs the setting(s) {', '.join(missing)}: put them into a JSON file and give it with "
            "--settings FILE; an empty text leaves one out"
        )
    return values
