"""Strips of 2 words: 16 px of GS4, 32 px of GS2; in viper. Written by tests/firmware/codec/make_kernels.py, which explains it."""
# ruff: noqa: E501 - one expression per strip, see there

import micropython

K = 0x3aae48cb


# The contract is that of anysize.py. Rows are taken in pairs: the last one of an odd number is hashed together with the
# row above it, so there must be two.
@micropython.viper
def scan(p: ptr32, k: int, h: uint, s: ptr32, d: ptr8, q: ptr32) -> int:
    mask = int(h)
    c = q[0]
    cols = q[1]
    y = q[2]
    stop = q[3]
    rows = q[4]
    pitch = q[5]
    step = q[6]
    last = q[7]
    end = q[9]
    store = q[10]
    base = int(p) + y * pitch
    table = int(s)
    height = (rows + 7) >> 3
    n = 0
    r = 0
    tail = 0
    while c < cols:
        p = ptr32(base + (last if c == end else c * step))
        s = ptr32(table + (c * rows + y) * 4)
        tail = int(s) + (stop - y) * 4
        while True:
            while int(s) < tail - 4:
                if ((h := (((uint(p[0]) ^ k) * k + ptr16(p)[1]) * k + p[1])) ^ s[0]) & mask:
                    if store:
                        s[0] = int(h)
                    r = stop - ((tail - int(s)) >> 2)
                    d[c * height + (r >> 3)] |= 1 << (r & 7)
                    n += 1
                p = ptr32(int(p) + pitch)
                if ((h := (((uint(p[0]) ^ k) * k + ptr16(p)[1]) * k + p[1])) ^ s[1]) & mask:
                    if store:
                        s[1] = int(h)
                    r = stop - ((tail - int(s)) >> 2) + 1
                    d[c * height + (r >> 3)] |= 1 << (r & 7)
                    n += 1
                p = ptr32(int(p) + pitch)
                s = ptr32(int(s) + 8)
            if int(s) == tail:
                break
            p = ptr32(int(p) - pitch)
            s = ptr32(int(s) - 4)
        c += 1
    return n
