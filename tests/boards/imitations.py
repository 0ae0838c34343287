"""Boards with hardware, imitated: `python -m tests.boards.imitations BOARD SECONDS FILE.png` makes a picture."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pixeltrail_bridge.app import Bridge, running
from pixeltrail_bridge.boards.catalogue import Board, all_boards, find_board
from pixeltrail_bridge.boards.imitation import imitate
from pixeltrail_bridge.config.table import BridgeSettings, Config, MqttSettings, SerialSettings, WebSettings
from pixeltrail_bridge.replay import formats
from pixeltrail_bridge.replay.timeline import Timeline
from pixeltrail_bridge.simulate import PtyPair, SimulatedBoard
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.wire.messages import PixelFormat

from tests.support.harness import chunks_of

from .snapshots import sheet_of

HARDWARE = [board.id for board in all_boards() if not board.is_simulated]
DEVICE_ID = "imitated-1"
Rgb = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Run:
    bridge: Bridge
    board: SimulatedBoard
    log: Path


@contextlib.contextmanager
def bridge_for(board: Board, folder: Path) -> Iterator[tuple[Bridge, PtyPair | None]]:
    """A bridge that the board can reach, and the line to it where that is serial."""
    with contextlib.ExitStack() as stack:
        if board.link == "serial":
            line = stack.enter_context(PtyPair())
            yield stack.enter_context(line_bridge(line.host_path, folder)), line
            return
        config = Config(
            bridge=BridgeSettings(data_dir=folder / "bridge"),
            mqtt=MqttSettings(port=0),
            web=WebSettings(enabled=False),
        )
        yield stack.enter_context(running(config)), None


@contextlib.contextmanager
def line_bridge(port: str, folder: Path) -> Iterator[Bridge]:
    """A bridge at a serial port."""
    config = Config(
        bridge=BridgeSettings(data_dir=folder / "bridge"),
        mqtt=MqttSettings(enabled=False),
        serial=SerialSettings(ports=(port,)),
        web=WebSettings(enabled=False),
    )
    with running(config) as bridge:
        yield bridge


@contextlib.contextmanager
def on_a_bridge(board: Board, folder: Path) -> Iterator[Run]:
    """The board and a bridge that it talks to; what its panel shows goes to folder/dump."""
    log = folder / "log"
    with bridge_for(board, folder) as (bridge, line):
        settings = {"broker": "127.0.0.1", "port": bridge.mqtt_port or 0, "device_id": DEVICE_ID}
        with imitate(
            board, folder / "flash", settings, dump=folder / "dump", output=log, line=line
        ) as process:
            yield Run(bridge, process, log)


def shown(board: Board, dump: Path) -> list[Rgb]:
    """Every picture that the panel showed, with 5, 6 and 5 bits of colour. One that was cut off is left out."""
    width, height = board.display.width, board.display.height
    is_mono = board.display.format.startswith("MONO")
    format = PixelFormat.MONO_VLSB if is_mono else PixelFormat.RGB565S
    size = formats.picture_bytes(format, width, height)
    data = dump.read_bytes()
    return [
        coarse(formats.to_rgb(data[at : at + size], format, width, height))
        for at in range(0, len(data) // size * size, size)
    ]


def recorded(store: SqlStore) -> list[tuple[Rgb, bool]]:
    """Every picture of the replay, and whether it is mixed."""
    found = []
    line = Timeline()
    for chunk in chunks_of(store, DEVICE_ID):
        for moment in line.feed(chunk):
            assert moment.error is None, moment.error
            if moment.shown is not None and line.canvas is not None:
                found.append((coarse(line.canvas.rgb()), moment.shown.is_mixed))
    return found


def coarse(picture: Rgb) -> Rgb:
    """What a panel of 16 bits a pixel can show."""
    return picture & np.array([0xF8, 0xFC, 0xF8], np.uint8)


def picture(board: Board, seconds: float, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with on_a_bridge(board, Path(folder)):
            time.sleep(seconds)
        pictures = [frame for frame in shown(board, Path(folder) / "dump") if frame.any()]
    different = [one for at, one in enumerate(pictures) if not at or (one != pictures[at - 1]).any()]
    columns = 2 if board.display.width > board.display.height else 4
    sheet_of(different, columns, 2 if board.display.width == 128 else 1).save(path)


if __name__ == "__main__":
    picture(find_board(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))
