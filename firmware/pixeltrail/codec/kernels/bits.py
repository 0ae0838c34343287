"""The map of dirty strips: one bit each, column after column, each column in whole bytes; in viper.

Bit r & 7 of byte c * height + (r >> 3) is row r of column c, `height` being the bytes of a column. `block` (1, 2, 4 or
8) rows are joined for the search: a divisor of 8, so that a block lies in one byte.
plain/bits.py is the same text for ports without an emitter; tests/firmware/codec/make_kernels.py writes it.
"""

import micropython


@micropython.viper
def settle(d: ptr8, i: int, rect: ptr16, shape: ptr16, q: ptr32):
    """Clear the strips of an area (encoder.py): q[8] rows from row q[11] on, q[10] columns from column q[9] on. Then,
    unless rect[4] is 2, find the next rectangle, at or below the block that holds row q[11].

    rect gets its first column, columns, first row and rows, and 1, or 0 at the end when there is none. It begins at the
    topmost dirty block, leftmost first, spans its run of dirty blocks, grows down while the whole run is dirty, and
    loses clean rows at its top and bottom. shape: columns, bytes of a column, rows of a block.
    """
    cols = shape[0]
    height = shape[1]
    block = shape[2]
    ones = (1 << block) - 1
    rows = height * 8
    y = q[11]
    c = q[9]
    e = c + q[10]
    j = 0
    b = 0
    while c < e:
        i = c * height
        b = y
        j = y + q[8]
        while b < j:
            if not b & 7 and b + 8 <= j:
                d[i + (b >> 3)] = 0
                b += 8
            else:
                d[i + (b >> 3)] &= 255 ^ (1 << (b & 7))
                b += 1
        c += 1
    if rect[4] > 1:
        return
    y -= y & block - 1
    b = 256 - (1 << (y & 7))  # of the first byte, only rows from y on
    i = y >> 3
    rect[4] = 0
    while True:
        if i == height:
            return
        j = i
        c = cols
        e = 0
        while c:
            e |= d[j]
            j += height
            c -= 1
        e &= b
        if e:
            break
        b = 255
        i += 1
    rect[4] = 1
    y = i * 8
    while not e >> (y & 7) & ones:
        y += block
    while not d[i] >> (y & 7) & ones:
        i += height
        c += 1
    e = c
    while e < cols:
        if not d[i] >> (y & 7) & ones:
            break
        i += height
        e += 1
    b = y + block
    while b < rows:
        i = c * height + (b >> 3)
        j = c
        while j < e:
            if not d[i] >> (b & 7) & ones:
                break
            i += height
            j += 1
        if j < e:
            break
        b += block
    while True:
        i = c * height + (y >> 3)
        j = e - c
        while j:
            if d[i] >> (y & 7) & 1:
                break
            i += height
            j -= 1
        if j:
            break
        y += 1
    while True:
        i = c * height + ((b - 1) >> 3)
        j = e - c
        while j:
            if d[i] >> ((b - 1) & 7) & 1:
                break
            i += height
            j -= 1
        if j:
            break
        b -= 1
    rect[0] = c
    rect[1] = e - c
    rect[2] = y
    rect[3] = b - y


@micropython.viper
def fill(d: ptr8, i: int, height: int, cols: int, rows: int):
    """Set every bit that stands for a strip."""
    c = 0
    r = 0
    while c < cols:
        i = c * height
        r = rows
        while r > 0:
            if r < 8:
                d[i] = (1 << r) - 1
            else:
                d[i] = 255
            i += 1
            r -= 8
        c += 1
