"""kernels/refs.py without viper. Written by tests/firmware/codec/make_kernels.py."""


def find(a, size, arrays):
    """Find the rectangle: the newest entry at the same place, else the newest of all.

    Returns twice how many entries back it is, 1 being the newest, plus 1 if at the same place; 0: nowhere. Where only
    its top is known, q[3], the rows, is lowered to those of the tallest entry that begins at the same place and is
    lower. A large rectangle gets a hash only when there is an entry of its size. 30 instructions an entry.
    """
    e = arrays[0]
    p = arrays[1]
    t = arrays[2]
    q = arrays[3]
    tries = q[12]
    entries = q[7]
    count = q[8]
    y = q[2]
    columns = q[1]
    bits = q[5]
    ones = (1 << bits) - 1
    size = (columns - 1) << q[4]
    place = q[0] << q[4] | y
    rows = q[3]
    stride = q[6]
    b = 0
    c = 0
    i = 0
    j = 0
    k = 0
    stop = 0
    best = 0
    lower = 0
    while True:
        c = 1
        if columns * rows > 32:
            c = 0
            i = count
            while i:
                i -= 1
                if not p[i] & ones ^ size + rows - 1:
                    c = 1
        a = 0 - 2  # no hash
        b = a
        if c:
            a = columns * 0x1003F + rows
            if q[0] + columns > q[11]:
                a += (q[10] & 1) << 20
            if not (y + rows) ^ stride:
                a += (q[10] & 2) << 20
            b = a
            i = q[0] * stride + y
            stop = i + rows
            while i < stop:
                j = i
                c = columns
                while c:
                    k = t[j]
                    a = (((a >> 15 ^ a ^ k) & 0x3FFFFFFF) * 0x01000193) & 0x3FFFFFFF
                    b = (((b >> 13 ^ b ^ k >> 2) & 0x3FFFFFFF) * 0x2AAE48CB) & 0x3FFFFFFF
                    j += stride
                    c -= 1
                i += 1
            b = (b >> bits + bits - 2) << bits + bits | size + rows - 1
        lower = 0
        best = 0
        i = q[9]
        k = count
        while k:
            if not i:
                i = entries
            i -= 1
            j = p[i]
            if not e[i] ^ a:
                j ^= b
                if not (j ^ (j >> bits & ones) << bits):
                    if not best:
                        best = (count - k + 1) << 1
                    if not j >> bits ^ place:
                        q[3] = rows
                        return (count - k + 1) << 1 | 1
            elif not j >> bits & ones ^ place:
                j = (j & ones) + 1 - size
                if j < rows:
                    if j > lower:
                        lower = j
            k -= 1
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
    e[i] = a
    j = q[5]
    b = (b >> j + j - 2) << j | q[0] << q[4] | q[2]
    p[i] = b << j | (q[1] - 1) << q[4] | q[3] - 1
    if q[8] < q[7]:
        q[8] += 1
    i += 1
    q[9] = i if i < q[7] else 0
