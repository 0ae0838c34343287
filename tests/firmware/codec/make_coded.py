"""Writes schema/vectors/states.json and coded.json: the states of S-CX, and parts as operations, payloads and pictures.

    python -m tests.firmware.codec.make_coded

A valid entry of coded.json: display; room of a part; steps, each with what was drawn, if anything was (hex, in the
display's own format), the operations, the payload, and the picture's checksum after it (as keyframes have it).
Operations: ["copy", strip, strips, row, rows, dy], ["reference", how long ago, strip, row, same place], ["rectangle",
strip, strips, row, rows, above known, how many of the rows were coded]. The model is reset before the first step only.
An invalid entry: display, payload after a reset, and why it is wrong.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from pixeltrail.codec.tables import STATES
from pixeltrail_bridge.replay.pixels import checksum
from pixeltrail_bridge.wire.messages import PixelFormat

from tests.firmware.codec.coder_rig import Pair

FOLDER = Path(__file__).resolve().parents[3] / "schema" / "vectors"
STATES_PATH = FOLDER / "states.json"
PATH = FOLDER / "coded.json"

# width, height, strip width, room of a part: one pixel; odd; chunks cut short, noise that ends early, several parts
SIZES = ((1, 1, 8, 400), (21, 19, 8, 400))
WIDE = (53, 24, 16, 300)
WIDE_FORMATS = (PixelFormat.MONO_VLSB, PixelFormat.GS4_HMSB, PixelFormat.GS8, PixelFormat.RGB565)
INVALID = (
    ("garbage", 6, "9b17c5e2004411aa"),
    ("ends early", 6, "3d"),
    ("too long", 0, "3f01020304050607"),
    ("ones only", 5, "ffffffffffffffff"),
    ("zeros only", 1, "0000000000"),
)


def states() -> list[list[int]]:
    numbers = [int.from_bytes(STATES[i : i + 4], "little") for i in range(0, 1024, 4)]
    return [[n >> 16, n >> 8 & 255, n & 255] for n in numbers]


def drawings(pair: Pair) -> list[bytes]:
    """Flat and patterned, noise, a small change, the first again moved down, smooth colours."""
    seed = random.Random(f"{pair.format.name} {pair.width}")
    size, pitch = pair.row_bytes * pair.rows, pair.row_bytes
    pattern = bytes(0xF0 if i // 7 % 3 else i // 40 & 255 for i in range(size))
    changed = bytearray(pattern)
    changed[size // 2] ^= 0x24
    moved = bytes(pitch) + pattern[: size - pitch]
    smooth = bytes((i // pitch * 3 + i % pitch * 2) & 255 for i in range(size))
    return [pattern, seed.randbytes(size), bytes(changed), moved, smooth]


def valid(format: PixelFormat, width: int, height: int, strip: int, room: int) -> dict[str, Any]:
    pair = Pair(width, height, format, strip_width=strip)
    steps: list[dict[str, Any]] = []
    for drawn in drawings(pair):
        pair.draw(drawn)
        row = 0
        continues = False
        while row < pair.rows:
            pair.open(room)
            operations: list[list[Any]] = []
            if steps and not row and pair.rows > 4:
                operations.append(["copy", 0, 1, 2, 2, -1])
                operations.append(["copy", pair.columns - 1, 1, 1, 2, 1])
                operations.append(["reference", 1, 0, 0, True])
            for operation in operations:
                assert run(pair, operation)
            while row < pair.rows:
                operation = [
                    "rectangle",
                    0,
                    pair.columns,
                    row,
                    pair.rows - row,
                    bool(len(steps) % 2) or row > 0,
                ]
                done = run(pair, operation)
                operations.append([*operation, done])
                row += done
                if not done:
                    break
            payload = pair.close()
            step: dict[str, Any] = {"operations": operations, "payload": payload.hex()}
            step["checksum"] = f"{checksum(pair.picture):08x}"
            steps.append(step if continues else {"drawn": drawn.hex(), **step})
            continues = True
    return {"display": shape(pair, strip), "room": room, "steps": steps}


def run(pair: Pair, operation: list[Any]) -> int:
    """Code one operation; rows coded, or whether it went in."""
    return getattr(pair.coder, operation[0])(*operation[1:6])


def shape(pair: Pair, strip: int) -> dict[str, int]:
    rows = 8 if pair.format == PixelFormat.MONO_VLSB else 1
    return {
        "width": pair.width,
        "height": pair.height,
        "format": int(pair.format),
        "strip_width": strip,
        "strip_rows": rows,
        "references": 8,
    }


def vectors() -> dict[str, Any]:
    narrow = [valid(format, *size) for format in PixelFormat for size in SIZES]
    return {
        "valid": narrow + [valid(format, *WIDE) for format in WIDE_FORMATS],
        "invalid": [
            {"why": why, "display": shape(Pair(53, 24, PixelFormat(number)), 16), "payload": payload}
            for why, number, payload in INVALID
        ],
    }


def text(value: Any) -> str:
    """An entry a line."""
    lines = {key: ",\n  ".join(json.dumps(entry) for entry in entries) for key, entries in value.items()}
    return "{" + ",".join(f'\n "{key}": [\n  {entries}\n ]' for key, entries in lines.items()) + "\n}\n"


if __name__ == "__main__":
    STATES_PATH.write_text(json.dumps(states()) + "\n")
    PATH.write_text(text(vectors()))
