"""Animated GIF (GIF89a): of each picture only the rectangle that changed, in colours that are exact where 256 suffice.

Colours. As long as a session has at most 256 of them, all pictures share one table and are exact. A picture with
colours that do not fit gets a table of its own, exact for the pixels it changes where they have at most 255 colours,
and of 255 chosen ones (median cut) where not. What does not change within the rectangle is left transparent where the
table has room for that, which makes long runs.

Time. A GIF counts in 10 ms, and browsers show a picture that lasts less than 20 ms for 100 ms. So pictures closer than
20 ms are merged, and each delay is the difference of two rounded times: none is off by more than 5 ms, however long the
session.

Pillow's own writer keeps every picture in memory and rounds each delay down by itself, so only its coder is used here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np
from PIL import GifImagePlugin, Image

from . import pacing
from .colours import pack, zoomed
from .options import Progress
from .stage import Shot, Stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

APART_MS: Final = 20
_UNIT_MS: Final = 10
_LONGEST_UNITS: Final = 65_535
_COLOURS: Final = 256
_PALETTE_AT: Final = 13  # offset of the shared table in the file
_DESCRIPTOR_BYTES: Final = 10  # what Pillow's coder puts before the pixels
_WEIGHT: Final = 4  # pixels for each colour that median cut sees: fewer are faster, more weigh better
_LOOP_FOR_EVER: Final = b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
_NOTHING: Final = b"\x02\x02\x4c\x01\x00"  # one pixel of index 1, in codes of 3 bits


def write_gif(stage: Stage, file: BinaryIO, progress: Progress | None = None) -> None:
    """`file` must be able to seek: the shared table of colours is known only at the end."""
    width, height = stage.size
    writer = _Writer(file, width, height)
    shown: tuple[int, _Body] | None = None  # time in units and body of the picture before
    for at_ms, shot in pacing.merge_close(stage.shots(progress), APART_MS):
        body = writer.body(shot)
        if body is None:
            continue  # back to what was shown before those that were merged
        now = (at_ms + _UNIT_MS // 2) // _UNIT_MS
        if shown is not None:
            writer.write(*shown, now)
        shown = now, body
    if shown is not None:
        writer.write(*shown, max(shown[0] + 2, (stage.duration_ms + _UNIT_MS // 2) // _UNIT_MS))
    writer.finish()


@dataclass(frozen=True, slots=True)
class _Body:
    """An image without its delay. `transparent` None: every pixel is drawn."""

    data: bytes
    transparent: int | None


class _Writer:
    def __init__(self, file: BinaryIO, width: int, height: int) -> None:
        self._file = file
        self._colours = _Colours()
        self._before: NDArray[np.uint32] | None = None
        screen = struct.pack("<HHBBB", width, height, 0xF7, 0, 0)
        file.write(b"GIF89a" + screen + bytes(3 * _COLOURS) + _LOOP_FOR_EVER)

    def body(self, shot: Shot) -> _Body | None:
        """What turns the image before into this one; None when they are the same."""
        image, before = shot.image, self._before
        self._before = image
        if before is None:
            return self._encode(image, np.ones(image.shape, bool), 0, 0, shot.zoom)
        is_changed = image != before
        rows, columns = is_changed.any(1).nonzero()[0], is_changed.any(0).nonzero()[0]
        if not len(rows):
            return None
        top, left = int(rows[0]), int(columns[0])
        part = np.s_[top : rows[-1] + 1, left : columns[-1] + 1]
        return self._encode(image[part], is_changed[part], left, top, shot.zoom)

    def write(self, start: int, body: _Body, end: int) -> None:
        """A picture that stands from `start` to `end`, in units."""
        delay = min(end - start, _LONGEST_UNITS)
        self._file.write(_control(delay, body.transparent) + body.data)
        while (start := start + delay) < end:
            delay = min(end - start, _LONGEST_UNITS)
            nothing = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + _NOTHING
            self._file.write(_control(delay, 1) + nothing)

    def finish(self) -> None:
        self._file.write(b";")
        self._file.seek(_PALETTE_AT)
        self._file.write(_table_bytes(self._colours.colours[:_COLOURS]))
        self._file.seek(0, 2)

    def _encode(
        self, part: NDArray[np.uint32], is_changed: NDArray[np.bool_], left: int, top: int, zoom: int
    ) -> _Body:
        numbers = self._colours.numbers(part)
        indices, table, transparent = self._choose(numbers, is_changed)
        if transparent is not None:
            indices[~is_changed] = transparent
        pixels = zoomed(indices, zoom)
        flags = 0 if table is None else 0x87
        height, width = pixels.shape
        place = struct.pack("<HHHHB", left * zoom, top * zoom, width, height, flags)
        return _Body(b"," + place + (table or b"") + _lzw(pixels), transparent)

    def _choose(
        self, numbers: NDArray[np.uint32], is_changed: NDArray[np.bool_]
    ) -> tuple[NDArray[np.uint8], bytes | None, int | None]:
        """Indices, the table they are for (None: the shared one) and the one that stands for no change."""
        if numbers.max() < _COLOURS - 1:
            return numbers.astype(np.uint8), None, _COLOURS - 1
        counts = np.bincount(numbers[is_changed])
        if len(counts) < _COLOURS:
            return numbers.astype(np.uint8), None, _COLOURS - 1
        if numbers.max() < _COLOURS:
            return numbers.astype(np.uint8), None, None
        used = counts.nonzero()[0]
        colours = self._colours.colours[used]
        of_number = np.zeros(len(self._colours.colours), np.uint8)
        if len(used) < _COLOURS:
            of_number[used] = np.arange(len(used))
        else:
            of_number[used], colours = _median_cut(colours, counts[used])
        return of_number[numbers], _table_bytes(colours), _COLOURS - 1


class _Colours:
    """Numbers the colours in the order in which they come. The first 256 are the shared table."""

    def __init__(self) -> None:
        self.colours: NDArray[np.uint32] = np.zeros(0, np.uint32)
        self._number = np.zeros(1 << 24, np.uint32)  # plus 1; what is never touched takes no memory

    def numbers(self, image: NDArray[np.uint32]) -> NDArray[np.uint32]:
        found = self._number.take(image, mode="wrap")  # three times as fast as [image]
        if not found.min():
            new = np.unique(image[found == 0])
            self._number[new] = np.arange(len(self.colours), len(self.colours) + len(new)) + 1
            self.colours = np.concatenate([self.colours, new])
            found = self._number.take(image, mode="wrap")
        return found - np.uint32(1)


def _median_cut(
    colours: NDArray[np.uint32], counts: NDArray[np.intp]
) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """The index of each colour among 255 chosen ones, and those.

    Pillow chooses from an image: each colour stands in it about as often as its share of the pixels, and once at least.
    """
    share = counts / counts.sum() * (_WEIGHT * len(colours))
    times = np.maximum(1, share.astype(np.intp))
    starts = np.concatenate([[0], np.cumsum(times)[:-1]])
    rgb = _bytes_of(np.repeat(colours, times))
    image = Image.fromarray(rgb.reshape(1, -1, 3)).quantize(
        _COLOURS - 1, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
    )
    indices = np.asarray(image, np.uint8).reshape(-1)[starts]
    chosen = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    return indices, pack(chosen)


def _bytes_of(colours: NDArray[np.uint32]) -> NDArray[np.uint8]:
    parts = (colours >> 16, colours >> 8, colours)
    return np.stack([part.astype(np.uint8) for part in parts], -1)


def _table_bytes(colours: NDArray[np.uint32]) -> bytes:
    return _bytes_of(colours).tobytes().ljust(3 * _COLOURS, b"\0")


def _lzw(indices: NDArray[np.uint8]) -> bytes:
    height, width = indices.shape
    image = Image.frombuffer("P", (width, height), indices.tobytes(), "raw", "P", 0, 1)
    return b"".join(GifImagePlugin.getdata(image))[_DESCRIPTOR_BYTES:]


def _control(delay: int, transparent: int | None) -> bytes:
    """Graphic control extension; the image stays when its time is over."""
    flags = 1 << 2 | (transparent is not None)
    return b"!\xf9\x04" + struct.pack("<BHBB", flags, delay, transparent or 0, 0)
