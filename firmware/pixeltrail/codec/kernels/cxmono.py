"""Pixels of one rectangle in S-CX, formats of one bit (schema/wire.md, "Pixels"); in viper.

ws holds a number of 16 bits for each column: what was read last of it, from above the rectangle on, in its highest bits,
the newest row in bit 15. Up to 8 rows are read and then coded. Rules and arguments: cxhead.py.
"""
# ruff: noqa: E501 - generated

import micropython


@micropython.viper
def code(rng: int, c: int, p: ptr8, out: ptr8, T: ptr32, pr: ptr8, st: ptr32, ws: ptr16) -> int:
    """Code the rows of a rectangle; return how many went in whole. Stops early, inside a row, where told to below.

    st: [11] byte of the first row to read, [12] pitch, [14] rows to code, pages where there are pages; [16] mask of the
    last page, [17] pixels of a row, [18] rows above to read first, [20] 0 pages, 1 bit 7 leftmost, 2 bit 0 leftmost,
    [22] stop when `out` is filled to here, [23] context of "stop". Sets [3], as cxcolour does. ws: columns from 0 on,
    at least 10 more than there are.
    """
    low = st[0]
    rng = st[1]
    k = st[2]
    at = st[11]
    kind = st[20]
    above = st[18]
    left = st[14]
    done = 0
    mark = k + 31
    stop = 0
    end = st[17]
    s = 0
    x = 0
    n = 0
    i = 0
    j = 0
    a = 0
    b = 0
    d = 0
    f = 0
    t = 0
    m = 0
    pixels = 0
    x = 0
    while x < end + 2:
        ws[x] = 0
        x += 1
    while True:
        if not left:
            break
        n = above
        if not n:
            n = left
            if n > 8:
                n = 8
        if kind:
            s = 13 - n
            while n:
                n -= 1
                x = 0
                i = at
                at += st[12]
                while x < end:
                    b = p[i]
                    i += 1
                    j = x + 8
                    if kind > 1:
                        while x < j:
                            ws[x] = ws[x] >> 1 | (b & 1) << 15
                            b >>= 1
                            x += 1
                    else:
                        while x < j:
                            ws[x] = ws[x] >> 1 | (b & 128) << 8
                            b <<= 1
                            x += 1
        else:
            s = 5
            m = 255
            if not above and left < 2:
                m = st[16]
            x = 0
            U = ptr16(int(ws) + (x << 1))
            i = at
            x = at + st[17]
            at += st[12]
            while i < x:
                U[0] = U[0] >> 8 | (p[i] & m) << 8
                i += 1
                U = ptr16(int(U) + 2)
        ws[end] = 0
        ws[end + 1] = 0
        if above:
            above = 0
            continue
        while True:
            # one row, in bit s + 3 of the columns; bits s, s + 1 and s + 2 are the rows above it
            a = ws[0] >> s
            d = ws[1] >> s
            c = ((a & 4) << 1 | d & 4 | (a & 2) << 6) << 1 & 0x37A
            x = 0
            while True:
                if not (x ^ end):
                    break
                if k > mark:
                    mark = k + 31
                    stop = 0
                    if k > st[22]:
                        stop = 1
                    elif k - st[2] > 8 + ((pixels + x) >> 3):
                        stop = 2
                    i = st[23]
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
                    t = T[pr[i]]
                    m = (rng >> 12) * (t >> 16)
                    if stop:
                        rng = m
                        pr[i] = t
                    else:
                        low += m
                        rng -= m
                        pr[i] = t >> 8
                    if stop:
                        break
                n = end - x
                if n > 16:
                    n = 16
                U = ptr16(int(ws) + (x << 1))
                x += n
                n = int(U) + (n << 1)
                while True:
                    f = U[2] >> s
                    c |= f & 4 | (d & 2) << 6 | (a & 1) << 10
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
                    if a & 8:
                        rng = m
                        pr[c] = t
                        c = (c << 1) & 0x37A | 1
                    else:
                        low += m
                        rng -= m
                        pr[c] = t >> 8
                        c = (c << 1) & 0x37A
                    a = d
                    d = f
                    U = ptr16(int(U) + 2)
                    if not (int(U) ^ n):
                        break
            if stop:
                break
            pixels += end
            s += 1
            if kind:
                left -= 1
                done += 1
            if not (s ^ 13):
                break
        if stop:
            break
        if not kind:
            left -= 1
            done += 1
    st[0] = low
    st[1] = rng
    st[2] = k
    st[3] = stop
    return done
