"""`pixeltrail apps`: companion apps, the devices they belong to, and whether their sessions are recorded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from .options import (
    ConfigOption,
    JsonOption,
    SetOption,
    clock_time,
    load_config,
    open_store,
    print_table,
    printable,
)

if TYPE_CHECKING:
    from ..mobile.registry import App

_HEADS = ("App", "Device", "User", "Last", "Recording", "Its events are under")

app = typer.Typer(help="List companion apps, and pair them with devices.", no_args_is_help=True)

AppArgument = Annotated[str, typer.Argument(help="The app, as `list` shows it.", show_default=False)]
DeviceArgument = Annotated[str, typer.Argument(help="ID of the device.", show_default=False)]


@app.command("list")
def list_(as_json: JsonOption = False, config: ConfigOption = None, set_: SetOption = None) -> None:
    """List apps, the one heard of last first."""
    from ..mobile.registry import known_apps

    with open_store(load_config(config, set_)) as store:
        found = known_apps(store)
    if as_json:
        for one in found:
            print(json.dumps(_facts(one)))
    elif found:
        print_table(_HEADS, map(_cells, found))
    else:
        print("No app has reported yet; docs/mobile-bridge.md says how one is told where to.")


@app.command()
def pair(
    name: AppArgument, device: DeviceArgument, config: ConfigOption = None, set_: SetOption = None
) -> None:
    """Make an app part of a device's sessions, from its next event on."""
    from ..mobile import registry

    with open_store(load_config(config, set_)) as store:
        registry.pair(store, name, device)
    print(f"{printable(name)} belongs to {device} now.")


@app.command()
def unpair(name: AppArgument, config: ConfigOption = None, set_: SetOption = None) -> None:
    """Let an app have sessions of its own again."""
    from ..mobile import registry

    with open_store(load_config(config, set_)) as store:
        registry.unpair(store, name)
    print(f"{printable(name)} has sessions of its own now.")


@app.command()
def opt_out(
    name: AppArgument,
    undo: Annotated[bool, typer.Option("--undo", help="Opt in again.")] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Give an app's events no Replay ID any more; they still go out."""
    from ..mobile import registry

    with open_store(load_config(config, set_)) as store:
        registry.opt_out(store, name, not undo)
    print(f"{printable(name)} has opted {'in' if undo else 'out'}.")


@app.command()
def stop(name: AppArgument, config: ConfigOption = None, set_: SetOption = None) -> None:
    """The same for a while, until `start`; an app may do so itself."""
    from ..mobile import registry

    with open_store(load_config(config, set_)) as store:
        registry.stop(store, name, True)
    print(f"{printable(name)} is not recorded until `pixeltrail apps start`.")


@app.command()
def start(name: AppArgument, config: ConfigOption = None, set_: SetOption = None) -> None:
    """Undo `stop`."""
    from ..mobile import registry

    with open_store(load_config(config, set_)) as store:
        registry.stop(store, name, False)
    print(f"{printable(name)} is recorded again, where its session is sampled.")


def _facts(one: App) -> dict[str, object]:
    state = one.state
    return {
        "app": one.key,
        "device_id": state.device,
        "user_id": state.user_id,
        "first_seen_ms": one.first_seen_ms,
        "last_seen_ms": one.last_seen_ms,
        "session_id": state.session.session_id if state.session else None,
        "opted_out": state.opted_out,
        "stopped": bool(state.is_stopped),
        "events_under": one.device_id,
    }


def _cells(one: App) -> list[str]:
    state = one.state
    recording = "opted out" if state.opted_out else "stopped" if state.is_stopped else "as sampled"
    return [
        printable(one.key),
        state.device or "",
        printable(state.user_id or ""),
        clock_time(one.last_seen_ms),
        recording,
        one.device_id,
    ]
