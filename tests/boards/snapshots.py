"""What a simulated app shows, as pictures: `python -m tests.boards.snapshots BOARD SECONDS FILE.png`."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pixeltrail_bridge.replay import formats
from pixeltrail_bridge.simulate import spawn_board
from pixeltrail_bridge.wire.messages import PixelFormat

_WAIT_S = 60


@dataclass(frozen=True)
class Panel:
    width: int
    height: int
    format: PixelFormat
    zoom: int


PANELS = {
    "sim": Panel(240, 240, PixelFormat.RGB565, 1),
    "sim-oled": Panel(128, 64, PixelFormat.MONO_VLSB, 2),
}


def run(board: str, folder: Path, duration_s: float) -> tuple[Path, list[bytes]]:
    """Run a board's app alone; returns the file of its messages and every picture that it showed."""
    log, messages, dump = folder / "log", folder / "messages", folder / "dump"
    options = {"dump": str(dump)}
    with spawn_board(
        board, f"file://{messages}", "sim-00001", duration_s=duration_s, settings=options, output=log
    ) as running:
        status = running.wait(_WAIT_S)
    assert status == 0, f"{board} ended with {status}:\n{log.read_text()}"
    assert log.read_text() == "", "an app that works prints nothing"
    panel = PANELS[board]
    size = formats.picture_bytes(panel.format, panel.width, panel.height)
    data = dump.read_bytes()
    return messages, [data[at : at + size] for at in range(0, len(data), size)]


def sheet(board: str, pictures: list[bytes], columns: int = 4) -> Image.Image:
    """Up to two rows of pictures, spread over those given."""
    panel = PANELS[board]
    tiles = [formats.to_rgb(one, panel.format, panel.width, panel.height, None) for one in pictures]
    return sheet_of(tiles, columns, panel.zoom)


def sheet_of(pictures: list[NDArray[np.uint8]], columns: int = 4, zoom: int = 1) -> Image.Image:
    """The same of pictures in R, G, B."""
    step = max(1, len(pictures) // (2 * columns))
    tiles = pictures[step - 1 :: step][: 2 * columns]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[at : at + columns], axis=1) for at in range(0, len(tiles), columns)]
    image = Image.fromarray(np.concatenate(rows, axis=0))
    return image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        _, shown = run(sys.argv[1], Path(temporary), float(sys.argv[2]))
    sheet(sys.argv[1], list(dict.fromkeys(shown))).save(sys.argv[3])
