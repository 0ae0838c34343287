"""kernels/cxhead.py without viper. Written by tests/firmware/codec/make_kernels.py."""


def clear(p, n):
    """Set n bytes to 0."""
    while n:
        n -= 1
        p[n] = 0


def code(rng, c, out, T, pr, st, ws):
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
    base = st[24]
    kind = st[3]
    a = st[8]
    b = 0
    i = 0
    j = 0
    m = 0
    t = 0  # the contexts of a number for Exp-Golomb, if not 0
    v = 0
    n = 0
    place = 15  # what to tell of a place: 1 strip, 2 strips, 4 row, 8 rows
    ws[n] = base
    ws[n + 1] = 1
    ws[n + 2] = 1
    n += 3
    if kind == 1:
        v = 1
    ws[n] = base + 1
    ws[n + 1] = v
    ws[n + 2] = 1
    n += 3
    if v:
        b = 1
        if a ^ st[28]:
            b = 0
            t = base + 10
        ws[n] = base + 2
        ws[n + 1] = b
        ws[n + 2] = 1
        n += 3
        if t:
            st[28] = a
            ws[n] = base + 3
            ws[n + 1] = a & 1
            ws[n + 2] = 1
            n += 3
            a >>= 1
    else:
        if kind == 2:
            v = 1
        ws[n] = base + 4
        ws[n + 1] = v
        ws[n + 2] = 1
        n += 3
    if kind == 2:
        i = st[29] - a
        b = 1
        if i ^ st[30]:
            b = 0
            t = base + 34
        st[30] = i + 1
        ws[n] = base + 5
        ws[n + 1] = b
        ws[n + 2] = 1
        n += 3
    if t:
        b = 0
        while a >> b + 1:
            ws[n] = t + b
            ws[n + 1] = 1
            ws[n + 2] = 1
            n += 3
            b += 1
        ws[n] = t + b
        ws[n + 1] = 0
        ws[n + 2] = 1
        n += 3
        ws[n] = t + 12
        ws[n + 1] = a
        ws[n + 2] = b
        n += 3
    if kind == 2:
        place = 5
        if st[9]:
            place = 0
        ws[n] = base + 6
        ws[n + 1] = st[9]
        ws[n + 2] = 1
        n += 3
    t = base + 58
    b = st[25]
    if place & 1:
        ws[n] = t
        ws[n + 1] = st[4]
        ws[n + 2] = b | 32
        n += 3
    t += 1 << b
    if place & 2:
        ws[n] = t
        ws[n + 1] = st[5] - 1
        ws[n + 2] = b | 32
        n += 3
    t += 1 << b
    if place & 4:
        a = st[6]
        b = st[26]
        if b > 5:
            b -= 5
            ws[n] = t
            ws[n + 1] = a >> b
            ws[n + 2] = 37
            n += 3
            ws[n] = t + 32
            ws[n + 1] = a
            ws[n + 2] = b
            n += 3
        else:
            ws[n] = t
            ws[n + 1] = a
            ws[n + 2] = b | 32
            n += 3
    if place & 8:
        a = st[7] - 1
        b = 0
        while a >> b:
            b += 1
        ws[n] = t + 37
        ws[n + 1] = b
        ws[n + 2] = 36
        n += 3
        if b > 1:
            b -= 1
            ws[n] = t + 53 + (b * (b - 1) >> 1)
            ws[n + 1] = a
            ws[n + 2] = b
            n += 3
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
        ws[n] = base + 8
        ws[n + 1] = kind - 3
        ws[n + 2] = 1
        n += 3
        m = 0
        if kind == 3 and st[6]:
            ws[n] = base + 7
            ws[n + 1] = st[9]
            ws[n + 2] = 1
            n += 3
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
        c = ws[i]
        v = ws[i + 1]
        b = ws[i + 2]
        i += 3
        a = b >> 5
        b &= 31
        while b:
            b -= 1
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
            if a:
                place = c + a
                a += a + (v >> b & 1)
            else:
                place = c + b
            t = T[pr[place]]
            m = (rng >> 12) * (t >> 16)
            if v >> b & 1:
                rng = m
                pr[place] = t & 255
            else:
                low += m
                rng -= m
                pr[place] = t >> 8 & 255
    st[0] = low
    st[1] = rng
    st[2] = k
    return k


def open(st, end, start):
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


def close(k, low, out, T, pr, st):
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
    pr[c] = t >> 8 & 255
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


def raw(rng, c, p, out, st):
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
