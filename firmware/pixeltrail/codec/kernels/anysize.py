"""Strips of any number of bytes at any address; in viper. The slow one, for narrow displays and small strips.

Every strip kernel has this one function and contract.
"""

import micropython

K = 0x3AAE48CB


@micropython.viper
def scan(p: ptr8, k: int, h: uint, s: ptr32, d: ptr8, c: int, cols: int, y: int, stop: int, rows: int, pitch: int,
         step: int, last: int, size: int, end: int, store: int, mask: int) -> int:
    """Hash rows y to stop of columns c to cols, set the dirty bit of each strip whose hash differs; count those.

    p: the frame. s: hashes, `rows` to a column. d: dirty bits (bits.py). A column begins at its number times `step`
    bytes, but column number `end` at `last`: it may overlap its neighbour, so that all are `size` bytes wide. With
    `store` the new hash replaces the old. mask: -1 on 32-bit ports, 0xffffffff on 64-bit ones. h needs no value.
    """
    height = (rows + 7) >> 3
    n = 0
    r = 0
    i = 0
    at = 0
    j = 0
    while c < cols:
        r = y
        at = (last if c == end else c * step) + y * pitch
        j = c * rows + y
        while r < stop:
            h = uint(k)
            i = at
            while i < at + size:
                h = (h >> 13 ^ h) * k + p[i]
                i += 1
            if (h ^ s[j]) & mask:
                if store:
                    s[j] = int(h)
                d[c * height + (r >> 3)] |= 1 << (r & 7)
                n += 1
            at += pitch
            j += 1
            r += 1
        c += 1
    return n
