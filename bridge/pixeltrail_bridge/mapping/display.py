"""Display changes as events: one `Display Changed` track for each session and window of time with a change in it.

Windows lie on a grid that begins with the session. A stream has at most one open window; it takes whatever comes
until something later than its end, another session or another geometry comes, or until nothing has come for a
window's length. Times that run backwards (a clock was set) stay in the open window, so none ever opens twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from .calls import Call, Origin, build_call, made_message_id

DISPLAY_CHANGED = "Display Changed"
Rectangle = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Change:
    """A picture that became visible. `rectangles` is what changed: empty for a keyframe that showed nothing new."""

    session_id: int
    session_start_ms: int
    host_ms: int
    seq: int
    is_keyframe: bool
    is_mixed: bool
    rectangles: Sequence[Rectangle]
    size_bytes: int


class Window(msgspec.Struct):
    """What happened since `start_ms`, the window's place on the grid; `first_ms` is that of its first picture."""

    session_id: int
    session_start_ms: int
    start_ms: int
    first_ms: int
    first_seq: int
    area_px: int  # of the display
    last_ms: int = 0
    last_seq: int = 0
    frames: int = 0
    keyframes: int = 0
    mixed: int = 0
    changes: int = 0  # frames that changed a pixel
    changed_px: int = 0  # summed over frames
    box: tuple[int, int, int, int] | None = None  # left, top, right, bottom of all that changed
    size_bytes: int = 0
    gaps: int = 0

    def add(self, change: Change) -> None:
        self.last_ms, self.last_seq = change.host_ms, change.seq
        self.frames += 1
        self.keyframes += change.is_keyframe
        self.mixed += change.is_mixed
        self.size_bytes += change.size_bytes
        self.changes += bool(change.rectangles)
        for x, y, width, height in change.rectangles:
            self.changed_px += width * height
            left, top, right, bottom = self.box or (x, y, x + width, y + height)
            self.box = (min(left, x), min(top, y), max(right, x + width), max(bottom, y + height))


class Windows(msgspec.Struct):
    """The open window of a stream, kept with the projector's cursor."""

    length_ms: int
    open: Window | None = None

    def add(self, change: Change, area_px: int) -> Window | None:
        """Count a picture of a display of `area_px`; returns the window that it closed."""
        done = self._close_before(change)
        if self.open is None:
            grid = max(0, change.host_ms - change.session_start_ms) // self.length_ms
            self.open = Window(
                session_id=change.session_id,
                session_start_ms=change.session_start_ms,
                start_ms=change.session_start_ms + grid * self.length_ms,
                first_ms=change.host_ms,
                first_seq=change.seq,
                area_px=area_px,
            )
        self.open.add(change)
        return done

    def add_gap(self) -> None:
        if self.open is not None:
            self.open.gaps += 1

    def close(self) -> Window | None:
        """End the open window; returns it when something changed in it."""
        done, self.open = self.open, None
        return done if done is not None and done.changes else None

    def _close_before(self, change: Change) -> Window | None:
        window = self.open
        if window is None:
            return None
        is_later = change.host_ms >= window.start_ms + self.length_ms
        return self.close() if is_later or change.session_id != window.session_id else None


def summary_call(origin: Origin, stream: bytes, window: Window, length_ms: int) -> Call:
    """The event of a closed window; its ID follows from where the window stands, and never changes."""
    place = (window.session_id, window.start_ms, stream, window.first_seq)
    call_id = made_message_id(origin.device_id, DISPLAY_CHANGED, *place)
    fields = {"event": DISPLAY_CHANGED, "properties": summary_properties(window, length_ms)}
    return build_call(origin, "track", call_id, window.first_ms, fields, event=DISPLAY_CHANGED)


def summary_properties(window: Window, length_ms: int) -> dict[str, Any]:
    """`changed_area_percent` is the mean over the frames that changed something."""
    left, top, right, bottom = window.box or (0, 0, 0, 0)
    share = window.changed_px / max(1, window.area_px * window.changes)
    return {
        "frames": window.frames,
        "keyframes": window.keyframes,
        "mixed_frames": window.mixed,
        "changed_area_percent": round(100 * min(share, 1.0), 2),
        "dirty_x": left,
        "dirty_y": top,
        "dirty_width": right - left,
        "dirty_height": bottom - top,
        "bytes": window.size_bytes,
        "first_seq": window.first_seq,
        "last_seq": window.last_seq,
        "gaps": window.gaps,
        "replay_offset_ms": max(0, window.first_ms - window.session_start_ms),
        "window_ms": length_ms,
    }
