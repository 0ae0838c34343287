"""kernels/refs.py without viper. Written by tests/firmware/codec/make_kernels.py."""


def find(i, size, arrays):
    """Find the rectangle: the newest entry at the same place, else the newest of all.

    Returns twice how many entries back it is, 1 being the newest, plus 1 if at the same place; 0: nowhere. Where only
    its top is known, q[3], the rows, is lowered to those of the tallest entry that begins at the same place and is
    lower. A hash is made only when an entry of that size exists.
    """
    e = arrays[0]
    p = arrays[1]
    t = arrays[2]
    q = arrays[3]
    tries = q[12]
    n = q[8] * 3
    y = q[2]
    size = q[0] | (q[1] - 1) << 8
    rows = q[3]
    stride = q[6]
    high = size >> 8
    a = 0
    b = 0
    j = 0
    k = 0
    c = 0
    stop = 0
    best = 0
    lower = 0
    while True:
        lower = 0
        best = 0
        i = n
        while i:
            i -= 3
            c = p[i]
            if not (c ^ size) >> 8:
                if not p[i + 2] ^ rows:
                    best = 1
                elif not (c ^ size) | (p[i + 1] ^ y):
                    if p[i + 2] < rows:
                        if p[i + 2] > lower:
                            lower = p[i + 2]
        if best:
            a = q[1] * 0x1003F + rows
            if q[0] + q[1] > q[11]:
                a += (q[10] & 1) << 20
            if not (y + rows) ^ stride:
                a += (q[10] & 2) << 20
            b = a
            i = q[0] * stride + y
            stop = i + rows
            while i < stop:
                j = i
                c = q[1]
                while c:
                    k = t[j]
                    a = (((a >> 15 ^ a ^ k) & 0x3FFFFFFF) * 0x01000193) & 0x3FFFFFFF
                    b = (((b >> 13 ^ b ^ k >> 2) & 0x3FFFFFFF) * 0x2AAE48CB) & 0x3FFFFFFF
                    j += stride
                    c -= 1
                i += 1
            best = 0
            i = q[9]
            k = 1
            while k <= q[8]:
                if not i:
                    i = q[7]
                i -= 1
                if not e[2 * i] ^ a:
                    if not (e[2 * i + 1] ^ b) | (p[3 * i] >> 8 ^ high) | (p[3 * i + 2] ^ rows):
                        if not best:
                            best = 2 * k
                        if not (p[3 * i] ^ size) | (p[3 * i + 1] ^ y):
                            best = 2 * k + 1
                            k = q[8]
                k += 1
            if best:
                q[3] = rows
                return best
        if not lower:
            return 0
        if not tries:
            return 0
        tries -= 1
        rows = lower


def put(a, b, arrays):
    """Add an entry in place of the oldest."""
    e = arrays[0]
    p = arrays[1]
    t = arrays[2]
    q = arrays[3]
    rows = q[6]
    i = q[0] * rows + q[2]
    stop = i + q[3]
    j = 0
    k = 0
    c = 0
    a = q[1] * 0x1003F + q[3]
    if q[0] + q[1] > q[11]:
        a += (q[10] & 1) << 20
    if not (q[2] + q[3]) ^ rows:
        a += (q[10] & 2) << 20
    b = a
    while i < stop:
        j = i
        c = q[1]
        while c:
            k = t[j]
            a = (((a >> 15 ^ a ^ k) & 0x3FFFFFFF) * 0x01000193) & 0x3FFFFFFF
            b = (((b >> 13 ^ b ^ k >> 2) & 0x3FFFFFFF) * 0x2AAE48CB) & 0x3FFFFFFF
            j += rows
            c -= 1
        i += 1
    i = q[9]
    e[2 * i] = a
    e[2 * i + 1] = b
    p[3 * i] = q[0] | (q[1] - 1) << 8
    p[3 * i + 1] = q[2]
    p[3 * i + 2] = q[3]
    if q[8] < q[7]:
        q[8] += 1
    i += 1
    q[9] = i if i < q[7] else 0
