"""What a check finds, and how it says how long something took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LISTED = 5
"""Of what may be many, so many are named."""

Level = Literal["ok", "note", "FAULT"]


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    what: str
    text: str


def duration(ms: int) -> str:
    """In the largest unit that fits: 95 s, 12 min, 3 h, 4 days."""
    seconds = max(ms, 0) // 1000
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
