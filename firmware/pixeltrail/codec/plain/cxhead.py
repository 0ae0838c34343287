"""kernels/cxhead.py without viper. Written by tests/firmware/codec/make_kernels.py."""


def code(rng, c, out, T, pr, st, ws):
    """Code `c` tokens; return the new end of `out`."""
    low = st[0]
    rng = st[1]
    k = st[2]
    i = 0
    j = 0
    a = 0
    b = 0
    t = 0
    m = 0
    while i < c:
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
                pr[a] = t & 255
            else:
                low += m
                rng -= m
                pr[a] = t >> 8 & 255
    st[0] = low
    st[1] = rng
    st[2] = k
    return k


def clear(p, n):
    """Set n bytes to 0."""
    while n:
        n -= 1
        p[n] = 0


def place(q, n, st, ws):
    """Append the tokens that st asks for to the n that are there; return their new number.

    st: [3] what: bit 0 dy or distance, bit 1 a strip, bit 2 a number of strips, bit 3 a row, bit 4 a number of rows;
    [4] strip, [5] strips, [6] row, [7] rows, [8] number >= 0 for Exp-Golomb and [9] its contexts.
    q: contexts of strip, strips, row, low bits of the row, bits of rows, rows; then bits of a strip, bits of a row.
    """
    what = st[3]
    a = 0
    b = 0
    i = 0
    m = 0
    t = 0
    if what & 1:
        a = st[8] + 1
        t = st[9]
        b = 0
        while a >> b + 1:
            b += 1
        i = 0
        while i < b:
            ws[n] = (t + i) << 1 | 1
            n += 1
            i += 1
        ws[n] = (t + b) << 1
        n += 1
        while b:
            b -= 1
            ws[n] = (t + 12 + b) << 1 | (a >> b & 1)
            n += 1
    i = 0
    while i < 2:
        if what >> i & 2:
            a = st[4 + i] - i
            t = q[i]
            b = q[6]
            m = 1
            while b:
                b -= 1
                ws[n] = (t + m) << 1 | (a >> b & 1)
                m = m << 1 | (a >> b & 1)
                n += 1
        i += 1
    if what & 8:
        a = st[6]
        b = q[7]
        i = b - 5
        if i < 0:
            i = 0
        m = 1
        t = q[2]
        while b > i:
            b -= 1
            ws[n] = (t + m) << 1 | (a >> b & 1)
            m = m << 1 | (a >> b & 1)
            n += 1
        t = q[3]
        while b:
            b -= 1
            ws[n] = (t + b) << 1 | (a >> b & 1)
            n += 1
    if what & 16:
        a = st[7] - 1
        b = 0
        while a >> b:
            b += 1
        t = q[4]
        m = 1
        i = 4
        while i:
            i -= 1
            ws[n] = (t + m) << 1 | (b >> i & 1)
            m = m << 1 | (b >> i & 1)
            n += 1
        t = q[5] + (b - 1) * (b - 2) // 2
        b -= 1
        while b > 0:
            b -= 1
            ws[n] = (t + b) << 1 | (a >> b & 1)
            n += 1
    return n


def flush(k, low, out, st):
    """Write what tells the code from all others; drop up to 3 zero bytes at the end; return the end of `out`.

    A decoder reads zeros after the end. st[10] is the part's first byte, which is never dropped.
    """
    low = st[0]
    k = st[2]
    rng = st[1]
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
    return k


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
