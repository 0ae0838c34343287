"""`pixeltrail init`: a settings file to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import LocalError

_FILE = typer.Argument(help="Where to write it.", show_default=True)


def run(
    file: Annotated[Path, _FILE] = Path("pixeltrail.toml"),
    only_print: Annotated[bool, typer.Option("--print", help="Show it, write nothing.")] = False,
) -> None:
    """Write a settings file in which every setting stands with its default and meaning."""
    from ..config import render_template

    template = render_template()
    if only_print:
        print(template, end="")
        return
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(template)
        print(f"Wrote {file}. Next: pixeltrail check, then pixeltrail up.")
    except FileExistsError:
        if not file.is_file() or file.read_bytes() != template.encode():
            raise LocalError(
                f"{file} is there already and was changed; it stays as it is. `pixeltrail init --print` shows the "
                "settings there are."
            ) from None
        print(f"{file} is there already, as `init` writes it.")
    except OSError as error:
        raise LocalError(f"{file} cannot be written: {error.strerror}") from None
