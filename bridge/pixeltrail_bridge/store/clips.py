"""The index of sessions in the store: what the projector saw, in clips; replay/clips.py says what is in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from .readers import Readers
from .sql import Connection, replacing

_COLUMNS = "device, session_id, from_ms, to_ms, frames, keyframes, mixed, changed, touches, images, marks"
_PUT = (
    f"INSERT INTO clips (stream, seq, number, {_COLUMNS})"
    " SELECT no, ?, ?, device, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM streams WHERE stream = ?"
    + replacing("stream, seq, number", _COLUMNS)
)
_BOUNDS = """
SELECT s.stream, c.seq, c.number, c.from_ms, c.to_ms, c.frames, c.keyframes, c.mixed, c.changed
FROM clips c JOIN streams s ON s.no = c.stream
WHERE c.device = (SELECT no FROM devices WHERE device_id = ?) AND c.session_id = ?
ORDER BY coalesce(s.imported_ms, 9007199254740991), c.stream, c.seq, c.number
"""
_IMAGES = """
SELECT from_ms, images FROM clips WHERE device = (SELECT no FROM devices WHERE device_id = ?) AND session_id = ?
ORDER BY (SELECT coalesce(s.imported_ms, 9007199254740991) FROM streams s WHERE s.no = clips.stream),
    stream, seq, number
"""
_MARKS = """
SELECT from_ms, marks FROM clips
WHERE device = (SELECT no FROM devices WHERE device_id = ?) AND session_id = ? AND marks IS NOT NULL
ORDER BY (SELECT coalesce(s.imported_ms, 9007199254740991) FROM streams s WHERE s.no = clips.stream),
    stream, seq, number
"""
_TOUCHED = """
SELECT d.device_id, max(c.to_ms) FROM clips c JOIN devices d ON d.no = c.device WHERE c.touches > 0 GROUP BY d.device_id
"""


class Clip(Protocol):
    """What the projector hands over."""

    session_id: int
    seq: int
    number: int
    from_ms: int
    to_ms: int
    frames: int
    keyframes: int
    mixed: int
    changed: int
    touches: int
    images: bytearray

    @property
    def marks_json(self) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class ClipBounds:
    """A clip without what is in it; times are host times."""

    stream: bytes
    seq: int
    number: int
    from_ms: int
    to_ms: int
    frames: int
    keyframes: int
    mixed: int
    changed: int


def put_clips(db: Connection, stream: bytes, clips: Iterable[Clip]) -> None:
    """Write clips of a stream; one that is there already takes the new content."""
    db.executemany(
        _PUT,
        [
            (
                *(c.seq, c.number, c.session_id, c.from_ms, c.to_ms, c.frames, c.keyframes, c.mixed),
                *(c.changed, c.touches, bytes(c.images), c.marks_json, stream),
            )
            for c in clips
        ],
    )


def clip_bounds(store: Readers, device_id: str, session_id: int) -> list[ClipBounds]:
    """All clips of a session in order, read from an index alone."""
    return [ClipBounds(*row) for row in store._all(_BOUNDS, device_id, session_id)]


def clip_images(store: Readers, device_id: str, session_id: int) -> list[tuple[int, bytes]]:
    """Start and frames of each clip, in order."""
    return [(from_ms, images) for from_ms, images in store._all(_IMAGES, device_id, session_id)]


def clip_marks(store: Readers, device_id: str, session_id: int) -> list[tuple[int, bytes]]:
    """Start and marks (JSON) of each clip that has any, in order."""
    return [(from_ms, marks) for from_ms, marks in store._all(_MARKS, device_id, session_id)]


def newest_clip(store: Readers, device_id: str, session_id: int) -> tuple[int, int]:
    """How many clips a session has, and the newest time in them."""
    query = (
        "SELECT count(*), coalesce(max(to_ms), 0) FROM clips"
        " WHERE device = (SELECT no FROM devices WHERE device_id = ?) AND session_id = ?"
    )
    count, to_ms = store._all(query, device_id, session_id)[0]
    return int(count), int(to_ms)


def last_touches(store: Readers) -> dict[str, int]:
    """By device: about when somebody touched it last, within ten seconds."""
    return dict(store._all(_TOUCHED))
