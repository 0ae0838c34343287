"""The queue before the committer: a line for each device, and from each in turn.

One line for all would let whoever sends most decide how long everybody waits. Here a device that has thousands of
messages waiting delays another's only message by a few, and no batch is longer for its sake than its share of one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Final

from ..sources.base import Arrival, Presence

Item = Arrival | Presence
_QUANTUM: Final = (
    16  # messages of a device before the next one's turn: fair, and cheap enough for every message
)


class Turns:
    """`append` may be called from any thread, `take` from one."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[Item]] = {}  # none is empty; who was served goes to the end
        self._count = 0
        self._lock = threading.Lock()

    def append(self, item: Item) -> None:
        key = item.device_id or str(id(item.channel))  # type: ignore[union-attr]  # a Presence names its device
        with self._lock:
            line = self._lines.get(key)
            if line is None:
                line = self._lines[key] = deque()
            line.append(item)
            self._count += 1

    def take(self, most: int, most_bytes: int, share: int) -> tuple[list[Item], int]:
        """What goes into one batch, at most `share` of one device, and its size in bytes."""
        batch: list[Item] = []
        size = 0
        with self._lock:
            waiting = deque((key, share) for key in self._lines)
            while waiting and len(batch) < most and size < most_bytes:
                key, left = waiting.popleft()
                line = self._lines.pop(key)
                some = [line.popleft() for _ in range(min(_QUANTUM, left, len(line), most - len(batch)))]
                batch += some
                size += sum(len(one.data) for one in some if isinstance(one, Arrival))
                if line:
                    self._lines[key] = line
                    if left > len(some):
                        waiting.append((key, left - len(some)))
            self._count -= len(batch)
        return batch, size

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Item]:
        for line in self._lines.values():
            yield from line
