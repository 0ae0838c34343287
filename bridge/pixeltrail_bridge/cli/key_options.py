"""What the commands about keys share."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..config import Config

DeviceArgument = Annotated[str, typer.Argument(metavar="DEVICE", help="The device's ID.", show_default=False)]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", help="Write the device's files into this folder, its key with them.", show_default=False
    ),
]
FinishOption = Annotated[bool, typer.Option("--finish", help="The device has the new key: drop the old.")]


def keys_folder(settings: Config) -> Path:
    from ..keys import FOLDER

    return settings.bridge.data_dir / FOLDER


def now_ms() -> int:
    return time.time_ns() // 1_000_000
