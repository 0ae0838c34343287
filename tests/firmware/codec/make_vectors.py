"""Writes schema/vectors/frames.json: parts of frames in every format, and payloads that a decoder must refuse.

    python tests/firmware/codec/make_vectors.py

A valid entry: display; steps, each with the picture that was drawn (hex, in the display's own format), the flags and
payload of each part (hex; the last part of a keyframe ends in its checksum), and the picture that a decoder must show
after them, when it differs from the drawn one. An invalid entry: display, payload of one delta part on a black picture,
and why it is wrong.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from pixeltrail_bridge.replay.formats import picture_bytes
from pixeltrail_bridge.wire.messages import PixelFormat

from tests.firmware.codec.coding import Device, without_unused_bits

PATH = Path(__file__).resolve().parents[3] / "schema" / "vectors" / "frames.json"

# width, height, room of a part: narrower than a strip, odd, split into parts, split into columns
SIZES = ((1, 1, 200), (21, 9, 200), (37, 20, 150))

HLSB = {"width": 20, "height": 2, "format": 1, "strip_width": 16, "strip_rows": 1}
RGB = {"width": 8, "height": 2, "format": 6, "strip_width": 8, "strip_rows": 1}
INVALID = (
    ("header ends early", HLSB, "00 01 00"),
    ("first strip outside", HLSB, "02 00 00 00 C0 C0"),
    ("last strip outside", HLSB, "00 02 00 00 02"),
    ("rows outside", HLSB, "00 01 01 01 05"),
    ("row of three bytes", HLSB, "00 01 80 80 00 00 02"),
    ("no pixels", HLSB, "00 01 00 01"),
    ("pixels end early", HLSB, "00 01 00 01 82 FF 81"),
    ("run passes the end", HLSB, "00 01 00 01 06"),
    ("above in the first row", HLSB, "00 01 00 01 82 FF 81 F0 01 41 42"),
    ("above at once", HLSB, "00 01 00 01 45"),
    ("literals pass the end", HLSB, "00 01 00 00 83 01 02 03 04"),
    ("run without its length", HLSB, "00 01 00 01 3F"),
    ("run length of five bytes", HLSB, "00 01 00 01 3F 80 80 80 80 00"),
    ("raw pixels end early", HLSB, "00 81 00 01 01 02 03 04 05"),
    ("more than the display", HLSB, "00 01 00 01 05 00 01 00 00 02"),
    ("a byte is left", HLSB, "00 01 00 01 05 00"),
    ("half a literal", RGB, "00 00 00 00 87 01 02 03"),
    ("run of bytes for units", RGB, "00 00 00 00 0F"),
)


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
    steps = []
    for number in range(3):
        drawn = scene(picture_bytes(format, width, height), number, seed)
        if number == 2:  # a small change
            drawn = picture[:-1] + bytes([picture[-1] ^ 0xFF])
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
        },
        "steps": steps,
        "room": room,
    }


def vectors() -> dict[str, Any]:
    return {
        "valid": [valid(format, *size) for format in PixelFormat for size in SIZES],
        "invalid": [
            {"why": why, "display": display, "payload": bytes.fromhex(payload).hex()}
            for why, display, payload in INVALID
        ],
    }


def text() -> str:
    return json.dumps(vectors(), indent=1) + "\n"


if __name__ == "__main__":
    PATH.write_text(text())
