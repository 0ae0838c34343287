"""Drivers in plain Python without a buffer, each drawing in every way it has; test_drivers.py has st7789py."""

from __future__ import annotations

import pytest
from pixeltrail import direct_tap

from ..drivers.gc9a01 import GC9A01py
from ..drivers.ili9341 import Display
from ..rig import Rig


class Font:
    WIDTH, HEIGHT, FIRST, LAST = 8, 16, 32, 127
    FONT = bytes((char * 37 + row * 91) & 0xFF for char in range(96) for row in range(16))


GC9A01 = {
    "fill": lambda d: d.fill(0x1234),
    "fill_rect": lambda d: d.fill_rect(3, 4, 40, 17, 0xF800),
    "rect": lambda d: d.rect(5, 6, 30, 20, 0x07E0),
    "hline": lambda d: d.hline(40, 3, 19, 0x00FF),
    "vline": lambda d: d.vline(59, 0, 40, 0xABCD),
    "pixel": lambda d: d.pixel(7, 8, 0xFF01),
    "line": lambda d: d.line(3, 2, 50, 20, 0x7777),
    "blit_buffer": lambda d: d.blit_buffer(bytes(range(60)), 10, 10, 6, 5),
    "text": lambda d: d.text(Font, "Hello", 0, 20, 0xFFFF, 0x0011),
}
ILI9341 = {
    "clear": lambda d: d.clear(0x1234, hlines=4),
    "fill_rectangle, wide": lambda d: d.fill_rectangle(3, 4, 50, 31, 0xF800),
    "fill_rectangle, high": lambda d: d.fill_rectangle(3, 4, 20, 31, 0xF801),
    "draw_rectangle": lambda d: d.draw_rectangle(5, 6, 30, 20, 0x07E0),
    "draw_line": lambda d: d.draw_line(3, 2, 50, 20, 0x7777),
    "draw_pixel": lambda d: d.draw_pixel(7, 8, 0xFF01),
    "outside": lambda d: d.fill_rectangle(50, 30, 20, 20, 0xFFFF),
    "draw_sprite": lambda d: d.draw_sprite(bytes(range(60)), 10, 10, 6, 5),
    "fill_circle": lambda d: d.fill_circle(30, 20, 11, 0x00FF),
    "draw_text8x8": lambda d: d.draw_text8x8(2, 30, "21.5 C", 0xFFFF, 0x0011),
}


def made(driver):
    display = driver(60, 40)
    return display, Rig(display=direct_tap(display, bytearray(60 * 40 * 2)))


@pytest.mark.parametrize(
    ("driver", "draw"),
    [pytest.param(GC9A01py, draw, id=f"gc9a01py-{name}") for name, draw in GC9A01.items()]
    + [pytest.param(Display, draw, id=f"ili9341-{name}") for name, draw in ILI9341.items()],
)
def test_each_drawing(driver, draw):
    display, rig = made(driver)
    (display.fill if driver is GC9A01py else display.clear)(0x0F0F)
    rig.settle()
    draw(display)
    rig.step(20)
    rig.settle()
    assert rig.pictures()[-1] == (bytes(display.panel), False)
    assert rig.recorder.errors == 0


@pytest.mark.parametrize(("driver", "drawings"), [(GC9A01py, GC9A01), (Display, ILI9341)])
def test_all_of_them_over_one_another(driver, drawings):
    display, rig = made(driver)
    for draw in drawings.values():
        draw(display)
        rig.step()
    rig.step(20)
    rig.settle()
    assert rig.pictures()[-1] == (bytes(display.panel), False)


def test_pixels_that_cannot_be_copied_are_sent_all_the_same():
    display, rig = made(Display)
    display.write_data = lambda data: None  # this driver's bus takes anything
    display.block(0, 0, 9, 9, 1234)
    rig.step(20)
    assert rig.recorder.errors == 1
    display.draw_pixel(3, 3, 0xFFFF)
    rig.step(20)
    rig.settle()
    assert rig.pictures()[-1][0][2 * (3 * 60 + 3)] == 0xFF
