"""The command `pixeltrail`: one file for each subcommand.

A file's imports at its top are paid by `pixeltrail --help`, so what a command works with is imported inside it. A
person's mistake ends with exit code 2 and a sentence that says what to do, anything else that we foresaw with 1;
neither with a traceback.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ..errors import LocalError, PixeltrailError
from . import (
    apps,
    audit,
    backup,
    boards,
    check,
    demo,
    devices,
    dlq,
    doctor,
    dsar,
    export,
    flash,
    forget,
    health,
    hil,
    import_,
    init,
    keys,
    migrate,
    play,
    restore,
    sessions,
    sim,
    size,
    tail,
    up,
    users,
)
from .options import printable

_MISTAKE, _FAILURE = 2, 1

app = typer.Typer(
    name="pixeltrail",
    help="Session replay for devices with a display.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    demo,
    init,
    up,
    check,
    doctor,
    devices,
    sessions,
    tail,
    play,
    export,
    audit,
    backup,
    restore,
    migrate,
    health,
):
    app.command(command.__name__.rpartition(".")[2])(command.run)
for command in (boards, size, sim, flash, hil, forget, dsar):
    app.command(command.__name__.rpartition(".")[2])(command.run)
app.command("import")(import_.run)
app.add_typer(apps.app, name="apps")
app.add_typer(dlq.app, name="dlq")
app.add_typer(keys.app, name="keys")
app.add_typer(users.app, name="users")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"pixeltrail {version('pixeltrail')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run and exit the process."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """The exit code of a command line."""
    try:
        app(arguments, prog_name="pixeltrail")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except PixeltrailError as error:
        text = "\n".join(map(printable, str(error).splitlines()))  # it may tell what a file or a device holds
        print(f"pixeltrail: {text}", file=sys.stderr)
        return _MISTAKE if isinstance(error, LocalError) else _FAILURE
    return 0
