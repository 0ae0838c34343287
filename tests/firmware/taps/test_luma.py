"""luma.core's devices, the packages themselves: the recorded picture equals what their buses wrote into the panel."""

from __future__ import annotations

import random

import pytest
from luma.core.device import dummy
from luma.core.render import canvas
from luma.core.virtual import viewport
from luma.lcd import device as lcd
from luma.oled import device as oled
from PIL import Image
from pixeltrail import luma_tap
from pixeltrail_bridge.wire import messages as m

from ..rig import Rig


class Bus:
    """A serial interface of luma, with a controller behind it that has memory of `bits` a pixel.

    `pages`: eight rows in a byte, the lowest bit on top. Windows are set by the commands 2A, 2B and 2C of LCD
    controllers, 15, 75 and 5C of OLEDs in colour and grey, 21 and 22 of the SSD1306 and B0 to B7 of the SH1106.
    """

    def __init__(self, width: int, height: int, bits: int, column: int = 0, column_px: int = 1) -> None:
        self.width, self.height, self.bits = width, height, bits
        self._column, self._column_px = column, column_px
        self.pixels: dict[tuple[int, int], int] = {}
        self._pending: int | None = None
        self._x0 = self._x1 = self._y0 = self._y1 = self._at = 0

    def command(self, *cmd: int) -> None:
        first = self._pending = cmd[0]
        if self.bits == 1:
            if 0xB0 <= first <= 0xB7 and len(cmd) == 3:
                self._window((cmd[1] & 15) - 2, self.width - 1, first - 0xB0, first - 0xB0)
            elif first == 0x21 and len(cmd) == 6:
                self._window(cmd[1], cmd[2], cmd[4], cmd[5])
        elif first in (0x2C, 0x5C):
            self._at = 0

    def data(self, data: list[int]) -> None:
        data = list(data)
        if self._pending in (0x2A, 0x2B, 0x15, 0x75) and self.bits > 1:
            first, last = data if len(data) == 2 else (data[0] << 8 | data[1], data[2] << 8 | data[3])
            if self._pending in (0x2A, 0x15):
                self._x0 = (first - self._column) * self._column_px
                self._x1 = (last - self._column + 1) * self._column_px - 1
            else:
                self._y0, self._y1 = first, last
        elif self._pending in (0x2C, 0x5C) or self.bits == 1:
            self._write(data)

    def _window(self, x0: int, x1: int, y0: int, y1: int) -> None:
        self._x0, self._x1, self._y0, self._y1, self._at = x0, x1, y0, y1, 0

    def _put(self, value: int) -> None:
        wide = self._x1 - self._x0 + 1
        self.pixels[self._x0 + self._at % wide, self._y0 + self._at // wide] = value
        self._at += 1

    def _write(self, data: list[int]) -> None:
        if self.bits == 24:
            for at in range(0, len(data), 3):
                self._put(data[at] >> 3 << 11 | data[at + 1] >> 2 << 5 | data[at + 2] >> 3)
        elif self.bits == 16:
            for at in range(0, len(data), 2):
                self._put(data[at] << 8 | data[at + 1])
        elif self.bits == 4:
            for byte in data:
                self._put(byte >> 4)
                self._put(byte & 15)
        else:
            wide = self._x1 - self._x0 + 1
            for at, byte in enumerate(data):
                for bit in range(8):
                    self.pixels[at % wide, (self._y0 + at // wide) * 8 + bit] = byte >> bit & 1

    def cleanup(self) -> None:
        pass


def no_backlight(is_on: bool) -> None:
    pass


def made(kind: str, rotate: int = 0) -> tuple[object, Bus]:
    if kind == "ssd1306":
        bus = Bus(128, 64, 1)
        return oled.ssd1306(bus, rotate=rotate), bus
    if kind == "sh1106":
        bus = Bus(128, 64, 1)
        return oled.sh1106(bus, rotate=rotate), bus
    if kind == "ssd1351":
        bus = Bus(96, 96, 16)
        return oled.ssd1351(bus, width=96, height=96, rotate=rotate), bus
    if kind == "ssd1322":
        bus = Bus(64, 48, 4, column=(480 - 64) // 2 // 4, column_px=4)
        return oled.ssd1322(bus, width=64, height=48, rotate=rotate), bus
    if kind == "st7789":
        bus = Bus(60, 60, 24)
        return lcd.st7789(bus, width=60, height=60, rotate=rotate, backlight=no_backlight), bus
    bus = Bus(320, 240, 24)
    return lcd.ili9341(bus, width=320, height=240, rotate=rotate, backlight=no_backlight), bus


def turned(x: int, y: int, size: tuple[int, int], rotate: int) -> tuple[int, int]:
    """Where the panel has a pixel of an upright picture."""
    wide, high = size
    return ((x, y), (high - 1 - y, x), (wide - 1 - x, high - 1 - y), (y, wide - 1 - x))[rotate]


def pixel(record: m.Display, picture: bytes, x: int, y: int) -> int:
    if record.format == m.PixelFormat.MONO_HLSB:
        return picture[y * -(-record.width // 8) + x // 8] >> (7 - x % 8) & 1
    if record.format == m.PixelFormat.GS4_HMSB:
        return picture[y * -(-record.width // 2) + x // 2] >> (0 if x % 2 else 4) & 15
    assert record.format == m.PixelFormat.RGB565S
    at = 2 * (y * record.width + x)
    return picture[at] << 8 | picture[at + 1]


def assert_shown(rig: Rig, device: object, bus: Bus) -> None:
    record = rig.bodies(m.Display)[-1]
    assert (record.width, record.height) == device.size
    picture, is_mixed = rig.pictures()[-1]
    assert not is_mixed
    for y in range(record.height):
        for x in range(record.width):
            there = bus.pixels[turned(x, y, device.size, device.rotate)]
            assert pixel(record, picture, x, y) == there, (x, y)


def draw(device: object, dice: random.Random) -> None:
    with canvas(device) as paint:
        for _ in range(9):
            box = sorted(dice.randrange(device.width) for _ in range(2))
            side = sorted(dice.randrange(device.height) for _ in range(2))
            colour = "white" if device.mode == "1" else tuple(dice.randrange(256) for _ in range(3))
            paint.rectangle((box[0], side[0], box[1], side[1]), fill=colour)
        paint.text((3, 5), "pixeltrail", fill="white")


@pytest.mark.parametrize("rotate", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", ["ssd1306", "sh1106", "ssd1351", "ssd1322", "st7789"])
def test_the_panel_is_what_is_recorded(kind: str, rotate: int) -> None:
    device, bus = made(kind, rotate)
    rig = Rig(display=device)
    dice = random.Random(rotate)
    for _ in range(3):
        draw(device, dice)
        rig.settle()
        assert_shown(rig, device, bus)
    assert rig.recorder.errors == 0


def test_an_lcd_of_320x240_that_is_sent_what_changed() -> None:
    device, bus = made("ili9341")
    rig = Rig(display=device)
    with canvas(device) as paint:
        paint.rectangle((0, 0, 319, 239), fill="teal")
    rig.settle()
    with canvas(device) as paint:
        paint.rectangle((0, 0, 319, 239), fill="teal")
        paint.rectangle((30, 40, 60, 50), fill="orange")
    rig.settle()
    assert_shown(rig, device, bus)


def test_greys_are_the_device_s_own_sum() -> None:
    device, bus = made("ssd1322")
    rig = Rig(display=device)
    image = Image.new("RGB", device.size)
    dice = random.Random(3)
    image.putdata([tuple(dice.randrange(256) for _ in range(3)) for _ in range(64 * 48)])
    device.display(image)
    rig.settle()
    assert_shown(rig, device, bus)
    palette = rig.bodies(m.Display)[-1].palette
    assert palette[:6] == bytes((0, 0, 0, 17, 17, 17)) and palette[-3:] == bytes((255, 255, 255))


@pytest.mark.parametrize("mode", ["1", "RGB", "RGBA"])
def test_modes_and_odd_sizes(mode: str) -> None:
    device = dummy(width=61, height=35, mode=mode)
    rig = Rig(display=device)
    draw(device, random.Random(1))
    rig.settle()
    record = rig.bodies(m.Display)[-1]
    picture = rig.pictures()[-1][0]
    shown = device.image.convert("RGB")
    for y in range(35):
        for x in range(61):
            r, g, b = shown.getpixel((x, y))
            value = pixel(record, picture, x, y)
            assert value == (r > 0 if mode == "1" else r >> 3 << 11 | g >> 2 << 5 | b >> 3)


def test_the_emulator_with_pygame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    from luma.emulator.device import pygame

    device = pygame(width=60, height=40, transform="none", frame_rate=0)
    rig = Rig(display=device)
    draw(device, random.Random(2))
    rig.settle()
    record = rig.bodies(m.Display)[-1]
    picture = rig.pictures()[-1][0]
    for y in range(40):
        for x in range(60):
            r, g, b, _ = device._screen.get_at((x, y))
            assert pixel(record, picture, x, y) == r >> 3 << 11 | g >> 2 << 5 | b >> 3
    device._pygame.quit()


def test_a_viewport_is_seen_through_the_device_below_it() -> None:
    device = dummy(width=40, height=30, mode="RGB")
    rig = Rig(display=device)
    view = viewport(device, width=80, height=60)
    with canvas(view) as paint:
        paint.rectangle((50, 40, 70, 50), fill="red")
    view.set_position((40, 30))
    rig.settle()
    record, picture = rig.bodies(m.Display)[-1], rig.pictures()[-1][0]
    assert pixel(record, picture, 12, 12) == 0xF800 and pixel(record, picture, 5, 5) == 0


def test_no_picture_is_converted_while_nothing_is_recorded() -> None:
    device = dummy(width=40, height=30)
    tap = luma_tap(device)
    rig = Rig(display=tap, sample_rate=0.0)
    draw(device, random.Random(1))
    rig.step(3)
    assert not any(tap.buffer)


def test_a_picture_that_cannot_be_converted_is_shown_all_the_same() -> None:
    device = dummy(width=40, height=30)
    rig = Rig(display=device)
    device.preprocess = lambda image: image
    device.display(Image.new("P", (40, 30)).convert("RGB"))
    rig.settle()
    rig.recorder._sight.tap._convert = len  # an image has none
    draw(device, random.Random(1))
    rig.step()
    assert rig.recorder.errors == 1 and device.image.getbbox() is not None


def test_detaching_leaves_the_device_as_it_was() -> None:
    device = dummy(width=40, height=30)
    tap = luma_tap(device)
    tap.attach(None)
    tap.detach()
    assert "display" not in vars(device)
