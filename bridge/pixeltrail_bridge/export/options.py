"""What a person may ask of an export, and what bounds it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_type_hints

from ..errors import LocalError

MAX_SCALE: Final = 16
MAX_SPEED: Final = 100.0
MIN_SPEED: Final = 0.1
MAX_PICTURE_PX: Final = 1 << 25  # 8192 x 4096: what players and browsers still open
# 48 hours of a 320x240 display at 15 pictures a second are 2 * 10^11.
MAX_DRAWN_PX: Final = 4 * 10**11

Progress = Callable[[float], None]
"""Told how far an export is, 0 to 1. What it raises ends the export."""


@dataclass(frozen=True, slots=True)
class Options:
    """`scale` 0 leaves the choice to the format. Times count from the session's start; `to_ms` None is its end."""

    scale: int = 0
    frame: bool = False
    touches: bool = False
    captions: bool = False
    from_ms: int = 0
    to_ms: int | None = None
    skip_idle: bool = False
    speed: float = 1.0
    lossless: bool = False
    max_drawn_px: int = MAX_DRAWN_PX

    def __post_init__(self) -> None:
        if not 0 <= self.scale <= MAX_SCALE:
            raise LocalError(f"scale = {self.scale}: expected 1 to {MAX_SCALE}, or 0 for the usual one")
        if not MIN_SPEED <= self.speed <= MAX_SPEED or not math.isfinite(self.speed):
            raise LocalError(f"speed = {self.speed}: expected {MIN_SPEED} to {MAX_SPEED:.0f}")
        if self.from_ms < 0:
            raise LocalError(f"from = {self.from_ms} ms: expected a time within the session, 0 or more")
        if self.to_ms is not None and self.to_ms <= self.from_ms:
            raise LocalError(f"to = {self.to_ms} ms is not after from = {self.from_ms} ms")


def parse(values: Mapping[str, Any]) -> Options:
    """Options as JSON has them. LocalError names the one that is unknown or of another type."""
    types = get_type_hints(Options)
    given: dict[str, Any] = {}
    for name, value in values.items():
        if name not in types or name == "max_drawn_px":
            known = ", ".join(field.name for field in dataclasses.fields(Options)[:-1])
            raise LocalError(f"there is no export option {name[:40]!r}; there are {known}")
        if value is None and name == "to_ms":
            continue
        wanted = int if name == "to_ms" else types[name]
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            raise LocalError(f"export option {name}: expected {wanted.__name__}, got {type(value).__name__}")
        given[name] = value
    return Options(**given)
