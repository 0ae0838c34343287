"""Follows what ingest commits and makes pictures of it: live view, keyframe index, events about the display.

One thread decodes the replay chunks of every stream, in seq order, behind a cursor of its own, so a frame that cannot
be painted never holds up events. What came of the chunks (keyframes, summaries) is committed together with the cursor,
about once a second: after a crash the same chunks are decoded again from there, and nothing is doubled or changed,
because nothing of them was committed. Subscribers get each moment at once, before that commit; after a crash they may
see some of them again.

While a window of a stream is open, or chunks are gathered for an event, the cursor in the store stays one below the
follower's own, so that the stream is found again after a restart, and the window closed, even if the device never says
another word. Of an imported stream nothing is told: that was done where it was recorded.

Of several workers each projects the streams of its own devices (division.py). What was decoded under a lock that is
gone is thrown away, because the worker that has it now begins where the last commit ended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import msgspec
import structlog

from .display_calls import ProjectorSettings as ProjectorSettings
from .display_calls import Sessions, display_calls
from .division import Division
from .errors import PixeltrailError, StoreError
from .follower import Chunks, Follower, FollowerState
from .mapping.calls import Call
from .mapping.display import Windows
from .replay.canvas import Canvas
from .replay.timeline import Moment
from .sessions.ids import NO_SESSION
from .store.base import Projection, Transaction
from .wire.messages import KeyframeRequest

COMMIT_EVERY_MS = 1_000  # an fsync a second, whatever the number of streams
REQUEST_EVERY_MS = 5_000  # a device answers no more often
LIVE_MS = 10_000  # a stream whose newest chunk is older has nobody to ask for a keyframe
RECOVER_EVERY_MS = 30_000  # how late chunks are seen that a worker committed and then died before it told
KEEP_MS = 300_000  # a follower without news for this long is forgotten; the store has its state
CHUNKS_A_TURN = 256
RETRY_S = 1.0

T = TypeVar("T")
Subscriber = Callable[[str, Canvas | None, Moment], None]
log = structlog.get_logger(__name__)


class ProjectorStore(Chunks, Sessions, Protocol):
    """What the projector needs of the store."""

    def commit_batch(self, work: Callable[[Any], T]) -> T: ...
    def projection_state(self, stream: bytes) -> bytes | None: ...
    def is_imported(self, stream: bytes) -> bool: ...
    def streams_to_project(self) -> list[Projection]: ...


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
        division: Division | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store, self._settings, self._send, self._on_calls = store, settings, send, on_calls
        self._division, self._now_ms = division, now_ms
        self._followed: dict[bytes, _Followed] = {}
        self._news: dict[bytes, tuple[str, int]] = {}
        self._condition = threading.Condition()
        self._subscribers: tuple[Subscriber, ...] = ()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._committed_ms = self._recovered_ms = 0
        self._left: set[str] | None = None  # who was left when some were forgotten, until that is heeded
        self._showing = threading.Lock()  # while subscribers are called

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
            self._note(stream, device_id, watermark)
            self._condition.notify()

    def _note(self, stream: bytes, device_id: str, watermark: int) -> None:
        """Words of one stream may come in any order, from commits and from looks at the store."""
        self._news[stream] = (device_id, max(watermark, self._news.get(stream, ("", 0))[1]))

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
        """One step of the thread: decode what is new, ask for keyframes, commit when due. True: there is more to do.

        A stream that cannot be opened now is heard of again with the next turn, and holds up no other.
        """
        with self._condition:
            news, self._news = self._news, {}
        faults: list[PixeltrailError] = []
        try:
            is_behind = self._turn(news, faults)
        finally:
            with self._condition:
                for stream, (device_id, watermark) in news.items():
                    self._note(stream, device_id, watermark)
        if faults:
            raise faults[0]
        return is_behind

    def _turn(self, news: dict[bytes, tuple[str, int]], faults: list[PixeltrailError]) -> bool:
        """Takes from `news` what has been heard."""
        self._let_go()
        if self._division is not None:
            self._divide(self._division)
        for stream, (device_id, watermark) in list(news.items()):
            try:
                if self._owns(device_id):
                    self._hear(device_id, stream, watermark)
                del news[stream]
            except PixeltrailError as error:
                faults.append(error)
        is_behind = False
        for followed in self._followed.values():
            self._switch_inline(followed)
            is_behind |= self._advance(followed)
            if self._division is not None:
                self._division.stay(self._now_ms())
        now_ms = self._now_ms()
        if not is_behind:
            self._close_quiet(now_ms)
        self._request_keyframes(now_ms)
        if abs(now_ms - self._committed_ms) >= COMMIT_EVERY_MS:
            self.commit()
            self._forget(now_ms)
        return is_behind

    def _owns(self, device_id: str) -> bool:
        return self._division is None or self._division.owns(device_id)

    def _divide(self, division: Division) -> None:
        """Take over streams that have become ours, and give those back that others should have."""
        before = division.connection_no
        has_more = division.look(self._now_ms())
        if division.connection_no != before:
            self._followed.clear()  # others may have gone on with them meanwhile
        over = [s for s, one in self._followed.items() if division.is_over(one.follower.device_id)]
        if over:
            self.commit()
        for stream in over:
            del self._followed[stream]
        division.give()
        if has_more or abs(self._now_ms() - self._recovered_ms) >= RECOVER_EVERY_MS:
            self.recover()

    def commit(self) -> None:
        """Make everything decoded so far durable, in one transaction."""
        self._committed_ms = self._now_ms()
        dirty = [followed.follower for followed in self._followed.values() if followed.follower.is_dirty]
        if not dirty:
            return
        calls = [call for follower in dirty for call in self._calls_of(follower)]

        def work(tx: Transaction) -> None:
            if self._division is not None and not self._division.is_whole(tx.connection_no):
                raise StoreError("the connection broke; streams go on where they were committed last")
            for follower in dirty:
                _write(tx, follower)
            tx.enqueue_calls(calls)

        self._store.commit_batch(work)
        for follower in dirty:
            follower.committed()
        if calls:
            self._on_calls()

    def _calls_of(self, follower: Follower) -> list[Call]:
        is_imported = self._followed[follower.stream].is_imported
        return display_calls(self._store, self._settings, follower, is_imported=is_imported)

    def drop_forgotten(self, known: set[str]) -> None:
        """Let go of the pictures of devices that are not `known` any more. From any thread.

        Once it returns, no subscriber is called with one of theirs.
        """
        with self._showing:
            self._left = known

    def _let_go(self) -> None:
        left = self._left
        if left is None:
            return
        lacking = {one.follower.device_id for one in self._followed.values()} - left
        gone = {one for one in lacking if self._store.device_state(one) is None}  # or it is new
        self._followed = {s: one for s, one in self._followed.items() if one.follower.device_id not in gone}
        with self._showing:
            if self._left is left:
                self._left = None

    def look_again(self) -> None:
        """What other workers committed may not have been heard. From any thread."""
        with self._condition:
            self._recovered_ms = 0
            self._condition.notify()

    def recover(self) -> None:
        """Hear of every stream of ours whose chunks or window are not finished."""
        self._recovered_ms = self._now_ms()
        for found in self._store.streams_to_project():
            if self._owns(found.device_id):
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
            with self._showing:
                if self._left is not None and follower.device_id not in self._left:
                    return
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
