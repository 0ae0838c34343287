"""`pixeltrail sim`: a board's own main.py on this machine, its hardware imitated, and a page that shows it live."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import LocalError
from . import fleet
from .demo import Data, Port, Seconds, local_settings, settle, summarize, wait
from .options import broker_address

if TYPE_CHECKING:
    from ..boards.catalogue import Board
    from ..simulate import SimulatedBoard

_LOOPBACK = "127.0.0.1"


def run(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[BOARD]", help="Name of a board, or the path of its folder.", show_default=False
        ),
    ] = None,
    broker: Annotated[
        str | None,
        typer.Option(
            "--broker",
            metavar="mqtt://HOST:PORT",
            help="Send there; no bridge is started.",
            show_default=False,
        ),
    ] = None,
    device_id: Annotated[
        str | None,
        typer.Option("--device-id", help="ID of the device; sim-BOARD unless given.", show_default=False),
    ] = None,
    seconds: Seconds = None,
    data: Data = None,
    port: Port = 0,
    devices: fleet.Devices = None,
    script: fleet.Scripts = None,
    speed: fleet.Speed = 1.0,
    idle: fleet.Idle = 0.8,
    fault: fleet.FaultsOption = None,
    seed: fleet.Seed = 1,
    prefix: fleet.Prefix = "sim",
    report: fleet.Report = None,
) -> None:
    """Run a board's main.py, unchanged, on imitated hardware, and show it in a page. Ctrl-C ends it.

    With --devices, a fleet that plays recordings instead: for load, and to see what an operator would see.
    """
    import asyncio
    import tempfile

    from ..boards.catalogue import find_board

    if (name is None) == (devices is None):
        raise LocalError(
            "name a board to simulate, or say --devices N for a fleet; `pixeltrail boards` lists boards"
        )
    if name is None:
        assert devices is not None
        options = fleet.Options(devices, script, speed, idle, fault, seed, prefix, report)
        with ExitStack() as stack:
            folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pixeltrail-sim-")))
            fleet.simulate(options, broker, folder.absolute(), port, seconds)
        return
    board = find_board(name)
    device = device_id or f"sim-{board.id}"
    with ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pixeltrail-sim-")))
        folder.mkdir(parents=True, exist_ok=True)
        asyncio.run(_run(board, device, folder.absolute(), broker, seconds, port))


async def _run(
    board: Board, device_id: str, folder: Path, broker: str | None, seconds: float | None, port: int
) -> None:
    from ..app import Bridge, set_up_logging, until_signal
    from ..simulate import PtyPair

    with ExitStack() as stack:
        ended = stack.enter_context(until_signal())
        if broker is not None:
            host, number = _address(board, broker)
            with _start(board, device_id, folder, host, number, None) as running:
                print(f"{board.name} is {device_id} on {broker}. Ctrl-C ends it.", flush=True)
                await wait(ended, [running], seconds, folder)
            return
        line = stack.enter_context(PtyPair())
        settings = local_settings(folder, port)
        settings = replace(settings, serial=replace(settings.serial, ports=(line.host_path,)))
        set_up_logging(settings.bridge)
        async with Bridge(settings) as bridge:
            line_used = line if _is_serial(board) else None
            running = stack.enter_context(
                _start(board, device_id, folder, _LOOPBACK, bridge.mqtt_port or 0, line_used)
            )
            print(f"\n{board.name}, live: {bridge.page_url()}\n\nRecordings: {folder}\n", flush=True)
            await wait(ended, [running], seconds, folder)
            running.stop()
            await settle(bridge, ended)
            summarize(bridge)


def _is_serial(board: Board) -> bool:
    return board.link == "serial"


def _address(board: Board, broker: str) -> tuple[str, int]:
    found = broker_address(broker)
    if _is_serial(board):
        raise LocalError(
            f"--broker: {board.id} has a serial line; leave it out, and a bridge is started for it"
        )
    return found


def _start(board: Board, device_id: str, folder: Path, host: str, port: int, line: Any) -> SimulatedBoard:
    from ..boards.imitation import imitate
    from ..simulate import spawn_board

    log = folder / f"{device_id}.log"
    if board.is_simulated:
        url = f"serial://{line.device_path}" if line is not None else f"mqtt://{host}:{port}"
        return spawn_board(board.id, url, device_id, output=log)
    settings = {"broker": host, "port": port, "device_id": device_id}
    return imitate(board, folder / "flash", settings, output=log, line=line)
