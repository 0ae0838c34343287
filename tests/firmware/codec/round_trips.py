"""Frames of every format and size, drawn at random, to the decoder and back, on every interpreter:

    python -m tests.firmware.codec.round_trips CASES [SEED]

A case is a display (one of the sizes that boards have, or 1 to 400 on either side; any format, gap between rows and
strip width) and four pictures. CPython codes them, the bridge's canvas must show each one exactly, and the x64 port and
32-bit Arm, from source and from .mpy, must write the same bytes. About a second a case.
"""

from __future__ import annotations

import hashlib
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pixeltrail_bridge.replay.canvas import Canvas
from pixeltrail_bridge.wire.messages import PixelFormat

from tests.firmware.codec.coding import Device, without_unused_bits
from tests.support import ports

SCRIPT = Path(__file__).parent / "run_sequence.py"
SIZES = ((250, 122), (172, 320), (135, 240), (128, 32), (320, 240), (128, 64), (296, 128))
PICTURES = 4
BUDGET_PX = 20_000  # that of run_sequence.py


@dataclass(frozen=True, slots=True)
class Case:
    width: int
    height: int
    format: PixelFormat
    gap: int
    strip_width: int
    room: int
    seed: int

    @classmethod
    def draw(cls, dice: random.Random) -> Case:
        width, height = (
            dice.choice(SIZES) if dice.random() < 0.5 else (dice.randint(1, 400), dice.randint(1, 400))
        )
        gap = dice.choice((0, 0, 1, 2, 3, 5))
        return cls(
            width,
            height,
            dice.choice(list(PixelFormat)),
            gap,
            dice.choice((0, 0, 8, 16, 32, 64)),
            dice.choice((1000, 1000, 4000)),
            dice.getrandbits(32),
        )


def pictures(device: Device, dice: random.Random) -> list[bytes]:
    """As apps draw: flat areas, what moves, text, gradients, noise."""
    row, rows = device.row_bytes, device.rows
    picture = bytearray(row * rows)
    drawn = []
    for number in range(PICTURES):
        for _ in range(dice.randint(1, 5)):
            top, high = dice.randrange(rows), dice.randint(1, rows)
            left, wide = dice.randrange(row), dice.randint(1, row)
            kind = dice.randrange(6)
            dy = dice.randint(-20, 20)
            step = dice.randint(1, 9)
            colours = dice.randbytes(4)
            before = bytes(picture)
            for y in range(top, min(rows, top + high)):
                at, end = y * row + left, y * row + min(row, left + wide)
                size = end - at
                if kind == 0:
                    picture[at:end] = colours[:1] * size
                elif kind == 1:
                    source = min(max(y + dy, 0), rows - 1) * row + left
                    picture[at:end] = before[source : source + size]
                elif kind == 2:
                    picture[at:end] = bytes(dice.choices(colours, k=size))
                elif kind == 3:
                    picture[at:end] = bytes((i * step + y) >> 2 & 255 for i in range(size))
                elif kind == 4 and number and dice.random() < 0.5:
                    picture[at:end] = drawn[-1][at:end]
                elif kind == 5 and high < 30:
                    picture[at:end] = dice.randbytes(size)
        drawn.append(bytes(picture))
    return drawn


def code(case: Case, drawn: Sequence[bytes]) -> list[str]:
    """Code and show the pictures here; the lines that run_sequence.py prints for them."""
    device = Device(case.width, case.height, case.format, case.gap, case.strip_width)
    canvas = Canvas(device.display)
    lines = []
    for number, picture in enumerate(drawn):
        device.draw(picture)
        device.encoder.refresh()
        parts = list(device.frame(number == 0, case.room, BUDGET_PX))
        for part in parts:
            canvas.apply(part)
        expected = without_unused_bits(picture, case.width, case.height, case.format)
        assert canvas.picture == expected, f"picture {number} of {case} came back changed"
        whole = b"".join(part.payload for part in parts)
        count = sum(len(part.payload) > 0 for part in parts)  # nothing changed is one without
        lines.append(f"{count} {hashlib.sha256(whole).hexdigest()}")
    return lines


def check(case: Case, on: Sequence[ports.Port]) -> None:
    device = Device(case.width, case.height, case.format, case.gap, case.strip_width)
    drawn = pictures(device, random.Random(case.seed))
    expected = code(case, drawn)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames"
        buffers = []
        for picture in drawn:
            device.draw(picture)
            buffers.append(bytes(device.buffer))
        path.write_bytes(b"".join(buffers))
        shape = (case.width, case.height, int(case.format), case.room)
        for port in on:
            arguments = (*map(str, shape), f"pitch={device.pitch}", f"strip={case.strip_width}")
            printed = port.run(SCRIPT, path, *arguments, heap="8m").splitlines()
            assert printed == expected, f"{port} writes other bytes for {case}"


def main(cases: int, seed: int) -> None:
    dice = random.Random(seed)
    for number in range(cases):
        case = Case.draw(dice)
        check(case, ports.ALL)
        if number % 100 == 99:
            print(f"{number + 1:,} of {cases:,}", flush=True)
    print(f"{cases:,} displays, {cases * PICTURES:,} pictures, {len(ports.ALL) + 1} interpreters: all exact")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
