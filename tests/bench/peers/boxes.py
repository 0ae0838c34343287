"""Peers that code the bounding box of what changed, byte for byte, on its own: PNG, zlib of the XOR, LZ4, heatshrink.

Each frame also counts RECT_BYTES for the box.
"""

from __future__ import annotations

import io
import zlib

import heatshrink2
import lz4.block
import numpy as np
from numpy.typing import NDArray
from PIL import Image

RECT_BYTES = 8
# Pillow writes 4-bit pixels with a palette only; grey ones have none.
_GREY_PALETTE_BYTES = 12 + 3 * 16

Bytes = NDArray[np.uint8]


def box(before: NDArray[np.generic], after: NDArray[np.generic]) -> tuple[slice, slice]:
    """Rows and columns that hold every difference."""
    changed = before != after
    rows = np.flatnonzero(changed.any(axis=1))
    columns = np.flatnonzero(changed.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


class Zlib9Xor:
    def code(self, before: Bytes, after: Bytes) -> int:
        where = box(before, after)
        data = zlib.compress((before[where] ^ after[where]).tobytes(), 9)
        back = np.frombuffer(zlib.decompress(data), np.uint8).reshape(after[where].shape) ^ before[where]
        assert np.array_equal(back, after[where])
        return RECT_BYTES + len(data)


class _Plain:
    """The smaller of the picture and its XOR with the one before; which, would be a bit of the box."""

    def code(self, before: Bytes, after: Bytes) -> int:
        where = box(before, after)
        choices = (after[where].tobytes(), (before[where] ^ after[where]).tobytes())
        return RECT_BYTES + min(self._compressed(raw) for raw in choices)

    def _compressed(self, raw: bytes) -> int:
        raise NotImplementedError


class Lz4(_Plain):
    def _compressed(self, raw: bytes) -> int:
        data = lz4.block.compress(raw, mode="high_compression", compression=12, store_size=False)
        assert lz4.block.decompress(data, uncompressed_size=len(raw)) == raw
        return len(data)


class Heatshrink(_Plain):
    """Window of 2^10, lookahead of 2^5: what fits a microcontroller."""

    def _compressed(self, raw: bytes) -> int:
        data = heatshrink2.compress(raw, window_sz2=10, lookahead_sz2=5)
        assert heatshrink2.decompress(data, window_sz2=10, lookahead_sz2=5) == raw
        return len(data)


class Png:
    """`bits` of a pixel: 1, 4 and 8 as grey of that depth, 16 as the true colour of RGB565."""

    def __init__(self, bits: int) -> None:
        self._bits = bits

    def code(self, before: NDArray[np.uint16], after: NDArray[np.uint16]) -> int:
        pixels = after[box(before, after)]
        image, options = self._image(pixels)
        file = io.BytesIO()
        image.save(file, "PNG", optimize=True, **options)
        back = np.asarray(Image.open(file))
        assert np.array_equal(back, np.asarray(image))
        return RECT_BYTES + file.tell() - (_GREY_PALETTE_BYTES if self._bits == 4 else 0)

    def _image(self, pixels: NDArray[np.uint16]) -> tuple[Image.Image, dict[str, int]]:
        if self._bits == 1:
            return Image.fromarray(pixels.astype(bool)), {}
        if self._bits == 16:
            parts = (pixels >> 11 << 3, pixels >> 5 << 2, pixels << 3)
            return Image.fromarray(np.stack(parts, axis=-1).astype(np.uint8)), {}
        image = Image.fromarray(pixels.astype(np.uint8))
        if self._bits == 8:
            return image, {}
        image = image.copy()
        image.putpalette(bytes(value * 17 for value in range(16) for _ in range(3)))
        return image, {"bits": self._bits}
