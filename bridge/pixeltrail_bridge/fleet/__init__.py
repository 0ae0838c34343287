"""Many devices without hardware: they play recordings, keep the custody protocol, and fail as often as told."""

from __future__ import annotations

from pathlib import Path

_RECORDED = Path(__file__).with_name("recorded")


def recorded_scripts() -> list[Path]:
    """Recordings of the simulated boards' own apps."""
    return sorted(_RECORDED.glob("*.ptr"))
