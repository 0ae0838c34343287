"""What goes wrong on the way, by percentages: a seed makes it the same each time."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, fields
from typing import Final

_LATE: Final = 2  # messages that overtake one which was reordered


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of messages in percent, both ways; `reboots` and `cuts` are a device's per hour of its own time."""

    loss: float = 0.0
    repeat: float = 0.0
    reorder: float = 0.0
    damage: float = 0.0
    reboots: float = 0.0
    cuts: float = 0.0

    @property
    def any(self) -> bool:
        return any(getattr(self, one.name) for one in fields(self))


class Road:
    """One way between a device and the broker. `counts` says what was done to messages, by the names of Faults."""

    def __init__(self, faults: Faults, dice: random.Random, counts: Counter[str]) -> None:
        self._faults, self._dice, self.counts = faults, dice, counts
        self._held: list[tuple[int, bytes]] = []

    def pass_on(self, data: bytes) -> list[bytes]:
        """What arrives in place of a message: nothing, it, something like it, or more than it."""
        arriving = self._bend(data)
        left = []
        for wait, held in self._held:
            if wait <= 0:
                arriving.append(held)
            else:
                left.append((wait - 1, held))
        self._held = left
        if arriving and self._hit("reorder"):
            self._held.append((_LATE, arriving.pop()))
        return arriving

    def _bend(self, data: bytes) -> list[bytes]:
        if self._hit("loss"):
            return []
        if self._hit("damage"):
            at = self._dice.randrange(len(data))
            data = data[:at] + bytes((data[at] ^ 1 << self._dice.randrange(8),)) + data[at + 1 :]
        return [data, data] if self._hit("repeat") else [data]

    def _hit(self, name: str) -> bool:
        share = getattr(self._faults, name)
        if not share or self._dice.random() * 100 >= share:
            return False
        self.counts[name] += 1
        return True
