"""How long messages wait until they are durable: counts by duration, cheap enough for every message."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

BOUNDS_S: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Durations:
    """One thread adds; any other may read meanwhile, and is at most a message behind."""

    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)  # the last: above every bound
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.total_s += seconds

    def add_ages(self, now_ms: int, then_ms: Iterable[int]) -> None:
        """Each message's age; a clock that was set back makes it 0."""
        for moment in then_ms:
            self.add(max(now_ms - moment, 0) / 1000)

    def cumulative(self) -> list[tuple[str, float]]:
        """(upper bound, how many were at most that long), as Prometheus has it: the last bound is +Inf."""
        found, below = [], 0
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), list(self.counts), strict=True):
            below += count
            found.append((bound, float(below)))
        return found
