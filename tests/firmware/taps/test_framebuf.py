"""Taps on displays as their drivers make them."""

from __future__ import annotations

import asyncio

import pytest
from pixeltrail import tap, wire
from pixeltrail.taps import framebuf

from ..device.parts import Oled


class Sh1106:
    def __init__(self, rotate90=False):
        self.width, self.height = (64, 128) if rotate90 else (128, 64)
        self.rotate90 = rotate90
        self.pages = 8
        self.displaybuf = bytearray(1024)
        self.renderbuf = bytearray(1024) if rotate90 else self.displaybuf
        self.calls = []

    def show(self, full_update=False):
        self.calls.append(full_update)


class NanoGui:
    """As nano-gui's 4-bit drivers: a buffer, a table of colours shared by the class, two ways to refresh."""

    lut = bytearray(32)

    def __init__(self):
        self.width, self.height = 240, 100
        self._mode = 2
        self.mvb = memoryview(bytearray(120 * 100))
        self.calls = []

    def show(self):
        self.calls.append("show")

    async def do_refresh(self, split=4):
        self.calls.append(split)
        return "done"


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


@pytest.mark.parametrize(("turned", "format"), [(False, wire.MONO_VLSB), (True, wire.MONO_HMSB)])
def test_sh1106(turned, format):
    display = Sh1106(turned)
    found = framebuf.find(display)
    assert found.format == format and found.buffer is display.renderbuf
    seen = []
    found.attach(lambda: seen.append(1))
    display.show()
    display.show(True)
    display.show(full_update=True)
    assert display.calls == [False, True, True] and len(seen) == 3


def test_nano_gui():
    display = NanoGui()
    NanoGui.lut[2:4] = b"\xf8\x00"
    NanoGui.lut[4:6] = b"\x07\xe0"
    found = framebuf.find(display)
    assert found.format == wire.GS4_HMSB
    assert found.palette[3:9] == b"\xff\x00\x00\x00\xff\x00"
    seen = []
    found.attach(lambda: seen.append(1))
    display.show()
    assert asyncio.run(display.do_refresh(2)) == "done"
    assert display.calls == ["show", 2] and len(seen) == 2


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
