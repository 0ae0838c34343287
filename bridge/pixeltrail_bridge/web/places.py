"""Who may look on live, and how many pages at once: of all together, and of one login.

Without the second bound one login, or a program with it, could take every place and keep them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MOST: Final = 64  # each holds pictures and a socket, and pages are left open everywhere
MOST_OF_ONE: Final = (
    16  # tabs, a wall of displays, the pages somebody left open; four such leave nothing for others
)


class Full(Exception):
    """Says to a person which bound it is; at most 123 bytes, which a WebSocket's close can carry."""


class Places:
    """Of one page's live views. Belongs to the event loop."""

    def __init__(self, most: int = MOST, most_of_one: int = MOST_OF_ONE) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._taken: Counter[str] = Counter()
        self.refused = 0

    @contextmanager
    def take(self, whose: str) -> Iterator[None]:
        """A place as long as the block lasts. Raises Full."""
        if self._taken.total() >= self._most:
            self.refused += 1
            raise Full(f"All {self._most} live views are taken; this page tries again by itself.")
        if self._taken[whose] >= self._most_of_one:
            self.refused += 1
            raise Full(f"{self._most_of_one} live views are open under this login or address; close one.")
        self._taken[whose] += 1
        try:
            yield
        finally:
            self._taken[whose] -= 1
            if not self._taken[whose]:
                del self._taken[whose]
