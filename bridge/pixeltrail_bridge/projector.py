"""Follows what ingest commits and makes pictures of it: live view, keyframe index, events about the display.

One thread decodes the replay chunks of every stream, in seq order, behind a cursor of its own, so a frame that cannot
be painted never holds up events. What came of the chunks (keyframes, summaries) is committed together with the cursor,
about once a second: after a crash the same chunks are decoded again from there, and nothing is doubled or changed,
because nothing of them was committed. Subscribers get each moment at once, before that commit; after a crash they may
see some of them again.

While a window of a stream is open, or chunks are gathered for an event, the cursor in the store stays one below the
follower's own, so that the stream is found again after a restart, and the window closed, even if the device never says
another word. Of an imported stream nothing is told: that was done where it was recorded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import msgspec
import structlog

from .errors import PixeltrailError
from .follower import Chunks, Follower, FollowerState
from .mapping.calls import Call, Origin
from .mapping.display import Window, Windows, summary_call
from .mapping.inline import Piece, Sent, piece_call
from .replay.canvas import Canvas
from .replay.timeline import Moment
from .sessions.ids import NO_SESSION
from .sessions.state import DeviceState, SessionRow
from .store.base import Projection, Transaction
from .wire.messages import KeyframeRequest

COMMIT_EVERY_MS = 1_000  # an fsync a second, whatever the number of streams
REQUEST_EVERY_MS = 5_000  # a device answers no more often
LIVE_MS = 10_000  # a stream whose newest chunk is older has nobody to ask for a keyframe
KEEP_MS = 300_000  # a follower without news for this long is forgotten; the store has its state
CHUNKS_A_TURN = 256
RETRY_S = 1.0

T = TypeVar("T")
Subscriber = Callable[[str, Canvas | None, Moment], None]
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ProjectorSettings:
    display_events: bool = True
    inline: bool = False  # the chunks themselves go out as well
    window_ms: int = 10_000
    public_url: str | None = None
    classic: bool = False
    replay_by_user: bool = False
    debug: str | None = None


class ProjectorStore(Chunks, Protocol):
    """What the projector needs of the store."""

    def commit_batch(self, work: Callable[[Any], T]) -> T: ...
    def projection_state(self, stream: bytes) -> bytes | None: ...
    def is_imported(self, stream: bytes) -> bool: ...
    def device_state(self, device_id: str) -> bytes | None: ...
    def streams_to_project(self) -> list[Projection]: ...
    def sessions(self, device_id: str | None = None) -> list[SessionRow]: ...


@dataclass(slots=True)
class _Followed:
    """A follower and its times, on the projector's own clock."""

    follower: Follower
    watermark: int
    news_ms: int
    received_ms: int = 0  # host clock: receipt of its newest chunk
    requested_ms: int = -REQUEST_EVERY_MS
    start_of: dict[int, int] | None = None
    is_imported: bool = False


