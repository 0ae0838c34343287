"""`pixeltrail import`: recordings and events back into the store, from exported files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import ConfigOption, JsonOption, SetOption, load_config, printable

if TYPE_CHECKING:
    from ..config import Config
    from ..importing.run import Report
    from ..importing.writing import Refusal

_TOLD = 50  # lines and gaps on the terminal; --report has them all

FilesArgument = Annotated[
    list[Path],
    typer.Argument(help="Exported files: JSON lines or CSV, plain or in gzip, or .ptr.", show_default=False),
]
ReportOption = Annotated[
    Path | None,
    typer.Option(
        "--report", help="File for everything that could not be taken, as JSON lines.", show_default=False
    ),
]


def run(
    files: FilesArgument,
    report: ReportOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Rebuild recordings from events that a warehouse or bucket gives back.

    The order of files and lines does not matter, nor how often they come. The bridge may run meanwhile. Nothing of it
    is sent anywhere again.
    """
    from ..app.parts import ingest_settings, make_store, mapping_settings, sink_names
    from ..importing.run import import_files

    settings = load_config(config, set_)
    _make_folder(settings)
    store = make_store(settings, sink_names(settings))  # whose names rules may use
    store.sinks = ()
    try:
        with _teller(report) as tell, _progress(files) as progress:
            blocked = ingest_settings(settings).blocked
            found = import_files(store, files, mapping_settings(settings), tell, progress, blocked)
    finally:
        store.close()
    if as_json:
        print(json.dumps(_described(found)))
    else:
        _print(found)
    if found.refused:
        raise typer.Exit(1)


def _make_folder(settings: Config) -> None:
    from ..errors import LocalError

    try:
        settings.bridge.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LocalError(
            f"bridge.data_dir = {settings.bridge.data_dir}: {error.strerror}; name a folder that can be written"
        ) from None


@contextmanager
def _teller(path: Path | None) -> Iterator[Callable[[Refusal], None]]:
    """Tells of what could not be taken: on standard error, up to _TOLD, and in a file."""
    from contextlib import ExitStack

    from ..errors import LocalError

    told = 0
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("w", encoding="utf-8")) if path is not None else None
        except OSError as error:
            raise LocalError(f"--report {path}: {error.strerror}; name a file that can be written") from None

        def tell(one: Refusal) -> None:
            nonlocal told
            told += 1
            if file is not None:
                values = {"file": one.file, "line": one.line, "field": one.field, "problem": one.why}
                file.write(json.dumps(values) + "\n")
            if told <= _TOLD:
                typer.echo(printable(_sentence(one)), err=True)
            elif told == _TOLD + 1:
                typer.echo("... and more; --report FILE has them all", err=True)

        yield tell


def _sentence(one: Refusal) -> str:
    place = f"{one.file}, line {one.line}" if one.line else one.file
    return f"{place}: {one.field + ': ' if one.field else ''}{one.why}"


@contextmanager
def _progress(files: list[Path]) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("Importing"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    total = sum(file.stat().st_size for file in files if file.exists())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=max(total, 1))
        yield lambda done: bar.update(task, completed=done)


def _described(report: Report) -> dict[str, Any]:
    counts = report.counts
    return {
        "pieces": counts.pieces,
        "chunks_added": counts.new_chunks,
        "chunks_known": counts.known_chunks,
        "chunks_left_to_device": counts.left_to_device,
        "events_added": counts.new_events + report.made_events,
        "events_known": counts.known_events,
        "refused_here": counts.refused_here,
        "others": counts.others,
        "refused": report.refused,
        "devices": [one.device_id for one in report.rebuilt],
        "sessions": [[one.device_id, session] for one in report.rebuilt for session in sorted(one.sessions)],
        "unended": [[one.device_id, session] for one in report.rebuilt for session in one.unended],
        "missing": [
            {"device": one.device_id, "stream": one.stream.hex(), "first": one.first, "end": one.end}
            for one in report.missing
        ],
    }


def _print(report: Report) -> None:
    counts = report.counts
    print(
        f"{counts.pieces:,} pieces: {counts.new_chunks:,} chunks added, {counts.known_chunks:,} were here already. "
        f"{counts.new_events + report.made_events:,} events added, {counts.known_events:,} were here already."
    )
    for device in report.rebuilt:
        sessions = ", ".join(map(str, sorted(device.sessions))) or "none"
        print(f"{device.device_id}: sessions {sessions}")
        for session in device.unended:
            print(f"  session {session}: no file tells its end; it ends with what there is")
    missing = report.missing
    for one in missing[:_TOLD]:
        print(
            f"missing: {one.device_id} stream {one.stream.hex()} seq {one.first} to {one.end - 1}, shown as a gap; "
            "import the files that have it"
        )
    if len(missing) > _TOLD:
        print(f"... and {len(missing) - _TOLD:,} more gaps; --json has them all")
    if counts.left_to_device:
        print(f"{counts.left_to_device:,} chunks were left out: their device sends their stream here itself.")
    if counts.refused_here:
        print(
            f"{counts.refused_here:,} pieces and events were left out: they are of whom was forgotten or is blocked."
        )
    if counts.others:
        print(
            f"{counts.others:,} events and rows were left out: they are not Pixeltrail's, or of another table."
        )
    if report.refused:
        print(f"{report.refused:,} lines or files could not be taken.")
