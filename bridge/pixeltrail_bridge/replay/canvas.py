"""The picture of one display, kept up to date frame by frame.

A frame is decoded beside the picture and becomes visible whole, with its last part. After a loss (`discard`) or a bad
frame the canvas shows the last good picture and ignores everything until the next whole keyframe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import FrameError
from ..wire.messages import Display, Frame, FrameFlag
from . import formats
from .operations import Painter
from .pixels import Decoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Rectangle = tuple[int, int, int, int]
# plain integers: an operation with an IntFlag makes an object, and a seek has hundreds of frames
_KEY, _FIRST, _LAST = int(FrameFlag.KEY), int(FrameFlag.FIRST), int(FrameFlag.LAST)
_MIXED, _RESET = int(FrameFlag.MIXED), int(FrameFlag.RESET)
_PAYLOAD_PX: Final = 0
_PAYLOAD_CX: Final = 1
_CHECKSUM_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame that became visible. Rectangles are x, y, width, height in pixels."""

    is_keyframe: bool
    is_mixed: bool
    rectangles: tuple[Rectangle, ...]
    size_bytes: int
    """Payload of all parts, without flags and checksum."""
    parts: int


class Canvas:
    """`picture` is in the display's own format, without gaps between rows; black until the first keyframe.

    discarded: frames begun and never ended. ignored: parts that came while there was nothing to apply them to.
    """

    def __init__(self, display: Display, use_numba: bool = True) -> None:
        self.display = display
        self._decoder = Decoder(display, use_numba)
        self._painter = Painter(display, use_numba)
        self.picture = bytearray(formats.picture_bytes(display.format, display.width, display.height))
        self.synced = False
        self.discarded = 0
        self.ignored = 0
        self._next = bytearray(self.picture)
        self._is_open = False
        self._is_key = False
        self._rectangles: list[Rectangle] = []
        self._painted = 0
        self._size_bytes = 0
        self._parts = 0

    def apply(self, frame: Frame) -> Shown | None:
        """Apply one part. None: the frame goes on, or the part was ignored. Raises FrameError, and is then unsynced."""
        try:
            return self._apply(frame)
        except FrameError:
            self.discard()
            raise

    def discard(self) -> None:
        """Something is missing: wait for the next keyframe. For a gap, another stream, a display record."""
        self._drop_open()
        self.synced = False

    def interrupt(self) -> None:
        """The frame under way, if there is one, will not go on. Without one the picture stays as good as it was."""
        self._drop_open()

    def rgb(self) -> NDArray[np.uint8]:
        """(height, width, 3) of R, G, B."""
        display = self.display
        return formats.to_rgb(self.picture, display.format, display.width, display.height, display.palette)

    def rgba(self, x: int, y: int, w: int, h: int) -> bytes:
        """A rectangle as R, G, B, A bytes, row by row, as a browser's ImageData has them."""
        import numpy as np

        rgb = self.rgb()[y : y + h, x : x + w]
        opaque = np.full((*rgb.shape[:2], 1), 255, np.uint8)
        return np.concatenate([rgb, opaque], axis=2).tobytes()

    def _apply(self, frame: Frame) -> Shown | None:
        is_key = bool(frame.flags & _KEY)
        if frame.flags & _FIRST:
            self._drop_open()
            if not is_key and not self.synced:
                self.ignored += 1
                return None
            self._open(is_key)
        elif not self._is_open:
            if self.synced:
                raise FrameError("frame: a later part came without the first; some part was lost")
            self.ignored += 1
            return None
        elif is_key != self._is_key:
            raise FrameError("frame: a part of a keyframe and one of a delta are mixed up")
        is_last = bool(frame.flags & _LAST)
        payload, checksum = _split(frame.payload, is_key and is_last)
        self._paint(frame, payload)
        if not is_last:
            return None
        if checksum is not None:
            self._check(checksum)
        return self._show(bool(frame.flags & _MIXED))

    def _open(self, is_key: bool) -> None:
        self._is_open = True
        self._is_key = is_key
        self._rectangles = []
        self._painted = self._size_bytes = self._parts = 0

    def _drop_open(self) -> None:
        """An unfinished frame: what the device sent of it will not come again, so deltas after it do not fit."""
        if not self._is_open:
            return
        self._is_open = False
        self.discarded += 1
        self.synced = False
        self._next[:] = self.picture

    def _paint(self, frame: Frame, payload: bytes) -> None:
        for left, top, width, height in self._areas(frame, payload):
            self._painted += width * height
            if height:
                self._rectangles.append(self._pixels(left, top, width, height))
        self._size_bytes += len(payload)
        self._parts += 1

    def _areas(self, frame: Frame, payload: bytes) -> list[Rectangle]:
        """Paint a payload; return what it covers as left byte, top row, bytes wide, rows."""
        if frame.payload_type == _PAYLOAD_PX:
            return self._decoder.paint(payload, self._next)
        if frame.payload_type != _PAYLOAD_CX:
            raise FrameError(f"frame: payload type {frame.payload_type} is not known here; update the bridge")
        if frame.flags & _RESET:
            self._painter.reset()
        elif self._is_key and not self._parts:
            raise FrameError("keyframe: the first part does not reset the model")
        return self._painter.paint(payload, self._next, self.picture)

    def _pixels(self, left: int, top: int, width: int, height: int) -> Rectangle:
        """A rectangle of bytes and rows as pixels; the last byte or page may reach beyond the display."""
        display, g = self.display, self._decoder.geometry
        x = left // g.strip_bytes * g.strip_px
        y = top * g.row_px
        right = display.width if left + width == g.row_bytes else (left + width) // g.strip_bytes * g.strip_px
        return x, y, right - x, min(display.height, (top + height) * g.row_px) - y

    def _check(self, expected: int) -> None:
        if self._painted != len(self.picture):
            raise FrameError(
                f"keyframe: painted {self._painted} bytes of {len(self.picture)}; it must cover all"
            )
        got = self._decoder.checksum(self._next)
        if got != expected:
            raise FrameError(f"keyframe: checksum {got:#010x}, expected {expected:#010x}")

    def _show(self, is_mixed: bool) -> Shown:
        self.picture[:] = self._next
        self.synced = True
        self._is_open = False
        return Shown(self._is_key, is_mixed, tuple(self._rectangles), self._size_bytes, self._parts)


def _split(payload: bytes, has_checksum: bool) -> tuple[bytes, int | None]:
    if not has_checksum:
        return payload, None
    if len(payload) < _CHECKSUM_BYTES:
        raise FrameError(f"keyframe: {len(payload)} bytes have no room for the checksum of {_CHECKSUM_BYTES}")
    return payload[:-_CHECKSUM_BYTES], int.from_bytes(payload[-_CHECKSUM_BYTES:], "little")
