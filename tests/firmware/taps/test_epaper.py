"""E-paper: the recorded picture equals the panel after every way to show one."""

from __future__ import annotations

import random

import pytest
from pixeltrail import epaper_tap
from pixeltrail_bridge.wire import messages as m

from ..drivers import epaper
from ..rig import Rig


def scribble(buffer, dice, share=0.3):
    for i in range(len(buffer)):
        if dice.random() < share:
            buffer[i] = dice.randrange(256)


def test_waveshare_in_every_way_to_show():
    display = epaper.Waveshare2in9()
    rig = Rig(display=display)
    dice = random.Random(1)
    ways = (
        lambda: display.Clear(0xFF),
        lambda: display.display(display.buffer),
        lambda: display.display_Base(display.buffer),
        lambda: display.display_Partial(bytearray(display.buffer)),  # a picture of the app's own
        lambda: display.display(None),
        lambda: display.Clear(0x00),
        lambda: display.display(display.buffer),
    )
    for show in ways:
        scribble(display.buffer, dice)
        show()
        scribble(display.buffer, dice)  # drawn after the refresh, and so not shown
        rig.settle()
        assert rig.pictures()[-1] == (bytes(display.panel), False)
    assert rig.bodies(m.Display)[-1].format == m.PixelFormat.MONO_HLSB
    assert rig.recorder.errors == 0


def test_the_left_pixel_is_the_highest_bit_and_white_is_1():
    display = epaper.Waveshare2in9()
    rig = Rig(display=display)
    display.buffer[:] = b"\xff" * len(display.buffer)
    epaper.pixel(display.buffer, display.width, 9, 2, 0)
    display.display(display.buffer)
    rig.settle()
    picture = rig.pictures()[-1][0]
    assert picture[2 * 8 + 1] == 0b10111111 and picture.count(255) == len(picture) - 1


def test_waveshare_with_greys():
    display = epaper.Waveshare4in2()
    rig = Rig(display=display)
    dice = random.Random(2)
    display.EPD_4IN2_V2_Clear()
    rig.settle()
    assert rig.pictures()[-1] == (display.panel, False)
    for show in (
        display.EPD_4IN2_V2_Display,
        display.EPD_4IN2_V2_Display_Fast,
        display.EPD_4IN2_V2_PartialDisplay,
    ):
        scribble(display.buffer_1Gray, dice)
        show(display.buffer_1Gray)
        rig.settle()
        assert rig.pictures()[-1] == (display.panel, False)
    for _ in range(2):
        scribble(display.buffer_4Gray, dice)
        display.EPD_4IN2_V2_4GrayDisplay(display.buffer_4Gray)
        rig.settle()
        record, picture = rig.bodies(m.Display)[-1], rig.pictures()[-1][0]
        assert record.format == m.PixelFormat.GS2_HMSB
        for i, level in enumerate(display.greys):
            index = picture[i // 4] >> 2 * (i & 3) & 3
            assert record.palette[3 * index] == 85 * level
    display.EPD_4IN2_V2_Display(display.buffer_1Gray)
    rig.settle()
    assert rig.pictures()[-1] == (display.panel, False)
    assert len(rig.bodies(m.Display)) == 3


def test_a_driver_that_is_handed_a_frame_buffer():
    display = epaper.Mcauser4in2()
    rig = Rig(display=epaper_tap(display))
    frame = bytearray(range(256)) + bytearray(64)
    display.display_frame(frame)
    rig.settle()
    assert rig.pictures()[-1] == (bytes(display.panel), False)
    frame[7] ^= 255
    display.display_frame(None)
    display.display_frame(frame)
    rig.settle()
    assert rig.pictures()[-1] == (bytes(display.panel), False)


def test_a_panel_with_two_memories():
    display = epaper.Mcauser2in9()
    rig = Rig(display=display)
    dice = random.Random(3)
    for turn in range(20):
        if turn % 7 == 0:
            display.clear_frame_memory(dice.choice((0, 255, 0x55)))
        for _ in range(dice.randrange(3)):
            x, y, w, h = dice.randrange(60), dice.randrange(38), dice.randrange(8, 70), dice.randrange(1, 45)
            display.set_frame_memory(bytes(dice.randrange(256) for _ in range(400)), x, y, w, h)
        display.display_frame()
        rig.settle()
        assert rig.pictures()[-1] == (bytes(display.panel), False)
    assert rig.recorder.errors == 0


def test_a_picture_that_is_too_small_is_contained():
    display = epaper.Mcauser4in2()
    display.display_frame = lambda frame_buffer: None  # the driver itself would take it
    rig = Rig(display=epaper_tap(display))
    display.display_frame(bytes(10))
    rig.step()
    assert rig.recorder.errors == 1 and not any(rig.recorder._sight.tap.buffer)


def test_two_planes_are_an_unknown_area():
    display = epaper.Waveshare2in13B()
    rig = Rig(display=display)
    display.display()
    rig.settle()
    assert rig.bodies(m.UnknownArea) == [m.UnknownArea(0, 0, 64, 40)]


def test_detaching_and_what_cannot_be_meant():
    display = epaper.Waveshare2in9()
    tap = epaper_tap(display)
    tap.attach(None)
    tap.detach()
    display.display(display.buffer)
    with pytest.raises(ValueError, match="takes 320 bytes, got 3"):
        epaper_tap(display, buffer=bytearray(3))
    with pytest.raises(ValueError, match="no method that shows a picture"):
        epaper_tap(type("Panel", (), {"width": 8, "height": 8})()).attach(print)
