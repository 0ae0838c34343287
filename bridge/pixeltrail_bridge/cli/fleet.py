"""`pixeltrail sim --devices N`: a fleet of devices that play recordings, for load, soaks and demonstrations."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import LocalError
from .demo import local_settings
from .options import broker_address

if TYPE_CHECKING:
    import asyncio

    from ..fleet.faults import Faults
    from ..fleet.line import Broker
    from ..fleet.run import Fleet, FleetSettings, Tally

_AN_HOUR = ("reboots", "cuts")  # faults that are counted by time, not by messages

Devices = Annotated[
    int | None,
    typer.Option(
        "--devices", help="Simulate so many, in place of a board.", min=1, max=20_000, show_default=False
    ),
]
Scripts = Annotated[
    list[Path] | None,
    typer.Option(
        "--script", help="With --devices: a .ptr file they play; may be repeated.", show_default=False
    ),
]
Speed = Annotated[
    float,
    typer.Option("--speed", help="With --devices: how much faster their users act.", min=0.01, max=10_000),
]
Idle = Annotated[
    float,
    typer.Option("--idle", help="With --devices: share of the time nobody uses them.", min=0, max=0.999),
]
FaultsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fault",
        metavar="NAME=NUMBER",
        help="With --devices: loss, repeat, reorder or damage of so many per cent of messages, cuts or reboots an hour"
        " of a device's time; may be repeated.",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="With --devices: the same chances each time.")]
Prefix = Annotated[str, typer.Option("--prefix", help="With --devices: beginning of their IDs.")]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report", help="With --devices: write what was done as JSON.", show_default=False, dir_okay=False
    ),
]


@dataclass(frozen=True, slots=True)
class Options:
    devices: int
    scripts: list[Path] | None
    speed: float
    idle: float
    faults: list[str] | None
    seed: int
    prefix: str
    report: Path | None


def simulate(options: Options, broker: str | None, folder: Path, port: int, seconds: float | None) -> None:
    """Against `broker`, or against a bridge of its own that is shown in a page."""
    import asyncio

    asyncio.run(_simulate(options, broker, folder, port, seconds))


async def _simulate(
    options: Options, broker: str | None, folder: Path, port: int, seconds: float | None
) -> None:
    from ..app import Bridge, set_up_logging, until_signal
    from ..fleet.line import Broker

    with ExitStack() as stack:
        if broker is not None:
            settings = _settings(options, _broker(broker))
            await _play(options, settings, seconds, stack.enter_context(until_signal()))
            return
        bridge_settings = local_settings(folder, port)
        set_up_logging(bridge_settings.bridge)
        ended = stack.enter_context(until_signal())
        async with Bridge(bridge_settings) as bridge:
            settings = _settings(options, Broker("127.0.0.1", bridge.mqtt_port or 0))
            print(
                f"\n{options.devices} devices, live: {bridge.page_url()}\n\nRecordings: {folder}\n",
                flush=True,
            )
            await _play(options, settings, seconds, ended)


async def _play(
    options: Options, settings: FleetSettings, seconds: float | None, ended: asyncio.Event
) -> None:
    from ..fleet.run import Fleet

    fleet = Fleet(settings)
    tally = await fleet.run(seconds, ended, lambda one: typer.echo(_line(one), err=True))
    typer.echo(_line(tally))
    if options.report is not None:
        _write(options.report, fleet, tally)
        typer.echo(f"Written: {options.report.absolute()}")


def _line(tally: Tally) -> str:
    counts = tally.counts
    faults = {
        name: counts[name]
        for name in ("loss", "repeat", "reorder", "damage", "cuts", "reboots")
        if counts[name]
    }
    wrong = f"; {', '.join(f'{name} {count:,}' for name, count in faults.items())}" if faults else ""
    return (
        f"{tally.seconds:7.1f} s: {tally.connected} of {tally.devices} connected, {counts['frames']:,} frames, "
        f"{counts['calls']:,} calls, {tally.acked:,} of {tally.made:,} chunks confirmed{wrong}"
    )


def _write(path: Path, fleet: Fleet, tally: Tally) -> None:
    text = json.dumps({"tally": tally.as_json(), "streams": fleet.ledgers()}, indent=1)
    try:
        path.write_text(text + "\n")
    except OSError as error:
        raise LocalError(f"--report {path}: {error.strerror}") from None


def _settings(options: Options, broker: Broker) -> FleetSettings:
    from ..fleet import recorded_scripts
    from ..fleet.run import FleetSettings
    from ..fleet.scripts import load_script

    paths = options.scripts or recorded_scripts()
    return FleetSettings(
        broker,
        [load_script(path) for path in paths],
        options.devices,
        prefix=options.prefix,
        speed=options.speed,
        idle_share=options.idle,
        seed=options.seed,
        faults=parse_faults(options.faults or []),
    )


def parse_faults(words: list[str]) -> Faults:
    from ..fleet.faults import Faults

    names = [one.name for one in fields(Faults)]
    found: dict[str, float] = {}
    for word in words:
        name, _, text = word.partition("=")
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        most = 10_000 if name in _AN_HOUR else 100
        if name not in names or not 0 <= value <= most:
            raise LocalError(
                f"--fault {word}: expected one of {', '.join(names)}, `=` and a number from 0 to {most:,}, as loss=1.5"
            )
        found[name] = value
    return Faults(**found)


def _broker(address: str) -> Broker:
    import os

    from ..fleet.line import Broker

    return Broker(
        *broker_address(address),
        os.environ.get("PIXELTRAIL_SIM_USER", ""),
        os.environ.get("PIXELTRAIL_SIM_PASSWORD", ""),
    )
