"""Threads for what blocks: decoding, and reading the database. A few of them, and a queue with an end.

Decoding holds the interpreter for most of its time, so more threads would take it from ingest without being faster.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

T = TypeVar("T")
MOST_WAITING: Final = 64


class Busy(Exception):
    """The queue is full."""

    def __init__(self) -> None:
        super().__init__(f"{MOST_WAITING} requests wait already; try again in a moment.")


class Pool:
    """`run` belongs to the event loop, `close` to anyone."""

    def __init__(self, name: str, workers: int, most_waiting: int = MOST_WAITING) -> None:
        self._threads = ThreadPoolExecutor(workers, name)
        self._most = workers + most_waiting
        self._taken = 0

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Raises Busy at once when too much waits. Work that nobody waits for any more still ends in its own time."""
        if self._taken >= self._most:
            raise Busy
        self._taken += 1
        future = self._threads.submit(work, *arguments)
        future.add_done_callback(lambda _: self._release())
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _release(self) -> None:
        self._taken -= 1
