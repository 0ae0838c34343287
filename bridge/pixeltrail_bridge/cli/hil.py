"""`pixeltrail hil`: the scenario suite on a board at a port, or on `sim`, and its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import LocalError
from .options import print_table

_DEFAULT_BOARD = "pico-w-ssd1306"


def run(
    name: Annotated[
        str, typer.Argument(metavar="[BOARD]", help="The board, whose display is recorded.")
    ] = _DEFAULT_BOARD,
    device: Annotated[
        str, typer.Option("--device", metavar="PORT|sim", help="Serial port of the board; sim needs none.")
    ] = "sim",
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario", help="Only this one; may be repeated. All unless given.", show_default=False
        ),
    ] = None,
    broker: Annotated[
        str | None,
        typer.Option(
            "--broker",
            metavar="HOST",
            help="Over MQTT: this machine's address as the board sees it. Without it, over the port.",
            show_default=False,
        ),
    ] = None,
    wifi: Annotated[
        Path | None,
        typer.Option(
            "--wifi",
            help="JSON file with wifi and password, for a board that joins a network.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    frames: Annotated[
        int | None, typer.Option("--frames", help="Pictures of the long run.", min=20, show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for report.json, report.md and report.html.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Run the scenarios on a board, and report what it measured."""
    import tempfile
    from dataclasses import replace

    from ..boards.catalogue import find_board
    from ..hil import report, runner, suite
    from ..hil.scenarios import SCENARIOS

    board = find_board(name)
    if not board.heap_kb:
        raise LocalError(f"{name} runs no MicroPython; hil is for boards that do")
    chosen = runner.only(scenario or [], SCENARIOS)
    if frames is not None:
        chosen = [replace(one, frames=frames) if one.name == "long run" else one for one in chosen]
    _set_up_logging()
    say = (lambda line: None) if as_json else (lambda line: print(line, flush=True))
    with tempfile.TemporaryDirectory(prefix="pixeltrail-hil-") as folder:
        found = suite.run_suite(board, device, chosen, Path(folder), _link(broker, wifi), say)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "report.json").write_text(report.as_json(found))
        (out / "report.md").write_text(report.as_markdown(found))
        (out / "report.html").write_text(report.as_html(found))
    if as_json:
        print(report.as_json(found), end="")
    else:
        print()
        print_table(report.HEADS, report.rows(found), numbers=report.HEADS[2:])
        print(report.origin(found).replace("*", ""))
        if out is not None:
            print(f"Report: {(out / 'report.html').absolute()}")
    if not found.passed:
        raise typer.Exit(1)


def _link(broker: str | None, wifi: Path | None) -> dict[str, Any]:
    import json

    if broker is None:
        return {}
    link: dict[str, Any] = {"broker": broker}
    if wifi is not None:
        try:
            given = json.loads(wifi.read_text())
            link |= {"wifi": given["wifi"], "password": given["password"]}
        except (ValueError, KeyError, TypeError) as error:
            raise LocalError(f"--wifi {wifi}: must be JSON with wifi and password: {error}") from None
    return link


def _set_up_logging() -> None:
    from ..app import set_up_logging
    from ..config.keeping import BridgeSettings

    set_up_logging(BridgeSettings(log_level="error"))
