"""Heads of S-CX operations, and the end of a part (schema/wire.md, "Payload S-CX"); in viper.

Rules for all cx kernels, which tests/firmware/codec/make_kernels.py writes from tests/firmware/codec/templates:

    T    256 numbers, one for each state of a probability: P(1) of 12 bits << 16 | state after 0 << 8 | state after 1
    pr   the states of all contexts; a context is an index here
    st   low, range, end of what is written, then numbers of each kernel's own
    ws   first up to 80 tokens: context << 1 | bit, or 0x8000 | n << 8 | value for n raw bits

The decision `1` takes the lower part of the range. `low` has 30 bits; a carry out of it walks back through 0xff in
`out`, never past the part's first byte. Bytes leave late: before a decision, not after it.

Conditional jumps over more than 4 KB crash the compiler of MicroPython 1.25 on a board: long loops are `while True` with
a `break`, and no `if` has a long body. The first two arguments are locals: only those live in registers.
"""
# ruff: noqa: E501 - generated

import micropython


@micropython.viper
def clear(p: ptr8, n: int):
    """Set n bytes to 0."""
    while n:
        n -= 1
        p[n] = 0


@micropython.viper
def code(rng: int, c: int, out: ptr8, T: ptr32, pr: ptr8, st: ptr32, ws: ptr16) -> int:
    """Code the head of an operation; return the new end of `out`. Contexts are in the order of coded.py on the host.

    st: [3] what: 1 copy, 2 reference, 3 rectangle, 4 raw rectangle; [4] strip, [5] strips, [6] row, [7] rows,
    [8] of a copy |dy| << 1 | (dy < 0), of a reference how long ago; [9] of a reference same place, of a rectangle known
    above.
    Of the display: [24] first context of heads, [25] bits of a strip, [26] bits of a row, [31] pixels of a strip, [32]
    bits that a pixel adds to a row, [33] width, [34] rows above that count, [35] rows, [36] mask of a row's last byte,
    [37] of the last row. Of the past: [28] last dy, [29] rectangles, [30] the one after
    the one referred to last. No number is negative: 64-bit viper would not read it so.
    Sets for the pixels: [11] first byte to read, [13] bytes of a row, [14] rows, [15] and [16] masks, [17] pixels of a
    row, [18] rows above.
    """
    base = st[24] << 1
    kind = st[3]
    a = 0  # a number for Exp-Golomb, if not 0
    t = 0
    n = 1
    place = 0  # what to tell of a place: 1 strip, 2 strips, 4 row, 8 rows
    b = 0
    i = 0
    j = 0
    m = 0
    ws[0] = base | 1
    if kind == 1:
        ws[1] = base + 3
        place = 15
        t = base + 20
        a = st[8]
        if a == st[28]:
            ws[2] = base + 5
            n = 3
            a = 0
        else:
            st[28] = a
            ws[2] = base + 4
            ws[3] = base + 6 | a & 1
            n = 4
            a >>= 1
    elif kind == 2:
        ws[1] = base + 2
        ws[2] = base + 9
        ws[3] = base + 10
        n = 4
        place = 5
        t = base + 68
        a = st[8]
        b = st[29] - a
        if b == st[30]:
            ws[3] = base + 11
            a = 0
        st[30] = b + 1
    else:
        ws[1] = base + 2
        ws[2] = base + 8
        n = 3
        place = 15
    if a:
        b = 0
        while a >> b + 1:
            ws[n] = t + (b << 1) | 1
            n += 1
            b += 1
        ws[n] = t + (b << 1)
        n += 1
        while b:
            b -= 1
            ws[n] = t + 24 + (b << 1) | (a >> b & 1)
            n += 1
    if kind == 2:
        ws[n] = base + 12 | st[9]
        n += 1
        if st[9]:
            place = 0
    t = base + 116
    i = 0
    while i < 2:
        if place >> i & 1:
            a = st[4 + i] - i
            b = st[25]
            m = 1
            while b:
                b -= 1
                j = a >> b & 1
                ws[n] = t + (m << 1) | j
                m = m << 1 | j
                n += 1
        t += 2 << st[25]
        i += 1
    if place & 4:
        a = st[6]
        b = st[26]
        i = b - 5
        m = 1
        while b > 0 and b > i:
            b -= 1
            j = a >> b & 1
            ws[n] = t + (m << 1) | j
            m = m << 1 | j
            n += 1
        while b > 0:
            b -= 1
            ws[n] = t + 64 + (b << 1) | (a >> b & 1)
            n += 1
    if place & 8:
        a = st[7] - 1
        b = 0
        while a >> b:
            b += 1
        m = 1
        i = 4
        while i:
            i -= 1
            j = b >> i & 1
            ws[n] = t + 74 + (m << 1) | j
            m = m << 1 | j
            n += 1
        t += 106 + (b - 1) * (b - 2)
        b -= 1
        while b > 0:
            b -= 1
            ws[n] = t + (b << 1) | (a >> b & 1)
            n += 1
    if kind > 2:
        # the pixels: where they are, how many, and whether the rows above count
        a = st[31] * st[4]
        m = st[31] * st[5]
        st[15] = 255
        if m >= st[33] - a:
            m = st[33] - a
            st[15] = st[36]
        st[17] = m
        st[13] = (m * st[32] + 7) >> 3
        st[14] = st[7]
        st[16] = 255
        if st[6] + st[7] == st[35]:
            st[16] = st[37]
        ws[n] = base + 16 | kind - 3
        n += 1
        m = 0
        if kind == 3 and st[6]:
            ws[n] = base + 14 | st[9]
            n += 1
            if st[9]:
                m = st[34]
                if m > st[6]:
                    m = st[6]
        st[18] = m
        st[11] = (st[6] - m) * st[12] + (a * st[32] >> 3)
    low = st[0]
    rng = st[1]
    k = st[2]
    i = 0
    while i < n:
        a = ws[i]
        i += 1
        while not rng >> 22:
            if low >> 30:
                low &= 0x3FFFFFFF
                j = k - 1
                while out[j] == 255:
                    out[j] = 0
                    j -= 1
                out[j] += 1
            out[k] = low >> 22
            k += 1
            low = (low & 0x3FFFFF) << 8
            rng <<= 8
        if a >> 15:
            b = a >> 8 & 15
            rng >>= b
            low += rng * (a & 255)
        else:
            b = a & 1
            a >>= 1
            t = T[pr[a]]
            m = (rng >> 12) * (t >> 16)
            if b:
                rng = m
                pr[a] = t
            else:
                low += m
                rng -= m
                pr[a] = t >> 8
    st[0] = low
    st[1] = rng
    st[2] = k
    return k


