"""`pixeltrail keys signing`: devices that sign their messages, and the keys they do it with."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import typer

from .key_options import DeviceArgument, FinishOption, OutOption, keys_folder, now_ms
from .options import ConfigOption, JsonOption, SetOption, clock_time, load_config, print_table

if TYPE_CHECKING:
    from pathlib import Path

    from ..config import Config
    from ..keys.signing import Key, SigningRing

app = typer.Typer(
    help="Signed messages: keys of devices, and which of them must sign.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def add(
    device: DeviceArgument, out: OutOption = None, config: ConfigOption = None, set_: SetOption = None
) -> None:
    """Make a key for a device to sign with. What is not signed is taken until `require`."""
    _hand_over(device, _ring(config, set_).add(device, now_ms()), out)
    print(f"Once it signs: pixeltrail keys signing require {device}", file=sys.stderr)


@app.command()
def rotate(
    device: DeviceArgument,
    finish: FinishOption = False,
    out: OutOption = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Make a second key, which holds beside the first until `--finish`."""
    ring = _ring(config, set_)
    if finish:
        ring.finish(device)
        print(f"The older key that {device} signed with holds no longer.")
        return
    _hand_over(device, ring.rotate(device, now_ms()), out)
    print(f"Both keys hold until: pixeltrail keys signing rotate {device} --finish", file=sys.stderr)


@app.command()
def require(device: DeviceArgument, config: ConfigOption = None, set_: SetOption = None) -> None:
    """Refuse whatever comes in the device's name and is not signed."""
    _ring(config, set_).set_rule(device, is_required=True)
    print(f"Messages of {device} that are not signed are refused.")


@app.command()
def accept(device: DeviceArgument, config: ConfigOption = None, set_: SetOption = None) -> None:
    """Take messages of the device signed or not, as after `add`."""
    _ring(config, set_).set_rule(device, is_required=False)
    print(f"Messages of {device} are taken signed or not.")


@app.command()
def revoke(device: DeviceArgument, config: ConfigOption = None, set_: SetOption = None) -> None:
    """Take the device's keys away. Nothing of it is taken until `add` makes another, or `off`."""
    _ring(config, set_).revoke(device)
    print(f"{device} has no key to sign with any more, and nothing of it is taken.")


@app.command()
def off(device: DeviceArgument, config: ConfigOption = None, set_: SetOption = None) -> None:
    """The device signs no longer, and need not."""
    _ring(config, set_).forget(device)
    print(f"{device} need not sign.")


@app.command(name="list")
def list_(as_json: JsonOption = False, config: ConfigOption = None, set_: SetOption = None) -> None:
    """Devices that sign."""
    found = _ring(config, set_).devices()
    if as_json:
        for device_id, one in found.items():
            numbers = [key.number for key in one.keys]
            print(json.dumps({"device_id": device_id, "keys": numbers, "required": one.required}))
        return
    rows = [
        (
            device_id,
            "must sign" if one.required else "may sign",
            ", ".join(str(key.number) for key in one.keys) or "none",
            clock_time(one.keys[-1].made_ms) if one.keys else "",
        )
        for device_id, one in found.items()
    ]
    print_table(("Device", "Rule", "Keys", "Newest key"), rows)


def _ring(config: Path | None, set_: list[str] | None) -> SigningRing:
    from ..keys.signing import SigningRing

    settings: Config = load_config(config, set_)
    return SigningRing(keys_folder(settings))


def _hand_over(device: str, key: Key, out: Path | None) -> None:
    """On the terminal, or as a file in a folder that only its owner may enter."""
    from ..keys.files import make_private_folder, write_private
    from ..keys.signing import key_text

    if out is None:
        print(f'link = pixeltrail.signed(link, "{key_text(key)}")')
        return
    make_private_folder(out)
    write_private(out / "signing.key", key_text(key).encode() + b"\n")
    print(f"Wrote {out / 'signing.key'}: copy it to {device}, and into its main.py write")
    print('link = pixeltrail.signed(link, open("signing.key").read())')
