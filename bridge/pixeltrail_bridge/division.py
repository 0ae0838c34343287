"""Which devices are a worker's, where several share a PostgreSQL: it takes their messages and projects their streams.

Devices are hashed into parts, and a part is one worker's at a time, by a lock that ends with its connection to the
server. Each worker takes its share of the parts that are free, and gives up what is above it when others come, or all
where messages do not reach it and there are others; so a part changes hands once nothing of it is under way, or when
its worker has died. `is_whole` says whether a transaction still has the locks under which its content was made: on the
same connection it has.

The hash is the one by which NATS puts messages into parts of a stream (sources/stream.py): whoever takes a device's
messages has its state in memory, and its pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .errors import StoreError
from .store.sharing import PARTS, SharedStore

LOOK_EVERY_MS: Final = 1_000  # how late the streams of a worker that died go on
UNABLE_MS: Final = 10_000  # above what servers need to choose a leader
STAY_EVERY_MS: Final = 10_000  # far below what ends a silent worker's connection (store/workers.py)


class Division:
    """Asked by the projector's thread alone, `owns` and `parts` by any. `is_able`: whether messages reach us."""

    def __init__(self, store: SharedStore, is_able: Callable[[], bool] = lambda: True) -> None:
        self._store, self._is_able = store, is_able
        self._able_ms: int | None = None  # when they did last
        self._parts: frozenset[int] = frozenset()
        self._surplus: frozenset[int] = frozenset()
        self.connection_no = -1  # of the connection that has the locks
        self._looked_ms: int | None = None

    @property
    def parts(self) -> frozenset[int]:
        """Those that are ours."""
        return self._parts

    def owns(self, device_id: str) -> bool:
        return part_of(device_id) in self._parts

    def is_over(self, device_id: str) -> bool:
        """Whether another worker should have this device, and gets it once it is given back."""
        return part_of(device_id) in self._surplus

    def is_whole(self, connection_no: int) -> bool:
        return connection_no == self.connection_no

    def look(self, now_ms: int) -> bool:
        """Take what is free and due to us, once in a while. True: there are parts that were not ours before.

        StoreError: nothing is ours until it can be asked again.
        """
        is_fresh = self._looked_ms is not None and abs(now_ms - self._looked_ms) < LOOK_EVERY_MS
        if is_fresh and self.is_whole(self._store.connection_no):
            return False
        before = self._parts
        try:
            parts, surplus, connection_no = self._store.take_parts(self._was_able(now_ms))
        except StoreError:
            self._parts, self._surplus, self._looked_ms = frozenset(), frozenset(), None
            raise
        is_same = self.is_whole(connection_no)
        self._parts, self._surplus = frozenset(parts), frozenset(surplus)
        self.connection_no, self._looked_ms = connection_no, now_ms
        return not (is_same and before >= self._parts)

    def _was_able(self, now_ms: int) -> bool:
        if self._able_ms is None or self._is_able():
            self._able_ms = now_ms
        return abs(now_ms - self._able_ms) < UNABLE_MS

    def stay(self, now_ms: int) -> None:
        """In the middle of long work: keep what is ours. StoreError: it is lost."""
        if self._looked_ms is not None and abs(now_ms - self._looked_ms) >= STAY_EVERY_MS:
            self._looked_ms = now_ms
            self._store.stay()

    def give(self) -> None:
        """Let others have what is above our share."""
        if self._surplus:
            self._parts -= self._surplus
            self._store.give_parts(self._surplus)
            self._surplus = frozenset()


def part_of(device_id: str) -> int:
    """FNV-1a of 32 bits, modulo: what NATS' `partition` makes of the same name."""
    found = 0x811C9DC5
    for byte in device_id.encode():
        found = (found ^ byte) * 0x01000193 & 0xFFFFFFFF
    return found % PARTS