@micropython.viper
def open(st: ptr32, end: int, start: int):
    """Begin a part in `out` from st[10] to st[41], whose pixels end soon after st[50] bytes. Sets [0], [1], [2], [22],
    [28] and what drive.py says of [43], [45], [46] and [49].
    """
    start = st[10]
    end = st[41]
    if end - start > st[49]:
        st[49] = end - start
    st[0] = 0
    st[1] = 0x3FFFFFFF
    st[2] = start
    st[28] = 0
    st[43] = 0
    st[45] = 0
    st[46] = 0
    if st[50] < 0x10000:
        st[46] = 1
        start += st[50]
    else:
        start = end
    if end > start + 98:
        end = start + 98
    end -= 98
    if end < 0:
        end = 0
    st[22] = end


@micropython.viper
def close(k: int, low: int, out: ptr8, T: ptr32, pr: ptr8, st: ptr32) -> int:
    """Code that no operation follows, and write what tells the code from all others; drop up to 3 zero bytes at the
    end; return the bytes of the part.

    A decoder reads zeros after the end. The part's first byte is never dropped.
    """
    low = st[0]
    k = st[2]
    rng = st[1]
    c = st[24]
    j = 0
    while not rng >> 22:
        if low >> 30:
            low &= 0x3FFFFFFF
            j = k - 1
            while out[j] == 255:
                out[j] = 0
                j -= 1
            out[j] += 1
        out[k] = low >> 22
        k += 1
        low = (low & 0x3FFFFF) << 8
        rng <<= 8
    t = T[pr[c]]
    m = (rng >> 12) * (t >> 16)
    low += m
    rng -= m
    pr[c] = t >> 8
    while not rng >> 22:
        if low >> 30:
            low &= 0x3FFFFFFF
            j = k - 1
            while out[j] == 255:
                out[j] = 0
                j -= 1
            out[j] += 1
        out[k] = low >> 22
        k += 1
        low = (low & 0x3FFFFF) << 8
        rng <<= 8
    if low >> 30:
        low &= 0x3FFFFFFF
        j = k - 1
        while out[j] == 255:
            out[j] = 0
            j -= 1
        out[j] += 1
    if (low + rng - 1) >> 30:
        low = 0x3FFFFFFF  # the range reaches past the carry: only zeros follow
        low += 1
    else:
        low += 0x3FFFFF
    if low >> 30:
        low &= 0x3FFFFFFF
        j = k - 1
        while out[j] == 255:
            out[j] = 0
            j -= 1
        out[j] += 1
    out[k] = low >> 22
    k += 1
    j = 3
    while j:
        if k - 1 > st[10]:
            if not out[k - 1]:
                k -= 1
        j -= 1
    st[51] = k - st[10]
    return k - st[10]


@micropython.viper
def raw(rng: int, c: int, p: ptr8, out: ptr8, st: ptr32) -> int:
    """Code the bytes of a rectangle as raw bits, 8 at a time; return the new end of `out`.

    st: [11] first byte, [12] pitch, [13] bytes of a row, [14] rows, [15] and [16] masks of the last byte of each row
    and of the last row.
    """
    low = st[0]
    rng = st[1]
    k = st[2]
    at = st[11]
    pitch = st[12]
    size = st[13]
    rows = st[14]
    i = 0
    j = 0
    while rows:
        i = 0
        while i < size:
            c = p[at + i]
            i += 1
            if i == size:
                c &= st[15]
            if rows == 1:
                c &= st[16]
            while not rng >> 22:
                if low >> 30:
                    low &= 0x3FFFFFFF
                    j = k - 1
                    while out[j] == 255:
                        out[j] = 0
                        j -= 1
                    out[j] += 1
                out[k] = low >> 22
                k += 1
                low = (low & 0x3FFFFF) << 8
                rng <<= 8
            rng >>= 8
            low += rng * c
        at += pitch
        rows -= 1
    st[0] = low
    st[1] = rng
    st[2] = k
    return k
