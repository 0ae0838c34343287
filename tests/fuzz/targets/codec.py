"""Frames of both payload types into pictures, with the plain functions that numba compiles.

Compiled code checks no index: one that is out of a picture here would be memory there. So an IndexError is a finding,
and so is an index below 0. The first byte takes a display, the second whether a keyframe's checksum counts (nobody
guesses one), then come parts: flags, two bytes of length, payload.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pixeltrail_bridge.errors import FrameError
from pixeltrail_bridge.replay.canvas import Canvas
from pixeltrail_bridge.wire.messages import Display, Frame, FrameFlag, PixelFormat

from tests.support import vectors

MAX_BYTES = 500
MODULES = tuple(f"pixeltrail_bridge.replay.{name}" for name in ("canvas", "coded", "operations", "pixels"))
_MOST_PARTS = 3  # in plain Python each takes milliseconds
_ALONE = int(FrameFlag.FIRST | FrameFlag.LAST | FrameFlag.KEY | FrameFlag.RESET)


class Guarded(bytearray):
    """A picture that no negative index reaches."""

    def __getitem__(self, at: Any) -> Any:
        assert not isinstance(at, int) or at >= 0, f"read at {at}"
        return super().__getitem__(at)

    def __setitem__(self, at: Any, value: Any) -> None:
        assert not isinstance(at, int) or at >= 0, f"written at {at}"
        super().__setitem__(at, value)


class Trusting(Canvas):
    """Takes a keyframe for whole, whatever its checksum says."""

    def _check(self, expected: int) -> None:
        self._decoder.checksum(self._next)


def _entries() -> Iterator[tuple[Display, list[list[tuple[int, bytes]]]]]:
    """Displays, and for each the frames of a vector as parts: flags and payload."""
    for name in ("frames", "frames_cx", "coded"):
        file = json.loads((vectors.FOLDER / f"{name}.json").read_text())
        for one in file["valid"] + file.get("invalid", []):
            d = one["display"]
            kind, references = PixelFormat(d["format"]), d.get("references", 128)
            display = Display(
                d["width"], d["height"], kind, d["strip_width"], d["strip_rows"], references, None, 0
            )
            yield display, [_parts(step, name) for step in one.get("steps", [one])]


def _parts(step: dict[str, Any], name: str) -> list[tuple[int, bytes]]:
    if "parts" in step:
        return [(flags, bytes.fromhex(data)) for flags, data in step["parts"]]
    flags = _ALONE | (32 if name == "coded" else 0)
    return [(flags, bytes.fromhex(step["payload"]) + bytes(4))]


_ENTRIES = list(_entries())
DISPLAYS = list(dict.fromkeys(display for display, _ in _ENTRIES))


def seeds() -> Iterator[bytes]:
    for display, frames in _ENTRIES:
        for trusts in (0, 1):
            parts = [part for frame in frames for part in frame][:_MOST_PARTS]
            packed = b"".join(bytes((f,)) + len(data).to_bytes(2, "little") + data for f, data in parts)
            yield bytes((DISPLAYS.index(display), trusts)) + packed


def one(data: bytes) -> None:
    if len(data) < 2:
        return
    display = DISPLAYS[data[0] % len(DISPLAYS)]
    canvas = (Trusting if data[1] & 1 else Canvas)(display, use_numba=False)
    size = len(canvas.picture)
    canvas.picture, canvas._next = Guarded(canvas.picture), Guarded(canvas._next)
    for flags, payload in _split(data[2:]):
        try:
            shown = canvas.apply(Frame(flags, payload))
        except FrameError as error:
            assert not canvas.synced and len(str(error)) < 400
            continue
        for x, y, w, h in shown.rectangles if shown else ():
            assert x >= 0 and y >= 0 and w > 0 and h > 0, (x, y, w, h)
            assert x + w <= display.width and y + h <= display.height, (x, y, w, h)
    assert len(canvas.picture) == len(canvas._next) == size, "a picture of another size"
    assert canvas.rgb().shape == (display.height, display.width, 3)


def _split(data: bytes) -> Iterator[tuple[int, bytes]]:
    for _ in range(_MOST_PARTS):
        if len(data) < 3:
            return
        size = 3 + int.from_bytes(data[1:3], "little")
        yield data[0], data[3:size]
        data = data[size:]
