"""Writes the generated files of firmware/pixeltrail/codec. Run it after a change here or in a kernel with a twin:

    python -m tests.firmware.codec.make_kernels

Strip hashes. A hash is a polynomial in K over the values of a strip, with one xorshift between groups of four words:

    inside a group   h = h * K + load                 every load sits on its own power of K
    between groups   h = (h >> 13 ^ h) * K + load     h is unsigned: the shift is logical, the step a bijection

+ and * never move a difference to a lower bit, so two changes of bit 31 would cancel: each 32-bit load but the last of
its group is followed by a load of its upper half. One expression per strip keeps the running value in a register; `p`
and `k` come first in the signature, because compiled code has registers for two locals only.

A kernel runs down each column, some rows a turn, to the first strip that has changed. From there to the column's end it
goes row by row, storing and marking; an unchanged strip costs nothing for that. Where bit 1 of q[10] is set it returns
behind a column of which q[10] >> 2 strips have changed, and sets q[0] to the next; or beyond the last one at the end.

Plain twins of the other kernels are the same text without decorators and types. cx_kernels.py writes those of S-CX.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.firmware.codec import cx_kernels

CODEC = Path(__file__).resolve().parents[3] / "firmware" / "pixeltrail" / "codec"

# No signed sum of two-colour changes inside a group vanishes for this factor; it is below 2^30 for 32-bit viper.
K = 0x3AAE48CB
SHIFT = 13

SHAPES = {
    "words32": ("32 words: 64 px of RGB565", "ptr32", 32, 4),
    "words16": ("16 words: 32 px of RGB565", "ptr32", 16, 4),
    "words8": ("8 words: 32 px of GS8, 16 px of RGB565", "ptr32", 8, 4),
    "words4": ("4 words: 16 px of GS8, 32 px of GS4, 16 columns of a MONO_VLSB page", "ptr32", 4, 4),
    "words2": ("2 words: 16 px of GS4, 32 px of GS2", "ptr32", 2, 4),
    "halves32": ("32 half words: 32 px of RGB565 at a pitch that is no multiple of 4", "ptr16", 32, 8),
    "halves16": ("16 half words: 16 px of RGB565 at a pitch that is no multiple of 4", "ptr16", 16, 8),
    "bytes32": ("32 bytes at any address: 32 px of GS8 at an odd pitch", "ptr8", 32, 16),
}

KERNEL = '''"""Strips of {title}; in viper. Written by tests/firmware/codec/make_kernels.py, which explains it."""
# fmt: off
# ruff: noqa: E501 - one expression per strip, see there

import micropython

K = 0x{k:08X}


# The contract is that of anysize.py, on 32-bit ports.
@micropython.viper
def scan(p: {ptr}, k: int, h: uint, s: ptr32, d: ptr8, q: ptr32) -> int:
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
        p = {ptr}(base + (last if c == end else c * step) + y * pitch)
        s = ptr32(table + (c * rows + y) * 4)
        tail = int(s) + (stop - y) * 4
        block = tail - (stop - y & {rows_less_one}) * 4
        while int(s) ^ block:
{clean}            s = ptr32(int(s) + {step})
        r = stop - ((tail - int(s)) >> 2)
        marks = int(d) + c * height
        p = {ptr}(base + (last if c == end else c * step) + r * pitch)
        while r < stop:
            h = {hash}
            if h ^ s[0]:
                if keep:
                    ptr32(old)[r] = s[0]
                    s[0] = int(h)
                ptr8(marks)[r >> 3] |= 1 << (r & 7)
                n += 1
            p = {ptr}(int(p) + pitch)
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
'''
CLEAN = """            if {hash} ^ s[{i}]:
                break
            p = {ptr}(int(p) + pitch)
"""


def expression(loads: int, group: int, halves: bool) -> str:
    text = "(uint(p[0]) ^ k)"
    for i in range(1, loads):
        if i % group == 0:
            text = f"(((h := {text}) >> {SHIFT} ^ h) * k + p[{i}])"
        elif halves:
            text = f"(({text} * k + ptr16(p)[{2 * i - 1}]) * k + p[{i}])"
        else:
            text = f"({text} * k + p[{i}])"
    return text


def strip_kernel(title: str, ptr: str, loads: int, group: int) -> str:
    hashed = expression(loads, group, ptr == "ptr32")
    rows = 4 if loads <= 16 else 2
    clean = "".join(CLEAN.format(hash=hashed, ptr=ptr, i=i) for i in range(rows))
    return KERNEL.format(
        title=title, k=K, ptr=ptr, hash=hashed, clean=clean, rows_less_one=rows - 1, step=rows * 4
    )


def plain_twin(name: str, source: str) -> str:
    """A viper module's text as plain Python: no decorators, no types."""
    body = source.split("import micropython\n", 1)[1].replace("@micropython.viper\n", "")
    body = re.sub(r": (?:ptr8|ptr16|ptr32|int|uint)(?=[,)])", "", body)
    body = body.replace(") -> int:", "):")
    body = re.sub(r"\bptr(?:8|16|32)\(([^()]+)\)", r"\1", body)
    return f'"""kernels/{name}.py without viper. Written by tests/firmware/codec/make_kernels.py."""\n{body}'


def generated() -> dict[Path, str]:
    files = {CODEC / "kernels" / f"{name}.py": strip_kernel(*shape) for name, shape in SHAPES.items()}
    for name in ("bits", "drive", "moves", "refs"):
        source = (CODEC / "kernels" / f"{name}.py").read_text()
        files[CODEC / "plain" / f"{name}.py"] = plain_twin(name, source)
    for name in cx_kernels.NAMES:
        files[CODEC / "kernels" / f"{name}.py"] = cx_kernels.kernel(name)
        files[CODEC / "plain" / f"{name}.py"] = cx_kernels.twin(name)
    return files


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text)
