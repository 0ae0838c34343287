"""What a device of the fleet shows: a recording, cut into scenes that can be played again and again.

A recording's frames were made by the real encoder and refer to each other, so they are played in order, from a
keyframe on; a device that has to leave one out is quiet until the next keyframe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import LocalError
from ..wire import messages as m
from ..wire.decode import decode_uplink
from ..wire.recording_file import read_file

_SHOWN: Final = (m.Frame, m.Touch, m.Key, m.Log)
_CALLED: Final = (m.Track, m.Screen, m.Vitals)
MOST_SCENES: Final = 200_000  # of one recording: hours of it


@dataclass(frozen=True, slots=True)
class Scene:
    """`parts` of one frame, or one other record; `at_ms` from the beginning."""

    at_ms: int
    parts: tuple[m.Body, ...]

    @property
    def is_frame(self) -> bool:
        return isinstance(self.parts[0], m.Frame)

    @property
    def is_keyframe(self) -> bool:
        first = self.parts[0]
        return isinstance(first, m.Frame) and bool(first.flags & m.FrameFlag.KEY)


@dataclass(frozen=True, slots=True)
class Script:
    """Begins with a keyframe of `display`. A recording whose display changes is played up to there."""

    name: str
    display: m.Display
    scenes: tuple[Scene, ...]

    @property
    def length_ms(self) -> int:
        return self.scenes[-1].at_ms + 1_000


def load_script(path: Path) -> Script:
    """A `.ptr` file, as `pixeltrail export --format ptr` writes it. Raises LocalError."""
    display: m.Display | None = None
    scenes: list[Scene] = []
    parts: list[m.Frame] = []
    start_ms: int | None = None
    try:
        with path.open("rb") as file:
            for stored in read_file(file, str(path))[1]:
                chunk = decode_uplink(stored.data)
                if not isinstance(chunk, m.Chunk):
                    continue
                for record in chunk.records:
                    body = record.body
                    if isinstance(body, m.Display):
                        if display is not None and body != display and scenes:
                            return _script(path, display, scenes)
                        display = body
                    if stored.session_id is None or not isinstance(body, _SHOWN + _CALLED):
                        continue
                    if start_ms is None:
                        if not (isinstance(body, m.Frame) and body.flags & m.FrameFlag.KEY):
                            continue
                        start_ms = record.time_ms
                    if isinstance(body, m.Frame):
                        parts = [body] if body.flags & m.FrameFlag.FIRST else [*parts, body]
                        if not body.flags & m.FrameFlag.LAST:
                            continue
                        found: Sequence[m.Body] = parts
                    else:
                        found = [body]
                    scenes.append(Scene(max(record.time_ms - start_ms, 0), tuple(found)))
                    if len(scenes) == MOST_SCENES:
                        return _script(path, display, scenes)
    except OSError as error:
        raise LocalError(f"{path} cannot be read: {error.strerror}; name a .ptr file") from None
    return _script(path, display, scenes)


def _script(path: Path, display: m.Display | None, scenes: list[Scene]) -> Script:
    if display is None or not scenes:
        raise LocalError(f"{path} holds no picture; record a session whose display changes, and export it")
    scenes.sort(key=lambda scene: scene.at_ms)  # stable: a stream that follows another begins at 0 again
    return Script(path.stem, display, tuple(scenes))
