"""One session as pictures and marks, from any moment on.

Time. A record's host time is that of its chunk plus the record's distance from the chunk's own time. Within a
recording time never falls: where the host's clock was set back, what follows keeps the time of what came before.

A session may span streams (the device started anew), hold several displays (it was turned), begin without a picture,
have holes, and be still running: a `Recording` shows what was committed when it was opened.

Decoding begins at a keyframe, behind the display record in force there, and costs the frames between: nothing before
them is read. All of it blocks; an event loop calls it in a thread. One recording may be used by several threads, each
with its own iterator.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from ..errors import LocalError
from ..wire.messages import Chunk, Display, SessionStart
from . import formats, marks
from .canvas import Canvas, Rectangle, Shown
from .marks import Mark
from .reels import ListSource, Piece, Placed, RecordingStore, Reel, Source, StoreSource
from .timeline import Timeline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Mark", "Picture", "Placed", "Recording", "RecordingStore"]


@dataclass(frozen=True, slots=True)
class Picture:
    """What the display showed from `at_ms` on (since the session's start; `host_ms` since 1970).

    `pixels` is the whole picture in the display's own format, the caller's to keep; `rectangles` (x, y, w, h in pixels)
    is what changed since the picture before it, for the first one all of it.
    """

    at_ms: int
    host_ms: int
    display: Display
    pixels: bytes
    rectangles: tuple[Rectangle, ...]
    is_keyframe: bool
    is_mixed: bool

    def rgb(self) -> NDArray[np.uint8]:
        """(height, width, 3) of R, G, B."""
        display = self.display
        return formats.to_rgb(self.pixels, display.format, display.width, display.height, display.palette)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where decoding may begin."""

    at_ms: int
    reel: int
    seq: int


class Recording:
    """Times in ms. `end_ms` is that of the newest record, on the same line as `start_ms` (since 1970)."""

    def __init__(
        self,
        device_id: str,
        session_id: int,
        start_ms: int,
        end_ms: int,
        is_open: bool,
        source: Source,
        more: Sequence[Mark] = (),
    ) -> None:
        """Use `open` or `of_chunks`. `more`: marks that no record of a chunk makes."""
        self.device_id, self.session_id = device_id, session_id
        self.start_ms, self.end_ms, self.is_open = start_ms, end_ms, is_open
        self._source, self._more = source, more
        self._places = list(self._find_places())

    @classmethod
    def open(cls, store: RecordingStore, device_id: str, session_id: int) -> Recording:
        """A session in the store. LocalError: there is none such, and what there is."""
        row = store.session(device_id, session_id)
        if row is None:
            known = [one.session_id for one in store.sessions(device_id)]
            raise LocalError(_what_exists(device_id, session_id, known))
        more = [
            Mark(
                max(0, gap.host_ms - row.start_ms),
                gap.host_ms,
                marks.GAP,
                marks.gap_values(gap.frames, gap.inputs, gap.calls, gap.reason, gap.first, gap.end),
            )
            for gap in store.gaps(device_id, session_id)
            if gap.index < 0  # made by the bridge: no record tells of it
        ]
        end_ms = row.last_ms if row.end_ms is None else row.end_ms
        source = StoreSource(store, device_id, session_id)
        return cls(device_id, session_id, row.start_ms, end_ms, row.end_ms is None, source, more)

    @classmethod
    def of_chunks(
        cls, device_id: str, session_id: int, start_ms: int, chunks: Iterable[Chunk | Placed]
    ) -> Recording:
        """From chunks in order, stream after stream, from the first display record on; they are kept in memory.

        A bare Chunk has no host time: each stream's first one then follows the newest record before it, the very
        first stands at `start_ms`.
        """
        source = ListSource(session_id, start_ms, chunks)
        return cls(device_id, session_id, start_ms, max(start_ms, source.end_ms), False, source)

    def pictures(self, from_ms: int = 0, to_ms: int | None = None) -> Iterator[Picture]:
        """The picture standing at `from_ms`, if there is one, then each that became visible up to `to_ms`."""
        shown = self._from(from_ms)
        standing: Picture | None = None
        is_first = True
        for picture in chain(shown, (None,)):
            if picture is not None and picture.at_ms <= from_ms:
                standing = picture
                continue
            if standing is not None:
                yield _whole(standing)
                standing, is_first = None, False
            if picture is None or (to_ms is not None and picture.at_ms > to_ms):
                return
            yield _whole(picture) if is_first else picture
            is_first = False

    def picture_at(self, at_ms: int) -> Picture | None:
        """The picture standing at a moment; None before the first one."""
        return next((one for one in self.pictures(at_ms, at_ms) if one.at_ms <= at_ms), None)

    def marks(self) -> Iterator[Mark]:
        """All marks in time order. Reads every chunk of the session, and decodes no pixels."""
        waiting = sorted(self._more, key=lambda mark: mark.at_ms)
        now_ms, has_started = 0, False
        for reel in self._source.reels:
            for piece in self._source.read(reel, reel.first, reel.last + 1):
                for record in piece.chunk.records if piece.is_own else ():
                    host_ms = piece.host_ms + record.time_ms - piece.chunk.time_ms
                    now_ms = max(now_ms, host_ms - self.start_ms)
                    found = marks.describe(record.body)
                    if found is None or (isinstance(record.body, SessionStart) and has_started):
                        continue  # a stream that continues a session repeats its start
                    has_started |= isinstance(record.body, SessionStart)
                    while waiting and waiting[0].at_ms <= now_ms:
                        yield waiting.pop(0)
                    yield Mark(now_ms, host_ms, *found)
        yield from waiting

    def keyframes(self) -> list[int]:
        """`at_ms` of each keyframe, in order."""
        return [place.at_ms for place in self._places]

    def displays(self) -> Iterator[Display]:
        """Each display record, from the one in force at the start on."""
        for reel in self._source.reels:
            for seq in reel.displays:
                for piece in self._source.read(reel, seq, seq + 1):
                    yield from (r.body for r in piece.chunk.records if isinstance(r.body, Display))

    def shown_displays(self) -> Iterator[tuple[int, Display]]:
        """Displays with pictures of them, and `at_ms` of the first.

        No mark tells of one that stands before a stream goes on with the session.
        """
        for number, reel in enumerate(self._source.reels):
            for seq in reel.displays:
                places = (one for one in self._places if one.reel == number and one.seq >= seq)
                first = next(places, None)
                if first is None:
                    continue
                for piece in self._source.read(reel, seq, seq + 1):
                    yield from (
                        (first.at_ms, r.body) for r in piece.chunk.records if isinstance(r.body, Display)
                    )

    def _find_places(self) -> Iterator[_Place]:
        """Keyframes, each no earlier than anything before it."""
        at_ms, parts = 0, deque(self._source.parts())
        for number, reel in enumerate(self._source.reels):
            for seq, host_ms in reel.keyframes:
                while len(parts) > 1 and parts[1][:2] <= (number, seq):  # then the first one is over
                    at_ms = max(at_ms, parts.popleft()[2] - self.start_ms)
                at_ms = max(at_ms, host_ms - self.start_ms)
                yield _Place(at_ms, number, seq)

    def _from(self, from_ms: int) -> Iterator[Picture]:
        """Pictures from the one standing at `from_ms` on, or from the first.

        Decoded from the newest keyframe that shows what stands there.
        """
        newest = bisect_right(self._places, from_ms, key=lambda place: place.at_ms)
        for place in reversed(self._places[:newest]):
            shown = self._decode(place, from_ms)
            first = next(shown, None)
            if first is not None and first.at_ms <= from_ms:
                return chain((first,), shown)
        return self._decode(_Place(0, 0, 0), from_ms)

    def _decode(self, place: _Place, from_ms: int) -> Iterator[Picture]:
        """Each picture that became visible in the session from a place on.

        Of the pictures in chunks that end by `from_ms` only the last is given: a copy of each would take as long as to
        paint it.
        """
        now_ms = place.at_ms
        for number, reel in enumerate(self._source.reels[place.reel :]):
            timeline = Timeline()
            waiting: tuple[Canvas, int, int, Shown] | None = None
            for piece in self._approach(reel, reel.first if number else max(place.seq, reel.first)):
                is_past = max(now_ms, piece.end_ms - self.start_ms) <= from_ms
                if waiting is not None and not is_past:
                    yield _picture(*waiting)
                    waiting = None
                for moment in timeline.feed(piece.chunk):
                    if moment.shown is None or timeline.canvas is None or not piece.is_own:
                        continue
                    host_ms = piece.host_ms + moment.time_ms - piece.chunk.time_ms
                    now_ms = max(now_ms, host_ms - self.start_ms)
                    if is_past:
                        waiting = (timeline.canvas, now_ms, host_ms, moment.shown)
                    else:
                        yield _picture(timeline.canvas, now_ms, host_ms, moment.shown)
            if waiting is not None:
                yield _picture(*waiting)

    def _approach(self, reel: Reel, first: int) -> Iterator[Piece]:
        """The chunks from `first` on, behind the one with the display record in force there."""
        display = max((seq for seq in reel.displays if seq <= first), default=None)
        if display is not None and display < first:
            yield from self._source.read(reel, display, display + 1)
        yield from self._source.read(reel, first, reel.last + 1)


def _picture(canvas: Canvas, at_ms: int, host_ms: int, shown: Shown) -> Picture:
    """A copy of what the canvas shows."""
    data = bytes(canvas.picture)
    return Picture(at_ms, host_ms, canvas.display, data, shown.rectangles, shown.is_keyframe, shown.is_mixed)


def _whole(picture: Picture) -> Picture:
    display = picture.display
    return Picture(
        picture.at_ms,
        picture.host_ms,
        display,
        picture.pixels,
        ((0, 0, display.width, display.height),),
        picture.is_keyframe,
        picture.is_mixed,
    )


def _what_exists(device_id: str, session_id: int, sessions: list[int]) -> str:
    if not sessions:
        return f"{device_id} has no session; `pixeltrail devices` lists the devices there are"
    return (
        f"{device_id} has no session {session_id}; the newest of {len(sessions)} is {sessions[-1]}, and "
        f"`pixeltrail sessions {device_id}` lists them"
    )
