"""`pixeltrail play`: a recorded session in the terminal, or as PNG files."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import LocalError
from .options import ConfigOption, SetOption, load_config, open_store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.text import Text

    from ..replay.recording import Picture
    from ..store.database import SqlStore

_LONGEST_WAIT_S = 2.0  # a pause in the recording is cut to this
_LEAST_WAIT_S = 0.04  # a terminal shows no more than about 25 pictures a second


def run(
    device: Annotated[str, typer.Argument(help="ID of the device, or a .ptr file.")],
    session: Annotated[
        int | None, typer.Argument(help="ID of the session; the newest.", show_default=False)
    ] = None,
    png: Annotated[
        Path | None, typer.Option("--png", help="Write frames into this folder.", show_default=False)
    ] = None,
    speed: Annotated[
        float, typer.Option("--speed", help="How much faster than it was.", min=0.1, max=100)
    ] = 1.0,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Show a recorded session here, or write its frames as PNG files."""
    if is_file(device):
        _play(_pictures_of(device), png, speed)
        return
    with open_store(load_config(config, set_)) as store:
        _play(_pictures(store, device, find_session(store, device, session)), png, speed)


def _play(frames: Iterator[Picture], png: Path | None, speed: float) -> None:
    if png is not None:
        print(_write_png(frames, png))
    elif sys.stdout.isatty():
        _show(frames, speed)
    else:
        raise LocalError("the output is no terminal; write the frames with --png FOLDER")


def is_file(device: str) -> bool:
    """Whether a recording file was named: a device ID has neither dots nor slashes."""
    return "." in device or "/" in device


def find_session(store: SqlStore, device: str, session: int | None) -> int:
    sessions = [row.session_id for row in store.sessions(device) if row.sampled]
    if not sessions:
        raise LocalError(f"{device} has no recorded session. `pixeltrail sessions` lists what there is.")
    if session is not None and session not in sessions:
        raise LocalError(
            f"{device} has no recorded session {session}. `pixeltrail sessions {device}` lists them."
        )
    return session if session is not None else sessions[-1]


def _pictures(store: SqlStore, device: str, session_id: int) -> Iterator[Picture]:
    from ..replay.recording import Recording

    return Recording.open(store, device, session_id).pictures()


def _pictures_of(name: str) -> Iterator[Picture]:
    from ..export.ptr import open_ptr

    try:
        with open(name, "rb") as file:
            return open_ptr(file, name).pictures()
    except OSError as error:
        raise LocalError(f"{name} cannot be read: {error.strerror}") from None


def _write_png(frames: Iterator[Picture], folder: Path) -> str:
    from PIL import Image

    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.glob("frame-*.png")):
            raise LocalError(f"{folder} holds frames already; name another folder")
        count, first_ms, last_ms = 0, 0, 0
        for count, frame in enumerate(frames, 1):
            first_ms = frame.at_ms if count == 1 else first_ms
            last_ms = frame.at_ms - first_ms
            Image.fromarray(frame.rgb()).save(folder / f"frame-{count:06d}-{last_ms:09d}ms.png")
    except OSError as error:
        raise LocalError(f"{folder} cannot be written: {error.strerror}") from None
    return f"{count} frames over {last_ms / 1000:.1f} s in {folder}"


def _show(frames: Iterator[Picture], speed: float) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console()
    count, last_ms, due = 0, -1, time.monotonic()
    with Live(console=console, auto_refresh=False, screen=True) as live:
        for frame in frames:
            wait_s = min((frame.at_ms - last_ms) / 1000 / speed, _LONGEST_WAIT_S) if last_ms >= 0 else 0
            last_ms, count = frame.at_ms, count + 1
            due += wait_s
            if due - time.monotonic() < -_LEAST_WAIT_S:
                continue  # late: the next one shows all the same
            time.sleep(max(0, due - time.monotonic()))
            picture = _half_blocks(frame.rgb(), console.width, console.height - 1)
            picture.append(f"frame {count}{', mixed' if frame.is_mixed else ''}. Ctrl-C ends.")
            live.update(picture, refresh=True)
        if count:
            time.sleep(1)
    console.print(Text(f"{count} frames."))


def _half_blocks(rgb: NDArray[np.uint8], columns: int, lines: int) -> Text:
    """A picture as text: each letter is two pixels, one above the other; every nth pixel where it does not fit."""
    from rich.text import Text

    height, width = rgb.shape[:2]
    step = max(1, -(-width // max(columns, 1)), -(-height // max(2 * lines, 1)))
    small = rgb[::step, ::step]
    text = Text(no_wrap=True, end="")
    for top in range(0, len(small), 2):
        pairs = zip(small[top].tolist(), small[min(top + 1, len(small) - 1)].tolist(), strict=True)
        for (above, below), group in groupby(pairs):
            text.append("\N{UPPER HALF BLOCK}" * len(list(group)), f"{_hex(above)} on {_hex(below)}")
        text.append("\n")
    return text


def _hex(color: list[int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
