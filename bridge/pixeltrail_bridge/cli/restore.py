"""`pixeltrail restore`: a backup becomes the bridge of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import ConfigOption, SetOption, load_config
from .progress import progress


def run(
    file: Annotated[Path, typer.Argument(help="File that `pixeltrail backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Put recordings that are here aside, into the folder backups.")
    ] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Restore a backup, into an empty data folder or in place of what is there. The bridge must not run.

    The bridge goes on under its old ID: end the old one for good before, or both would answer the devices.
    """
    from ..app.parts import backup_place, sole_user
    from ..backup import restore_backup
    from .backup import describe

    settings = load_config(config, set_)
    place = backup_place(settings)
    with sole_user(place.folder), progress(f"Reading {file.name}") as tell:
        manifest = restore_backup(
            file, place, replace=replace, progress=lambda done, total: tell(done / max(total, 1))
        )
    typer.echo(describe(file, manifest))
    typer.echo(
        f"Restored into {place.folder}. `pixeltrail up` goes on from there; what devices freed since shows as gaps."
    )
