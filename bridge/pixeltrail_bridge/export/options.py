"""What a person may ask of an export, and what bounds it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

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


def check_budget(drawn_px: int, max_drawn_px: int) -> None:
    """LocalError: more is drawn than one export may."""
    if drawn_px > max_drawn_px:
        raise LocalError(
            f"this draws more than {max_drawn_px / 1e9:,.1f} billion pixels; export a part with --from and --to, or "
            "choose a smaller --scale"
        )


def parse(values: Mapping[str, Any], max_drawn_px: int = MAX_DRAWN_PX) -> Options:
    """Options as JSON has them; `at_ms` is another name of `from_ms`, for one moment.

    LocalError names the one that is unknown or of another type.
    """
    types = {field.name: field.type for field in dataclasses.fields(Options)}
    given: dict[str, Any] = {}
    for key, value in values.items():
        name = "from_ms" if key == "at_ms" else key
        wanted = _WANTED.get(str(types.get(name)))
        if wanted is None or name == "max_drawn_px":
            known = ", ".join(list(types)[:-1])
            raise LocalError(f"there is no export option {key[:40]!r}; there are {known}")
        if value is None and name == "to_ms":
            continue
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            raise LocalError(f"export option {key}: expected {wanted.__name__}, got {type(value).__name__}")
        given[name] = value
    return Options(**given, max_drawn_px=max_drawn_px)


_WANTED: Final[Mapping[str, type]] = {"int": int, "int | None": int, "float": float, "bool": bool}
