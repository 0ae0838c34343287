"""A bounded set of round_trips.py, which is the long run: the sizes of boards, odd pitches, every format, each port."""

from __future__ import annotations

import random

import pytest
from pixeltrail_bridge.wire.messages import PixelFormat

from tests.firmware.codec.round_trips import Case, check
from tests.support import ports

SHAPES = (
    Case(250, 122, PixelFormat.MONO_HLSB, 0, 0, 1000, 1),
    Case(172, 320, PixelFormat.RGB565S, 2, 0, 1000, 2),
    Case(135, 240, PixelFormat.RGB565, 0, 0, 1000, 3),
    Case(128, 32, PixelFormat.MONO_VLSB, 0, 0, 1000, 4),
    Case(399, 31, PixelFormat.GS2_HMSB, 3, 16, 1000, 5),
    Case(97, 61, PixelFormat.GS4_HMSB, 1, 0, 4000, 6),
    Case(1, 400, PixelFormat.RGB565, 1, 8, 1000, 7),
    Case(61, 47, PixelFormat.RGB332, 5, 64, 1000, 8),
    Case(400, 1, PixelFormat.MONO_HMSB, 0, 8, 1000, 9),
    Case(161, 90, PixelFormat.GS8, 1, 32, 1000, 10),
    Case(135, 240, PixelFormat.GS8, 3, 0, 1000, 4241090943),  # a scroll that 64-bit viper took for another
)


@pytest.mark.parametrize("case", SHAPES, ids=lambda case: f"{case.width}x{case.height}-{case.format.name}")
def test_every_port_writes_what_comes_back_exactly(case: Case) -> None:
    check(case, (ports.X64, ports.ARMHF_V7M))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_displays_drawn_at_random() -> None:
    dice = random.Random(5)
    for _ in range(150):
        check(Case.draw(dice), ports.ALL)
