"""Recordings that are looked at, kept for the next request: opening one reads the index of the whole session."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from ..replay.recording import Recording
from ..store.database import SqlStore

MOST_KEPT: Final = 32
_CLOSED_S: Final = 20.0  # a session that has ended may still get what a device had kept, or a mended letter
_OPEN_S: Final = 0.5


class Recordings:
    """`open` blocks and may be called from any thread."""

    def __init__(self, store: SqlStore, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store, self._monotonic = store, monotonic
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], tuple[float, Recording]] = OrderedDict()
        self._clearings = 0

    def clear(self) -> None:
        """Something was forgotten."""
        with self._lock:
            self._clearings += 1
            self._kept.clear()

    def open(self, device_id: str, session_id: int) -> Recording:
        """LocalError: there is no such session."""
        place, now = (device_id, session_id), self._monotonic()
        with self._lock:
            clearings = self._clearings
            kept = self._kept.get(place)
            if kept is not None and now < kept[0]:
                self._kept.move_to_end(place)
                return kept[1]
        recording = Recording.open(self._store, device_id, session_id)
        with self._lock:
            if clearings != self._clearings:
                return recording  # it may hold what was forgotten while it was read
            self._kept[place] = (now + (_OPEN_S if recording.is_open else _CLOSED_S), recording)
            self._kept.move_to_end(place)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return recording
