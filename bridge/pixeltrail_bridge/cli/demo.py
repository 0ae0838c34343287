"""`pixeltrail demo`: the whole product on this machine, without hardware, account or settings.

Two simulated boards run: a thermostat over MQTT through the broker inside, and an OLED over a serial line made of
pseudo-terminals. Everything listens on loopback, on free ports, and nothing is left behind.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import LocalError
from .options import print_table

if TYPE_CHECKING:
    import asyncio

    from ..app import Bridge
    from ..config import Config
    from ..simulate import SimulatedBoard

_MQTT_BOARD, _MQTT_DEVICE = "sim", "demo-thermostat"
_SERIAL_BOARD, _SERIAL_DEVICE = "sim-oled", "demo-oled"
_MQTT_PLAYER, _SERIAL_PLAYER = "demo-mqtt-player", "demo-serial-player"
_SETTLE_S = 10.0  # for what is on its way when the boards have ended
_QUIET_S = 1.5  # longer than the projector keeps a summary to itself
_WATCH_S = 0.25
_COUNTS = (
    *("Frames", "Keyframes", "Mixed", "Skipped", "Refused", "Bytes"),
    *("Events delivered", "Waiting", "Gaps", "Dead letters"),
)

Seconds = Annotated[
    float | None,
    typer.Option("--for", help="End by itself after this many seconds.", min=1, show_default=False),
]
Play = Annotated[
    Path | None,
    typer.Option(
        "--play",
        metavar="FOLDER/NAME",
        help="Show a recorded sequence in place of the apps.",
        show_default=False,
    ),
]
Data = Annotated[
    Path | None, typer.Option("--data", help="Keep the recordings in this folder.", show_default=False)
]
Port = Annotated[int, typer.Option("--port", help="Port of the page; 0 takes a free one.", min=0, max=65535)]


def run(seconds: Seconds = None, play: Play = None, data: Data = None, port: Port = 0) -> None:
    """Show two simulated devices live in a page whose address is printed. Ctrl-C ends it."""
    import asyncio
    import tempfile

    sequence = _find_sequence(play) if play is not None else None
    with ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pixeltrail-demo-")))
        asyncio.run(_demo(folder.absolute(), seconds, sequence, port))


def _find_sequence(path: Path) -> Path:
    """The description of a recorded sequence, named with or without its ending."""
    found = path if path.suffix == ".json" else path.with_name(path.name + ".json")
    if not found.is_file():
        raise LocalError(f"--play {path}: there is no {found}; name a recorded sequence as FOLDER/NAME")
    return found.absolute()


async def _demo(folder: Path, seconds: float | None, sequence: Path | None, port: int) -> None:
    from ..app import Bridge, set_up_logging, until_signal
    from ..simulate import PtyPair

    with ExitStack() as stack:
        line = stack.enter_context(PtyPair())
        settings = local_settings(folder, port)
        settings = replace(settings, serial=replace(settings.serial, ports=(line.host_path,)))
        set_up_logging(settings.bridge)
        ended = stack.enter_context(until_signal())
        async with Bridge(settings) as bridge:
            boards = _spawn(stack, bridge, line.device_path, folder, sequence)
            _greet(bridge, folder, seconds)
            await wait(ended, boards, seconds, folder)
            for board in boards:
                board.stop()
            await settle(bridge, ended)
            summarize(bridge)


def local_settings(folder: Path, port: int) -> Config:
    """A bridge for this machine alone, with a broker on a free port, that says little; `port` is the page's."""
    from .. import config

    places = (f"bridge.data_dir={folder}", f"web.port={port}", "mqtt.port=0")
    return config.load(overrides=[*places, "bridge.log_level=warning"])


def _spawn(
    stack: ExitStack, bridge: Bridge, serial_path: str, folder: Path, sequence: Path | None
) -> list[SimulatedBoard]:
    from ..simulate import spawn_board

    # A recorded sequence needs the display of the first board, on either line
    boards = [(_MQTT_BOARD, _MQTT_DEVICE), (_SERIAL_BOARD, _SERIAL_DEVICE)]
    if sequence is not None:
        boards = [(_MQTT_BOARD, _MQTT_PLAYER), (_MQTT_BOARD, _SERIAL_PLAYER)]
    urls = [f"mqtt://127.0.0.1:{bridge.mqtt_port}", f"serial://{serial_path}"]
    return [
        stack.enter_context(
            spawn_board(
                name,
                url,
                device_id,
                play=sequence,
                pace=sequence is not None,
                loop=sequence is not None,
                output=folder / f"{device_id}.log",
            )
        )
        for (name, device_id), url in zip(boards, urls, strict=True)
    ]


def _greet(bridge: Bridge, folder: Path, seconds: float | None) -> None:
    end = f"It ends in {seconds:g} s." if seconds is not None else "Ctrl-C ends it."
    print(f"\nTwo simulated devices, live: {bridge.page_url()}\n\n{end} Recordings: {folder}\n", flush=True)


async def wait(
    ended: asyncio.Event, boards: list[SimulatedBoard], seconds: float | None, folder: Path
) -> None:
    """Until a signal comes, the time is over or a board has ended."""
    import asyncio
    from time import monotonic

    end_s = monotonic() + seconds if seconds is not None else float("inf")
    while not ended.is_set() and monotonic() < end_s:
        for board in boards:
            if not board.running:
                raise LocalError(
                    f"the simulated board {board.device_id} ended with {board.wait()}: "
                    f"{last_line(folder / f'{board.device_id}.log')}"
                )
        try:
            await asyncio.wait_for(ended.wait(), min(_WATCH_S, end_s - monotonic()))
        except TimeoutError:
            continue
    ended.clear()


def last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "it said nothing"


async def settle(bridge: Bridge, ended: asyncio.Event) -> None:
    """Until all that was recorded has gone out, for a while at most; a second Ctrl-C cuts it short."""
    import asyncio
    from time import monotonic

    end_s, quiet_s, before = monotonic() + _SETTLE_S, 0.0, None
    while monotonic() < end_s and not ended.is_set():
        health = await bridge.health()
        sinks = health["sinks"].values()
        now = (health["ingest"]["messages"], sum(sink["sent"] for sink in sinks))
        if now != before or health["ingest"]["queued"] or any(sink["pending"] for sink in sinks):
            quiet_s, before = monotonic(), now
        elif monotonic() - quiet_s >= _QUIET_S:
            return
        await asyncio.sleep(_WATCH_S)


def summarize(bridge: Bridge) -> None:
    from ..store import overview
    from ..web.queries import device_facts

    live = {device["id"]: device for device in bridge.hub.devices()}
    deliveries = overview.delivery_counts(bridge.store)
    rows = []
    for facts in device_facts(bridge.store):
        device_id = facts["device_id"]
        shown, sent, vitals = live.get(device_id, {}), deliveries.get(device_id, {}), facts["vitals"]
        streams = [row.number for row in bridge.store.streams(device_id)]
        counts = (
            *(shown.get(key, 0) for key in ("frames", "keyframes", "mixed")),
            vitals.get("skipped", 0),
            vitals.get("refused", 0) + vitals.get("refused_calls", 0),
            overview.stored_bytes(bridge.store, streams),
            *(sent.get(key, 0) for key in ("sent", "waiting")),
            facts["gaps"],
            facts["dead_letters"],
        )
        rows.append([device_id, *(f"{count:,}" for count in counts)])
    print_table(("Device", *_COUNTS), rows, numbers=_COUNTS)
