"""Cuts recordings into pieces for one replay sink, and opens a piece to be read.

A piece is cut when its oldest chunk has waited for `piece_ms`, when it is full, or when its session has ended; never
for vitals alone, which a resting device goes on sending. It is cut only when the sink is ready for one: while a sink
is paused or slow, what waits becomes one larger piece, up to PIECE_BYTES of chunks.

Not cut: sessions that sampling did not choose, those without a session ID, those that ended before the sink was first
used, and anything of a device that has opted out. A session in which the device opted out is stopped for good, also
where the opt-out lies behind what would be cut.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from heapq import merge
from typing import Final

import msgspec

from .errors import PeerError
from .replay.recording import Mark, Picture, Recording
from .sessions.state import DeviceState, GapRow, SessionRow
from .sinks.base import Clock, host_clock
from .sinks.replay import Piece
from .store import pieces
from .store.base import Keyframe, Span, StoredChunk
from .store.database import SqlStore
from .store.pieces import Cut, PieceRow, Tried, Unsent
from .wire import messages as m
from .wire.decode import decode_uplink

PIECE_MS: Final = 30_000
PIECE_BYTES: Final = (
    131_072  # of chunks: with one change a frame some 2 MB of rrweb, in memory as one request
)
QUIET_MS: Final = 600_000  # vitals alone wait for this long
OPTED_OUT_MS: Final = 60_000  # how often a device that opted out is looked at again
LEASE_MS: Final = 300_000  # above the longest a sink may take for a piece
REMEMBERED: Final = 10_000
CLOCK_STEP_MS: Final = 1_000
OPTED_OUT: Final = "the device has opted out"
_RESTING = (m.Vitals, m.Unknown, m.Bad)


class Cutter:
    """`hear` may be called from any thread; the rest by one thread at a time, and it blocks."""

    def __init__(
        self,
        store: SqlStore,
        sink: str,
        piece_ms: int = PIECE_MS,
        piece_bytes: int = PIECE_BYTES,
        *,
        now_ms: Clock = host_clock,
    ) -> None:
        self._store, self._sink = store, sink
        self._piece_ms, self._piece_bytes, self._now_ms = piece_ms, piece_bytes, now_ms
        self._lock = threading.Lock()
        self._look_ms: dict[str, int] = {}  # by device, when to look at it
        self._searched: dict[tuple[str, int, bytes], int] = {}  # below which seq no opt-out was found
        self._since_ms: int | None = None
        self._latest_ms = 0

    def hear(self, device_id: str) -> None:
        """Chunks of a device were committed."""
        with self._lock:
            self._look_ms.setdefault(device_id, self._now_ms() + self._piece_ms)

    def start(self) -> None:
        """Take up what earlier processes left."""
        pieces.release(self._store, self._sink)
        self._since_ms = pieces.since_ms(self._store, self._sink, self._now_ms())
        for one in pieces.unsent(self._store, self._sink, self._since_ms):
            with self._lock:
                self._look_ms[one.device_id] = 0

    def next(self) -> PieceRow | None:
        """The next piece to be sent, leased to us: one that waits, or one cut now."""
        now_ms = self._now_ms()
        if self._since_ms is None or now_ms < self._latest_ms - CLOCK_STEP_MS:
            self.start()  # a clock that was put back must not keep anything waiting
        self._latest_ms = now_ms
        while (row := pieces.take_waiting(self._store, self._sink, now_ms, LEASE_MS)) is not None:
            with self._lock:
                self._look_ms[row.device_id] = now_ms  # it held up what came after it
            if not self._is_forbidden(row, now_ms):
                return row
        return self._cut_next(now_ms)

    def piece(self, row: PieceRow) -> Piece:
        start_ms, is_last = pieces.session_of(self._store, row)
        place = (row.device_id, row.session_id, row.number)
        film = Stretch(self._store, row, start_ms)
        return Piece(*place, start_ms, row.from_ms, row.until_ms, is_last, row.attempts, film)

    def _is_forbidden(self, row: PieceRow, now_ms: int) -> bool:
        """Whether the device has opted out since the piece was cut; the piece then waits, or ends with its session."""
        spans = self._store.spans(row.device_id, row.session_id)
        if any(
            self._finds_opt_out(replace(row.where, stream=one.stream, first=one.first, last=one.last))
            for one in spans
        ):
            tried = Tried("stopped", None, OPTED_OUT)
        elif self._is_opted_out(row.device_id):
            tried = Tried("waiting", None, OPTED_OUT, now_ms + OPTED_OUT_MS)
        else:
            return False
        pieces.settle(self._store, row.id, tried, now_ms)
        return True

    # ---- cutting ------------------------------------------------------------------

    def _cut_next(self, now_ms: int) -> PieceRow | None:
        with self._lock:
            due = [device for device, at_ms in self._look_ms.items() if at_ms <= now_ms]
        for device_id in due:
            with self._lock:
                self._look_ms.pop(device_id)  # before the look: what is committed behind it is heard of anew
            row: PieceRow | None = None
            wait_ms: int | None = 0  # at once, where the look fails
            try:
                row, wait_ms = self._look_at(device_id, now_ms)
            finally:
                if row is not None:
                    wait_ms = 0  # behind the others
                if wait_ms is not None:
                    self._look_again(device_id, now_ms + wait_ms)
            if row is not None:
                return row
        return None

    def _look_again(self, device_id: str, at_ms: int) -> None:
        with self._lock:
            self._look_ms[device_id] = min(at_ms, self._look_ms.pop(device_id, at_ms))

    def _look_at(self, device_id: str, now_ms: int) -> tuple[PieceRow | None, int | None]:
        """A piece of a device, or how long to wait until there may be one; None: until there is news."""
        assert self._since_ms is not None
        found = pieces.unsent(self._store, self._sink, self._since_ms, device_id)
        if found and self._is_opted_out(device_id):
            return None, OPTED_OUT_MS
        waits: list[int] = []
        sessions = set[int]()
        for one in found:
            if one.session_id in sessions:
                continue  # a session's streams go one after the other
            sessions.add(one.session_id)
            ready = self._look_into(one, now_ms)
            if isinstance(ready, Cut):
                row = pieces.cut(self._store, self._sink, ready, now_ms + LEASE_MS)
                if row is not None:
                    return row, None
            elif ready is not None:
                waits.append(ready)
        return None, min(waits, default=None)

    def _look_into(self, of: Unsent, now_ms: int) -> Cut | int | None:
        """A piece to be cut, or how many ms to wait; None: there is nothing in it."""
        found = _Gathered()
        for stored, chunk in self._read(of, of.first):
            if found.size_bytes >= self._piece_bytes or _opts_out(chunk):
                break
            found.add(stored, chunk)
        if self._finds_opt_out(of):
            end = Cut(of, of.last, *(2 * (max(of.until_ms, found.from_ms),)))
            pieces.stop(self._store, self._sink, end, OPTED_OUT)
            return None
        if not found.size_bytes:
            return None
        is_full, has_ended = found.size_bytes >= self._piece_bytes, of.end_ms is not None
        patience_ms = self._piece_ms if found.is_active else QUIET_MS
        left_ms = patience_ms - abs(now_ms - found.oldest_ms)
        if not (is_full or has_ended) and left_ms > 0:
            return min(left_ms, self._piece_ms)
        from_ms = max(of.until_ms, found.from_ms)
        return Cut(of, found.last if is_full else of.last, from_ms, max(from_ms, found.until_ms))

    def _finds_opt_out(self, of: Unsent) -> bool:
        """Whether the device opts out in what is known of a session; each chunk is looked at once."""
        key = (of.device_id, of.session_id, of.stream)
        first = max(of.first, self._searched.get(key, 0))
        if any(_opts_out(chunk) for _, chunk in self._read(of, first)):
            return True
        if len(self._searched) >= REMEMBERED:
            self._searched.clear()  # of sessions that are long over, nearly all of them
        self._searched[key] = of.last + 1
        return False

    def _read(self, of: Unsent, first: int) -> Iterator[tuple[StoredChunk, m.Chunk]]:
        for stored in self._store.chunks(of.device_id, of.stream, first, of.last + 1):
            chunk = _decode(stored) if stored.session_id == of.session_id else None
            if chunk is not None and chunk.records:
                yield stored, chunk

    def _is_opted_out(self, device_id: str) -> bool:
        state = pieces.device_state(self._store, device_id)
        return state is not None and msgspec.json.decode(state, type=DeviceState).opted_out


@dataclass(slots=True)
class _Gathered:
    """Chunks that would be a piece."""

    size_bytes: int = 0
    from_ms: int = 0
    until_ms: int = 0
    last: int = -1
    oldest_ms: int = 0  # receipt
    is_active: bool = False

    def add(self, stored: StoredChunk, chunk: m.Chunk) -> None:
        host_ms = _host_ms(stored)
        if not self.size_bytes:
            self.from_ms, self.oldest_ms = host_ms, stored.received_ms
        self.oldest_ms = min(self.oldest_ms, stored.received_ms)
        self.until_ms = max(self.until_ms, host_ms + chunk.records[-1].time_ms - chunk.time_ms)
        self.size_bytes += len(stored.data)
        self.last = stored.seq
        self.is_active |= any(not isinstance(one.body, _RESTING) for one in chunk.records)


def _decode(stored: StoredChunk) -> m.Chunk | None:
    try:
        message = decode_uplink(stored.data)
    except PeerError:
        return None  # ingest has made it a dead letter
    return message if isinstance(message, m.Chunk) else None


def _opts_out(chunk: m.Chunk) -> bool:
    return any(isinstance(one.body, m.OptOut) and one.body.opted_out for one in chunk.records)


def _host_ms(stored: StoredChunk) -> int:
    return stored.received_ms if stored.host_ms is None else stored.host_ms


# ---- reading ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stretch:
    """The film of a piece: a recording that reaches no further than the piece's chunks."""

    store: SqlStore = field(repr=False)
    row: PieceRow
    start_ms: int

    def pictures(self) -> Iterator[Picture]:
        row = self.row
        spans = self.store.spans(row.device_id, row.session_id)
        span = next((one for one in spans if one.stream == row.stream), None)
        if span is None:
            return
        displays = tuple(seq for seq in span.displays if seq <= row.last)
        whole = self._recording(Span(row.stream, span.first, row.last, displays))
        # What stood when the piece began is the newest picture before its own, which begin at from_ms.
        yield from whole.pictures(row.from_ms - self.start_ms - 1)

    def marks(self) -> Iterator[Mark]:
        row = self.row
        own = self._recording(Span(row.stream, row.first, row.last, ()))
        yield from merge(own.marks(), self._calls(), key=lambda mark: mark.at_ms)

    def _recording(self, span: Span) -> Recording:
        row = self.row
        return Recording.open(_Window(self.store, row, span, self.start_ms), row.device_id, row.session_id)

    def _calls(self) -> Iterator[Mark]:
        row = self.row
        now_ms = 0
        for stored in self.store.chunks(row.device_id, row.stream, row.first, row.last + 1):
            chunk = _decode(stored) if stored.session_id == row.session_id else None
            for record in () if chunk is None else chunk.records:
                values = _call(record.body)
                if values is not None and chunk is not None:
                    host_ms = _host_ms(stored) + record.time_ms - chunk.time_ms
                    now_ms = max(now_ms, host_ms - self.start_ms)
                    yield Mark(now_ms, host_ms, "event", values)


