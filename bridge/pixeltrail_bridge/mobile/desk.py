"""Posts on their way to the disk: gathered, committed together, and only then answered.

Belongs to the event loop. What waits is bounded; beyond it, and while the bridge has no room, an app is told to come
back, which every library of Segment's does without losing anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from ..errors import StoreError
from .intake import Intake, Received, Taken

MOST_WAITING: Final = 5_000  # events; a post has some hundred at most
MOST_AT_ONCE: Final = 1_000  # events of one transaction

log = structlog.get_logger(__name__)


class Busy(Exception):
    """Nothing can be taken just now; the text says why."""


class Store(Protocol):
    def commit_batch(self, work: Callable[..., Taken]) -> Taken: ...


class Desk:
    """`is_ready` says whether the bridge accepts anything; `on_commit` gets the rows that have new events."""

    def __init__(
        self,
        store: Store,
        intake: Intake,
        is_ready: Callable[[], bool] = lambda: True,
        on_commit: Callable[[set[str]], None] = lambda device_ids: None,
    ) -> None:
        self.intake = intake
        self._store, self._is_ready, self._on_commit = store, is_ready, on_commit
        self._waiting: list[tuple[Sequence[Received], asyncio.Future[None]]] = []
        self._events = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="mobile bridge")

    async def stop(self) -> None:
        """What waits is not taken: nobody was told that it was."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for _, done in self._waiting:
            done.cancel()

    async def take(self, received: Sequence[Received]) -> None:
        """Returns once the events are durable. Raises Busy: none of them is."""
        if not received:
            return
        if not self._is_ready():
            raise Busy("the bridge has no room; see its health")
        if self._events + len(received) > MOST_WAITING and self._events:
            raise Busy("too much is waiting to be written")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((received, done))
        self._events += len(received)
        self._wake.set()
        await done

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            posts = self._next()
            try:
                await self._commit(posts)
            except Exception as error:  # noqa: BLE001 the desk stays open whatever one transaction met
                if not isinstance(error, StoreError):
                    log.exception("a post could not be taken")
                for _, done in posts:
                    if not done.done():
                        done.set_exception(Busy(str(error)))

    def _next(self) -> list[tuple[Sequence[Received], asyncio.Future[None]]]:
        posts: list[tuple[Sequence[Received], asyncio.Future[None]]] = []
        count = 0
        while self._waiting and (not posts or count + len(self._waiting[0][0]) <= MOST_AT_ONCE):
            posts.append(self._waiting.pop(0))
            count += len(posts[-1][0])
        self._events -= count
        if not self._waiting:
            self._wake.clear()
        return posts

    async def _commit(self, posts: list[tuple[Sequence[Received], asyncio.Future[None]]]) -> None:
        received = [one for some, _ in posts for one in some]
        taken = await asyncio.to_thread(self._store.commit_batch, lambda tx: self.intake.take(tx, received))
        for _, done in posts:
            if not done.done():
                done.set_result(None)
        self._on_commit(taken.device_ids)
