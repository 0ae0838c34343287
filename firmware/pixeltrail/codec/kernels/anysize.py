"""Strips of any number of bytes at any address; in viper. The slow one, for narrow displays and small strips.

Every strip kernel has this one function and contract.
"""

import micropython

K = 0x3AAE48CB


@micropython.viper
def scan(p: ptr8, k: int, h: uint, s: ptr32, d: ptr8, q: ptr32) -> int:
    """Hash the strips of a window, set the dirty bit of each one whose hash differs; return how many there are.

    p: the frame. h: -1 on 32-bit ports, 0xffffffff on 64-bit ones. s: hashes, `rows` to a column; one more column keeps
    the hash that a changed strip of the last changed column had before. d: dirty bits (bits.py). q: the window (first
    column, end, first row, end), then rows, pitch, the bytes from column to column, where the last column begins (it
    may overlap its neighbour), the bytes of a strip, the number of the last column, and what to do about a changed
    hash: 0 nothing, 1 replace and keep it, 3 also return after its column, with the number of the next one in q[0].
    """
    mask = int(h)
    c = q[0]
    cols = q[1]
    y = q[2]
    stop = q[3]
    rows = q[4]
    pitch = q[5]
    step = q[6]
    last = q[7]
    size = q[8]
    end = q[9]
    store = q[10]
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
                    s[(end + 1) * rows + r] = s[j]
                    s[j] = int(h)
                d[c * height + (r >> 3)] |= 1 << (r & 7)
                n += 1
            at += pitch
            j += 1
            r += 1
        c += 1
        if n:
            if store & 2:
                q[0] = c
                return n
    return n