def _call(body: m.Body) -> dict[str, object] | None:
    """What a call is, without what it carries: that is in the event itself, which has its own way."""
    if isinstance(body, m.Track):
        return {"type": "track", "name": body.event}
    if isinstance(body, m.Screen):
        return {"type": "screen", "name": body.name}
    if isinstance(body, (m.Identify, m.Group, m.Alias)):
        return {"type": type(body).__name__.lower()}
    return None


@dataclass(frozen=True, slots=True)
class _Window:
    """A store that shows one session, and of that one span."""

    store: SqlStore
    row: PieceRow
    span: Span
    start_ms: int

    def session(self, device_id: str, session_id: int) -> SessionRow:
        row = self.row
        times = (self.start_ms, row.until_ms, row.until_ms)
        return SessionRow(row.device_id, row.session_id, 0, 0, row.stream, *times, True, False, None)

    def sessions(self, device_id: str | None = None) -> list[SessionRow]:
        return [self.session(self.row.device_id, self.row.session_id)]

    def spans(self, device_id: str, session_id: int) -> list[Span]:
        return [self.span]

    def keyframes(self, device_id: str, session_id: int) -> list[Keyframe]:
        known = self.store.keyframes(device_id, session_id)
        return [one for one in known if one.stream == self.span.stream and one.seq <= self.span.last]

    def gaps(self, device_id: str | None = None, session_id: int | None = None) -> list[GapRow]:
        span = self.span
        known = self.store.gaps(device_id, session_id)
        return [one for one in known if one.stream == span.stream and span.first <= one.first <= span.last]

    def clip_ends(self, device_id: str, session_id: int) -> list[tuple[bytes, int, int]]:
        return []  # or a piece would read otherwise once the projector has come further

    def chunks(
        self, device_id: str, stream: bytes, first_seq: int = 0, end_seq: int | None = None
    ) -> Iterator[StoredChunk]:
        return self.store.chunks(device_id, stream, first_seq, end_seq)
