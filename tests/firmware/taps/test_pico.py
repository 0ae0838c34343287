"""PicoGraphics in each of its pens: the recorded picture equals what the panel was sent."""

from __future__ import annotations

import random

import pytest
from pixeltrail import pico_tap
from pixeltrail_bridge.wire import messages as m

from ..drivers import picographics as pg
from ..rig import Rig


def colour_of(record: m.Display, picture: bytes, x: int, y: int) -> int:
    """A pixel as the panel takes it: a bit, or 16 bits."""
    wide = record.width
    if record.format == m.PixelFormat.MONO_HLSB:
        return picture[y * wide // 8 + x // 8] >> (7 - x % 8) & 1
    if record.format == m.PixelFormat.MONO_VLSB:
        return picture[y // 8 * wide + x] >> y % 8 & 1
    if record.format == m.PixelFormat.RGB565S:
        at = 2 * (y * wide + x)
        return picture[at] << 8 | picture[at + 1]
    if record.format == m.PixelFormat.RGB332:
        byte = picture[y * wide + x]
        return (byte & 0xE0) << 8 | (byte & 0x1C) << 6 | (byte & 3) << 3
    if record.format == m.PixelFormat.GS4_HMSB:
        index = picture[y * wide // 2 + x // 2] >> (0 if x % 2 else 4) & 15
    else:
        index = picture[y * wide + x]
    r, g, b = record.palette[3 * index : 3 * index + 3]
    return (r & 0xF8) << 8 | (g & 0xFC) << 3 | b >> 3


def assert_shown(rig: Rig, panel: dict[tuple[int, int], int]) -> None:
    record = rig.bodies(m.Display)[-1]
    picture, is_mixed = rig.pictures()[-1]
    assert not is_mixed
    for (x, y), value in panel.items():
        assert colour_of(record, picture, x, y) == value, (x, y)


PENS = {
    "1BIT": pg.PEN_1BIT,
    "1BITY": pg.PEN_1BIT,
    "P4": pg.PEN_P4,
    "P8": pg.PEN_P8,
    "RGB332": pg.PEN_RGB332,
    "RGB565": pg.PEN_RGB565,
}


def made(pen: str, width: int = 48, height: int = 32, **settings):
    graphics, panel = pg.PicoGraphics(width, height, PENS[pen], is_inky_pack=pen == "1BITY")
    tap = pico_tap(graphics, pen if pen == "1BITY" else PENS[pen])
    return tap.display, panel, Rig(display=tap, **settings), tap


def draw(display, pens, dice) -> None:
    for _ in range(12):
        display.set_pen(dice.choice(pens))
        display.rectangle(
            dice.randrange(30), dice.randrange(20), dice.randrange(1, 18), dice.randrange(1, 12)
        )


@pytest.mark.parametrize("pen", PENS)
def test_every_pen(pen: str) -> None:
    display, panel, rig, _ = made(pen)
    dice = random.Random(pen)
    if pen.startswith("1"):
        pens = [0, 1, 15]
    else:
        pens = [display.create_pen(*(dice.randrange(256) for _ in range(3))) for _ in range(6)]
        pens.append(display.create_pen_hsv(0.6, 0.5, 0.9))
    for _ in range(5):
        draw(display, pens, dice)
        display.update()
        rig.settle()
        assert_shown(rig, panel)
    assert rig.recorder.errors == 0


@pytest.mark.parametrize("pen", ["P4", "P8"])
def test_a_pen_of_another_colour_counts_from_the_next_update(pen: str) -> None:
    display, panel, rig, _ = made(pen)
    red = display.create_pen(255, 0, 0)
    display.set_pen(red)
    display.rectangle(3, 3, 20, 20)
    display.update()
    rig.settle()
    display.update_pen(red, 0, 0, 255)
    rig.step(3)
    assert_shown(rig, panel)
    display.update()
    rig.settle()
    assert_shown(rig, panel)
    display.set_palette([(1, 2, 3), (40, 50, 60)])
    display.reset_pen(5)
    display.update()
    rig.settle()
    assert_shown(rig, panel)
    assert len(rig.bodies(m.Display)) == 4, "one at first, and one with each other palette"


def test_pens_created_before_the_tap_are_given_to_it() -> None:
    graphics, panel = pg.PicoGraphics(48, 32, pg.PEN_P4)
    colours = [(9, 8, 7), (200, 100, 50)]
    graphics.set_palette(colours)
    tap = pico_tap(graphics, "P4", palette=bytes([9, 8, 7, 200, 100, 50] + [0] * 42))
    rig = Rig(display=tap)
    tap.display.set_pen(1)
    tap.display.clear()
    tap.display.update()
    rig.settle()
    assert_shown(rig, panel)


def test_a_partial_update_shows_an_area_of_what_was_drawn() -> None:
    display, panel, rig, _ = made("1BITY")
    dice = random.Random(4)
    display.update()
    rig.settle()
    for _ in range(12):
        draw(display, [0, 15], dice)
        x, w = dice.randrange(20), dice.randrange(1, 28)
        y, h = 8 * dice.randrange(2), dice.choice((8, 16, 13, 4))
        display.partial_update(x, y, w, h)
        rig.settle()
        assert_shown(rig, panel)
    assert rig.recorder.errors == 0


def test_an_lcd_does_nothing_for_a_partial_update() -> None:
    display, panel, rig, _ = made("RGB332")
    display.update()
    rig.settle()
    display.set_pen(0xFF)
    display.clear()
    display.partial_update(0, 0, 48, 32)
    rig.step(5)
    assert_shown(rig, panel)


def test_another_framebuffer() -> None:
    display, panel, rig, _ = made("RGB332")
    display.update()
    rig.settle()
    display.set_framebuffer(None)
    display.set_framebuffer(bytes(range(256)) * 6)
    display.update()
    rig.settle()
    assert_shown(rig, panel)


def test_an_update_that_cannot_be_taken_is_shown_all_the_same() -> None:
    display, panel, rig, tap = made("1BITY")
    display.update()
    rig.settle()
    tap._source = b""
    display.set_pen(1)
    display.clear()
    display.update()
    rig.step()
    assert set(panel.values()) == {1} and rig.recorder.errors == 1


@pytest.mark.parametrize("pen", [pg.PEN_3BIT, pg.PEN_RGB888])
def test_pens_that_cannot_be_recorded_are_an_unknown_area(pen: int) -> None:
    graphics, _ = pg.PicoGraphics(48, 32, pen)
    tap = pico_tap(graphics, pen)
    rig = Rig(display=tap)
    rig.settle()
    assert rig.bodies(m.UnknownArea) == [m.UnknownArea(0, 0, 48, 32)] and rig.frames() == []


def test_the_stand_in_is_as_the_object_again() -> None:
    display, panel, rig, tap = made("P4")
    tap.detach()
    display.update_pen(1, 2, 3, 4)
    display.update()
    rig.step(3)
    assert rig.frames() == [] and not tap._is_recoloured


def test_a_pen_that_does_not_exist_is_named() -> None:
    graphics, _ = pg.PicoGraphics(48, 32, pg.PEN_P4)
    with pytest.raises(ValueError, match="RGB332, .* or 1BITY, got 'P16'"):
        pico_tap(graphics, "P16")
