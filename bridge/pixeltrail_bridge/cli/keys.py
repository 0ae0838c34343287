"""`pixeltrail keys`: who may connect to the broker, and the certificates by which servers are known."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigError, LocalError
from . import signing
from .key_options import DeviceArgument, FinishOption, OutOption, keys_folder, now_ms
from .options import ConfigOption, JsonOption, SetOption, clock_time, load_config, print_table

if TYPE_CHECKING:
    from ..config import Config
    from ..keys.ring import KeyRing

app = typer.Typer(
    help="Keys of devices, an authority of your own, and what your broker reads.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(signing.app, name="signing")

HostsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="HOST...", help="Names and addresses under which the server is reached.", show_default=False
    ),
]
HostOption = Annotated[
    str | None, typer.Option("--host", help="Where the device finds the broker.", show_default=False)
]


@app.command()
def init(hosts: HostsArgument, config: ConfigOption = None, set_: SetOption = None) -> None:
    """Make an authority, and a certificate for the broker inside and the page."""
    from ..keys.authority import Authority
    from ..keys.files import SERVER_CERT

    folder = keys_folder(load_config(config, set_))
    authority = Authority.make(folder)
    try:
        authority.issue_server(hosts)
    except ConfigError:
        for name in ("ca.pem", "ca.key"):
            (folder / name).unlink(missing_ok=True)
        raise
    authority.issue_bridge()
    print(f"Wrote {folder}: an authority, and {SERVER_CERT} for {', '.join(hosts)}.")
    print(f"Devices are given {folder / 'ca.pem'}; keep {folder / 'ca.key'} to yourself.")
    print("Next: pixeltrail keys add DEVICE, then set mqtt.host.")


@app.command()
def renew(
    hosts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[HOST...]", help="Those it had before, unless given.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Make another certificate for the server. The broker inside takes it at once, the page with the next start."""
    from ..keys.authority import Authority, server_names
    from ..keys.files import SERVER_CERT

    folder = keys_folder(load_config(config, set_))
    authority = Authority.open(folder)
    names = hosts or server_names(folder / SERVER_CERT)
    authority.issue_server(names)
    print(f"Wrote {folder / SERVER_CERT} for {', '.join(names)}.")


@app.command()
def add(
    device: DeviceArgument,
    host: HostOption = None,
    certificate: Annotated[bool, typer.Option("--certificate", help="Make it a certificate too.")] = False,
    out: OutOption = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Make a key for a device. It is shown this once: what stays is its hash."""
    settings = load_config(config, set_)
    if certificate and out is None:
        raise LocalError("--certificate needs --out FOLDER, where device.pem and device.key are written")
    secret = _ring(settings).add(device, now_ms())
    _hand_over(settings, device, device, secret, host, certificate, out)


@app.command(name="list")
def list_(as_json: JsonOption = False, config: ConfigOption = None, set_: SetOption = None) -> None:
    """Devices that have a key."""
    from ..keys.ring import user_name

    found = _ring(load_config(config, set_)).devices()
    if as_json:
        for device_id, one in found.items():
            users = [user_name(device_id, key.number) for key in one.keys]
            print(json.dumps({"device_id": device_id, "users": users, "made_ms": one.keys[-1].made_ms}))
        return
    rows = [
        (
            device_id,
            ", ".join(user_name(device_id, key.number) for key in one.keys),
            clock_time(one.keys[-1].made_ms),
            "yes" if len(one.keys) > 1 else "",
        )
        for device_id, one in found.items()
    ]
    print_table(("Device", "Users at the broker", "Newest key", "Between two"), rows)


@app.command()
def rotate(
    device: DeviceArgument,
    finish: FinishOption = False,
    host: HostOption = None,
    out: OutOption = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Make a second key, which holds beside the first until `--finish`."""
    settings = load_config(config, set_)
    ring = _ring(settings)
    if finish:
        ring.finish(device)
        print(f"The older key of {device} holds no longer.")
        return
    user, secret = ring.rotate(device, now_ms())
    _hand_over(settings, device, user, secret, host, False, out)
    print(f"Both keys hold until: pixeltrail keys rotate {device} --finish", file=sys.stderr)


@app.command()
def revoke(device: DeviceArgument, config: ConfigOption = None, set_: SetOption = None) -> None:
    """Take a device's keys away. The broker inside drops its connection at once."""
    _ring(load_config(config, set_)).revoke(device)
    print(f"{device} has no key any more.")


@app.command()
def write(
    broker: Annotated[str, typer.Argument(metavar="mosquitto|nats", help="Whose files.", show_default=False)],
    folder: Annotated[Path, typer.Argument(help="Where to write them.", show_default=False)],
    port: Annotated[int, typer.Option("--port", help="Mosquitto's listener.", min=1, max=65_535)] = 8883,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Write what a broker of your own reads: users with hashes, and the topics of each."""
    from ..keys import brokers
    from ..keys.files import make_private_folder
    from ..keys.ring import BRIDGE_PASSWORD, BRIDGE_USER

    if broker not in ("mosquitto", "nats"):
        raise LocalError(f"{broker[:40]!r}: expected mosquitto or nats")
    ring = _ring(load_config(config, set_))
    devices, password = ring.devices(), ring.bridge_password()
    make_private_folder(folder)
    if broker == "mosquitto":
        files = brokers.write_mosquitto(folder, ring.folder, devices, password, port)
    else:
        files = brokers.write_nats(folder, devices, password)
    print(f"Wrote {', '.join(map(str, files))}.")
    print(
        f'The bridge itself: mqtt.user = "{BRIDGE_USER}", mqtt.password_file = "{ring.folder / BRIDGE_PASSWORD}".'
    )
    print("Write them again after each change, and have the broker read them (SIGHUP).")


def _hand_over(
    settings: Config,
    device: str,
    user: str,
    secret: str,
    host: str | None,
    certificate: bool,
    out: Path | None,
) -> None:
    """The device's settings: on the terminal, or as files in a folder that only its owner may enter."""
    from urllib.parse import urlsplit

    from ..keys.brokers import settings_snippet
    from ..keys.files import CA_CERT, make_private_folder, write_private

    folder = keys_folder(settings)
    url = urlsplit(settings.mqtt.url)
    has_tls = url.scheme == "mqtts" if settings.mqtt.url else (folder / CA_CERT).exists()
    default_port = 8883 if has_tls else 1883
    port = (url.port or default_port) if settings.mqtt.url else settings.mqtt.port or default_port
    where = host or url.hostname or _first_name(folder) or settings.mqtt.host
    snippet = settings_snippet(device, user, secret, where, port, has_tls, certificate)
    if out is None:
        print(snippet, end="")
        return
    make_private_folder(out)
    write_private(out / "settings.py", snippet.encode())
    if (folder / CA_CERT).exists():
        write_private(out / CA_CERT, (folder / CA_CERT).read_bytes(), 0o644)
    if certificate:
        from ..keys.authority import Authority

        issued = Authority.open(folder).issue_device(device)
        write_private(out / "device.pem", issued.cert, 0o644)
        write_private(out / "device.key", issued.key)
    print(f"Wrote {out}: copy its files to the device, and settings.py into its main.py.")


def _first_name(folder: Path) -> str:
    from ..keys.authority import server_names
    from ..keys.files import SERVER_CERT

    cert = folder / SERVER_CERT
    names = server_names(cert) if cert.exists() else []
    return next((name for name in names if name not in ("localhost", "127.0.0.1", "::1")), "")


def _ring(settings: Config) -> KeyRing:
    from ..keys.ring import KeyRing

    return KeyRing(keys_folder(settings))
