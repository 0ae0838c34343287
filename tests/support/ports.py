"""The builds of MicroPython that device code must run on, each with the library as source and as .mpy.

64-bit ports hide what a microcontroller does: integers of 2^30 are heap objects there, and sums wrap at 2^32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import armhf, micropython, mpy


@dataclass(frozen=True, slots=True)
class Port:
    name: str
    is_32_bit: bool
    architecture: str | None = None
    """What the library is compiled for; None runs the source."""

    def __str__(self) -> str:
        return f"{self.name}-{self.architecture}" if self.architecture else self.name

    @property
    def library(self) -> Path:
        return mpy.tree(self.architecture) if self.architecture else micropython.FIRMWARE

    def run(
        self,
        script: str | Path,
        *args: str | Path,
        search: Sequence[Path] = (),
        heap: str | None = None,
        timeout_s: float = 100,
    ) -> str:
        """Run a file or source text beside the library and return what it printed."""
        start = armhf.run if self.is_32_bit else micropython.run
        return start(script, *args, search=(self.library, *search), heap=heap, timeout_s=timeout_s)


X64 = Port("x64", False)
X64_MPY = Port("x64", False, "x64")
ARMHF = Port("armhf", True)
ARMHF_V6M = Port("armhf", True, "armv6m")
ARMHF_V7M = Port("armhf", True, "armv7m")
ALL = (X64, X64_MPY, ARMHF, ARMHF_V6M, ARMHF_V7M)
SOURCE = (X64, ARMHF)
