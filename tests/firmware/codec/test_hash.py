"""The strip hash itself, in 32-bit arithmetic: 64-bit ports hide what cancels on a microcontroller.

The expression under test is the text that the kernels are made of.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest

from tests.firmware.codec.make_kernels import SHAPES
from tests.firmware.codec.trials import evaluate

MASK = 0xFFFFFFFF
COLOUR_SHAPES = ("words8", "words16", "words32", "halves16", "halves32")


def hash_of(shape: str) -> tuple[Callable[[list[int]], int], int]:
    """A function of a strip's pixels, and how many there are."""
    _, pointer, loads, _ = SHAPES[shape]
    size = 2 * loads if pointer == "ptr32" else loads
    return lambda pixels: evaluate(shape, struct.pack(f"<{size}H", *pixels)), size


@pytest.mark.parametrize("shape", COLOUR_SHAPES)
class TestDifferencesThatMustNotCancel:
    def test_a_thin_anti_aliased_line(self, shape: str) -> None:
        """Profile 1:2:1 with 0x4000, red: in a high pixel it turns into 0x8000, 0x4000 one word on."""
        run, size = hash_of(shape)
        for ground in (0x0000, 0xFFFF, 0x1234, 0x4208):
            empty = [ground] * size
            for tint in (0x4000, 0x2000, 0x0800, 0x0040, 0xC000):
                seen = {run(empty)}
                for x in range(size - 2):
                    line = list(empty)
                    for offset, factor in enumerate((1, 2, 1)):
                        line[x + offset] = ground + factor * tint & 0xFFFF
                    seen.add(run(line))
                assert len(seen) == size - 1

    def test_the_top_bit_of_any_two_pixels(self, shape: str) -> None:
        run, size = hash_of(shape)
        pixels = random.Random(7).choices(range(0x10000), k=size)
        clean = run(pixels)
        for a in range(size):
            for b in range(a):
                pixels[a] ^= 0x8000
                pixels[b] ^= 0x8000
                assert run(pixels) != clean, (a, b)
                pixels[a] ^= 0x8000
                pixels[b] ^= 0x8000

    def test_swapped_and_mirrored_pixels(self, shape: str) -> None:
        run, size = hash_of(shape)
        pixels = list(range(1000, 1000 + size))
        seen = {run(pixels), run(pixels[::-1])}
        for x in range(size - 1):
            swapped = list(pixels)
            swapped[x], swapped[x + 1] = swapped[x + 1], swapped[x]
            seen.add(run(swapped))
        assert len(seen) == size + 1


def test_the_hash_this_one_replaced_misses_the_line() -> None:
    """FNV with a shift for each word: why the test above exists."""

    def old(pixels: list[int]) -> int:
        h = 0
        for word in struct.unpack("<16I", struct.pack("<32H", *pixels)):
            signed = h - (1 << 32) if h >> 31 else h
            h = ((signed >> 15 ^ signed ^ word) & MASK) * 0x01000193 & MASK
        return h

    seed = random.Random(3)
    missed = 0
    for _ in range(3000):
        pixels = seed.choices((0x0000, 0xFFFF, 0x1234, 0x4208), k=32)
        clean = old(pixels)
        x = seed.randrange(30)
        line = list(pixels)
        for offset, factor in enumerate((1, 2, 1)):
            line[x + offset] = line[x + offset] + factor * 0x4000 & 0xFFFF
        missed += old(line) == clean
    assert missed > 0
