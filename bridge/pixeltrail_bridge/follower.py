"""Decodes one stream for the projector and remembers, as JSON, how far it came and what it had not finished."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import msgspec
import structlog

from .errors import PeerError
from .mapping.display import Change, Window, Windows
from .mapping.inline import Gatherer, Sent
from .replay import clips, marks
from .replay.canvas import Canvas
from .replay.timeline import Moment, Timeline
from .sessions.ids import NO_SESSION
from .store.base import StoredChunk
from .wire import messages
from .wire.decode import decode_uplink
from .wire.messages import FrameFlag

MOST_AGAIN = (
    4_096  # chunks since the newest keyframe that go out when inline events are switched on within a stream
)
log = structlog.get_logger(__name__)


class FollowerState(msgspec.Struct):
    """What a follower must find again after a crash; everything before `next_seq` is in it."""

    windows: Windows
    next_seq: int = 0
    display_seq: int | None = None  # chunk with the display record in force
    keyframe_seq: int | None = None  # chunk where the newest whole keyframe begins
    hello: messages.Hello | None = None
    display: messages.Display | None = None
    hello_seq: int | None = None  # chunk with the hello record
    inline: Sent = Sent()  # what of it went out as events


@dataclass(frozen=True, slots=True)
class KeyframePlace:
    seq: int
    index: int
    host_ms: int


class Chunks(Protocol):
    """The part of the store that a follower reads."""

    def chunks(
        self, device_id: str, stream: bytes, first_seq: int = 0, end_seq: int | None = None
    ) -> Iterator[StoredChunk]: ...


class Follower:
    """Decodes a stream.

    `windows`, `keyframes`, `clips`, `errors` (frames given up on) and what `gatherer` closed wait to be committed with
    `state`. `gatherer` is None while the chunks themselves are not sent.
    """

    def __init__(self, device_id: str, stream: bytes, state: FollowerState) -> None:
        self.device_id, self.stream, self.state = device_id, stream, state
        self.windows: list[Window] = []
        self.keyframes: list[KeyframePlace] = []
        self.clips = clips.Clips()
        self.is_dirty = False
        self.wants_keyframe = False
        self.errors = 0
        self.gatherer: Gatherer | None = None
        self._leads: dict[int, StoredChunk] = {}  # chunks with the hello and display in force, by seq
        self._timeline = Timeline()
        self._begun: tuple[int, int] | None = None  # where the keyframe under way began

    @property
    def canvas(self) -> Canvas | None:
        return self._timeline.canvas

    def rebuild(self, store: Chunks) -> None:
        """Paint again what was shown before `next_seq`, from the newest keyframe on."""
        state = self.state
        if state.display_seq is None:
            return
        first = state.display_seq if state.keyframe_seq is None else state.keyframe_seq
        head = store.chunks(self.device_id, self.stream, state.display_seq, state.display_seq + 1)
        for stored in head:
            self._replay(stored)
        for stored in store.chunks(
            self.device_id, self.stream, max(first, state.display_seq + 1), state.next_seq
        ):
            self._replay(stored)

    def take(
        self,
        stored: StoredChunk,
        start_of: Callable[[int], int],
        publish: Callable[[Canvas | None, Moment], None],
    ) -> None:
        """Decode the next chunk. `start_of` gives a session's start; `publish` gets each moment as it is painted."""
        state = self.state
        if stored.seq > state.next_seq:
            self._lose()
        state.next_seq = stored.seq + 1
        self.is_dirty = True
        chunk = self._decode(stored)
        if chunk is None:
            self._lose()
            return
        session_id = NO_SESSION if stored.session_id is None else stored.session_id
        start_ms = start_of(session_id)
        host_ms = stored.received_ms if stored.host_ms is None else stored.host_ms
        before = self._copy_before_keyframe(chunk)
        for moment in self._feed(chunk):
            at_ms = host_ms + moment.time_ms - chunk.time_ms
            self._note(moment, session_id, start_ms, at_ms, before)
            publish(self.canvas, moment)
        self._check_synced()
        self._gather(stored, chunk, session_id, start_ms, host_ms)

    def skip_to(self, end: int) -> None:
        """Nothing readable is left below `end`."""
        if self.state.next_seq < end:
            self._timeline.lost(self.state.next_seq, end)
            self.state.next_seq = end
            self.is_dirty = True
            self._lose()

    def begin_inline(self, store: Chunks, start_of: Callable[[int], int]) -> None:
        """Gather chunks for events from now on: where an earlier process left off, or from the newest keyframe."""
        state, sent = self.state, self.state.inline
        keyframe = state.next_seq if state.keyframe_seq is None else state.keyframe_seq
        if state.next_seq - keyframe > MOST_AGAIN:
            keyframe = state.next_seq
        first = sent.done if sent.is_on else max(sent.done, keyframe)
        state.inline = Sent(True, min(first, state.next_seq), sent.sent)
        self.gatherer = Gatherer(state.windows.length_ms, sent.sent)
        for seq in {state.hello_seq, state.display_seq} - {None}:
            assert seq is not None
            self._leads |= {one.seq: one for one in store.chunks(self.device_id, self.stream, seq, seq + 1)}
        for stored in store.chunks(self.device_id, self.stream, first, state.next_seq):
            chunk = self._decode(stored)
            if chunk is not None:
                session_id = NO_SESSION if stored.session_id is None else stored.session_id
                host_ms = stored.received_ms if stored.host_ms is None else stored.host_ms
                self._gather(stored, chunk, session_id, start_of(session_id), host_ms)
        self.is_dirty = True

    def end_inline(self) -> None:
        """Send no more chunks. What was gathered and not committed stays here."""
        self.gatherer = None
        self._leads.clear()
        self.state.inline = Sent(False, self.state.next_seq, self.state.inline.sent)
        self.is_dirty = True

    def finish_piece(self, quiet_ms: int) -> None:
        """The stream has been quiet for so long."""
        if self.gatherer is not None and self.gatherer.close_quiet(quiet_ms):
            self.is_dirty = True

    @property
    def is_waiting(self) -> bool:
        """Something is under way that more chunks, or silence, will end."""
        return self.state.windows.open is not None or (
            self.gatherer is not None and self.gatherer.open is not None
        )

    def finish_window(self) -> None:
        """Close the open window: the stream has been quiet."""
        if self.state.windows.open is not None:
            self._keep(self.state.windows.close())
            self.is_dirty = True

    def committed(self) -> None:
        self.windows, self.keyframes, self.is_dirty, self.errors = [], [], False, 0
        self.clips.committed()
        if self.gatherer is not None:
            self.gatherer.closed, self.gatherer.sent = [], self.state.inline.sent

    def _gather(
        self, stored: StoredChunk, chunk: messages.Chunk, session_id: int, start_ms: int, host_ms: int
    ) -> None:
        if self.gatherer is None:
            return
        self.gatherer.add(stored, chunk, session_id, start_ms, host_ms, self._leads.values())
        if any(isinstance(record.body, messages.Hello | messages.Display) for record in chunk.records):
            wanted = (self.state.hello_seq, self.state.display_seq)
            self._leads = {seq: one for seq, one in self._leads.items() if seq in wanted}
            self._leads[stored.seq] = stored

    def _decode(self, stored: StoredChunk) -> messages.Chunk | None:
        try:
            message = decode_uplink(stored.data)
        except PeerError:
            return None  # ingest has made it a dead letter
        return message if isinstance(message, messages.Chunk) else None

    def _feed(self, chunk: messages.Chunk) -> Iterable[Moment]:
        try:
            yield from self._timeline.feed(chunk)
        except Exception:  # noqa: BLE001 a fault in our decoder costs one stream its picture until the next keyframe
            log.exception("decoder failed", device=self.device_id, stream=self.stream.hex(), seq=chunk.seq)
            self._timeline = Timeline()
            if self.state.display is not None:
                record = messages.Record(0, chunk.time_ms, self.state.display)
                again = messages.Chunk(self.stream, chunk.seq, chunk.time_ms, (record,))
                deque(self._timeline.feed(again), maxlen=0)
            self._lose()

    def _replay(self, stored: StoredChunk) -> None:
        chunk = self._decode(stored)
        if chunk is not None:
            for moment in self._feed(chunk):
                self._note_frame(moment)

    def _note(
        self, moment: Moment, session_id: int, start_ms: int, at_ms: int, before: bytearray | None
    ) -> None:
        body, state = moment.body, self.state
        self._note_frame(moment)
        if isinstance(body, messages.Hello):
            state.hello, state.hello_seq = body, moment.seq
        elif isinstance(body, messages.Display):
            self._keep(state.windows.close())
            state.display, state.display_seq, state.keyframe_seq = body, moment.seq, None
        elif isinstance(body, messages.SessionEnd):
            self._keep(state.windows.close())
        elif isinstance(body, messages.Gap):
            self._lose()
        if moment.error is not None:
            self.errors += 1
            self._lose()
        if moment.shown is not None:
            self._note_shown(moment, session_id, start_ms, at_ms, before)
        elif session_id != NO_SESSION and (found := marks.describe(body)) is not None:
            self.clips.add_mark(session_id, moment.seq, moment.index, at_ms, *found)

    def _note_frame(self, moment: Moment) -> None:
        body = moment.body
        if isinstance(body, messages.Frame) and body.flags & FrameFlag.FIRST:
            self._begun = (moment.seq, moment.index) if body.flags & FrameFlag.KEY else None

    def _note_shown(
        self, moment: Moment, session_id: int, start_ms: int, at_ms: int, before: bytearray | None
    ) -> None:
        shown = moment.shown
        assert shown is not None
        if shown.is_keyframe and self._begun is not None:
            seq, index = self._begun
            self.state.keyframe_seq = seq
            self.keyframes.append(KeyframePlace(seq, index, at_ms))
        if session_id == NO_SESSION:
            return
        display = self.state.display
        is_repeat = shown.is_keyframe and self.canvas is not None and self.canvas.picture == before
        rectangles = () if is_repeat else shown.rectangles
        flags = (clips.KEY if shown.is_keyframe else 0) | (clips.MIXED if shown.is_mixed else 0)
        share = clips.changed_share(display, rectangles)
        self.clips.add_frame(session_id, moment.seq, moment.index, at_ms, flags, share)
        change = Change(
            session_id=session_id,
            session_start_ms=start_ms,
            host_ms=at_ms,
            seq=moment.seq,
            is_keyframe=shown.is_keyframe,
            is_mixed=shown.is_mixed,
            rectangles=rectangles,
            size_bytes=shown.size_bytes,
        )
        self._keep(self.state.windows.add(change, display.width * display.height if display else 0))

    def _copy_before_keyframe(self, chunk: messages.Chunk) -> bytearray | None:
        """The picture that a keyframe in this chunk will repaint: most keyframes repeat what was there."""
        canvas = self.canvas
        if canvas is None or not canvas.synced:
            return None
        bodies = (record.body for record in chunk.records)
        has_key = any(isinstance(body, messages.Frame) and body.flags & FrameFlag.KEY for body in bodies)
        return bytearray(canvas.picture) if has_key else None

    def _keep(self, window: Window | None) -> None:
        if window is not None:
            self.windows.append(window)

    def _lose(self) -> None:
        self.state.windows.add_gap()
        self.wants_keyframe = True

    def _check_synced(self) -> None:
        """Ask until a keyframe has come, also when the canvas was never synced and frames came to nothing."""
        canvas = self.canvas
        if canvas is not None:
            self.wants_keyframe = not canvas.synced and (self.wants_keyframe or canvas.ignored > 0)
