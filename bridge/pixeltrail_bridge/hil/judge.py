"""What arrived, against what the board showed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..boards.catalogue import Display
from ..replay.timeline import Timeline
from ..store.database import SqlStore
from ..wire.decode import decode_uplink
from ..wire.messages import Chunk, Track
from .scenarios import scenes

CALL, RESETS, ENDED = "HIL Call", "HIL Resets", "HIL Ended"


@dataclass(frozen=True, slots=True)
class Verdict:
    frames: int
    """Pictures that became visible on the bridge."""
    keyframes: int
    mixed: int
    wrong: int
    """Unflagged frames that the board never showed, or not in this order."""
    is_end_exact: bool
    size_bytes: int
    gaps: int
    calls: int
    streams: int


def judge(store: SqlStore, device_id: str, display: Display, scene: str, shown: Sequence[int]) -> Verdict:
    """`shown`: how many pictures each stream showed, in order; the last number counts for all that follow."""
    frames = keyframes = mixed = wrong = 0
    is_end_exact = False
    pictures = rendered(display, scene, max(shown))
    chunks = list(_chunks(store, device_id))
    streams = list(dict.fromkeys(chunk.stream for chunk, _ in chunks))
    for number, stream in enumerate(streams):
        last = pictures[shown[min(number, len(shown) - 1)] - 1]
        line, at = Timeline(), 0
        for moment in (
            moment for chunk, _ in chunks if chunk.stream == stream for moment in line.feed(chunk)
        ):
            if moment.shown is None or line.canvas is None:
                wrong += moment.error is not None
                continue
            frames += 1
            keyframes += moment.shown.is_keyframe
            data = bytes(line.canvas.picture)
            is_end_exact = data == last and not moment.shown.is_mixed
            if moment.shown.is_mixed:
                mixed += 1
            elif data in pictures[at:]:
                at = pictures.index(data, at)
            else:
                wrong += 1
    calls = {call.properties["n"] for call in _tracks(store, device_id) if call.event == CALL}
    size = sum(length for _, length in chunks)
    gaps = len(store.gaps(device_id))
    return Verdict(frames, keyframes, mixed, wrong, is_end_exact, size, gaps, len(calls), len(streams))


def rendered(display: Display, scene: str, frames: int) -> list[bytes]:
    pt_scene = scenes()
    row_bytes, rows = pt_scene.rows_of(display.width, display.height, display.format)
    buffer = bytearray(row_bytes * rows)
    made = []
    for number in range(frames):
        pt_scene.draw(buffer, row_bytes, rows, scene, number)
        made.append(bytes(buffer))
    return made


def count_chunks(store: SqlStore, device_id: str) -> int:
    """How many have arrived: tells that the board is under way."""
    return sum(1 for _ in _chunks(store, device_id))


def told(store: SqlStore, device_id: str, event: str) -> dict[str, Any] | None:
    """The properties of the board's last event of that name, None while there is none."""
    found = [call.properties for call in _tracks(store, device_id) if call.event == event]
    return dict(found[-1]) if found else None


def _tracks(store: SqlStore, device_id: str) -> Iterator[Track]:
    for chunk, _ in _chunks(store, device_id):
        yield from (record.body for record in chunk.records if isinstance(record.body, Track))


def _chunks(store: SqlStore, device_id: str) -> Iterator[tuple[Chunk, int]]:
    seen = set()
    for session in store.sessions(device_id):
        for stored in store.session_chunks(device_id, session.session_id):
            place = (stored.stream, stored.seq)
            if place not in seen:
                seen.add(place)
                chunk = decode_uplink(stored.data)
                assert isinstance(chunk, Chunk)
                yield chunk, len(stored.data)
