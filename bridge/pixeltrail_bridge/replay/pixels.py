"""The decoder of S-PX (payload type 0): schema/wire.md, "Payload S-PX", line by line.

`paint` and `checksum` are plain functions over bytes; `compiled` returns the same ones compiled by numba, where it
imports. They report a fault as a negative number, since compiled code raises poorly.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ..errors import FrameError
from ..wire.limits import MAX_FRAME_RECTS
from ..wire.messages import Display
from . import formats

_FAULTS: Final = {
    -1: "the payload ends inside a rectangle's header",
    -2: "a rectangle lies outside the display",
    -3: "the rectangles cover more than the whole display",
    -4: "the payload ends inside a rectangle's pixels",
    -5: "an operation passes the end of its rectangle",
    -6: "a run is longer than four bytes can say",
    -7: "a row of pixels refers to the row above the rectangle",
    -8: "too many rectangles",
}


@dataclass(frozen=True, slots=True)
class Geometry:
    """What the decoder has to know of a display, in bytes and rows of bytes."""

    row_bytes: int
    rows: int
    strip_bytes: int
    unit: int
    """Bytes of one coded value: 2 in the 16-bit formats, else 1."""
    strip_px: int
    row_px: int
    masks: formats.Masks

    @classmethod
    def of(cls, display: Display) -> Geometry:
        pages = formats.has_pages(display.format)
        bits = 8 if pages else formats.bits_per_pixel(display.format)
        row_px = formats.PAGE_ROWS if pages else 1
        if display.strip_width * bits % 8 or display.strip_rows != row_px:
            raise FrameError(
                f"display: strips of {display.strip_width}x{display.strip_rows} px are not whole bytes of one row in"
                f" {display.format.name}"
            )
        return cls(
            row_bytes=formats.bytes_per_row(display.format, display.width),
            rows=formats.rows(display.format, display.height),
            strip_bytes=display.strip_width * bits // 8,
            unit=2 if bits == 16 else 1,
            strip_px=display.strip_width,
            row_px=row_px,
            masks=formats.masks(display.format, display.width, display.height),
        )


def paint(
    payload: Any,
    picture: Any,
    row_bytes: int,
    height: int,
    strip_bytes: int,
    unit: int,
    rectangles: Any,
    cache: Any,
) -> tuple[int, int]:
    """Paint a payload's rectangles into the picture.

    Returns (count, offset): how many rectangles, each as left byte, top row, bytes wide and rows in `rectangles`; or a
    negative fault with the offset of the byte at fault. The picture is then painted in part. `cache`: 64 numbers.
    """
    size = len(payload)
    k = 0
    count = 0
    left_to_paint = row_bytes * height
    while k < size:
        # header: first column, columns less one with the raw bit, first row, rows less one
        begin = k
        if k + 4 > size:
            return -1, k
        left = payload[k] * strip_bytes
        columns = (payload[k + 1] & 127) + 1
        is_raw = payload[k + 1] >> 7
        top = payload[k + 2] & 127
        k += 3
        if payload[k - 1] > 127:
            top |= (payload[k] & 127) << 7
            if payload[k] > 127:
                return -2, k
            k += 1
            if k >= size:
                return -1, begin
        rows = (payload[k] & 127) + 1
        k += 1
        if payload[k - 1] > 127:
            if k >= size:
                return -1, begin
            rows += (payload[k] & 127) << 7
            if payload[k] > 127:
                return -2, k
            k += 1
        right = left + columns * strip_bytes
        if left >= row_bytes or right - row_bytes >= strip_bytes or top + rows > height:
            return -2, begin
        if right > row_bytes:
            right = row_bytes
        width = right - left
        left_to_paint -= width * rows
        if left_to_paint < 0:
            return -3, begin
        if count * 4 + 4 > len(rectangles):
            return -8, begin
        rectangles[count * 4] = left
        rectangles[count * 4 + 1] = top
        rectangles[count * 4 + 2] = width
        rectangles[count * 4 + 3] = rows
        count += 1
        # pixels: `at` walks through the rectangle, `end_of_row` is where it wraps, `left_here` counts units
        at = top * row_bytes + left
        end_of_row = at + width
        if is_raw:
            if k + width * rows > size:
                return -4, k
            for _ in range(rows):
                for i in range(width):
                    picture[at + i] = payload[k + i]
                k += width
                at += row_bytes
            continue
        for i in range(64):
            cache[i] = 0
        last = 0
        left_here = width // unit * rows
        above_from = left_here - width // unit
        while left_here:
            if k >= size:
                return -4, k
            operation = payload[k] >> 6
            n = (payload[k] & 63) + 1
            op_at = k
            k += 1
            if operation < 2 and n == 64:  # a longer run: the rest of its length in groups of 7 bits
                shift = 0
                more = 1
                while more:
                    if shift > 21:
                        return -6, op_at
                    if k >= size:
                        return -4, k
                    n += (payload[k] & 127) << shift
                    more = payload[k] >> 7
                    shift += 7
                    k += 1
            slot = 0
            if operation == 3:
                slot = n - 1
                n = 1
                last = cache[slot]
            if n > left_here:
                return -5, op_at
            if operation == 1 and left_here > above_from:
                return -7, op_at
            if operation == 2 and k + n * unit > size:
                return -4, k
            left_here -= n
            while n:
                n -= 1
                if operation == 1:
                    last = picture[at - row_bytes]
                    if unit == 2:
                        # not a shift: numba makes that unsigned, and unsigned with signed a float
                        last |= picture[at - row_bytes + 1] * 256
                elif operation == 2:
                    last = payload[k]
                    if unit == 2:
                        last |= payload[k + 1] << 8
                    k += unit
                    cache[(last ^ last >> 5 ^ last >> 9) & 63] = last
                picture[at] = last & 255
                if unit == 2:
                    picture[at + 1] = last >> 8
                at += unit
                if at == end_of_row:
                    at += row_bytes - width
                    end_of_row += row_bytes
    return count, size


def checksum(picture: Any) -> int:
    """FNV-1a, 32 bits."""
    h = 0x811C9DC5
    for i in range(len(picture)):
        h = ((h ^ picture[i]) * 0x01000193) & 0xFFFFFFFF
    return h


@functools.cache
def compiled() -> tuple[Callable[..., Any], Callable[..., Any], bool]:
    """paint, checksum and whether they are compiled. The first call may take seconds, once per installation."""
    try:
        from numba import njit
    except ImportError:
        return paint, checksum, False

    def build(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            result: Callable[..., Any] = njit(cache=True)(function)
        except RuntimeError:  # no folder to keep the machine code in
            result = njit(function)
        return result

    return build(paint), build(checksum), True


class Decoder:
    """Paints parts into pictures of one display. Keeps no picture itself."""

    def __init__(self, display: Display, use_numba: bool = True) -> None:
        self.geometry = Geometry.of(display)
        self._use_numba = use_numba
        self._scratch: tuple[Any, Any] | None = None

    def paint(self, payload: bytes, picture: bytearray) -> list[tuple[int, int, int, int]]:
        """Paint one part; return its rectangles as left byte, top row, bytes wide, rows. Raises FrameError."""
        g = self.geometry
        function, _, is_compiled = self._functions()
        rectangles, cache = self._arrays(is_compiled)
        source = _as_array(payload).astype("i8") if is_compiled else payload
        target = _as_array(picture) if is_compiled else picture
        count, offset = function(
            source, target, g.row_bytes, g.rows, g.strip_bytes, g.unit, rectangles, cache
        )
        if count < 0:
            raise FrameError(f"frame payload, byte {offset}: {_FAULTS[count]}")
        self._clear_unused_bits(picture)
        return [tuple(int(n) for n in rectangles[i * 4 : i * 4 + 4]) for i in range(count)]  # type: ignore[misc]

    def checksum(self, picture: bytearray) -> int:
        _, function, is_compiled = self._functions()
        return int(function(_as_array(picture) if is_compiled else picture))

    def _functions(self) -> tuple[Callable[..., Any], Callable[..., Any], bool]:
        return compiled() if self._use_numba else (paint, checksum, False)

    def _arrays(self, is_compiled: bool) -> tuple[Any, Any]:
        if self._scratch is None:
            sizes = (4 * MAX_FRAME_RECTS, 64)
            if is_compiled:
                import numpy as np

                self._scratch = (np.zeros(sizes[0], np.int32), np.zeros(sizes[1], np.int32))
            else:
                self._scratch = ([0] * sizes[0], [0] * sizes[1])
        return self._scratch

    def _clear_unused_bits(self, picture: bytearray) -> None:
        g = self.geometry
        if g.masks.edge != 255:
            edge = slice(g.row_bytes - 1, None, g.row_bytes)
            picture[edge] = bytes(byte & g.masks.edge for byte in picture[edge])
        if g.masks.foot != 255:
            foot = slice(g.row_bytes * (g.rows - 1), None)
            picture[foot] = bytes(byte & g.masks.foot for byte in picture[foot])


def _as_array(data: bytes | bytearray) -> Any:
    import numpy as np

    return np.frombuffer(data, np.uint8)
