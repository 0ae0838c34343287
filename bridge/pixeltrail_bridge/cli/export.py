"""`pixeltrail export`: a recorded session as a file."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import LocalError
from .options import ConfigOption, SetOption, load_config, open_store
from .play import find_session, is_file
from .progress import progress

if TYPE_CHECKING:
    from ..export.formats import Format, Session
    from ..export.options import Options

_USUAL_FORMAT = "gif"
_TIME = re.compile(r"(?:(?:(\d{1,4}):)?(\d{1,4}):)?(\d{1,7}(?:\.\d{1,3})?)")
_HELP = "png, gif, mp4, html, rrweb, ptr or jsonl; by the file's ending, else gif."


def run(
    device: Annotated[str, typer.Argument(help="ID of the device, or a .ptr file.")],
    session: Annotated[
        int | None, typer.Argument(help="ID of the session; the newest.", show_default=False)
    ] = None,
    format: Annotated[str | None, typer.Option("--format", "-f", help=_HELP, show_default=False)] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="File to write; DEVICE-SESSION in this folder.", show_default=False
        ),
    ] = None,
    from_: Annotated[
        str,
        typer.Option(
            "--from", metavar="TIME", help="Begin there: 90, 1:30 or 1:02:03.5; for png the moment."
        ),
    ] = "0",
    to: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="End there.", show_default=False)
    ] = None,
    scale: Annotated[int, typer.Option("--scale", help="Size of a pixel; 0 chooses one by the display.")] = 0,
    frame: Annotated[bool, typer.Option("--frame", help="Draw a device around the display.")] = False,
    touches: Annotated[bool, typer.Option("--touches", help="Show where it was touched.")] = False,
    captions: Annotated[bool, typer.Option("--captions", help="Show the events' names below.")] = False,
    skip_idle: Annotated[bool, typer.Option("--skip-idle", help="Cut pauses to 2 s.")] = False,
    speed: Annotated[float, typer.Option("--speed", help="How much faster than it was.")] = 1.0,
    lossless: Annotated[bool, typer.Option("--lossless", help="MP4 with every pixel exact.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if there is one.")] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Write a recorded session as a picture, a film, a page or data."""
    from ..export import formats
    from ..export.files import write_file
    from ..export.options import Options

    options = Options(
        scale=scale,
        frame=frame,
        touches=touches,
        captions=captions,
        from_ms=_milliseconds("--from", from_),
        to_ms=None if to is None else _milliseconds("--to", to),
        skip_idle=skip_idle,
        speed=speed,
        lossless=lossless,
    )
    chosen = formats.named(format or _format_of(output))
    chosen.check(options)
    with _session(device, session, config, set_) as found:
        path = output or Path(formats.file_name(found.recording, chosen))
        began_s = time.monotonic()
        with progress(f"Writing {path.name}") as tell:
            size_bytes = write_file(found, chosen, options, path, tell, replace=force)
        print(path.absolute())
        _say(_summary(found, chosen, options, size_bytes, time.monotonic() - began_s))


@contextmanager
def _session(
    device: str, session: int | None, config: Path | None, set_: list[str] | None
) -> Iterator[Session]:
    """Of the recordings here, or of a file."""
    from ..export import files, formats
    from ..export.ptr import open_ptr
    from ..wire.recording_file import read_file

    if not is_file(device):
        with open_store(load_config(config, set_)) as store:
            yield files.open_session(store, device, find_session(store, device, session))
        return
    if session is not None:
        raise LocalError(f"{device} holds one session; leave out {session}")
    try:
        with open(device, "rb") as file, open(device, "rb") as again:
            yield formats.Session(open_ptr(file, device), lambda: (), lambda: read_file(again, device)[1])
    except OSError as error:
        raise LocalError(f"{device} cannot be read: {error.strerror}") from None


def _summary(session: Session, format: Format, options: Options, size_bytes: int, took_s: float) -> str:
    recording = session.recording
    end_ms = recording.end_ms - recording.start_ms
    lasts_s = (min(end_ms, options.to_ms or end_ms) - options.from_ms) / 1000
    size = f"{size_bytes:,} bytes" if size_bytes < 10_000 else f"{size_bytes / 1000:,.0f} KB"
    if format.name == "png":
        return f"{size}, the picture at {options.from_ms / 1000:.1f} s"
    return f"{size}, {lasts_s:.1f} s of session in {took_s:.1f} s"


def _say(text: str) -> None:
    """For people: what is printed on standard output is the path alone."""
    typer.echo(text, err=True)


def _format_of(output: Path | None) -> str:
    from ..export.formats import FORMATS

    if output is None or not output.suffix:
        return _USUAL_FORMAT
    for format in FORMATS.values():
        if format.suffix == output.suffix.lower():
            return format.name
    raise LocalError(
        f"{output.name}: the ending tells no format; name one with --format ({', '.join(FORMATS)})"
    )


def _milliseconds(name: str, text: str) -> int:
    """90, 1:30 or 1:02:03.5."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise LocalError(f"{name} {text!r}: expected seconds or a time such as 1:30 or 1:02:03.5")
    hours, minutes, seconds = found.groups()
    return round((int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)) * 1000)
