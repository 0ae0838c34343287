"""Pixel formats: the layout of a picture in memory, and its colours.

A picture is what a display's buffer holds without gaps between rows: rows from the top, in MONO_VLSB pages of 8 rows,
every row in whole bytes. Names and layouts are those of MicroPython's framebuf.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..wire.messages import PixelFormat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BITS: Final = {
    PixelFormat.MONO_VLSB: 1,
    PixelFormat.MONO_HLSB: 1,
    PixelFormat.MONO_HMSB: 1,
    PixelFormat.GS2_HMSB: 2,
    PixelFormat.GS4_HMSB: 4,
    PixelFormat.GS8: 8,
    PixelFormat.RGB565: 16,
    PixelFormat.RGB565S: 16,
    PixelFormat.RGB332: 8,
}
_LEFT_IN_HIGH_BITS: Final = (PixelFormat.MONO_HLSB, PixelFormat.GS4_HMSB)
PAGE_ROWS: Final = 8


def bits_per_pixel(format: PixelFormat) -> int:
    return _BITS[format]


def has_pages(format: PixelFormat) -> bool:
    """True when a byte holds 8 pixels of one column, bit 0 uppermost."""
    return format == PixelFormat.MONO_VLSB


def is_left_in_high_bits(format: PixelFormat) -> bool:
    """True when the leftmost pixel of a byte has its highest bits."""
    return format in _LEFT_IN_HIGH_BITS


def bytes_per_row(format: PixelFormat, width: int) -> int:
    """Bytes of one row, of one page in MONO_VLSB."""
    return width if has_pages(format) else (width * _BITS[format] + 7) // 8


def rows(format: PixelFormat, height: int) -> int:
    """Rows of bytes: pages in MONO_VLSB."""
    return -(-height // PAGE_ROWS) if has_pages(format) else height


def picture_bytes(format: PixelFormat, width: int, height: int) -> int:
    return bytes_per_row(format, width) * rows(format, height)


@dataclass(frozen=True, slots=True)
class Masks:
    """Bits that belong to pixels: `edge` in the last byte of each row, `foot` in all bytes of the last row."""

    edge: int
    foot: int


def masks(format: PixelFormat, width: int, height: int) -> Masks:
    if has_pages(format):
        return Masks(255, (1 << (height % PAGE_ROWS or PAGE_ROWS)) - 1)
    used = width * _BITS[format] % 8
    if not used:
        return Masks(255, 255)
    edge = 255 << (8 - used) & 255 if format in _LEFT_IN_HIGH_BITS else (1 << used) - 1
    return Masks(edge, 255)


def to_rgb(
    picture: bytes | bytearray, format: PixelFormat, width: int, height: int, palette: bytes | None = None
) -> NDArray[np.uint8]:
    """The picture as (height, width, 3) of R, G, B. A palette maps indices; one past its end is black."""
    return _colours(to_values(picture, format, width, height), format, palette)


@functools.lru_cache(16)
def rgba_table(format: PixelFormat, palette: bytes | None = None) -> NDArray[np.uint32]:
    """R, G, B, A (255) of each pixel value, as the bytes of one number each."""
    import numpy as np

    values = np.arange(1 << _BITS[format], dtype=np.uint16)[None, :]
    rgba = np.full((1, values.size, 4), 255, np.uint8)
    rgba[:, :, :3] = _colours(values, format, palette)
    table: NDArray[np.uint32] = rgba.view(np.uint32).reshape(-1)
    return table


def _colours(values: NDArray[np.uint16], format: PixelFormat, palette: bytes | None) -> NDArray[np.uint8]:
    import numpy as np

    if format in (PixelFormat.RGB565, PixelFormat.RGB565S):
        return _rgb565(values)
    if palette is not None:
        table = np.zeros((256, 3), np.uint8)
        colours = np.frombuffer(palette[: len(palette) // 3 * 3][:768], np.uint8).reshape(-1, 3)
        table[: len(colours)] = colours
        mapped: NDArray[np.uint8] = table[values]
        return mapped
    if format == PixelFormat.RGB332:
        parts = (values >> 5, values >> 2 & 7, values & 3)
        return np.stack([_scale(part, top) for part, top in zip(parts, (7, 7, 3), strict=True)], axis=-1)
    grey = _scale(values, (1 << _BITS[format]) - 1)
    return np.repeat(grey[:, :, None], 3, axis=2)


def to_values(picture: bytes | bytearray, format: PixelFormat, width: int, height: int) -> NDArray[np.uint16]:
    """The picture as (height, width) of pixel values, before any colour."""
    import numpy as np

    data = np.frombuffer(picture, np.uint8).reshape(rows(format, height), bytes_per_row(format, width))
    if _BITS[format] == 16:
        words = data.view("<u2" if format == PixelFormat.RGB565 else ">u2")
        return words.astype(np.uint16)
    if has_pages(format):
        bits = np.unpackbits(data[:, None, :], axis=1, bitorder="little")
        return bits.reshape(-1, width)[:height].astype(np.uint16)
    if _BITS[format] == 8:
        return data.astype(np.uint16)
    shifts = np.arange(0, 8, _BITS[format], dtype=np.uint8)
    if format in _LEFT_IN_HIGH_BITS:
        shifts = shifts[::-1]
    pixels = data[:, :, None] >> shifts & ((1 << _BITS[format]) - 1)
    return pixels.reshape(height, -1)[:, :width].astype(np.uint16)


def _scale(values: NDArray[np.integer[Any]], top: int) -> NDArray[np.uint8]:
    import numpy as np

    return ((values.astype(np.uint32) * 255 + top // 2) // top).astype(np.uint8)


def _rgb565(values: NDArray[np.uint16]) -> NDArray[np.uint8]:
    import numpy as np

    parts = ((values >> 11, 31), (values >> 5 & 63, 63), (values & 31, 31))
    return np.stack([_scale(part, top) for part, top in parts], axis=-1)
