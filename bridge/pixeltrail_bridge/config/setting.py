"""One row of the table of settings, as a dataclass's field carries it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any


def setting(
    default: Any,
    help: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] = (),
    live: bool = False,
) -> Any:
    """A field with its default; numbers lie within `low` and `high`, and `live` ones are read again on SIGHUP."""
    about = {"help": help, "unit": unit, "low": low, "high": high, "choices": choices, "live": live}
    return field(default=default, metadata=about)
