"""A shot timer for an espresso machine: press to start a shot, press again to end it. Pico W, OLED, one button."""

import json
import time

import machine
import pixeltrail
from letters import center
from ssd1306 import SSD1306_I2C

with open("settings.json") as file:
    settings = json.load(file)

if settings.get("wifi"):
    import wifi

    wifi.join(settings)
    link = wifi.link(settings)
else:
    link = pixeltrail.Serial("repl")  # the USB cable

i2c = machine.I2C(0, sda=machine.Pin(4), scl=machine.Pin(5), freq=400_000)
oled = SSD1306_I2C(128, 64, i2c)
button = machine.Pin(15, machine.Pin.IN, machine.Pin.PULL_UP)
sensor = machine.ADC(4)  # inside the chip

rec = pixeltrail.Recorder(
    oled,
    link,
    device_id=settings.get("device_id"),
    sample_rate=settings.get("sample_rate", 1.0),
    app="Shot Timer",
    app_version="1.0.0",
    board="Pico W, SSD1306",
)

GOOD_S = 25  # a shot that took about this long tastes


def degrees():
    """RP2040 datasheet, 4.9.5."""
    return 27 - (sensor.read_u16() * 3.3 / 65535 - 0.706) / 0.001721


class ShotTimer:
    def __init__(self):
        self.cups = 0
        self.last_s = 0.0
        self.started = None
        self.was_down = False
        self.degrees = degrees()
        self.degrees_at = time.ticks_ms()
        rec.screen("Ready")

    def step(self, now):
        is_down = not button.value()
        if is_down != self.was_down:
            self.was_down = is_down
            rec.key("brew", pixeltrail.DOWN if is_down else pixeltrail.UP)
            if is_down:
                self.press(now)
        if time.ticks_diff(now, self.degrees_at) > 2000:
            self.degrees_at = now
            self.degrees += (degrees() - self.degrees) / 4

    def press(self, now):
        if self.started is None:
            self.started = now
            rec.screen("Shot")
            rec.track("Shot Started", {"degrees": round(self.degrees, 1)})
            return
        self.last_s = time.ticks_diff(now, self.started) / 1000
        self.started = None
        self.cups += 1
        rec.track("Shot Ended", {"seconds": round(self.last_s, 1), "cups": self.cups})
        rec.screen("Ready")

    def draw(self, now):
        oled.fill(0)
        oled.text("%d C" % self.degrees, 0, 0)
        oled.text("%d cups" % self.cups, 128 - 8 * len("%d cups" % self.cups), 0)
        oled.hline(0, 11, 128, 1)
        if self.started is None:
            center(oled, "%.1f" % self.last_s, 64, 20, 3, 1)
            oled.text("press to brew", 12, 55)
            return
        seconds = time.ticks_diff(now, self.started) / 1000
        center(oled, "%.1f" % seconds, 64, 18, 3, 1)
        oled.rect(4, 50, 120, 10, 1)
        oled.fill_rect(6, 52, min(116, int(116 * seconds / GOOD_S)), 6, 1)


timer = ShotTimer()
drawn = time.ticks_ms()
timer.draw(drawn)
oled.show()
while True:
    now = time.ticks_ms()
    timer.step(now)
    if time.ticks_diff(now, drawn) >= 100:
        drawn = now
        timer.draw(now)
        oled.show()
    rec.poll()
    time.sleep_ms(5)