class Projector:
    """`send` takes a device ID and a downlink message from the projector's thread; `on_calls` hears of new events."""

    def __init__(
        self,
        store: ProjectorStore,
        settings: ProjectorSettings,
        send: Callable[[str, KeyframeRequest], None],
        on_calls: Callable[[], None] = lambda: None,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store, self._settings, self._send, self._on_calls = store, settings, send, on_calls
        self._now_ms = now_ms
        self._followed: dict[bytes, _Followed] = {}
        self._news: dict[bytes, tuple[str, int]] = {}
        self._condition = threading.Condition()
        self._subscribers: tuple[Subscriber, ...] = ()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._committed_ms = 0
        self._forgotten: set[str] | None = None

    def set_settings(self, settings: ProjectorSettings) -> None:
        """Go on with other settings. The length of a window counts for streams that are followed anew."""
        self._settings = settings

    def start(self) -> None:
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="projector", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the turn under way and commit; open windows stay open in the store."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def notify(self, device_id: str, stream: bytes, watermark: int) -> None:
        """Chunks of `stream` below `watermark` are committed. From any thread."""
        with self._condition:
            self._news[stream] = (device_id, watermark)
            self._condition.notify()

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """`callback(device_id, canvas, moment)` runs on the projector's thread, quickly; returns the undo.

        The canvas is None until a stream has told its display.
        """
        with self._condition:
            self._subscribers = (*self._subscribers, callback)

        def unsubscribe() -> None:
            with self._condition:
                self._subscribers = tuple(one for one in self._subscribers if one is not callback)

        return unsubscribe

    def turn(self) -> bool:
        """One step of the thread: decode what is new, ask for keyframes, commit when due. True: there is more to do."""
        with self._condition:
            news, self._news = self._news, {}
            known, self._forgotten = self._forgotten, None
        if known is not None:
            self._followed = {s: one for s, one in self._followed.items() if one.follower.device_id in known}
        for stream, (device_id, watermark) in news.items():
            self._hear(device_id, stream, watermark)
        is_behind = False
        for followed in self._followed.values():
            self._switch_inline(followed)
            is_behind |= self._advance(followed)
        now_ms = self._now_ms()
        if not is_behind:
            self._close_quiet(now_ms)
        self._request_keyframes(now_ms)
        if abs(now_ms - self._committed_ms) >= COMMIT_EVERY_MS:
            self.commit()
            self._forget(now_ms)
        return is_behind

    def commit(self) -> None:
        """Make everything decoded so far durable, in one transaction."""
        self._committed_ms = self._now_ms()
        dirty = [followed.follower for followed in self._followed.values() if followed.follower.is_dirty]
        if not dirty:
            return
        calls = [call for follower in dirty for call in (*self._pieces(follower), *self._summaries(follower))]

        def work(tx: Transaction) -> None:
            for follower in dirty:
                _write(tx, follower)
            tx.enqueue_calls(calls)

        self._store.commit_batch(work)
        for follower in dirty:
            follower.committed()
        if calls:
            self._on_calls()

    def drop_forgotten(self, known: set[str]) -> None:
        """Let go of the pictures of devices that are not `known` any more. From any thread."""
        with self._condition:
            self._forgotten = known

    def recover(self) -> None:
        """Hear of every stream whose chunks or window are not finished."""
        for found in self._store.streams_to_project():
            self.notify(found.device_id, found.stream, found.watermark)

    def _run(self) -> None:
        self._insist(self.recover)
        while not self._stopping:
            if self._insist(self.turn):
                continue
            with self._condition:
                if not self._news and not self._stopping:
                    self._condition.wait(COMMIT_EVERY_MS / 1000)
        self._insist(self.commit)

    def _insist(self, step: Callable[[], T]) -> T | None:
        """Run `step`; a database that fails is reported and tried again, since nothing is lost by waiting."""
        while True:
            try:
                return step()
            except PixeltrailError as error:
                log.warning("projector waits", error=str(error))
            except Exception:  # noqa: BLE001 a chunk is behind the follower before it is decoded, so this ends
                log.exception("projector failed")
            with self._condition:
                if self._stopping:
                    return None
                self._condition.wait(RETRY_S)

    def _hear(self, device_id: str, stream: bytes, watermark: int) -> None:
        followed = self._followed.get(stream)
        if followed is None:
            followed = _Followed(
                self._open(device_id, stream),
                watermark,
                self._now_ms(),
                is_imported=self._store.is_imported(stream),
            )
            self._followed[stream] = followed
        followed.watermark = max(followed.watermark, watermark)

    def _open(self, device_id: str, stream: bytes) -> Follower:
        """The follower as the last commit left it, with its picture."""
        kept = self._store.projection_state(stream)
        state = msgspec.json.decode(kept, type=FollowerState) if kept else None
        follower = Follower(device_id, stream, state or FollowerState(Windows(self._settings.window_ms)))
        follower.rebuild(self._store)
        return follower

    def _switch_inline(self, followed: _Followed) -> None:
        follower, is_wanted = followed.follower, self._settings.inline and not followed.is_imported
        if is_wanted and follower.gatherer is None:
            follower.begin_inline(self._store, lambda session_id: self._start_of(followed, session_id))
        elif not is_wanted and (follower.gatherer is not None or follower.state.inline.is_on):
            follower.end_inline()

    def _advance(self, followed: _Followed) -> bool:
        follower = followed.follower
        first, end = follower.state.next_seq, followed.watermark
        if first >= end:
            return False
        stored = self._store.chunks(follower.device_id, follower.stream, first, end)
        taken = 0
        for chunk in _at_most(stored, CHUNKS_A_TURN):
            follower.take(
                chunk, lambda session_id: self._start_of(followed, session_id), self._publisher(follower)
            )
            followed.received_ms = chunk.received_ms
            taken += 1
        if taken < CHUNKS_A_TURN:
            follower.skip_to(end)
        followed.news_ms = self._now_ms()
        return follower.state.next_seq < end

    def _start_of(self, followed: _Followed, session_id: int) -> int:
        """Host time of a session's start."""
        if session_id == NO_SESSION:
            return 0
        if followed.start_of is None or session_id not in followed.start_of:
            rows = self._store.sessions(followed.follower.device_id)
            followed.start_of = {row.session_id: row.start_ms for row in rows[-16:]}
            followed.start_of |= {
                row.session_id: row.start_ms for row in rows if row.session_id == session_id
            }
        return followed.start_of.setdefault(session_id, session_id)

    def _publisher(self, follower: Follower) -> Callable[[Canvas | None, Moment], None]:
        subscribers = self._subscribers

        def publish(canvas: Canvas | None, moment: Moment) -> None:
            for subscriber in subscribers:
                try:
                    subscriber(follower.device_id, canvas, moment)
                except Exception:  # noqa: BLE001 a viewer's fault must not end the projection
                    log.exception("subscriber failed", device=follower.device_id)

        return publish

    def _close_quiet(self, now_ms: int) -> None:
        """A window whose stream has been quiet for its length is complete."""
        for followed in self._followed.values():
            quiet_ms = abs(now_ms - followed.news_ms)
            if quiet_ms >= self._settings.window_ms:
                followed.follower.finish_window()
            followed.follower.finish_piece(quiet_ms)

    def _request_keyframes(self, now_ms: int) -> None:
        for followed in self._followed.values():
            follower = followed.follower
            is_due = abs(now_ms - followed.requested_ms) >= REQUEST_EVERY_MS
            if follower.wants_keyframe and is_due and now_ms - followed.received_ms <= LIVE_MS:
                followed.requested_ms = now_ms
                self._send(follower.device_id, KeyframeRequest(follower.stream))

    def _summaries(self, follower: Follower) -> list[Call]:
        is_imported = self._followed[follower.stream].is_imported
        if not self._settings.display_events or not follower.windows or is_imported:
            return []
        rows = {row.session_id: row for row in self._store.sessions(follower.device_id)}
        length_ms = follower.state.windows.length_ms
        return [
            summary_call(
                self._origin(follower, window, rows.get(window.session_id), is_recording=True),
                follower.stream,
                window,
                length_ms,
            )
            for window in follower.windows
        ]

    def _pieces(self, follower: Follower) -> list[Call]:
        """Events of the pieces that are closed; says in the follower's state how far they reach."""
        gatherer = follower.gatherer
        if gatherer is None or not gatherer.closed:
            return []
        kept = self._store.device_state(follower.device_id)
        may_record = kept is None or not msgspec.json.decode(kept, type=DeviceState).opted_out
        rows = {row.session_id: row for row in self._store.sessions(follower.device_id)}
        calls, sent = [], gatherer.sent
        for piece in gatherer.closed:
            row = rows.get(piece.session_id)
            sampled = row is not None and row.sampled
            origin = self._origin(follower, piece, row, is_recording=sampled and may_record)
            call = piece_call(origin, follower.stream, piece, sent, sampled=sampled)
            if call is not None:
                calls.append(call)
                sent = piece.end_seq
        follower.state.inline = Sent(True, gatherer.closed[-1].end_seq, sent)
        return calls

    def _origin(
        self, follower: Follower, window: Window | Piece, row: SessionRow | None, *, is_recording: bool
    ) -> Origin:
        return Origin(
            device_id=follower.device_id,
            hello=follower.state.hello,
            display=follower.state.display,
            user_id=row.user_id if row else None,
            session_id=window.session_id,
            session_start_ms=window.session_start_ms,
            is_recording=is_recording,
            is_estimated=row.estimated if row else False,
            public_url=self._settings.public_url,
            classic=self._settings.classic,
            replay_device=row.user_id if row and self._settings.replay_by_user else None,
            debug=self._settings.debug,
        )

    def _forget(self, now_ms: int) -> None:
        quiet = [
            stream
            for stream, followed in self._followed.items()
            if abs(now_ms - followed.news_ms) >= KEEP_MS and not followed.follower.is_dirty
        ]
        for stream in quiet:
            del self._followed[stream]


def _write(tx: Transaction, follower: Follower) -> None:
    state = follower.state
    for keyframe in follower.keyframes:
        tx.add_keyframe(follower.stream, keyframe.seq, keyframe.index, keyframe.host_ms)
    tx.put_clips(follower.stream, follower.clips.dirty)
    seen = follower.clips
    counts = {"frames": seen.frames, "keyframes": seen.keyframes, "mixed_frames": seen.mixed}
    counts["undecodable_frames"] = follower.errors
    tx.count_all({(follower.device_id, name): count for name, count in counts.items() if count})
    cursor = state.next_seq - follower.is_waiting
    tx.set_projection(follower.stream, max(cursor, 0), msgspec.json.encode(state))


def _at_most(items: Iterator[Any], count: int) -> Iterator[Any]:
    for _, item in zip(range(count), items, strict=False):
        yield item
