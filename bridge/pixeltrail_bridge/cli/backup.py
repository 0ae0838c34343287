"""`pixeltrail backup`: everything in one file, while the bridge runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import ConfigOption, SetOption, clock_time, load_config, open_store
from .progress import progress

if TYPE_CHECKING:
    from ..backup import Manifest

File = Annotated[
    Path | None,
    typer.Argument(help="File to write; pixeltrail-backup-TIME.tar in this folder.", show_default=False),
]
CheckOption = Annotated[
    bool, typer.Option("--check", help="Write nothing: read FILE and compare its digests.")
]


def run(
    file: File = None, check: CheckOption = False, config: ConfigOption = None, set_: SetOption = None
) -> None:
    """Write database, packed recordings and credentials into one file. The bridge may run meanwhile."""
    import time

    from ..app.parts import backup_place
    from ..backup import make_backup
    from ..backup.restore import verify
    from ..errors import LocalError

    if check:
        if file is None:
            raise LocalError("--check needs the name of a backup")
        with progress(f"Reading {file.name}") as tell:
            manifest = verify(file, lambda done, total: tell(done / max(total, 1)))
        typer.echo(describe(file, manifest))
        return
    settings = load_config(config, set_)
    target = file or Path(time.strftime("pixeltrail-backup-%Y%m%dT%H%M%S.tar"))
    with open_store(settings) as store, progress(f"Writing {target.name}") as tell:
        manifest = make_backup(
            store, backup_place(settings), target, lambda done, total: tell(done / max(total, 1))
        )
    print(target.absolute())
    typer.echo(describe(target, manifest), err=True)


def describe(file: Path, manifest: Manifest) -> str:
    objects = sum(name.startswith("objects/") for name in manifest.files)
    size_mb = sum(size for size, _ in manifest.files.values()) / 1e6
    rest = f"; recordings in {manifest.objects_url} are not in it" if manifest.objects_url else ""
    return (
        f"{file.name}: sound, {size_mb:,.1f} MB, {objects:,} packed recordings, bridge {manifest.bridge_id}, "
        f"made {clock_time(manifest.made_ms)} by {manifest.version}{rest}"
    )
