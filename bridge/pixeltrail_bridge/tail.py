"""The live pictures of a node that takes no messages: decodes what workers have committed, for those who look on.

Word of a commit tells a stream and how far it came; the chunks are the store's. So nothing is shown that is not kept,
who comes late begins with the picture as it stands, and a word that was lost is made up for by the next, or by the look
that is taken at the store every few seconds. Nothing is decoded of devices that nobody watches, and nothing is written.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

import msgspec
import structlog

from .errors import PixeltrailError
from .follower import Follower, FollowerState
from .mapping.display import Windows
from .replay.canvas import Canvas
from .replay.timeline import Moment
from .store import overview
from .store.database import SqlStore

MOST_DEVICES: Final = (
    64  # begun with when all are watched, those heard of last: each costs a picture to paint
)
_LOOK_S: Final = 5.0  # between two looks at the store for what no word came of
_RETRY_S: Final = 1.0
_QUIET_S: Final = 300.0
_CHUNKS_A_TURN: Final = 256

Watched = frozenset[str] | None  # None: all devices
log = structlog.get_logger(__name__)


class Audience(Protocol):
    """Who is shown things, on the tail's thread. The canvas is read before a call returns."""

    def take(self, device_id: str, canvas: Canvas | None, moment: Moment) -> None: ...

    def begin(self, device_id: str, canvas: Canvas, shown_ms: float) -> None:
        """The picture as it stands, to begin with."""


@dataclass(slots=True)
class _Followed:
    follower: Follower
    watermark: int
    heard_s: float  # on the tail's own clock


class Tail:
    """`hear`, `watch` and `look_again` may be called from any thread."""

    def __init__(
        self, store: SqlStore, audience: Audience, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._store, self._audience, self._monotonic = store, audience, monotonic
        self._condition = threading.Condition()
        self._showing = threading.Lock()  # while the audience is called; whoever takes both takes it first
        self._news: dict[bytes, tuple[str, int]] = {}
        self._watched: Watched = frozenset()
        self._followed: dict[bytes, _Followed] = {}
        self._look_s = float("inf")
        self._stopping = False
        self._thread: threading.Thread | None = None
        self.problem: str | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="tail", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def hear(self, device_id: str, stream: bytes, watermark: int) -> None:
        """Chunks of `stream` below `watermark` are committed."""
        with self._condition:
            if self._watched is None or device_id in self._watched:
                self._news[stream] = (device_id, max(watermark, self._news.get(stream, ("", 0))[1]))
                self._condition.notify()

    def watch(self, devices: Watched) -> None:
        """Somebody looks at these devices now, and at no others."""
        with self._condition:
            if devices != self._watched:
                self._watched = devices
                self._look_s = self._monotonic()
                self._condition.notify()

    def look_again(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Words may have been lost, or what was known is not so any more: begin anew with what the store says.

        Of what was known before nothing is shown after `meanwhile`, and of what the store says nothing before it.
        """
        with self._showing, self._condition:
            self._followed = {}
            meanwhile()
            self._look_s = self._monotonic()
            self._condition.notify()

    def turn(self) -> None:
        """What is due now."""
        with self._condition:
            news, self._news = self._news, {}
            watched, followed, now_s = self._watched, self._followed, self._monotonic()
            is_due = now_s >= self._look_s
            if is_due:  # now, so that who begins to look meanwhile is not put off
                self._look_s = now_s + _LOOK_S if watched is None or watched else float("inf")
        for stream, one in list(followed.items()):
            if watched is not None and one.follower.device_id not in watched:
                del followed[stream]
        if is_due:
            seen = self._look(watched)
            news = {**seen, **news}
            _drop_quiet(followed, seen.keys(), now_s)
        for stream, (device_id, watermark) in news.items():
            self._advance(followed, device_id, stream, watermark)

    def _look(self, watched: Watched) -> dict[bytes, tuple[str, int]]:
        """The newest stream of each watched device, and how far it has come."""
        rows = (
            overview.latest_streams(self._store, MOST_DEVICES)
            if watched is None
            else overview.newest_streams(self._store, watched)
        )
        return {stream: (device_id, watermark) for device_id, stream, watermark in rows}

    def _advance(
        self, followed: dict[bytes, _Followed], device_id: str, stream: bytes, watermark: int
    ) -> None:
        one = followed.get(stream)
        if one is None:
            if stream not in (found for _, found, _ in overview.newest_streams(self._store, [device_id])):
                return  # of an earlier start, which comes late: a device has one picture, that of now
            for other in [s for s, old in followed.items() if old.follower.device_id == device_id]:
                del followed[other]
            one = followed[stream] = _Followed(self._open(device_id, stream), watermark, self._monotonic())
            self._catch_up(one.follower, watermark, lambda canvas, moment: None)
            canvas = one.follower.canvas
            with self._showing:
                if canvas is not None and canvas.synced and self._followed is followed:
                    self._audience.begin(device_id, canvas, time.time() * 1000)
            return
        one.watermark, one.heard_s = max(one.watermark, watermark), self._monotonic()

        def show(canvas: Canvas | None, moment: Moment) -> None:
            with self._showing:
                if self._followed is followed:
                    self._audience.take(device_id, canvas, moment)

        self._catch_up(one.follower, one.watermark, show)

    def _open(self, device_id: str, stream: bytes) -> Follower:
        kept = self._store.projection_state(stream)
        state = msgspec.json.decode(kept, type=FollowerState) if kept else FollowerState(Windows(10_000))
        follower = Follower(device_id, stream, state)
        follower.rebuild(self._store)
        return follower

    def _catch_up(
        self, follower: Follower, end: int, publish: Callable[[Canvas | None, Moment], None]
    ) -> None:
        while follower.state.next_seq < end:
            first = follower.state.next_seq
            stored = self._store.chunks(follower.device_id, follower.stream, first, end)
            taken = 0
            for chunk in islice(stored, _CHUNKS_A_TURN):
                follower.take(chunk, lambda session_id: 0, publish)
                taken += 1
            if taken < _CHUNKS_A_TURN:
                follower.skip_to(end)
            follower.committed()  # what a projector would write down

    def _run(self) -> None:
        while not self._stopping:
            try:
                self.turn()
                self.problem = None
            except PixeltrailError as error:
                self._wait_for_store(str(error))
            except Exception as error:  # noqa: BLE001 one picture is late; the look at the store brings it
                problem = f"{type(error).__name__}, please report it with the log"
                if problem != self.problem:
                    log.exception("the tail failed")
                self._wait_for_store(problem)
            with self._condition:
                if not self._stopping and not self._news:
                    left_s = self._look_s - self._monotonic()
                    self._condition.wait(None if left_s == float("inf") else max(left_s, 0))

    def _wait_for_store(self, problem: str) -> None:
        if problem != self.problem:
            log.warning("live pictures wait", error=problem)
        self.problem = problem
        with self._condition:
            self._followed, self._look_s = {}, self._monotonic()
            if not self._stopping:
                self._condition.wait(_RETRY_S)


def _drop_quiet(followed: dict[bytes, _Followed], seen: Collection[bytes], now_s: float) -> None:
    """Of a fleet only those that report have a decoder: each holds a picture."""
    for stream in [s for s, one in followed.items() if s not in seen and now_s - one.heard_s > _QUIET_S]:
        del followed[stream]
