"""Where a recording's chunks come from: the store, or a list in memory; stream after stream, each a reel."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import PeerError
from ..wire.decode import decode_uplink
from ..wire.messages import Chunk, Display, Frame, FrameFlag


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
class Reel:
    """The session's chunks of one stream. `displays`: those with a display record, from the one in force at `first`.

    `keyframes`: chunk where each begins, and host time."""

    stream: bytes
    first: int
    last: int
    displays: tuple[int, ...]
    keyframes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk of a reel; what is not the session's own is there for the decoder alone."""

    chunk: Chunk
    host_ms: int
    is_own: bool

    @property
    def end_ms(self) -> int:
        """Host time of its last record."""
        records = self.chunk.records
        return self.host_ms + records[-1].time_ms - self.chunk.time_ms if records else self.host_ms


class Source(Protocol):
    reels: list[Reel]

    def read(self, reel: Reel, first: int, end: int) -> Iterator[Piece]: ...

    def parts(self) -> Iterator[tuple[int, int, int]]:
        """In order, parts within which time does not fall: number of the reel, first seq, host time of the end."""
        ...


class StoreSource:
    def __init__(self, store: RecordingStore, device_id: str, session_id: int) -> None:
        self._store, self._device_id, self._session_id = store, device_id, session_id
        found: dict[bytes, list[tuple[int, int]]] = {}
        for keyframe in store.keyframes(device_id, session_id):
            found.setdefault(keyframe.stream, []).append((keyframe.seq, keyframe.host_ms))
        self.reels = [
            Reel(span.stream, span.first, span.last, span.displays, tuple(found.get(span.stream, ())))
            for span in store.spans(device_id, session_id)
        ]

    def read(self, reel: Reel, first: int, end: int) -> Iterator[Piece]:
        for stored in self._store.chunks(self._device_id, reel.stream, first, end):
            piece = _piece(stored, self._session_id)
            if piece is not None:
                yield piece

    def parts(self) -> Iterator[tuple[int, int, int]]:
        numbers = {reel.stream: number for number, reel in enumerate(self.reels)}
        for stream, seq, to_ms in self._store.clip_ends(self._device_id, self._session_id):
            if stream in numbers:
                yield numbers[stream], seq, to_ms


class ListSource:
    """Chunks in memory; a keyframe counts from its first part on, whether or not it can be painted."""

    def __init__(self, session_id: int, start_ms: int, chunks: Iterable[Chunk | Placed]) -> None:
        self._pieces: dict[bytes, list[Piece]] = {}
        self.end_ms = start_ms
        begun: dict[bytes, int] = {}  # host time at which a stream's clock began, of bare chunks
        for one in chunks:
            if isinstance(one, Chunk):
                host_ms = begun.setdefault(one.stream, self.end_ms - one.time_ms) + one.time_ms
                piece: Piece | None = Piece(one, host_ms, True)
            else:
                piece = _piece(one, session_id)
            if piece is not None:
                self._pieces.setdefault(piece.chunk.stream, []).append(piece)
                if piece.is_own:
                    self.end_ms = max(self.end_ms, piece.end_ms)
        self.reels = [_reel_of(stream, pieces) for stream, pieces in self._pieces.items()]

    def read(self, reel: Reel, first: int, end: int) -> Iterator[Piece]:
        pieces = self._pieces[reel.stream]
        start = bisect_right(pieces, first - 1, key=lambda piece: piece.chunk.seq)
        stop = bisect_right(pieces, end - 1, key=lambda piece: piece.chunk.seq)
        return iter(pieces[start:stop])

    def parts(self) -> Iterator[tuple[int, int, int]]:
        for number, pieces in enumerate(self._pieces.values()):
            yield from ((number, piece.chunk.seq, piece.end_ms) for piece in pieces if piece.is_own)


def _reel_of(stream: bytes, pieces: list[Piece]) -> Reel:
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
    return Reel(stream, first, last, tuple(displays), tuple(keyframes))


def _begins_keyframe(frame: Frame) -> bool:
    return frame.flags & (FrameFlag.KEY | FrameFlag.FIRST) == FrameFlag.KEY | FrameFlag.FIRST


def _piece(stored: Placed, session_id: int) -> Piece | None:
    """None for what cannot be read: a dead letter; the timeline notices the hole."""
    try:
        chunk = decode_uplink(stored.data)
    except PeerError:
        return None
    host_ms = stored.received_ms if stored.host_ms is None else stored.host_ms
    return Piece(chunk, host_ms, stored.session_id == session_id) if isinstance(chunk, Chunk) else None
