"""Displays with a buffer, every pixel: what is recorded against what the panel shows, after each way to refresh."""

from __future__ import annotations

import asyncio
import random

import pytest
from pixeltrail_bridge.wire import messages as m

from ..drivers import nano
from ..drivers.ssd1306 import SSD1306_I2C
from ..rig import Rig


@pytest.mark.parametrize(("width", "height"), [(128, 64), (128, 32), (64, 48), (72, 40), (96, 16)])
def test_ssd1306_of_every_size(width: int, height: int) -> None:
    display = SSD1306_I2C(width, height)
    rig = Rig(display=display)
    dice = random.Random(width + height)
    for _ in range(4):
        for _ in range(200):
            display.pixel(dice.randrange(width), dice.randrange(height), dice.randrange(2))
        display.show()
        rig.settle()
        record = rig.bodies(m.Display)[-1]
        assert (record.format, record.width, record.height) == (m.PixelFormat.MONO_VLSB, width, height)
        picture, is_mixed = rig.pictures()[-1]
        assert not is_mixed
        for y in range(height):
            for x in range(width):
                assert picture[(y >> 3) * width + x] >> (y & 7) & 1 == display.lit(x, y), (x, y)
    assert rig.recorder.errors == 0


def test_what_is_drawn_and_not_shown_is_not_recorded() -> None:
    display = SSD1306_I2C(128, 64)
    rig = Rig(display=display)
    display.show()
    rig.settle()
    before = rig.pictures()
    display.pixel(3, 3, 1)
    display.contrast(255)
    display.poweroff()
    display.poweron()
    rig.step(20)
    assert rig.pictures() == before


def as_panel(record: m.Display, picture: bytes, x: int, y: int) -> tuple[int, int, int]:
    """A pixel of a recorded nano-gui display in the bits that the panel has."""
    index = picture[y * -(-record.width // 2) + x // 2] >> (0 if x & 1 else 4) & 15
    r, g, b = record.palette[3 * index : 3 * index + 3]
    return r >> 3, g >> 2, b >> 3


@pytest.mark.parametrize("is_asynchronous", [False, True])
def test_nano_and_micro_gui_of_4_bits(is_asynchronous: bool) -> None:
    """`show` blocks, `do_refresh` gives way between segments; both end with buffer and panel alike."""
    nano.ST7789.lut[:] = bytes(32)
    dice = random.Random(5)
    for index in range(16):
        nano.ST7789.colour(index, *(dice.randrange(8) * 36 for _ in range(3)))
    display = nano.ST7789(height=20, width=41)
    rig = Rig(display=display)
    for _ in range(4):
        for _ in range(60):
            display.pixel(dice.randrange(41), dice.randrange(20), dice.randrange(16))
        if is_asynchronous:
            asyncio.run(display.do_refresh(dice.choice((2, 4, 5))))
        else:
            display.show()
        rig.settle()
        record, (picture, is_mixed) = rig.bodies(m.Display)[-1], rig.pictures()[-1]
        assert not is_mixed
        for y in range(20):
            for x in range(41):
                assert as_panel(record, picture, x, y) == display.shown(x, y), (x, y)


@pytest.mark.parametrize("driver", [nano.ILI9341, nano.SSD1351])
def test_micro_gui_of_8_bits(driver: type) -> None:
    display = driver(height=24, width=33)
    rig = Rig(display=display)
    dice = random.Random(6)
    for _ in range(4):
        for _ in range(60):
            display.mvb[dice.randrange(24 * 33)] = dice.randrange(256)
        asyncio.run(display.do_refresh(4))
        rig.settle()
        assert rig.pictures()[-1] == (bytes(display.panel), False)
