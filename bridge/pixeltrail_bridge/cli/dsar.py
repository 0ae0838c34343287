"""`pixeltrail dsar`: all that is known of a device or a user, in files to hand over."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ..errors import LocalError
from .options import ConfigOption, SetOption, load_config, open_store


def run(
    output: Annotated[
        Path, typer.Argument(help="A new folder, or a file that ends in .zip.", show_default=False)
    ],
    device: Annotated[
        str | None, typer.Option("--device", help="ID of a device or an app.", show_default=False)
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="ID of a user.", show_default=False)] = None,
    pictures: Annotated[bool, typer.Option("--pictures", help="With the recordings.")] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Write down all that is known of a device or a user."""
    from ..app.rules import user_aliases
    from ..forgetting import access
    from ..forgetting.finding import Subject

    if bool(device) == bool(user):
        raise LocalError("name one of --device ID and --user ID")
    settings = load_config(config, set_)
    aliases = user_aliases(settings, user) if user else frozenset[str]()
    subject = Subject("device", device) if device else Subject("user", str(user), aliases=aliases)
    with open_store(settings) as store:
        written = access.write(store, subject, output, time.time_ns() // 1_000_000, pictures=pictures)
    for name, count in written.counts.items():
        print(f"{name}: {count:,}")
    print(f"Written to {output}.")
