"""Drivers in C: what they were told to draw, drawn again, equals the panel."""

from __future__ import annotations

import random

import pytest
from pixeltrail import c_tap
from pixeltrail_bridge.wire import messages as m

from ..drivers.gc9a01 import GC9A01
from ..rig import Rig

WIDE, HIGH = 60, 44


class Small:
    WIDTH, HEIGHT, FIRST, LAST = 8, 8, 32, 127
    FONT = bytes((char * 37 + row * 91) & 0xFF for char in range(96) for row in range(8))


class Large:
    WIDTH, HEIGHT, FIRST, LAST = 16, 32, 65, 70
    FONT = bytes((i * 53 + 7) & 0xFF for i in range(6 * 2 * 32))


class Converted:
    MAP, BPP, HEIGHT, OFFSET_WIDTH, MAX_WIDTH = "abcH", 2, 9, 2, 7
    WIDTHS = bytes((5, 7, 3, 6))
    OFFSETS = b"".join(n.to_bytes(2, "big") for n in (0, 90, 216, 270))
    BITMAPS = bytes((i * 29 + 3) & 0xFF for i in range(60))


class Picture:
    HEIGHT, WIDTH, BPP, BITMAPS = 6, 5, 3, 2
    PALETTE = [0x1122 * (i + 1) & 0xFFFF for i in range(8)]
    BITMAP = bytes((i * 77 + 5) & 0xFF for i in range(24))


def made(width=WIDE, height=HIGH, **settings):
    driver = GC9A01(width, height)
    tap = c_tap(driver, bytearray(width * height * 2))
    return tap.display, driver, Rig(display=tap, **settings), tap


def shown(rig):
    rig.step(20)
    rig.settle()
    return rig.pictures()[-1]


DRAWINGS = {
    "fill": lambda d: d.fill(0x1234),
    "fill_rect": lambda d: d.fill_rect(3, 4, 20, 17, 0xF800),
    "rect": lambda d: d.rect(5, 6, 30, 20, 0x07E0),
    "hline": lambda d: d.hline(40, 3, 100, 0x00FF),
    "vline": lambda d: d.vline(59, 0, 44, 0xABCD),
    "pixel": lambda d: d.pixel(7, 8, 0xFF01),
    "line": lambda d: d.line(3, 2, 50, 20, 0x7777),
    "a steep line up": lambda d: d.line(20, 43, 11, 1, 0x7778),
    "a line to the left": lambda d: d.line(59, 10, 0, 12, 0x1111),
    "a point": lambda d: d.line(9, 9, 9, 9, 0x2222),
    "blit_buffer": lambda d: d.blit_buffer(bytes(range(60)), 10, 10, 6, 5),
    "blit_buffer, short": lambda d: d.blit_buffer(bytes(range(40, 90)), 10, 30, 6, 5),
    "text": lambda d: d.text(Small, "Hi \x01you", 0, 20, 0xFFFF, 0x0011),
    "text, one": lambda d: d.text(Small, 72, 1, 1),
    "text, to the edge": lambda d: d.text(Small, "far too long", 0, 30, 0x5555),
    "text, large": lambda d: d.text(Large, "AFx", 3, 5, 0xF0F0, 0x0F0F),
    "write": lambda d: d.write(Converted, "Hab?c", 4, 6, 0xFFFF, 0x0001),
    "write, to the edge": lambda d: d.write(Converted, "HHHHHHHHHHHHHHH", 2, 30),
    "bitmap": lambda d: d.bitmap(Picture, 20, 30, 1),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_each_drawing(name: str) -> None:
    display, driver, rig, _ = made()
    display.fill(0x0F0F)
    DRAWINGS[name](display)
    assert shown(rig) == (bytes(driver._panel.memory), False)
    assert rig.recorder.errors == 0


@pytest.mark.parametrize("seed", range(4))
def test_many_drawings_one_after_another(seed: int) -> None:
    display, driver, rig, _ = made()
    dice = random.Random(seed)
    for _ in range(6):
        for name in dice.choices([*DRAWINGS], k=3):
            DRAWINGS[name](display)
        x, y = dice.randrange(WIDE), dice.randrange(HIGH)
        display.line(x, y, dice.randrange(WIDE), dice.randrange(HIGH), dice.randrange(1 << 16))
        assert shown(rig) == (bytes(driver._panel.memory), False)


def test_a_turned_display_is_another_one() -> None:
    display, driver, rig, _ = made()
    display.fill(1)
    shown(rig)
    display.rotation(1)
    display.fill(2)
    display.hline(0, 50, 44, 0xFFFF)
    assert shown(rig) == (bytes(driver._panel.memory), False)
    assert [(r.width, r.height) for r in rig.bodies(m.Display)] == [(WIDE, HIGH), (HIGH, WIDE)]


def test_what_is_drawn_unseen_is_counted_and_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    display, driver, rig, tap = made()
    display.jpg("/a.jpg", 5, 5)
    display.jpg("/a.jpg", 5, 5)
    assert tap.unseen == 2 and driver._panel.memory[2 * (5 * WIDE + 5)] == 0x12
    assert capsys.readouterr().out.count("jpg draws unseen; give its place to Recorder(blind=...)") == 1


def test_a_drawing_that_cannot_be_repeated_is_drawn_all_the_same() -> None:
    display, driver, rig, tap = made()
    tap._colours = None
    display.text(Small, "x", 0, 0)
    rig.step(20)
    assert any(driver._panel.memory) and rig.recorder.errors == 1


def test_given_as_it_is_it_is_an_unknown_area() -> None:
    rig = Rig(display=GC9A01(WIDE, HIGH))
    rig.settle()
    assert rig.bodies(m.UnknownArea) == [m.UnknownArea(0, 0, WIDE, HIGH)]


def test_without_a_shadow_and_without_a_tap() -> None:
    driver = GC9A01(WIDE, HIGH)
    tap = c_tap(driver)
    rig = Rig(display=tap)
    tap.display.fill(3)
    rig.settle()
    assert rig.bodies(m.UnknownArea) == [m.UnknownArea(0, 0, WIDE, HIGH)] and driver._panel.memory[1] == 3
    display, driver, rig, tap = made()
    tap.detach()
    display.fill(7)
    assert not any(tap.buffer)
    with pytest.raises(ValueError, match="takes 5280 bytes, got 5"):
        c_tap(driver, bytearray(5))
