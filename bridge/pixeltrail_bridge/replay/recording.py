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
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import LocalError, PeerError
from ..wire.decode import decode_uplink
from ..wire.messages import Chunk, Display, Frame, FrameFlag, SessionStart
from . import formats, marks
from .canvas import Canvas, Rectangle, Shown
from .marks import Mark
from .timeline import Timeline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Mark", "Picture", "Placed", "Recording"]


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


class Placed(Protocol):
    """A chunk with its place in time, as a store keeps it."""

    @property
    def stream(self) -> bytes: ...
    @property
    def seq(self) -> int: ...
    @property
    def received_ms(self) -> int: ...
    @property
    def session_id(self) -> int | None: ...
    @property
    def host_ms(self) -> int | None: ...
    @property
    def data(self) -> bytes: ...


class RecordingStore(Protocol):
    """What a recording needs of the store."""

    def session(self, device_id: str, session_id: int) -> Any | None: ...
    def sessions(self, device_id: str | None = None) -> Sequence[Any]: ...
    def spans(self, device_id: str, session_id: int) -> Sequence[Any]: ...
    def keyframes(self, device_id: str, session_id: int) -> Sequence[Any]: ...
    def gaps(self, device_id: str | None = None, session_id: int | None = None) -> Sequence[Any]: ...
    def clip_ends(self, device_id: str, session_id: int) -> Sequence[tuple[bytes, int, int]]: ...
    def chunks(
        self, device_id: str, stream: bytes, first_seq: int = 0, end_seq: int | None = None
    ) -> Iterator[Placed]: ...


@dataclass(frozen=True, slots=True)
class _Reel:
    """The session's chunks of one stream. `displays`: those with a display record, from the one in force at `first`.

    `keyframes`: chunk where each begins, and host time."""

    stream: bytes
    first: int
    last: int
    displays: tuple[int, ...]
    keyframes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A chunk of a reel; what is not the session's own is there for the decoder alone."""

    chunk: Chunk
    host_ms: int
    is_own: bool

    @property
    def end_ms(self) -> int:
        """Host time of its last record."""
        records = self.chunk.records
        return self.host_ms + records[-1].time_ms - self.chunk.time_ms if records else self.host_ms


@dataclass(frozen=True, slots=True)
class _Place:
    """Where decoding may begin."""

    at_ms: int
    reel: int
    seq: int


class _Source(Protocol):
    reels: list[_Reel]

    def read(self, reel: _Reel, first: int, end: int) -> Iterator[_Piece]: ...

    def parts(self) -> Iterator[tuple[int, int, int]]:
        """In order, parts within which time does not fall: number of the reel, first seq, host time of the end."""
        ...


