"""The index of a session: for each frame when it came and how much it changed, and the marks, in clips of ten seconds.

Whoever decodes a stream anyway fills it; a timeline is then read, not decoded. Within a clip time never falls, so the
newest time before any place is that of the clips before it.

`images` holds an entry for each frame, little-endian: ms since the clip's `from_ms` (4 bytes), flags (1), changed share
of the display in 1/1000 (2).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from ..wire.messages import Display
from .canvas import Rectangle

CLIP_MS: Final = 10_000
MOST_FRAMES: Final = 2_000  # of a clip: bounds what one more frame rewrites
MOST_MARKS: Final = 500
KEY, MIXED = 1, 2
ENTRY = struct.Struct("<IBH")
WHOLE: Final = 1000

_TOUCHED = ("touch", "key")
_encode = msgspec.json.Encoder().encode


class Clip:
    """A part of a session, filled in order. `seq` and `number` are the place of its first record."""

    __slots__ = (
        "changed",
        "frames",
        "from_ms",
        "images",
        "keyframes",
        "marks",
        "mixed",
        "number",
        "seq",
        "session_id",
        "to_ms",
        "touches",
    )

    def __init__(self, session_id: int, seq: int, number: int, host_ms: int) -> None:
        self.session_id, self.seq, self.number = session_id, seq, number
        self.from_ms = self.to_ms = host_ms
        self.frames = self.keyframes = self.mixed = self.changed = self.touches = 0
        self.images = bytearray()
        self.marks: list[tuple[int, str, dict[str, Any]]] = []

    def takes(self, session_id: int, host_ms: int) -> bool:
        """Whether what happens at `host_ms` belongs here."""
        return (
            session_id == self.session_id
            and self.to_ms <= host_ms < self.from_ms + CLIP_MS
            and self.frames < MOST_FRAMES
            and len(self.marks) < MOST_MARKS
        )

    @property
    def marks_json(self) -> bytes | None:
        return _encode(self.marks) if self.marks else None


class Clips:
    """The clips of one stream that are not durable yet. Whoever keeps them takes `dirty`, then calls `committed`."""

    def __init__(self) -> None:
        self.dirty: list[Clip] = []
        self._open: Clip | None = None
        self.frames = self.keyframes = self.mixed = 0  # since the last commit

    def add_frame(
        self, session_id: int, seq: int, number: int, host_ms: int, flags: int, changed: int
    ) -> None:
        """`changed`: share of the display in 1/1000."""
        clip = self._clip(session_id, seq, number, host_ms)
        clip.images += ENTRY.pack(host_ms - clip.from_ms, flags, changed)
        clip.frames += 1
        clip.keyframes += flags & KEY
        clip.mixed += flags & MIXED and 1
        clip.changed = max(clip.changed, changed)
        self.frames += 1
        self.keyframes += flags & KEY
        self.mixed += flags & MIXED and 1

    def add_mark(
        self, session_id: int, seq: int, number: int, host_ms: int, kind: str, values: dict[str, Any]
    ) -> None:
        clip = self._clip(session_id, seq, number, host_ms)
        clip.marks.append((host_ms - clip.from_ms, kind, values))
        clip.touches += kind in _TOUCHED

    def committed(self) -> None:
        self.dirty = []
        self.frames = self.keyframes = self.mixed = 0

    def _clip(self, session_id: int, seq: int, number: int, host_ms: int) -> Clip:
        clip = self._open
        if clip is None or not clip.takes(session_id, host_ms):
            clip = self._open = Clip(session_id, seq, number, host_ms)
        if not self.dirty or self.dirty[-1] is not clip:
            self.dirty.append(clip)
        clip.to_ms = host_ms
        return clip


def entries(images: bytes) -> Iterator[tuple[int, int, int]]:
    """Ms since the clip's start, flags and changed share of each frame."""
    return ENTRY.iter_unpack(images[: len(images) // ENTRY.size * ENTRY.size])


def changed_share(display: Display | None, rectangles: Sequence[Rectangle]) -> int:
    """Share of a display in 1/1000, at least 1 where anything changed; what overlaps counts twice, up to the whole."""
    if display is None or not rectangles:
        return 0
    area = sum(w * h for _, _, w, h in rectangles)
    return min(WHOLE, max(1, WHOLE * area // max(1, display.width * display.height)))
