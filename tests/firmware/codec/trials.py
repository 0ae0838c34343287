"""Tries changes that user interfaces make against the strip hashes, a given number of times for each kind.

    python -m tests.firmware.codec.trials 1000000

The hashes are the very text of the kernels (make_kernels.py), turned into C. `fnv_shift` is the hash they replaced: it
misses thin lines, and that it is caught shows that the trials can fail.
"""

from __future__ import annotations

import functools
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.firmware.codec.make_kernels import SHAPES, SHIFT, K, expression
from tests.support.requirements import require

HERE = Path(__file__).parent
REPLACED = "fnv_shift"

# name, kernel, pixels, bits of a pixel
STRIPS = (
    ("rgb565x32", "words16", 32, 16),
    ("rgb565x64", "words32", 64, 16),
    ("rgb565x16", "words8", 16, 16),
    ("rgb565x32_halves", "halves32", 32, 16),
    ("rgb565x16_halves", "halves16", 16, 16),
    ("gs8x32", "words8", 32, 8),
    ("gs8x32_bytes", "bytes32", 32, 8),
    ("mono_vlsb_x16", "words4", 16, 8),
    ("gs4x32", "words4", 32, 4),
    ("gs4x16", "words2", 16, 4),
    ("rgb565x32_assembler", "wordwise16", 32, 16),
    ("rgb565x16_assembler", "wordwise8", 16, 16),
    ("gs8x32_assembler", "wordwise8", 32, 8),
)

HEAD = f"""
struct shape {{ const char *name; uint32_t (*hash)(const uint8_t *); int pixels, bits; }};
static const uint32_t k = {K:#x}u;
static inline uint32_t mix(uint32_t h) {{ return h >> {SHIFT} ^ h; }}
static uint32_t wordwise(const uint32_t *p, int words)
{{
    uint32_t h = k;
    while (words--) h = mix(h * k + *p++);
    return h;
}}
static uint32_t wordwise16(const uint8_t *at) {{ return wordwise((const void *)at, 16); }}
static uint32_t wordwise8(const uint8_t *at) {{ return wordwise((const void *)at, 8); }}
static uint32_t {REPLACED}(const uint8_t *at)
{{
    const uint32_t *p = (const void *)at;
    uint32_t h = 0;
    for (int i = 0; i < 16; i++) h = ((uint32_t)((int32_t)h >> 15) ^ h ^ p[i]) * 0x01000193u;
    return h;
}}
"""
TYPES = {"ptr32": "uint32_t", "ptr16": "uint16_t", "ptr8": "uint8_t"}


@dataclass(frozen=True, slots=True)
class Outcome:
    strip: str
    kind: str
    trials: int
    misses: int


_MASK = 0xFFFFFFFF


class U32(int):
    def __add__(self, other: int) -> U32:
        return U32(int(self) + other & _MASK)

    def __mul__(self, other: int) -> U32:
        return U32(int(self) * other & _MASK)

    def __xor__(self, other: int) -> U32:
        return U32((int(self) ^ other) & _MASK)

    def __rshift__(self, other: int) -> U32:
        return U32(int(self) >> other)


@functools.cache
def _function(name: str) -> Callable[..., int]:
    _, pointer, loads, group = SHAPES[name]
    return eval(f"lambda p, ptr16, uint, k: {expression(loads, group, pointer == 'ptr32')}")


def evaluate(name: str, strip: bytes) -> int:
    """The hash of the kernel `name` for the strip's bytes and whatever follows them, in Python."""
    _, pointer, loads, _ = SHAPES[name]
    letter = {"ptr32": "I", "ptr16": "H", "ptr8": "B"}[pointer]
    values = struct.unpack_from(f"<{loads}{letter}", strip)
    halves = struct.unpack_from(f"<{len(strip) // 2}H", strip)
    return int(_function(name)(values, lambda _: halves, U32, K))


def _in_c(name: str) -> str:
    """One hash as a C function."""
    _, pointer, loads, group = SHAPES[name]
    text = expression(loads, group, pointer == "ptr32")
    text = text.replace("((h := ", "mix((").replace(f") >> {SHIFT} ^ h)", "))")
    text = text.replace("uint(p[0])", "(uint32_t)p[0]").replace(
        "ptr16(p)", "((const uint16_t *)(const void *)p)"
    )
    return (
        f"static uint32_t {name}(const uint8_t *at)\n"
        f"{{\n    const {TYPES[pointer]} *p = (const void *)at;\n    return {text};\n}}\n"
    )


def header() -> str:
    functions = [_in_c(name) for name in SHAPES]
    rows = [f'    {{ "{name}", {kernel}, {pixels}, {bits} }},' for name, kernel, pixels, bits in STRIPS]
    rows += [f'    {{ "{REPLACED}", {REPLACED}, 32, 16 }},', "    { 0, 0, 0, 0 },"]
    return HEAD + "".join(functions) + "static const struct shape SHAPES[] = {\n" + "\n".join(rows) + "\n};\n"


def run(trials: int) -> list[Outcome]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "hashes.h").write_text(header())
        program = Path(folder, "trials")
        options = ["-O2", "-std=c11", "-fno-strict-aliasing", "-Wall", "-Wextra", f"-I{folder}"]
        subprocess.run([require("gcc"), *options, HERE / "trials.c", "-o", program], check=True)
        done = subprocess.run([program, str(trials)], check=True, capture_output=True, text=True)
    rows = [line.split(",") for line in done.stdout.splitlines()]
    return [Outcome(strip, kind, int(counted), int(misses)) for strip, kind, counted, misses in rows]


def main(argv: list[str]) -> int:
    outcomes = run(int(argv[0]) if argv else 20_000)
    missed = [outcome for outcome in outcomes if outcome.misses]
    for outcome in missed:
        print(f"{outcome.strip}: {outcome.kind}: {outcome.misses:,} of {outcome.trials:,} missed")
    total = sum(outcome.trials for outcome in outcomes if outcome.strip != REPLACED)
    faults = sum(outcome.misses for outcome in missed if outcome.strip != REPLACED)
    print(f"{total:,} trials, {faults} missed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
