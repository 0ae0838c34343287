"""Strips of 8 or 16 words with the hash of the assembler kernels; in viper. Marks what they have found.

Written by tests/firmware/codec/make_thumb.py. The contract is that of anysize.py, on 32-bit ports, for aligned frames.
"""
# fmt: off
# ruff: noqa: E501 - one expression for 8 words

import micropython

K = 0x3AAE48CB


@micropython.viper
def scan(p: ptr32, k: int, h: uint, s: ptr32, d: ptr8, q: ptr32) -> int:
    c = q[0]
    stop = q[3]
    rows = q[4]
    gap = q[5] - q[8]
    words = q[8] >> 2
    end = q[9]
    base = int(p)
    n = 0
    r = 0
    i = 0
    j = 0
    while c < q[1]:
        r = q[2]
        j = c * rows + r
        p = ptr32(base + (q[7] if c == end else c * q[6]) + r * q[5])
        while r < stop:
            h = uint(k)
            i = words
            while i:
                h = ((h := ((h := ((h := ((h := ((h := ((h := ((h := ((h := h * k + p[0]) >> 13 ^ h) * k + p[1]) >> 13 ^ h) * k + p[2]) >> 13 ^ h) * k + p[3]) >> 13 ^ h) * k + p[4]) >> 13 ^ h) * k + p[5]) >> 13 ^ h) * k + p[6]) >> 13 ^ h) * k + p[7]) >> 13 ^ h)
                p = ptr32(int(p) + 32)
                i -= 8
            if h ^ s[j]:
                if q[10]:
                    s[(end + 1) * rows + r] = s[j]
                    s[j] = int(h)
                d[c * ((rows + 7) >> 3) + (r >> 3)] |= 1 << (r & 7)
                n += 1
            p = ptr32(int(p) + gap)
            j += 1
            r += 1
        c += 1
        if n:
            if q[10] & 2:
                q[0] = c
                return n
    return n
