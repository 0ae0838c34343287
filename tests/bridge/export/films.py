"""Recordings for tests of exports: sequences of the corpus through the device's encoder, and pictures made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from pixeltrail_bridge.replay.recording import Mark, Picture, Recording
from pixeltrail_bridge.wire import messages as m

from tests.firmware.codec.coding import CORPUS_FORMATS
from tests.support import corpus
from tests.support.film import BOOT_MS, DEVICE, Camera, Device

START_MS = BOOT_MS


def recording_of(sequence: corpus.Sequence) -> Recording:
    """A whole sequence as the device library sends it, with its end a second after the last frame."""
    camera = Camera(Device(sequence.width, sequence.height, CORPUS_FORMATS[sequence.format]))
    list(camera.begin(0))
    for number, (at_ms, picture) in enumerate(zip(sequence.t_ms, sequence.frames, strict=True)):
        if number:
            camera.show(at_ms, picture)
        else:
            camera.device.draw(picture)
            camera.device.encoder.refresh()
            camera.key(at_ms)
    camera.say(sequence.t_ms[-1] + 1_000, m.SessionEnd(0))
    return Recording.of_chunks(DEVICE, START_MS, START_MS, camera.chunks)


@dataclass
class Film:
    """Pictures of a small grey display, made one by one; `paint` fills a rectangle with a value."""

    width: int = 160
    height: int = 120
    device_id: str = DEVICE
    start_ms: int = START_MS
    made: list[Picture | Mark] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.picture: NDArray[np.uint8] = np.zeros((self.height, self.width), np.uint8)

    def paint(self, at_ms: int, x: int, y: int, w: int, h: int, value: int | NDArray[np.uint8]) -> None:
        self.picture[y : y + h, x : x + w] = value
        self.show(at_ms, (x, y, w, h))

    def show(self, at_ms: int, *rectangles: tuple[int, int, int, int]) -> None:
        """The picture as it stands; without rectangles it may have changed anywhere."""
        display = m.Display(self.width, self.height, m.PixelFormat.GS8, 32, 1, 128, None, 0)
        changed = rectangles or ((0, 0, self.width, self.height),)
        where = (self.start_ms + at_ms, display, self.picture.tobytes(), changed)
        self.made.append(Picture(at_ms, *where, not rectangles, False))

    def turn(self) -> None:
        self.width, self.height = self.height, self.width
        self.picture = np.ascontiguousarray(np.rot90(self.picture))

    def mark(self, at_ms: int, kind: str, **values: object) -> None:
        self.made.append(Mark(at_ms, self.start_ms + at_ms, kind, values))

    def pictures(self) -> Iterator[Picture]:
        return iter([one for one in self.made if isinstance(one, Picture)])

    def marks(self) -> Iterator[Mark]:
        return iter([one for one in self.made if isinstance(one, Mark)])

    def without_pictures(self) -> Film:
        return replace(self, made=list(self.marks()))
