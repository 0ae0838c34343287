"""Options that several commands share, and what they lead to."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import LocalError

if TYPE_CHECKING:
    from ..config import Config
    from ..store.database import SqlStore

_FILE_COLUMNS = 200  # of a table that goes into a file or a pipe

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="Settings file; pixeltrail.toml of this folder unless given.",
        show_default=False,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="SECTION.NAME=VALUE", help="Change one setting; may be repeated.", show_default=False
    ),
]


JsonOption = Annotated[bool, typer.Option("--json", help="For programs: JSON, one object a line.")]


def load_config(file: Path | None, overrides: list[str] | None) -> Config:
    """The settings of a command: from the named file, or from the usual one when it is there."""
    from .. import config

    named = file or os.environ.get(config.ENVIRONMENT_FILE)
    path = Path(named) if named else Path(config.FILE_NAME)
    return config.load(path, os.environ, overrides or (), must_exist=named is not None)


@contextmanager
def open_store(settings: Config, sinks: Sequence[str] = ()) -> Iterator[SqlStore]:
    """The recordings of a bridge, which may be running meanwhile. `sinks` get the events that a command adds."""
    from ..store.opening import open_objects
    from ..store.opening import open_store as open_it

    if not (settings.store.url or settings.bridge.database.exists()):
        raise LocalError(
            f"there are no recordings in {settings.bridge.data_dir}. Start `pixeltrail up` there, or name another "
            "folder with --set bridge.data_dir=FOLDER."
        )
    at = settings.store
    shaping = None
    if sinks:
        from ..app.rules import make_rules

        shaping = make_rules(settings, sinks)
    store = open_it(settings.bridge.database, at.url, at.password.reveal(), sinks)
    store.shaping = shaping
    to = settings.packing
    try:
        store.packs.objects = open_objects(
            settings.bridge.data_dir, to.url, to.endpoint, to.region, to.key_id, to.secret.reveal()
        )
        yield store
    finally:
        store.close()


def broker_address(text: str) -> tuple[str, int]:
    """Host and port of what --broker names."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        if parts.scheme == "mqtt" and parts.hostname:
            return parts.hostname, parts.port or 1883
    except ValueError:  # a port that is none
        pass
    raise LocalError(f"--broker must be mqtt://HOST or mqtt://HOST:PORT, got {text!r}")


def printable(text: str) -> str:
    """What a device or a server called something may hold anything, also a terminal's commands."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def clock_time(epoch_ms: int | None) -> str:
    """Local date and time, for people."""
    from datetime import datetime

    return "" if not epoch_ms else datetime.fromtimestamp(epoch_ms / 1000).strftime("%Y-%m-%d %H:%M:%S")


def print_table(heads: Iterable[str], rows: Iterable[Iterable[str]], numbers: Container[str] = ()) -> None:
    """A table as wide as the terminal, or as it likes where there is none. Columns named in `numbers` end flush.

    Cells are text and nothing else: what a device calls itself may be a terminal's command, or rich's markup.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None)
    for head in heads:
        table.add_column(head, justify="right" if head in numbers else "left")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = Console()
    (console if console.is_terminal else Console(width=_FILE_COLUMNS)).print(table)
