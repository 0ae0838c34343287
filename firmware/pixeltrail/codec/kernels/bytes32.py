"""Strips of 32 bytes at any address: 32 px of GS8 at an odd pitch; in viper. Written by tests/firmware/codec/make_kernels.py, which explains it."""
# ruff: noqa: E501 - one expression per strip, see there

import micropython

K = 0x3aae48cb


# The contract is that of anysize.py. Rows are taken in pairs: the last one of an odd number is hashed together with the
# row above it, so there must be two.
@micropython.viper
def scan(p: ptr8, k: int, h: uint, s: ptr32, d: ptr8, q: ptr32) -> int:
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
        p = ptr8(base + (last if c == end else c * step))
        s = ptr32(table + (c * rows + y) * 4)
        tail = int(s) + (stop - y) * 4
        while True:
            while int(s) < tail - 4:
                if ((h := ((((((((((((((((((h := ((((((((((((((((uint(p[0]) ^ k) * k + p[1]) * k + p[2]) * k + p[3]) * k + p[4]) * k + p[5]) * k + p[6]) * k + p[7]) * k + p[8]) * k + p[9]) * k + p[10]) * k + p[11]) * k + p[12]) * k + p[13]) * k + p[14]) * k + p[15])) >> 13 ^ h) * k + p[16]) * k + p[17]) * k + p[18]) * k + p[19]) * k + p[20]) * k + p[21]) * k + p[22]) * k + p[23]) * k + p[24]) * k + p[25]) * k + p[26]) * k + p[27]) * k + p[28]) * k + p[29]) * k + p[30]) * k + p[31])) ^ s[0]) & mask:
                    if store:
                        s[0] = int(h)
                    r = stop - ((tail - int(s)) >> 2)
                    d[c * height + (r >> 3)] |= 1 << (r & 7)
                    n += 1
                p = ptr8(int(p) + pitch)
                if ((h := ((((((((((((((((((h := ((((((((((((((((uint(p[0]) ^ k) * k + p[1]) * k + p[2]) * k + p[3]) * k + p[4]) * k + p[5]) * k + p[6]) * k + p[7]) * k + p[8]) * k + p[9]) * k + p[10]) * k + p[11]) * k + p[12]) * k + p[13]) * k + p[14]) * k + p[15])) >> 13 ^ h) * k + p[16]) * k + p[17]) * k + p[18]) * k + p[19]) * k + p[20]) * k + p[21]) * k + p[22]) * k + p[23]) * k + p[24]) * k + p[25]) * k + p[26]) * k + p[27]) * k + p[28]) * k + p[29]) * k + p[30]) * k + p[31])) ^ s[1]) & mask:
                    if store:
                        s[1] = int(h)
                    r = stop - ((tail - int(s)) >> 2) + 1
                    d[c * height + (r >> 3)] |= 1 << (r & 7)
                    n += 1
                p = ptr8(int(p) + pitch)
                s = ptr32(int(s) + 8)
            if int(s) == tail:
                break
            p = ptr8(int(p) - pitch)
            s = ptr32(int(s) - 4)
        c += 1
    return n
