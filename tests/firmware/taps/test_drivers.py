"""A recorded display equals its panel, for each driver that a tap knows."""

from __future__ import annotations

import asyncio
import random

import pytest
from pixeltrail import direct_tap, wire
from pixeltrail.taps import framebuf
from pixeltrail_bridge.wire import messages as m

from ..drivers import nano, st7789py
from ..drivers.sh1106 import SH1106, SH1106Newer
from ..rig import Rig


class Font:
    WIDTH = HEIGHT = 8
    FIRST, LAST = 32, 127
    FONT = bytes((char * 37 + row * 91) & 0xFF for char in range(95) for row in range(8))


def display_record(rig):
    return rig.bodies(m.Display)[-1]


# --- sh1106 ---


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("driver", [SH1106, SH1106Newer])
def test_sh1106_in_every_rotation(driver, rotate):
    display = driver(128, 64, rotate)
    rig = Rig(display=display)
    wide, high = (64, 128) if rotate in (90, 270) else (128, 64)
    dice = random.Random(rotate)
    spots = [(dice.randrange(wide), dice.randrange(high)) for _ in range(300)]
    for x, y in spots:
        display.pixel(x, y, 1)
    display.show()
    rig.settle()
    record = display_record(rig)
    assert (record.width, record.height) == (wide, high)
    picture = rig.pictures()[-1][0]
    for x, y in spots:
        if rotate in (90, 270):
            assert picture[y * (wide // 8) + (x >> 3)] >> (x & 7) & 1
            assert display.lit(y, x)
        else:
            assert picture[(y >> 3) * wide + x] >> (y & 7) & 1
            assert display.lit(x, y)
    assert sum(bin(byte).count("1") for byte in picture) == len(set(spots))


def test_sh1106_shows_as_its_version_takes_it():
    newer, older = SH1106Newer(128, 64), SH1106(128, 64)
    seen = []
    for display in (newer, older):
        framebuf.find(display).attach(lambda: seen.append(1))
        display.show()
        display.flip()
    newer.show(True)
    newer.show(full_update=True)
    assert newer.full_updates == [False, False, True, True] and older.shown == 2
    assert len(seen) == 6


# --- nano-gui and micro-gui ---


def nano_4bit():
    nano.ST7789.lut[:] = bytes(32)
    for index, colour in enumerate([(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]):
        nano.ST7789.colour(index, *colour)
    return nano.ST7789(height=40, width=61)  # an odd width leaves half a byte


def recorded_colour(rig, x, y):
    record = display_record(rig)
    assert record.format == m.PixelFormat.GS4_HMSB
    picture = rig.pictures()[-1][0]
    index = picture[y * -(-record.width // 2) + x // 2] >> (0 if x & 1 else 4) & 15
    return tuple(record.palette[3 * index : 3 * index + 3])


def as_panel(colour):
    return colour[0] >> 3, colour[1] >> 2, colour[2] >> 3


def test_nano_gui_of_4_bits_in_the_colours_of_the_panel():
    display = nano_4bit()
    rig = Rig(display=display)
    for x in range(5):
        display.pixel(x, 3, x)
    display.show()
    rig.settle()
    for x in range(6):
        assert as_panel(recorded_colour(rig, x, 3)) == display.shown(x, 3)
    assert recorded_colour(rig, 1, 3) == (255, 0, 0)


def test_a_changed_table_of_colours_is_another_display_and_a_keyframe():
    display = nano_4bit()
    rig = Rig(display=display)
    display.pixel(1, 3, 2)
    display.show()
    rig.settle()
    display.colour(2, 255, 0, 255)
    display.show()
    rig.settle()
    assert recorded_colour(rig, 1, 3) == (255, 0, 255)
    assert as_panel(recorded_colour(rig, 1, 3)) == display.shown(1, 3)
    assert len(rig.bodies(m.Display)) == 2
    assert rig.frames() == [wire.FRAME_KEY | wire.FRAME_FIRST | wire.FRAME_LAST] * 2
    display.show()
    rig.settle()
    assert len(rig.bodies(m.Display)) == 2, "told once"


def test_micro_gui_is_looked_at_behind_the_last_segment():
    display = nano_4bit()
    seen = []
    tap = framebuf.find(display)
    tap.attach(lambda: seen.append(display.segments))

    async def refresh():
        await display.do_refresh(4)
        await display.do_refresh(split=5)
        await display.do_refresh(4, asyncio.Lock())

    asyncio.run(refresh())
    assert seen == [4, 9, 13]


def test_a_refresh_that_fails_is_not_looked_at():
    display = nano_4bit()
    seen = []
    framebuf.find(display).attach(lambda: seen.append(1))
    with pytest.raises(ValueError, match="do_refresh"):
        asyncio.run(display.do_refresh(7))
    assert seen == []


def test_nano_gui_of_8_bits():
    display = nano.ILI9341(height=24, width=32)
    rig = Rig(display=display)
    display.mvb[5] = display.rgb(255, 0, 0)
    display.show()
    rig.settle()
    assert display_record(rig).format == m.PixelFormat.RGB332
    assert rig.pictures()[-1][0] == bytes(display.panel)


def test_8_bits_that_pack_colours_otherwise_have_a_palette():
    display = nano.SSD1351(height=24, width=32)
    rig = Rig(display=display)
    display.mvb[5] = value = display.rgb(255, 36, 0)
    display.show()
    rig.settle()
    record = display_record(rig)
    assert record.format == m.PixelFormat.GS8
    assert tuple(record.palette[3 * value : 3 * value + 3]) == (255, 36, 0)
    assert rig.pictures()[-1][0] == bytes(display.panel)


# --- drivers without a buffer ---


def direct(width=40, height=30, **settings):
    display = st7789py.ST7789(width, height)
    tap = direct_tap(display, shadow=bytearray(width * height * 2))
    return display, Rig(display=tap, **settings)


def test_everything_that_a_direct_driver_draws_is_recorded():
    display, rig = direct()
    display.fill(0x1234)
    display.fill_rect(3, 4, 20, 17, 0xF800)
    display.hline(0, 0, 40, 0x07E0)
    display.vline(39, 0, 30, 0x001F)
    display.pixel(7, 8, 0xABCD)
    display.blit_buffer(bytes(range(60)), 10, 10, 6, 5)
    display.text(Font, "Hello", 0, 20, 0xFFFF, 0x0011)
    rig.settle()
    assert display_record(rig).format == m.PixelFormat.RGB565S
    assert rig.pictures()[-1] == (bytes(display.panel), False)
    display.text(Font, "!", 32, 20)
    rig.step(20)
    rig.settle()
    assert rig.pictures()[-1] == (bytes(display.panel), False)
    assert len(rig.frames()) == 2


def test_a_direct_driver_is_looked_at_no_more_often_than_max_fps():
    display, rig = direct(max_fps=10, exact=False)
    for n in range(50):
        display.pixel(n % 40, n % 30, n * 99)
        rig.step(ms=10)
    rig.step(20)
    rig.settle()
    assert 4 <= len(rig.frames()) <= 7
    assert rig.pictures()[-1] == (bytes(display.panel), False)


def test_windows_outside_the_display_do_nothing():
    display, rig = direct()
    display.panel.extend(bytes(4000))  # the stand-in has no bounds; a controller wraps or ignores
    display.fill_rect(35, 5, 10, 2, 0xFFFF)
    rig.settle()
    assert not any(rig.pictures()[-1][0])


def test_a_turned_direct_display_is_another_display():
    display, rig = direct()
    display.fill(0x0F0F)
    rig.settle()
    display.rotation(1)
    display.fill(0x1111)
    display.fill_rect(30, 20, 0, 0, 1)
    display.pixel(29, 39, 0xFFFF)
    rig.step(20)
    rig.settle()
    records = rig.bodies(m.Display)
    assert [(r.width, r.height) for r in records] == [(40, 30), (30, 40)]
    assert rig.pictures()[-1] == (bytes(display.panel), False)


def test_without_a_shadow_the_display_is_an_unknown_area():
    display = st7789py.ST7789(40, 30)
    rig = Rig(display=display)
    display.fill(0xFFFF)
    rig.recorder.touch(3, 4)
    rig.recorder.mark_dirty()
    rig.recorder.capture()
    rig.step(30)
    rig.settle()
    assert rig.bodies(m.UnknownArea) == [m.UnknownArea(0, 0, 40, 30)]
    assert rig.bodies(m.Touch) == [m.Touch(3, 4, m.Phase.DOWN)]
    assert rig.frames() == [] and rig.recorder.errors == 0
    assert "write" not in vars(display), "it costs nothing"


def test_a_shadow_that_is_too_small_is_named():
    with pytest.raises(ValueError, match="takes 2400 bytes, got 100"):
        direct_tap(st7789py.ST7789(40, 30), shadow=bytearray(100))


def test_detaching_leaves_the_driver_as_it_was():
    display = st7789py.ST7789(40, 30)
    tap = direct_tap(display, bytearray(2400))
    tap.attach(None)
    tap.detach()
    display.fill(0x5555)
    assert not any(tap.buffer)


# --- displays that change ---


def test_an_application_tells_of_another_buffer():
    class Panel:
        width, height = 32, 16
        buffer = bytearray(64)

        def show(self):
            pass

    panel = Panel()
    tap = framebuf.Tap(panel, format="MONO_HLSB")
    rig = Rig(display=tap)
    panel.show()
    rig.settle()
    other = bytearray(range(48))
    tap.change(buffer=other, width=16, height=24, rotation=1)
    panel.show()
    rig.settle()
    assert (display_record(rig).width, display_record(rig).rotation) == (16, 1)
    assert rig.pictures()[-1] == (bytes(other), False)
    assert rig.recorder.errors == 0


def test_a_driver_with_another_buffer_is_followed():
    display = SH1106(128, 64)
    rig = Rig(display=display)
    display.show()
    rig.settle()
    display.renderbuf = display.displaybuf = bytearray([0x3C]) * 1024
    display.show()
    rig.settle()
    assert rig.pictures()[-1] == (bytes(display.renderbuf), False)


def test_a_palette_too_large_for_a_chunk_turns_the_tap_off_and_not_the_app(capsys):
    class Panel:
        width, height = 32, 16
        buffer = bytearray(512)

        def show(self):
            pass

    panel = Panel()
    tap = framebuf.Tap(panel, format="GS8")
    rig = Rig(display=tap, max_chunk=512, log_level=1)
    tap.change(palette=bytes(768))
    for _ in range(5):
        panel.show()
        rig.step()
    rig.recorder.track("App goes on")
    rig.settle()
    assert rig.recorder.stats()["off"] == ["tap"]
    assert m.Track("App goes on", {}) in rig.bodies()
    assert capsys.readouterr().out.count("tap turned off") == 1
    assert [log.text.split(" after")[0] for log in rig.bodies(m.Log)] == ["tap turned off"]
