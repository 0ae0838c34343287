"""How often somebody may try a password: a few times at once, then at a steady pace."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MOST_KEYS: Final = 10_000


class Attempts:
    """`most` tries at once, one more every `every_s`. Belongs to one thread."""

    def __init__(self, most: int, every_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._most, self._every_s, self._now_s = most, every_s, now_s
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """0 and the try counts, or the seconds to wait for the next."""
        now_s = self._now_s()
        level, at_s = self._levels.pop(key, (float(self._most), now_s))
        level = min(self._most, level + (now_s - at_s) / self._every_s)
        wait_s = 0.0 if level >= 1 else (1 - level) * self._every_s
        self._levels[key] = (level - 1 if not wait_s else level, now_s)
        while len(self._levels) > MOST_KEYS:
            self._levels.popitem(last=False)
        return wait_s

    def forgive(self, key: str) -> None:
        """The last try was a good one."""
        self._levels.pop(key, None)