class Recording:
    """Times in ms. `end_ms` is that of the newest record, on the same line as `start_ms` (since 1970)."""

    def __init__(
        self,
        device_id: str,
        session_id: int,
        start_ms: int,
        end_ms: int,
        is_open: bool,
        source: _Source,
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
        source = _StoreSource(store, device_id, session_id)
        return cls(device_id, session_id, row.start_ms, end_ms, row.end_ms is None, source, more)

    @classmethod
    def of_chunks(
        cls, device_id: str, session_id: int, start_ms: int, chunks: Iterable[Chunk | Placed]
    ) -> Recording:
        """From chunks in order, stream after stream, from the first display record on; they are kept in memory.

        A bare Chunk has no host time: each stream's first one then follows the newest record before it, the very
        first stands at `start_ms`.
        """
        source = _ListSource(session_id, start_ms, chunks)
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

    def _approach(self, reel: _Reel, first: int) -> Iterator[_Piece]:
        """The chunks from `first` on, behind the one with the display record in force there."""
        display = max((seq for seq in reel.displays if seq <= first), default=None)
        if display is not None and display < first:
            yield from self._source.read(reel, display, display + 1)
        yield from self._source.read(reel, first, reel.last + 1)


class _StoreSource:
    def __init__(self, store: RecordingStore, device_id: str, session_id: int) -> None:
        self._store, self._device_id, self._session_id = store, device_id, session_id
        found: dict[bytes, list[tuple[int, int]]] = {}
        for keyframe in store.keyframes(device_id, session_id):
            found.setdefault(keyframe.stream, []).append((keyframe.seq, keyframe.host_ms))
        self.reels = [
            _Reel(span.stream, span.first, span.last, span.displays, tuple(found.get(span.stream, ())))
            for span in store.spans(device_id, session_id)
        ]

    def read(self, reel: _Reel, first: int, end: int) -> Iterator[_Piece]:
        for stored in self._store.chunks(self._device_id, reel.stream, first, end):
            piece = _piece(stored, self._session_id)
            if piece is not None:
                yield piece

    def parts(self) -> Iterator[tuple[int, int, int]]:
        numbers = {reel.stream: number for number, reel in enumerate(self.reels)}
        for stream, seq, to_ms in self._store.clip_ends(self._device_id, self._session_id):
            if stream in numbers:
                yield numbers[stream], seq, to_ms


class _ListSource:
    """Chunks in memory; a keyframe counts from its first part on, whether or not it can be painted."""

    def __init__(self, session_id: int, start_ms: int, chunks: Iterable[Chunk | Placed]) -> None:
        self._pieces: dict[bytes, list[_Piece]] = {}
        self.end_ms = start_ms
        begun: dict[bytes, int] = {}  # host time at which a stream's clock began, of bare chunks
        for one in chunks:
            if isinstance(one, Chunk):
                host_ms = begun.setdefault(one.stream, self.end_ms - one.time_ms) + one.time_ms
                piece: _Piece | None = _Piece(one, host_ms, True)
            else:
                piece = _piece(one, session_id)
            if piece is not None:
                self._pieces.setdefault(piece.chunk.stream, []).append(piece)
                if piece.is_own:
                    self.end_ms = max(self.end_ms, piece.end_ms)
        self.reels = [_reel_of(stream, pieces) for stream, pieces in self._pieces.items()]

    def read(self, reel: _Reel, first: int, end: int) -> Iterator[_Piece]:
        pieces = self._pieces[reel.stream]
        start = bisect_right(pieces, first - 1, key=lambda piece: piece.chunk.seq)
        stop = bisect_right(pieces, end - 1, key=lambda piece: piece.chunk.seq)
        return iter(pieces[start:stop])

    def parts(self) -> Iterator[tuple[int, int, int]]:
        for number, pieces in enumerate(self._pieces.values()):
            yield from ((number, piece.chunk.seq, piece.end_ms) for piece in pieces if piece.is_own)


def _reel_of(stream: bytes, pieces: list[_Piece]) -> _Reel:
    own = [piece.chunk.seq for piece in pieces if piece.is_own]
    displays, keyframes = list[int](), list[tuple[int, int]]()
    for piece in pieces:
        for record in piece.chunk.records:
            body = record.body
            if isinstance(body, Display):
                displays.append(piece.chunk.seq)
            elif isinstance(body, Frame) and piece.is_own and _begins_keyframe(body):
                keyframes.append((piece.chunk.seq, piece.host_ms + record.time_ms - piece.chunk.time_ms))
    first, last = (min(own), max(own)) if own else (0, -1)
    return _Reel(stream, first, last, tuple(displays), tuple(keyframes))


def _begins_keyframe(frame: Frame) -> bool:
    return frame.flags & (FrameFlag.KEY | FrameFlag.FIRST) == FrameFlag.KEY | FrameFlag.FIRST


def _piece(stored: Placed, session_id: int) -> _Piece | None:
    """None for what cannot be read: a dead letter; the timeline notices the hole."""
    try:
        chunk = decode_uplink(stored.data)
    except PeerError:
        return None
    host_ms = stored.received_ms if stored.host_ms is None else stored.host_ms
    return _Piece(chunk, host_ms, stored.session_id == session_id) if isinstance(chunk, Chunk) else None


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
