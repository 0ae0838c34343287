"""kernels/refs.py without viper. Written by tests/firmware/codec/make_kernels.py."""


def combine(t, q):
    """Make one hash of 60 bits of the hashes of a rectangle's strips, row by row. 24 instructions a strip.

    Each half keeps 30 bits, so that interpreters need no heap to handle it: one takes the low bits of a strip's hash,
    the other the high ones.
    """
    rows = q[6]
    a = q[1] * 0x1003F + q[3]
    c = q[0]
    e = c + q[1]
    y = q[2]
    stop = y + q[3]
    i = 0
    if e > q[11]:
        a += (q[10] & 1) << 20
    if stop == rows:
        a += (q[10] & 2) << 20
    b = a
    while y < stop:
        i = c * rows + y
        c = q[0]
        while c < e:
            a = ((a >> 15 ^ a ^ t[i]) & 0x3FFFFFFF) * 0x01000193
            a &= 0x3FFFFFFF
            b = ((b >> 13 ^ b ^ t[i] >> 2) & 0x3FFFFFFF) * 0x2AAE48CB
            b &= 0x3FFFFFFF
            i += rows
            c += 1
        c = q[0]
        y += 1
    q[4] = a
    q[5] = b


def find(e, p, q):
    """Find the rectangle: the newest entry at the same place, else the newest of all.

    Returns twice how many entries back it is, 1 being the newest, plus 1 if at the same place; 0: nowhere.
    e: two numbers of each entry, its hash. p: three, column + 256 * (columns - 1), row, rows. About 11
    instructions an entry.
    """
    n = q[8]
    i = q[9]
    a = q[4]
    b = q[5]
    size = q[0] | (q[1] - 1) << 8
    best = 0
    k = 1
    while k <= n:
        if not i:
            i = q[7]
        i -= 1
        if not e[2 * i] ^ a:
            if not (e[2 * i + 1] ^ b) | (p[3 * i] >> 8 ^ size >> 8) | (p[3 * i + 2] ^ q[3]):
                if not best:
                    best = 2 * k
                if not (p[3 * i] ^ size) | (p[3 * i + 1] ^ q[2]):
                    return 2 * k + 1
        k += 1
    return best


def put(e, p, q):
    """Add an entry in place of the oldest."""
    i = q[9]
    e[2 * i] = q[4]
    e[2 * i + 1] = q[5]
    p[3 * i] = q[0] | (q[1] - 1) << 8
    p[3 * i + 1] = q[2]
    p[3 * i + 2] = q[3]
    if q[8] < q[7]:
        q[8] += 1
    i += 1
    q[9] = i if i < q[7] else 0


def shorten(e, p, q):
    """Lower q[3], the rows, to those of the tallest entry that begins at the same place and is lower; 0: none is."""
    n = q[8]
    i = 0
    size = q[0] | (q[1] - 1) << 8
    best = 0
    while i < n:
        if not (p[3 * i] ^ size) | (p[3 * i + 1] ^ q[2]):
            if e[2 * i] >= 0:
                if p[3 * i + 2] < q[3]:
                    if p[3 * i + 2] > best:
                        best = p[3 * i + 2]
        i += 1
    q[3] = best
    return best
