"""Sessions as long as one likes: a minute of recorded pictures, coded once, again and again under later times.

Each minute begins with a keyframe, which resets the coder, so a minute decodes the same wherever it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_uplink

from tests.firmware.codec.coding import CORPUS_FORMATS

from .corpus import Sequence
from .film import BOOT_MS, DEVICE, STREAM, Camera, Device, Studio

MINUTE_MS = 60_000
_FIRST_MS = 100  # of a minute: its keyframe
_BATCH = 400


@dataclass(frozen=True, slots=True)
class Minute:
    """Frames of a minute as parts, at ms of the minute, and the pictures they show, by number."""

    device: Device
    parts: list[tuple[int, list[m.Frame]]]
    shown: list[tuple[int, int]]
    pictures: list[bytes]

    def standing(self, at_ms: int) -> bytes | None:
        """What a session of such minutes shows at a moment of it."""
        at_ms, begun = at_ms % MINUTE_MS, at_ms >= MINUTE_MS
        found = [number for when, number in self.shown if when <= at_ms]
        if found:
            return self.pictures[found[-1]]
        return self.pictures[self.shown[-1][1]] if begun else None


def code_minute(sequence: Sequence, every_ms: int = 0, length_ms: int = MINUTE_MS) -> Minute:
    """`every_ms`: a picture as often; 0 as they were recorded, the sequence over and over."""
    device = Device(sequence.width, sequence.height, CORPUS_FORMATS[sequence.format])
    pictures = list(sequence.frames)
    parts, shown = list[tuple[int, list[m.Frame]]](), list[tuple[int, int]]()
    for at_ms, number in _moments(sequence, every_ms, length_ms):
        device.draw(pictures[number])
        device.encoder.refresh()
        parts.append((at_ms, list(device.frame(not parts, room=3_800))))
        shown.append((at_ms, number))
    return Minute(device, parts, shown, pictures)


def _moments(sequence: Sequence, every_ms: int, length_ms: int) -> Iterator[tuple[int, int]]:
    if every_ms:
        yield from ((at, n % len(sequence)) for n, at in enumerate(range(_FIRST_MS, length_ms, every_ms)))
        return
    at_ms = _FIRST_MS
    while True:
        for number, when in enumerate(sequence.t_ms):
            pause = when - sequence.t_ms[number - 1] if number else 100
            at_ms += pause if number or at_ms > _FIRST_MS else 0
            if at_ms >= length_ms:
                return
            yield at_ms, number


def record(studio: Studio, minute: Minute, minutes: int, more: Iterable[tuple[int, m.Body]] = ()) -> int:
    """Feed a session of so many minutes, with `more` records at ms of it, and end it; returns its ID."""
    camera = Camera(minute.device, STREAM, BOOT_MS)
    extra = sorted(more, key=lambda pair: pair[0])
    waiting = list(camera.begin(0))
    for number in range(minutes):
        for offset, frames in minute.parts:
            at_ms = number * MINUTE_MS + offset
            while extra and extra[0][0] <= at_ms:
                waiting.append(_say(camera, *extra.pop(0)))
            waiting += (_say(camera, at_ms, frame) for frame in frames)
            if len(waiting) >= _BATCH:
                studio.feed(*waiting)
                waiting = []
    studio.feed(*waiting, _say(camera, minutes * MINUTE_MS, m.SessionEnd(0)))
    return studio.store.sessions(DEVICE)[-1].session_id


def _say(camera: Camera, at_ms: int, body: m.Body) -> tuple[int, bytes]:
    """As Camera.say, without keeping the chunk: there are millions of them."""
    chunk = m.Chunk(camera.stream, camera.seq, at_ms, (m.Record(0, at_ms, body),))
    camera.seq += 1
    return camera.boot_ms + at_ms, encode_uplink(chunk)
