"""Writes the generated files of firmware/pixeltrail/codec. Run it after a change here, in kernels/px.py or bits.py:

    python tests/firmware/codec/make_kernels.py

Strip hashes. A hash is a polynomial in K over the values of a strip, with one xorshift between groups of four words:

    inside a group   h = h * K + load                 every load sits on its own power of K
    between groups   h = (h >> 13 ^ h) * K + load     h is unsigned: the shift is logical, the step a bijection

+ and * never move a difference to a lower bit, so two changes of bit 31 would cancel: each 32-bit load but the last of
its group is followed by a load of its upper half. One expression per strip keeps the running value in a register; `p`
and `k` come first in the signature, because compiled code has registers for two locals only.

Plain twins of the other kernels are the same text without decorators and types.
"""

from __future__ import annotations

import re
from pathlib import Path

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

HEADER = '''"""Strips of {title}; in viper. Written by tests/firmware/codec/make_kernels.py, which explains it."""
# ruff: noqa: E501 - one expression per strip, see there

import micropython

K = {k:#010x}


# The contract is that of anysize.py. Rows are taken in pairs: the last one of an odd number is hashed together with the
# row above it, so there must be two.
@micropython.viper
def scan(p: {ptr}, k: int, h: uint, s: ptr32, d: ptr8, q: ptr32) -> int:
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
        p = {ptr}(base + (last if c == end else c * step))
        s = ptr32(table + (c * rows + y) * 4)
        tail = int(s) + (stop - y) * 4
        while True:
            while int(s) < tail - 4:
'''
ROW = '''                if ((h := {expression}) ^ s[{i}]) & mask:
                    if store:
                        s[{i}] = int(h)
                    r = stop - ((tail - int(s)) >> 2){plus}
                    d[c * height + (r >> 3)] |= 1 << (r & 7)
                    n += 1
                p = {ptr}(int(p) + pitch)
'''
FOOTER = '''                s = ptr32(int(s) + 8)
            if int(s) == tail:
                break
            p = {ptr}(int(p) - pitch)
            s = ptr32(int(s) - 4)
        c += 1
    return n
'''


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
    rows = "".join(ROW.format(expression=hashed, i=i, plus=plus, ptr=ptr) for i, plus in ((0, ""), (1, " + 1")))
    return HEADER.format(title=title, k=K, ptr=ptr) + rows + FOOTER.format(ptr=ptr)


def plain_twin(name: str, source: str) -> str:
    """A viper module's text as plain Python: no decorators, no types."""
    body = source.split("import micropython\n", 1)[1].replace("@micropython.viper\n", "")
    body = re.sub(r": (?:ptr8|ptr16|ptr32|int|uint)(?=[,)])", "", body)
    body = body.replace(") -> int:", "):")
    return f'"""kernels/{name}.py without viper. Written by tests/firmware/codec/make_kernels.py."""\n{body}'


def generated() -> dict[Path, str]:
    files = {CODEC / "kernels" / f"{name}.py": strip_kernel(*shape) for name, shape in SHAPES.items()}
    for name in ("px", "bits"):
        source = (CODEC / "kernels" / f"{name}.py").read_text()
        files[CODEC / "plain" / f"{name}.py"] = plain_twin(name, source)
    return files


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text)
