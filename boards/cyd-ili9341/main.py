"""An energy meter with three pages and a touch panel: the "cheap yellow display", an ESP32 with 320x240 pixels.

Its heap has no room for a whole picture of 16 bits a pixel, so the frame has 16 colours; and it has no room for MQTT's
code beside the app unless that is frozen, so the recording leaves by the USB cable.
"""

import json
import math
import time

import machine
import pixeltrail
from ili9341 import ILI9341
from letters import center, right, text
from xpt2046 import XPT2046

with open("settings.json") as file:
    settings = json.load(file)


def pin_out(number, value=1):
    return machine.Pin(number, machine.Pin.OUT, value=value)


spi = machine.SPI(1, baudrate=40_000_000, sck=machine.Pin(14), mosi=machine.Pin(13), miso=machine.Pin(12))
lcd = ILI9341(spi, cs=pin_out(15), dc=pin_out(2))
light = pin_out(21)
touch_spi = machine.SoftSPI(
    baudrate=1_000_000, sck=machine.Pin(25), mosi=machine.Pin(32), miso=machine.Pin(39)
)
glass = XPT2046(touch_spi, pin_out(33), machine.Pin(36, machine.Pin.IN), 320, 240)

rec = pixeltrail.Recorder(
    lcd,
    pixeltrail.Serial("repl"),
    device_id=settings.get("device_id"),
    sample_rate=settings.get("sample_rate", 1.0),
    app="Energy Meter",
    app_version="1.0.0",
    board="CYD, ILI9341",
)

NIGHT = lcd.color(0, 12, 16, 24)
CARD = lcd.color(1, 30, 38, 54)
FAINT = lcd.color(2, 130, 142, 166)
TEXT = lcd.color(3, 240, 244, 250)
USED = lcd.color(4, 250, 150, 50)
MADE = lcd.color(5, 70, 200, 130)
LIMIT = lcd.color(6, 230, 70, 70)
PAGES = ("Now", "Day", "Limit")
SAMPLES = 60


class Meter:
    def __init__(self):
        self.page = 0
        self.limit = 3000
        self.used = self.made = 0
        self.watts = [0] * SAMPLES
        self.seconds = 0
        self.was_touched = None
        self.is_changed = True
        self.was_above = False
        rec.screen(PAGES[0])

    def measure(self):
        """What the house takes and the roof gives; put your meter's pulses here."""
        self.seconds += 1
        self.made = max(0, int(2600 * math.sin(self.seconds / 40)))
        self.used = int(1400 + 900 * math.sin(self.seconds / 7) + 700 * (self.seconds // 12 % 2))
        self.watts.append(self.used)
        self.watts.pop(0)
        is_above = self.used > self.limit
        if is_above and not self.was_above:
            rec.track("Limit Passed", {"watts": self.used, "limit": self.limit})
        self.was_above = is_above
        self.is_changed = True

    def touch(self, at):
        if at is not None:
            rec.touch(at[0], at[1], pixeltrail.MOVE if self.was_touched else pixeltrail.DOWN)
            if self.page == 2 and at[1] < 190:
                self.limit = 500 + (at[0] - 20) * 4500 // 280 // 100 * 100
                self.is_changed = True
        if self.was_touched and at is None:
            x, y = self.was_touched
            rec.touch(x, y, pixeltrail.UP)
            if y >= 200:
                self.page = min(2, x * 3 // 320)
                rec.screen(PAGES[self.page])
                self.is_changed = True
            elif self.page == 2:
                rec.track("Limit Changed", {"watts": self.limit})
        self.was_touched = at

    def draw(self):
        lcd.fill(NIGHT)
        (self.draw_now, self.draw_day, self.draw_limit)[self.page]()
        for at, name in enumerate(PAGES):
            lcd.fill_rect(4 + at * 106, 204, 100, 32, CARD)
            center(lcd, name, 54 + at * 106, 212, 2, TEXT if at == self.page else FAINT)

    def draw_now(self):
        for at, (name, watts, color) in enumerate((("used", self.used, USED), ("made", self.made, MADE))):
            y = 10 + 96 * at
            lcd.fill_rect(8, y, 304, 84, CARD)
            text(lcd, name, 18, y + 8, 1, FAINT)
            right(lcd, "%d W" % watts, 300, y + 24, 4, color)
            lcd.fill_rect(18, y + 68, min(284, 284 * watts // 5000), 8, color)

    def draw_day(self):
        lcd.fill_rect(8, 10, 304, 184, CARD)
        for at, watts in enumerate(self.watts):
            height = 170 * watts // 5000
            lcd.fill_rect(10 + at * 5, 190 - height, 4, height, LIMIT if watts > self.limit else USED)
        lcd.hline(10, 190 - 170 * self.limit // 5000, 300, LIMIT)

    def draw_limit(self):
        lcd.fill_rect(8, 10, 304, 184, CARD)
        center(lcd, "%d W" % self.limit, 160, 50, 4, TEXT)
        lcd.fill_rect(20, 130, 280, 10, FAINT)
        at = 20 + (self.limit - 500) * 280 // 4500
        lcd.fill_rect(20, 130, at - 20, 10, LIMIT)
        lcd.fill_rect(at - 6, 118, 12, 34, TEXT)


meter = Meter()
measured = time.ticks_ms()
while True:
    meter.touch(glass.position())
    if time.ticks_diff(time.ticks_ms(), measured) >= 500:
        measured = time.ticks_ms()
        meter.measure()
    if meter.is_changed:
        meter.is_changed = False
        meter.draw()
        lcd.show()
    rec.poll()
    time.sleep_ms(5)
