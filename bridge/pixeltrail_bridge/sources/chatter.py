"""How much of what a device prints goes on to the log: a person's share, not a disk's.

A program that prints in a loop fills a line of 115,200 baud with 900 MB a day, and USB with as much in a quarter of an
hour. What is left out is counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

STEADY_PER_S: Final = 2_000.0  # characters: more than a person reads, and 170 MB a day
BURST: Final = 200_000.0  # a long traceback, a dump, the output of a start
_LINE: Final = 100  # characters that a line costs beside its text: time, level, port


class Chatter:
    """Of one line. Belongs to one thread."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._left, self._at_s = BURST, now_s()
        self.left_out = 0

    def take(self, text: str) -> bool:
        """Whether a line may go on; what may not is counted."""
        now_s = self._now_s()
        self._left = min(BURST, self._left + (now_s - self._at_s) * STEADY_PER_S)
        self._at_s = now_s
        cost = len(text) + _LINE
        if self._left < cost:
            self.left_out += 1
            return False
        self._left -= cost
        return True
