"""Remote framebuffer peers (RFC 6143): hextile (7.7.4), TRLE (7.7.5), ZRLE (7.7.6), with their decoders.

The rectangles are those of changed 16x16 tiles, joined to runs and grown down. Each has a header of 12 bytes
(7.6.1); ZRLE's also its length of 4. Pixels are values of 1 byte, of 2 bytes in the 16-bit formats. Free choices: the
smallest encoding of each tile; TRLE never repeats a palette; hextile's subrectangles are grown greedily.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

RECT_BYTES = 12
_LENGTH_BYTES = 4
_TILE = 16
_ZRLE_TILE = 64

Values = NDArray[np.uint16]


def rectangles(before: Values, after: Values) -> Iterator[tuple[int, int, int, int]]:
    """x, y, width, height of what changed, in whole tiles."""
    height, width = after.shape
    changed = before != after
    padded = np.zeros((-(-height // _TILE) * _TILE, -(-width // _TILE) * _TILE), bool)
    padded[:height, :width] = changed
    dirty = padded.reshape(padded.shape[0] // _TILE, _TILE, -1, _TILE).any(axis=(1, 3))
    for row in range(dirty.shape[0]):
        column = 0
        while column < dirty.shape[1]:
            if not dirty[row, column]:
                column += 1
                continue
            end = column
            while end < dirty.shape[1] and dirty[row, end]:
                end += 1
            bottom = row + 1
            while bottom < dirty.shape[0] and dirty[bottom, column:end].all():
                bottom += 1
            dirty[row:bottom, column:end] = False
            x, y = column * _TILE, row * _TILE
            yield x, y, min(end * _TILE, width) - x, min(bottom * _TILE, height) - y
            column = end


@njit(cache=True)
def trle_tile(p: Any, n: int, tile_width: int, unit: int, out: Any, k: int) -> int:
    """One tile of n pixels into out[k:]; returns the new k."""
    palette = np.zeros(128, np.int64)
    colours = 0
    runs = 0
    singles = 0
    extra = 0
    i = 0
    while i < n:
        j = i
        while j < n and p[j] == p[i]:
            j += 1
        runs += 1
        if j - i == 1:
            singles += 1
        extra += (j - i - 1) // 255
        if colours < 128:
            c = 0
            while c < colours and palette[c] != p[i]:
                c += 1
            if c == colours:
                if colours < 127:
                    palette[c] = p[i]
                colours += 1
        i = j
    mode = 0
    best = n * unit
    bits = 0
    if colours == 1:
        mode = 1
        best = -1
    elif colours <= 16:
        bits = 1 if colours == 2 else 2 if colours <= 4 else 4
        size = colours * unit + n // tile_width * ((tile_width * bits + 7) // 8)
        if size < best:
            best = size
            mode = colours
    if best > 0:
        size = (unit + 1) * runs + extra
        if size < best:
            best = size
            mode = 128
        if colours <= 127:
            size = colours * unit + 2 * (runs - singles) + singles + extra
            if size < best:
                mode = 128 + colours
    out[k] = mode
    k += 1
    if mode != 0 and mode != 128:
        for c in range(colours):
            out[k] = palette[c] & 255
            if unit == 2:
                out[k + 1] = palette[c] >> 8
            k += unit
    if mode == 0:
        for i in range(n):
            out[k] = p[i] & 255
            if unit == 2:
                out[k + 1] = p[i] >> 8
            k += unit
    elif mode == 1:
        pass
    elif mode <= 16:
        for y in range(n // tile_width):
            filled = 0
            value = 0
            for x in range(tile_width):
                c = 0
                while palette[c] != p[y * tile_width + x]:
                    c += 1
                value = value << bits | c
                filled += bits
                if filled == 8:
                    out[k] = value
                    k += 1
                    value = 0
                    filled = 0
            if filled:
                out[k] = value << (8 - filled)
                k += 1
    else:
        i = 0
        while i < n:
            j = i
            while j < n and p[j] == p[i]:
                j += 1
            length = j - i
            if mode == 128:
                out[k] = p[i] & 255
                if unit == 2:
                    out[k + 1] = p[i] >> 8
                k += unit
            else:
                c = 0
                while palette[c] != p[i]:
                    c += 1
                out[k] = c if length == 1 else c | 128
                k += 1
            if mode == 128 or length > 1:
                length -= 1
                while length >= 255:
                    out[k] = 255
                    k += 1
                    length -= 255
                out[k] = length
                k += 1
            i = j
    return k


@njit(cache=True)
def trle(picture: Any, x0: int, y0: int, width: int, height: int, tile: int, unit: int, out: Any) -> int:
    pixels = np.zeros(tile * tile, np.int64)
    k = 0
    for y in range(y0, y0 + height, tile):
        for x in range(x0, x0 + width, tile):
            w = min(tile, x0 + width - x)
            h = min(tile, y0 + height - y)
            for j in range(h):
                for i in range(w):
                    pixels[j * w + i] = picture[y + j, x + i]
            k = trle_tile(pixels, w * h, w, unit, out, k)
    return k


@njit(cache=True)
def trle_decode(
    data: Any, picture: Any, x0: int, y0: int, width: int, height: int, tile: int, unit: int
) -> int:
    palette = np.zeros(128, np.int64)
    k = 0
    for y in range(y0, y0 + height, tile):
        for x in range(x0, x0 + width, tile):
            w = min(tile, x0 + width - x)
            h = min(tile, y0 + height - y)
            mode = data[k]
            k += 1
            colours = mode if mode < 128 else mode - 128
            if mode != 0 and mode != 128:
                for c in range(colours):
                    palette[c] = data[k]
                    if unit == 2:
                        palette[c] += data[k + 1] * 256
                    k += unit
            bits = 1 if colours == 2 else 2 if colours <= 4 else 4
            left = 0
            value = 0
            for i in range(w * h):
                if mode == 0:
                    value = data[k]
                    if unit == 2:
                        value += data[k + 1] * 256
                    k += unit
                elif mode == 1:
                    value = palette[0]
                elif mode <= 16:
                    if i % w == 0:
                        left = 0
                    if left == 0:
                        k += 1
                        left = 8
                    left -= bits
                    value = palette[data[k - 1] >> left & ((1 << bits) - 1)]
                elif left:
                    left -= 1
                else:
                    has_length = True
                    if mode == 128:
                        value = data[k]
                        if unit == 2:
                            value += data[k + 1] * 256
                        k += unit
                    else:
                        value = palette[data[k] & 127]
                        has_length = data[k] > 127
                        k += 1
                    while has_length:
                        left += data[k]
                        has_length = data[k] == 255
                        k += 1
                picture[y + i // w, x + i % w] = value
            left = 0
    return k


@njit(cache=True)
def hextile(picture: Any, x0: int, y0: int, width: int, height: int, unit: int, out: Any) -> int:
    k = 0
    back = -1
    front = -1
    done = np.zeros((16, 16), np.bool_)
    for y in range(y0, y0 + height, 16):
        for x in range(x0, x0 + width, 16):
            w = min(16, x0 + width - x)
            h = min(16, y0 + height - y)
            first = picture[y, x]
            second = -1
            many = False
            count = 0
            for j in range(h):
                for i in range(w):
                    v = picture[y + j, x + i]
                    if v == first:
                        count += 1
                    elif second < 0 or v == second:
                        second = v
                    else:
                        many = True
            if second >= 0 and not many and count * 2 < w * h:
                first, second = second, first
            start = k
            raw = w * h * unit
            flags = 0
            k += 1
            if first != back:
                flags |= 2
                out[k] = first & 255
                if unit == 2:
                    out[k + 1] = first >> 8
                k += unit
            if second >= 0:
                flags |= 8
                if many:
                    flags |= 16
                elif second != front:
                    flags |= 4
                    out[k] = second & 255
                    if unit == 2:
                        out[k + 1] = second >> 8
                    k += unit
                at = k
                k += 1
                pieces = 0
                done[:, :] = False
                for j in range(h):
                    for i in range(w):
                        v = picture[y + j, x + i]
                        if done[j, i] or v == first:
                            continue
                        # the larger of the rectangle grown right, then down, and down, then right
                        r1 = i
                        while r1 < w and picture[y + j, x + r1] == v and not done[j, r1]:
                            r1 += 1
                        b1 = j + 1
                        fits = True
                        while b1 < h and fits:
                            for q in range(i, r1):
                                if picture[y + b1, x + q] != v or done[b1, q]:
                                    fits = False
                            if fits:
                                b1 += 1
                        b2 = j
                        while b2 < h and picture[y + b2, x + i] == v and not done[b2, i]:
                            b2 += 1
                        r2 = i + 1
                        fits = True
                        while r2 < w and fits:
                            for q in range(j, b2):
                                if picture[y + q, x + r2] != v or done[q, r2]:
                                    fits = False
                            if fits:
                                r2 += 1
                        if (r2 - i) * (b2 - j) > (r1 - i) * (b1 - j):
                            r1 = r2
                            b1 = b2
                        done[j:b1, i:r1] = True
                        pieces += 1
                        if many:
                            out[k] = v & 255
                            if unit == 2:
                                out[k + 1] = v >> 8
                            k += unit
                        out[k] = i << 4 | j
                        out[k + 1] = (r1 - i - 1) << 4 | (b1 - j - 1)
                        k += 2
                out[at] = pieces & 255
                if pieces > 255:
                    k = start + raw + 2  # cannot be said: raw
            if k - start > raw + 1:
                k = start + 1
                flags = 1
                for j in range(h):
                    for i in range(w):
                        out[k] = picture[y + j, x + i] & 255
                        if unit == 2:
                            out[k + 1] = picture[y + j, x + i] >> 8
                        k += unit
                back = -1
                front = -1
            else:
                back = first
                if many:
                    front = -1
                elif second >= 0:
                    front = second
            out[start] = flags
    return k


@njit(cache=True)
def hextile_decode(data: Any, picture: Any, x0: int, y0: int, width: int, height: int, unit: int) -> int:
    k = 0
    back = 0
    front = 0
    for y in range(y0, y0 + height, 16):
        for x in range(x0, x0 + width, 16):
            w = min(16, x0 + width - x)
            h = min(16, y0 + height - y)
            flags = data[k]
            k += 1
            if flags & 1:
                for i in range(w * h):
                    value = data[k]
                    if unit == 2:
                        value += data[k + 1] * 256
                    picture[y + i // w, x + i % w] = value
                    k += unit
                continue
            if flags & 2:
                back = data[k]
                if unit == 2:
                    back += data[k + 1] * 256
                k += unit
            if flags & 4:
                front = data[k]
                if unit == 2:
                    front += data[k + 1] * 256
                k += unit
            picture[y : y + h, x : x + w] = back
            if flags & 8:
                pieces = data[k]
                k += 1
                for _ in range(pieces):
                    if flags & 16:
                        front = data[k]
                        if unit == 2:
                            front += data[k + 1] * 256
                        k += unit
                    left = x + (data[k] >> 4)
                    top = y + (data[k] & 15)
                    picture[top : top + (data[k + 1] & 15) + 1, left : left + (data[k + 1] >> 4) + 1] = front
                    k += 2
    return k


class _Tiles:
    def __init__(self, bits: int, shape: tuple[int, int]) -> None:
        self._unit = 2 if bits == 16 else 1
        self._out = np.zeros(shape[0] * shape[1] * 4 + 65536, np.uint8)

    def code(self, before: Values, after: Values) -> int:
        back = before.astype(np.int64)
        target = after.astype(np.int64)
        size = sum(self._rectangle(target, back, *where) for where in rectangles(before, after))
        assert np.array_equal(back, target)
        return size

    def _rectangle(self, target: Any, back: Any, x: int, y: int, width: int, height: int) -> int:
        raise NotImplementedError


class Hextile(_Tiles):
    def _rectangle(self, target: Any, back: Any, x: int, y: int, width: int, height: int) -> int:
        size = hextile(target, x, y, width, height, self._unit, self._out)
        used = hextile_decode(self._out[:size].astype(np.int64), back, x, y, width, height, self._unit)
        assert used == size
        return RECT_BYTES + size


class Trle(_Tiles):
    def _rectangle(self, target: Any, back: Any, x: int, y: int, width: int, height: int) -> int:
        size = trle(target, x, y, width, height, _TILE, self._unit, self._out)
        used = trle_decode(self._out[:size].astype(np.int64), back, x, y, width, height, _TILE, self._unit)
        assert used == size
        return RECT_BYTES + size


class Zrle(_Tiles):
    """One zlib stream with a window of 32 KB for the whole session, flushed after each rectangle."""

    def __init__(self, bits: int, shape: tuple[int, int]) -> None:
        super().__init__(bits, shape)
        self._deflate = zlib.compressobj(6)
        self._inflate = zlib.decompressobj()

    def _rectangle(self, target: Any, back: Any, x: int, y: int, width: int, height: int) -> int:
        size = trle(target, x, y, width, height, _ZRLE_TILE, self._unit, self._out)
        data = self._deflate.compress(self._out[:size].tobytes()) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        plain = np.frombuffer(self._inflate.decompress(data), np.uint8)
        used = trle_decode(plain.astype(np.int64), back, x, y, width, height, _ZRLE_TILE, self._unit)
        assert used == size
        return RECT_BYTES + _LENGTH_BYTES + len(data)
