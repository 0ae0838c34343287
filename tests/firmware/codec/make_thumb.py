"""Writes strip hashes in inline assembler, codec/thumb, and their twin in viper, codec/kernels/wordwise.py.

    python tests/firmware/codec/make_thumb.py

The hash is another one than that of the viper kernels, as cheap as the instructions allow:

    h = K;  for each word:  h = h * K + word;  h ^= h >> 13

Each step is a bijection of h, so no change of one word can be missed. Registers: r0 runs through the pixels, r1 is h,
r2 is K, r4 to r7 hold four words, r8 walks through the hashes, r9 is their end, r10 the way to the next row, r11 the
context.
"""

from __future__ import annotations

from pathlib import Path

from tests.firmware.codec.make_kernels import CODEC, SHIFT, K

FOLDER = CODEC / "thumb"

HEADER = '''# type: ignore - assembler, to the eye of a compiler
"""Strip hashes in inline assembler, {what}. Written by tests/firmware/codec/make_thumb.py."""
# fmt: off
# ruff: noqa: F821

import micropython

'''

# The context is that of codec/assembly.py.
SCAN = '''
@micropython.asm_thumb
def scan{words}(r0, r1, r2):
    """r0: the frame, r1: the hashes, both aligned to 4; r2: the context of assembly.py. Returns 0 when all columns are
    clean, else which row is the first changed one of the column that the context has got to, counted from 1."""
    mov(r3, r8)
    mov(r4, r9)
    mov(r5, r10)
    mov(r6, r11)
    push({{r3, r4, r5, r6}})
    mov(r11, r2)
    ldr(r3, [r2, 24])
    mov(r10, r3)
    ldr(r3, [r2, 4])
    add(r0, r0, r3)
    ldr(r3, [r2, 16])
    add(r1, r1, r3)
    mov(r8, r1)
    push({{r0}})
    label(COLUMN)
    mov(r2, r11)
    ldr(r3, [r2, 20])
    mov(r4, r8)
    add(r3, r3, r4)
    mov(r9, r3)
    ldr(r2, [r2, 0])
    label(STRIP)
    mov(r1, r2)
{strip}    mov(r4, r8)
    ldr(r5, [r4, 0])
    add(r4, 4)
    mov(r8, r4)
    cmp(r1, r5)
    bne(CHANGED)
    mov(r5, r10)
    add(r0, r0, r5)
    mov(r5, r9)
    cmp(r4, r5)
    bne(STRIP)
    mov(r6, r11)
    ldr(r5, [r6, 32])
    add(r4, r4, r5)
    mov(r8, r4)
    ldr(r4, [r6, 28])
    sub(r4, 1)
    str(r4, [r6, 28])
    cmp(r4, 0)
    beq(CLEAN)
    pop({{r0}})
    ldr(r5, [r6, 8])
    cmp(r4, 1)
    bne(INNER)
    ldr(r5, [r6, 12])
    label(INNER)
    add(r0, r0, r5)
    push({{r0}})
    b(COLUMN)
    label(CLEAN)
    mov(r0, 0)
    b(DONE)
    label(CHANGED)
    mov(r5, r9)
    sub(r5, r5, r4)
    lsr(r5, r5, 2)
    mov(r6, r11)
    ldr(r0, [r6, 20])
    lsr(r0, r0, 2)
    sub(r0, r0, r5)
    label(DONE)
    pop({{r1}})
    pop({{r3, r4, r5, r6}})
    mov(r8, r3)
    mov(r9, r4)
    mov(r10, r5)
    mov(r11, r6)

'''
LOAD = "    data(2, 0xC8F0)  # ldmia r0!, {r4, r5, r6, r7}\n"
WORD = {
    "thumb6": "    mul(r1, r2)\n    add(r1, r1, r{n})\n    lsr(r3, r1, 13)\n    eor(r1, r3)\n",
    "thumb7": "    data(2, 0xFB01, 0x{n}102)  # mla r1, r1, r2, r{n}\n"
    "    data(2, 0xEA81, 0x3151)  # eor r1, r1, r1, lsr 13\n",
}
TWIN = '''"""Strips of 8 or 16 words with the hash of the assembler kernels; in viper. Marks what they have found.

Written by tests/firmware/codec/make_thumb.py. The contract is that of anysize.py, on 32-bit ports, for aligned frames.
"""
# fmt: off
# ruff: noqa: E501 - one expression for 8 words

import micropython

K = 0x{k:08X}


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
                h = {eight}
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
'''
WHAT = {"thumb6": "for every Cortex-M", "thumb7": "for Cortex-M3 and up"}
WORDS = (16, 8)


def strip_hash(words: list[int]) -> int:
    """What the assembler computes, in Python."""
    h = K
    for word in words:
        h = h * K + word & 0xFFFFFFFF
        h ^= h >> SHIFT
    return h


def generated() -> dict[Path, str]:
    files = {}
    for name, word in WORD.items():
        text = HEADER.format(what=WHAT[name])
        for words in WORDS:
            four = LOAD + "".join(word.format(n=n) for n in (4, 5, 6, 7))
            text += SCAN.format(words=words, strip=four * (words // 4))
        files[FOLDER / f"{name}.py"] = text.rstrip() + "\n"
    eight = "h"
    for word in range(8):
        eight = f"((h := {eight} * k + p[{word}]) >> {SHIFT} ^ h)"
    files[CODEC / "kernels" / "wordwise.py"] = TWIN.format(k=K, eight=eight)
    return files


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text)
