"""Kernels of taps that keep a shadow: one call for one area, no allocation, no bounds but the arguments.

kernels_plain.py holds the same functions in plain Python, for CPython and for ports without a native code emitter.
"""

import micropython


@micropython.viper
def blit(target: ptr32, source: ptr32, q: ptr32):
    """Copy rows of bytes. q: where the first one begins in the target, the target's pitch, where it begins in the
    source, the source's pitch, the bytes of a row, and how many rows.

    Words where every address is a multiple of 4, which is where the time goes: the first two arguments are those that
    viper keeps in registers.
    """
    size = q[4]
    rows = q[5]
    to = int(target) + q[0]
    at = int(source) + q[2]
    i = 0
    if (to | at | q[1] | q[3] | size) & 3:
        while rows:
            i = 0
            while i < size:
                ptr8(to)[i] = ptr8(at)[i]
                i += 1
            to += q[1]
            at += q[3]
            rows -= 1
        return
    while rows:
        i = size
        target = ptr32(to)
        source = ptr32(at)
        while i >= 32:
            target[0] = source[0]
            target[1] = source[1]
            target[2] = source[2]
            target[3] = source[3]
            target[4] = source[4]
            target[5] = source[5]
            target[6] = source[6]
            target[7] = source[7]
            target = ptr32(int(target) + 32)
            source = ptr32(int(source) + 32)
            i -= 32
        while i:
            target[0] = source[0]
            target = ptr32(int(target) + 4)
            source = ptr32(int(source) + 4)
            i -= 4
        to += q[1]
        at += q[3]
        rows -= 1


@micropython.viper
def fill(target: ptr8, q: ptr32):
    """Fill rows with a unit of one or two bytes. q: where the first one begins, the pitch, the unit's first byte and
    its second, the bytes of a row, and how many rows.
    """
    to = int(target) + q[0]
    rows = q[5]
    i = 0
    while rows:
        target = ptr8(to)
        i = 0
        while i < q[4]:
            target[i] = q[2 + (i & 1)]
            i += 1
        to += q[1]
        rows -= 1


@micropython.viper
def add(areas: ptr16, q: ptr32):
    """Note an area, q: x0, y0, x1, y1, both corners inside. areas: see areas.py.

    Drawing libraries send an area in bands from the top down; those join. What an earlier one contains is known
    already, and where there is no room the last one grows.
    """
    n = areas[0]
    if n == 0xFFFF:
        return
    i = 0
    while i < n:
        p = ptr16(int(areas) + 2 + 8 * i)
        if p[0] <= q[0]:
            if p[1] <= q[1]:
                if p[2] >= q[2]:
                    if p[3] >= q[3]:
                        return
        i += 1
    p = ptr16(int(areas) + 8 * n - 6)
    if n:
        if p[0] == q[0]:
            if p[2] == q[2]:
                if p[3] + 1 == q[1]:
                    p[3] = q[3]
                    return
        if n == 8:
            if q[0] < p[0]:
                p[0] = q[0]
            if q[1] < p[1]:
                p[1] = q[1]
            if q[2] > p[2]:
                p[2] = q[2]
            if q[3] > p[3]:
                p[3] = q[3]
            return
    p = ptr16(int(p) + 8)
    p[0] = q[0]
    p[1] = q[1]
    p[2] = q[2]
    p[3] = q[3]
    areas[0] = n + 1


@micropython.viper
def columns(target: ptr8, source: ptr8, area: ptr32, width: int, pages: int):
    """Copy an area of a column-major picture, the top pixel in the highest bit, into pages of eight rows, the top pixel
    in the lowest. area: the first column, the first page, how many columns, how many pages.
    """
    x = area[0]
    stop = x + area[2]
    page = 0
    bits = 0
    while x < stop:
        page = area[1]
        while page < area[1] + area[3]:
            bits = source[x * pages + page]
            bits = (bits & 0xF0) >> 4 | (bits & 0x0F) << 4
            bits = (bits & 0xCC) >> 2 | (bits & 0x33) << 2
            target[page * width + x] = (bits & 0xAA) >> 1 | (bits & 0x55) << 1
            page += 1
        x += 1


@micropython.viper
def exchange(a: ptr8, b: ptr8, length: int):
    """Let two buffers have each other's bytes."""
    i = 0
    byte = 0
    while i < length:
        byte = a[i]
        a[i] = b[i]
        b[i] = byte
        i += 1


@micropython.viper
def byte_at(text: ptr8, at: int) -> int:
    """A byte of a str, or the zero that MicroPython keeps behind it."""
    return text[at]


@micropython.viper
def glyph(target: ptr8, bits: ptr8, colours: ptr8, q: ptr32):
    """Draw a picture of a few bits a pixel, the highest bit first, rows without gaps. q: where the first row begins in
    the target, its pitch, the first bit, bits of a pixel, bytes of a row, rows. colours: two bytes of each.
    """
    to = int(target) + q[0]
    bit = q[2]
    depth = q[3]
    rows = q[5]
    i = 0
    n = 0
    index = 0
    while rows:
        target = ptr8(to)
        i = 0
        while i < q[4]:
            index = 0
            n = depth
            while n:
                index = index << 1 | bits[bit >> 3] >> (7 - (bit & 7)) & 1
                bit += 1
                n -= 1
            target[i] = colours[2 * index]
            target[i + 1] = colours[2 * index + 1]
            i += 2
        to += q[1]
        rows -= 1
