"""Bytes that no encoder wrote, into the decoder: `python -m tests.bridge.replay.hammer 10000000 [SEED]`.

A case is one payload of S-CX: random bytes, or a golden one with bits turned, bytes cut out or taken from another one.
It must paint or be refused with a FrameError that names the byte, and cover no more than a part may. Anything else ends
the run with the case that did it. The slowest case is printed, for people; no machine's time decides anything.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pixeltrail_bridge.errors import FrameError
from pixeltrail_bridge.replay import formats
from pixeltrail_bridge.replay.operations import PICTURES_PER_PART, Painter
from pixeltrail_bridge.wire.messages import Display, PixelFormat

VECTORS = Path(__file__).parents[3] / "schema" / "vectors" / "coded.json"
DISPLAYS = (
    Display(20, 2, PixelFormat.MONO_HLSB, 16, 1, 8, None, 0),
    Display(128, 64, PixelFormat.MONO_VLSB, 16, 8, 128, None, 0),
    Display(128, 128, PixelFormat.GS4_HMSB, 16, 1, 8, None, 0),
    Display(99, 60, PixelFormat.GS8, 16, 1, 8, None, 0),
    Display(135, 240, PixelFormat.RGB565, 32, 1, 128, None, 0),
)
LONGEST = 300


@dataclass(slots=True)
class Tally:
    painted: int = 0
    refused: int = 0
    slowest_s: float = 0.0

    @property
    def cases(self) -> int:
        return self.painted + self.refused


def golden() -> list[bytes]:
    entries = json.loads(VECTORS.read_text())["valid"]
    return [bytes.fromhex(step["payload"]) for entry in entries for step in entry["steps"]]


def payloads(seed: int, known: list[bytes]) -> Iterator[bytes]:
    dice = random.Random(seed)
    while True:
        kind = dice.randrange(4)
        if kind == 0:
            yield dice.randbytes(dice.randrange(LONGEST))
            continue
        payload = bytearray(dice.choice(known)[:LONGEST])
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(len(payload) + 1)
            if kind == 1 and at < len(payload):
                payload[at] ^= 1 << dice.randrange(8)
            elif kind == 2:
                del payload[at : at + dice.randint(1, 4)]
            else:
                other = dice.choice(known)
                cut = dice.randrange(len(other) + 1)
                payload[at:] = other[cut : cut + dice.randrange(LONGEST)]
        yield bytes(payload)


class Target:
    """A painter and its picture; each case begins from blank."""

    def __init__(self, display: Display, use_numba: bool) -> None:
        self.painter = Painter(display, use_numba)
        self.size = formats.picture_bytes(display.format, display.width, display.height)

    def hit(self, payload: bytes) -> bool:
        """True when it painted, false when it was refused."""
        picture = bytearray(self.size)
        self.painter.reset()
        try:
            areas = self.painter.paint(payload, picture, bytes(self.size))
        except FrameError as error:
            assert str(error).startswith("frame payload, byte "), str(error)
            return False
        assert len(picture) == self.size
        assert sum(width * rows for _, _, width, rows in areas) <= PICTURES_PER_PART * self.size
        return True


def run(cases: int, seed: int = 1, use_numba: bool = True) -> Tally:
    targets = [Target(display, use_numba) for display in DISPLAYS]
    tally = Tally()
    source = payloads(seed, golden())
    for number in range(cases):
        payload = next(source)
        begun = time.perf_counter()
        try:
            has_painted = targets[number % len(targets)].hit(payload)
        except BaseException:
            print(
                f"case {number} of seed {seed}, display {number % len(targets)}: {payload.hex()}",
                file=sys.stderr,
            )
            raise
        took = time.perf_counter() - begun
        if has_painted:
            tally.painted += 1
        else:
            tally.refused += 1
        if number >= len(targets):  # the first ones compile
            tally.slowest_s = max(tally.slowest_s, took)
    return tally


if __name__ == "__main__":
    found = run(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    print(
        f"{found.cases:,} cases: {found.painted:,} painted, {found.refused:,} refused, "
        f"nothing else; the slowest took {found.slowest_s * 1000:.1f} ms"
    )
