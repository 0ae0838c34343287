"""Writes schema/vectors/frames_cx.json: parts of frames in every format, as the encoder makes them.

    python -m tests.firmware.codec.make_vectors

An entry: display; steps, each with the picture that was drawn (hex, in the display's own format), the flags and payload
of each part (hex; the last part of a keyframe ends in its checksum), and the picture that a decoder must show after
them, when it differs from the drawn one. frames.json has the same for S-PX, which devices no longer write.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from pixeltrail_bridge.replay.formats import picture_bytes
from pixeltrail_bridge.wire.messages import PixelFormat

from tests.firmware.codec.coding import Device, without_unused_bits

PATH = Path(__file__).resolve().parents[3] / "schema" / "vectors" / "frames_cx.json"

# width, height, room of a part: narrower than a strip, odd, split into parts
SIZES = ((1, 1, 500), (21, 9, 500), (70, 20, 400))


def scene(size: int, number: int, seed: random.Random) -> bytes:
    """Flat, repeated and noisy parts."""
    picture = bytearray(size)
    for i in range(0, size, 5):
        picture[i : i + 3] = bytes([17 * number & 255]) * len(picture[i : i + 3])
    start = seed.randrange(size)
    noise = seed.randbytes(min(size - start, 60))
    picture[start : start + len(noise)] = noise
    return bytes(picture)


def valid(format: PixelFormat, width: int, height: int, room: int) -> dict[str, Any]:
    seed = random.Random(f"{format.name} {width}x{height}")
    device = Device(width, height, format)
    picture = b""
    steps: list[dict[str, Any]] = []
    for number in range(4):
        drawn = scene(picture_bytes(format, width, height), number, seed)
        if number == 2:  # a small change
            drawn = picture[:-1] + bytes([picture[-1] ^ 0xFF])
        elif number == 3:  # what was there before
            drawn = bytes.fromhex(steps[1]["drawn"])
        picture = drawn
        device.draw(picture)
        device.encoder.refresh()
        parts = [[int(part.flags), part.payload.hex()] for part in device.frame(number == 0, room)]
        step: dict[str, Any] = {"drawn": picture.hex(), "parts": parts}
        shown = without_unused_bits(picture, width, height, format)
        if shown != picture:
            step["shown"] = shown.hex()
        steps.append(step)
    display = device.display
    return {
        "display": {
            "width": width,
            "height": height,
            "format": int(format),
            "strip_width": display.strip_width,
            "strip_rows": display.strip_rows,
            "references": display.references,
        },
        "steps": steps,
        "room": room,
    }


def vectors() -> dict[str, Any]:
    return {"valid": [valid(format, *size) for format in PixelFormat for size in SIZES]}


def text() -> str:
    return json.dumps(vectors(), indent=1) + "\n"


if __name__ == "__main__":
    PATH.write_text(text())
