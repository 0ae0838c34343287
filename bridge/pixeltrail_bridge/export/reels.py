"""Pictures as the player reads them (web/static/core/pixels.js), in reels that each begin with a whole picture."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ..replay.recording import Picture
from .colours import packed

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEY, MIXED, WHOLE = 1, 2, 4
_HEAD: Final = struct.Struct("<IBHHH")
_BLOCK: Final = struct.Struct("<HHHH")
_LENGTH: Final = struct.Struct("<I")
_REEL_BYTES: Final = 4_000_000  # of RGBA: unpacked within a moment
_GZIP: Final = 16 + zlib.MAX_WBITS
_LEVEL: Final = 6


@dataclass(frozen=True, slots=True)
class Frame:
    """What a timeline shows of a picture: its flags, and the changed share of the display, 0 to 1."""

    at_ms: int
    flags: int
    changed: float


@dataclass(frozen=True, slots=True)
class Reel:
    """`data` is gzipped and holds all pictures from `from_ms` to the next reel."""

    from_ms: int
    data: bytes
    frames: list[Frame]


def reels(pictures: Iterable[Picture]) -> Iterator[Reel]:
    parts: list[bytes] = []
    frames: list[Frame] = []
    size, before = 0, None
    for picture in pictures:
        if size > _REEL_BYTES and picture.at_ms > frames[-1].at_ms:
            yield Reel(frames[0].at_ms, _pack(parts), frames)
            parts, frames, size = [], [], 0
        message, frame = _encode(picture, before, is_first=not parts)
        parts += (_LENGTH.pack(len(message)), message)
        frames.append(frame)
        size += len(message)
        before = picture
    if parts:
        yield Reel(frames[0].at_ms, _pack(parts), frames)


def _encode(picture: Picture, before: Picture | None, is_first: bool) -> tuple[bytes, Frame]:
    display = picture.display
    width, height = display.width, display.height
    flags = (KEY if picture.is_keyframe else 0) | (MIXED if picture.is_mixed else 0)
    image = packed(picture)
    changed = box = (0, 0, width, height)
    if before is not None and before.display == display:
        changed = _changed(packed(before), image)
        box = box if is_first else changed
    flags |= WHOLE if box[2:] == (width, height) else 0
    x, y, w, h = box
    head = _HEAD.pack(min(picture.at_ms, 0xFFFFFFFF), flags, width, height, 1 if w else 0)
    share = changed[2] * changed[3] / max(1, width * height)
    frame = Frame(picture.at_ms, flags & (KEY | MIXED), round(share, 3))
    if not w:
        return head, frame
    return head + _BLOCK.pack(*box) + _rgba(image[y : y + h, x : x + w]), frame


def _changed(before: NDArray[np.uint32], after: NDArray[np.uint32]) -> tuple[int, int, int, int]:
    """The smallest rectangle with all that differs; without width where nothing does."""
    differs = before != after
    rows, columns = differs.any(1).nonzero()[0], differs.any(0).nonzero()[0]
    if not len(rows):
        return 0, 0, 0, 0
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top


def _rgba(image: NDArray[np.uint32]) -> bytes:
    swapped = (image >> 16 & 0xFF) | (image & 0xFF00) | (image & 0xFF) << 16 | 0xFF000000
    return swapped.astype("<u4").tobytes()


def _pack(parts: list[bytes]) -> bytes:
    pack = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return b"".join([*(pack.compress(part) for part in parts), pack.flush()])
