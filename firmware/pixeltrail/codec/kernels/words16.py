"""Strips of 16 words: 32 px of RGB565; in viper. Written by tests/firmware/codec/make_kernels.py, which explains it."""
# fmt: off
# ruff: noqa: E501 - one expression per strip, see there

import micropython

K = 0x3AAE48CB


# The contract is that of anysize.py, on 32-bit ports.
@micropython.viper
def scan(p: ptr32, k: int, h: uint, s: ptr32, d: ptr8, q: ptr32) -> int:
    c = q[0]
    cols = q[1]
    y = q[2]
    stop = q[3]
    rows = q[4]
    pitch = q[5]
    step = q[6]
    last = q[7]
    end = q[9]
    keep = q[10] & 1
    base = int(p)
    table = int(s)
    old = table + (end + 1) * rows * 4
    height = (rows + 7) >> 3
    marks = 0
    n = 0
    first = 0
    r = 0
    tail = 0
    block = 0
    while c < cols:
        p = ptr32(base + (last if c == end else c * step) + y * pitch)
        s = ptr32(table + (c * rows + y) * 4)
        tail = int(s) + (stop - y) * 4
        block = tail - (stop - y & 3) * 4
        while int(s) ^ block:
            if (((((((((h := (((((((((h := (((((((((h := (((((((uint(p[0]) ^ k) * k + ptr16(p)[1]) * k + p[1]) * k + ptr16(p)[3]) * k + p[2]) * k + ptr16(p)[5]) * k + p[3])) >> 13 ^ h) * k + p[4]) * k + ptr16(p)[9]) * k + p[5]) * k + ptr16(p)[11]) * k + p[6]) * k + ptr16(p)[13]) * k + p[7])) >> 13 ^ h) * k + p[8]) * k + ptr16(p)[17]) * k + p[9]) * k + ptr16(p)[19]) * k + p[10]) * k + ptr16(p)[21]) * k + p[11])) >> 13 ^ h) * k + p[12]) * k + ptr16(p)[25]) * k + p[13]) * k + ptr16(p)[27]) * k + p[14]) * k + ptr16(p)[29]) * k + p[15]) ^ s[0]:
                break
            p = ptr32(int(p) + pitch)
            if (((((((((h := (((((((((h := (((((((((h := (((((((uint(p[0]) ^ k) * k + ptr16(p)[1]) * k + p[1]) * k + ptr16(p)[3]) * k + p[2]) * k + ptr16(p)[5]) * k + p[3])) >> 13 ^ h) * k + p[4]) * k + ptr16(p)[9]) * k + p[5]) * k + ptr16(p)[11]) * k + p[6]) * k + ptr16(p)[13]) * k + p[7])) >> 13 ^ h) * k + p[8]) * k + ptr16(p)[17]) * k + p[9]) * k + ptr16(p)[19]) * k + p[10]) * k + ptr16(p)[21]) * k + p[11])) >> 13 ^ h) * k + p[12]) * k + ptr16(p)[25]) * k + p[13]) * k + ptr16(p)[27]) * k + p[14]) * k + ptr16(p)[29]) * k + p[15]) ^ s[1]:
                break
            p = ptr32(int(p) + pitch)
            if (((((((((h := (((((((((h := (((((((((h := (((((((uint(p[0]) ^ k) * k + ptr16(p)[1]) * k + p[1]) * k + ptr16(p)[3]) * k + p[2]) * k + ptr16(p)[5]) * k + p[3])) >> 13 ^ h) * k + p[4]) * k + ptr16(p)[9]) * k + p[5]) * k + ptr16(p)[11]) * k + p[6]) * k + ptr16(p)[13]) * k + p[7])) >> 13 ^ h) * k + p[8]) * k + ptr16(p)[17]) * k + p[9]) * k + ptr16(p)[19]) * k + p[10]) * k + ptr16(p)[21]) * k + p[11])) >> 13 ^ h) * k + p[12]) * k + ptr16(p)[25]) * k + p[13]) * k + ptr16(p)[27]) * k + p[14]) * k + ptr16(p)[29]) * k + p[15]) ^ s[2]:
                break
            p = ptr32(int(p) + pitch)
            if (((((((((h := (((((((((h := (((((((((h := (((((((uint(p[0]) ^ k) * k + ptr16(p)[1]) * k + p[1]) * k + ptr16(p)[3]) * k + p[2]) * k + ptr16(p)[5]) * k + p[3])) >> 13 ^ h) * k + p[4]) * k + ptr16(p)[9]) * k + p[5]) * k + ptr16(p)[11]) * k + p[6]) * k + ptr16(p)[13]) * k + p[7])) >> 13 ^ h) * k + p[8]) * k + ptr16(p)[17]) * k + p[9]) * k + ptr16(p)[19]) * k + p[10]) * k + ptr16(p)[21]) * k + p[11])) >> 13 ^ h) * k + p[12]) * k + ptr16(p)[25]) * k + p[13]) * k + ptr16(p)[27]) * k + p[14]) * k + ptr16(p)[29]) * k + p[15]) ^ s[3]:
                break
            p = ptr32(int(p) + pitch)
            s = ptr32(int(s) + 16)
        r = stop - ((tail - int(s)) >> 2)
        marks = int(d) + c * height
        p = ptr32(base + (last if c == end else c * step) + r * pitch)
        while r < stop:
            h = (((((((((h := (((((((((h := (((((((((h := (((((((uint(p[0]) ^ k) * k + ptr16(p)[1]) * k + p[1]) * k + ptr16(p)[3]) * k + p[2]) * k + ptr16(p)[5]) * k + p[3])) >> 13 ^ h) * k + p[4]) * k + ptr16(p)[9]) * k + p[5]) * k + ptr16(p)[11]) * k + p[6]) * k + ptr16(p)[13]) * k + p[7])) >> 13 ^ h) * k + p[8]) * k + ptr16(p)[17]) * k + p[9]) * k + ptr16(p)[19]) * k + p[10]) * k + ptr16(p)[21]) * k + p[11])) >> 13 ^ h) * k + p[12]) * k + ptr16(p)[25]) * k + p[13]) * k + ptr16(p)[27]) * k + p[14]) * k + ptr16(p)[29]) * k + p[15])
            if h ^ s[0]:
                if keep:
                    ptr32(old)[r] = s[0]
                    s[0] = int(h)
                ptr8(marks)[r >> 3] |= 1 << (r & 7)
                n += 1
            p = ptr32(int(p) + pitch)
            s = ptr32(int(s) + 4)
            r += 1
        c += 1
        if n ^ first:
            if q[10] & 2:
                if n - first >= q[10] >> 2:
                    q[0] = c
                    return n
            first = n
    if q[10] & 2:
        q[0] = cols + 1
    return n
