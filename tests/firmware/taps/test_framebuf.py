"""What a tap makes of a display, and what it says of one that it does not know; test_drivers.py has known ones."""

from __future__ import annotations

import pytest
from pixeltrail import tap, wire
from pixeltrail.taps import framebuf

from ..device.parts import Oled


def test_ssd1306():
    display = Oled(128, 64)
    found = framebuf.find(display)
    assert (found.width, found.height, found.format, found.pitch) == (128, 64, wire.MONO_VLSB, 0)
    assert found.buffer is display.buffer


def test_the_hook_runs_after_the_driver_and_can_be_taken_out():
    display = Oled()
    seen = []
    found = framebuf.find(display)
    found.attach(lambda: seen.append(display.shown))
    display.show()
    assert seen == [1]
    found.detach()
    display.show()
    assert seen == [1] and display.shown == 2


def test_modes_of_framebuf():
    class Epd:
        width, height, _mode = 400, 300, 3
        mvb = bytearray(50 * 300)

        def refresh(self):
            pass

    assert framebuf.find(Epd()).format == wire.MONO_HLSB


def test_anything_else_is_told_what_it_is():
    class Panel:
        pass

    panel = Panel()
    found = tap(panel, buffer=bytearray(320 * 240 * 2), format="RGB565S", width=320, height=240, hook="")
    assert (found.format, found.width, found.height) == (wire.RGB565S, 320, 240)
    found.attach(lambda: None)


@pytest.mark.parametrize(
    ("attributes", "remedy"),
    [
        ({}, "pixeltrail.tap"),
        ({"buffer": bytearray(8), "width": 8, "height": 8, "show": print}, "format must be given"),
        ({"buffer": bytearray(8), "pages": 1, "width": 8, "height": 8}, "give hook="),
        ({"buffer": bytearray(8), "pages": 1, "height": 8, "show": print}, "width must be given"),
    ],
)
def test_an_unknown_display_is_refused_with_a_remedy(attributes, remedy):
    with pytest.raises(ValueError, match=remedy):
        framebuf.find(type("Unknown", (), attributes)())


def test_a_display_of_c_is_told_how_to_go_on():
    class Sealed:
        __slots__ = ("buffer", "height", "width")

        def update(self):
            pass

    sealed = Sealed()
    sealed.buffer, sealed.width, sealed.height = bytearray(64), 8, 64
    found = tap(sealed, format="MONO_HLSB", hook="update")
    with pytest.raises(ValueError, match="recorder.capture"):
        found.attach(lambda: None)


def test_formats_are_those_of_the_wire():
    for number, name in enumerate(framebuf._NAMES):
        assert getattr(wire, name) == number
