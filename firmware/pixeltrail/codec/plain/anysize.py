"""Strip hashes without viper: for CPython and for MicroPython ports without an emitter. Any strip, address and pitch.

CRC-32 runs in C and sees every change within 32 bits of each other; it may allocate, which the kernels never do.
"""

try:
    from binascii import crc32
except ImportError:  # a build without it

    def crc32(data):
        h = 0x811C9DC5
        for byte in data:
            h = ((h >> 13 ^ h) * 0x3AAE48CB + byte) & 0xFFFFFFFF
        return h


def scan(p, k, h, s, d, q):
    """The same contract as scan() of the kernels; see kernels/anysize.py."""
    c, cols, y, stop, rows, pitch, step, last, size, end, store = q
    view = memoryview(p)
    height = (rows + 7) >> 3
    n = 0
    while c < cols:
        at = (last if c == end else c * step) + y * pitch
        i = c * rows + y
        for row in range(y, stop):
            h = crc32(view[at : at + size])
            if h != s[i]:
                if store:
                    s[(end + 1) * rows + row] = s[i]
                    s[i] = h
                d[c * height + (row >> 3)] |= 1 << (row & 7)
                n += 1
            at += pitch
            i += 1
        c += 1
        if n and store & 2:
            q[0] = c
            return n
    return n
