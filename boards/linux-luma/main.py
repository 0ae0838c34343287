"""A meter for a small computer: how busy it is, its memory, how long it has been up. SSD1306 with luma.oled."""

import json
import os
import time

import pixeltrail
from luma.core.interface.serial import i2c
from luma.core.render import canvas
from luma.oled.device import ssd1306

with open("settings.json") as file:
    settings = json.load(file)

device = ssd1306(i2c(port=1, address=0x3C), width=128, height=64)

rec = pixeltrail.Recorder(
    device,
    pixeltrail.MQTT(
        settings["broker"],
        settings.get("port"),
        settings.get("user"),  # and these, if the bridge asks for a key
        settings.get("key"),
        settings.get("tls"),
    ),
    device_id=settings["device_id"],  # a computer has no ID of its own
    sample_rate=settings.get("sample_rate", 1.0),
    app="Machine Meter",
    app_version="1.0.0",
    board="Linux, luma.oled",
)

PAGES = ("Load", "Memory", "Up")
PAGE_S = 3
COLUMNS = 120


def memory_share():
    amounts = {}
    with open("/proc/meminfo") as lines:
        for line in lines:
            name, amount = line.split(":")
            amounts[name] = int(amount.split()[0])
    return 1 - amounts["MemAvailable"] / amounts["MemTotal"]


def uptime_s():
    with open("/proc/uptime") as file:
        return float(file.read().split()[0])


class Meter:
    def __init__(self):
        self.loads = [0.0] * COLUMNS
        self.page = 0
        self.was_busy = False
        rec.screen(PAGES[0])

    def measure(self):
        load = os.getloadavg()[0] / (os.cpu_count() or 1)
        self.loads = [*self.loads[1:], load]
        is_busy = load > 0.9
        if is_busy != self.was_busy:
            rec.track("Busy" if is_busy else "Calm", {"load": round(load, 2)})
        self.was_busy = is_busy

    def turn(self):
        self.page = (self.page + 1) % len(PAGES)
        rec.screen(PAGES[self.page])

    def draw(self):
        with canvas(device) as draw:
            draw.text((2, 0), PAGES[self.page], fill="white")
            draw.line((0, 13, 127, 13), fill="white")
            if self.page == 0:
                draw.text((80, 0), f"{self.loads[-1]:.0%}", fill="white")
                for at, load in enumerate(self.loads):
                    draw.line((4 + at, 62, 4 + at, 62 - min(46, int(46 * load))), fill="white")
            elif self.page == 1:
                share = memory_share()
                draw.text((80, 0), f"{share:.0%}", fill="white")
                draw.rectangle((4, 30, 124, 46), outline="white")
                draw.rectangle((6, 32, 6 + int(116 * share), 44), fill="white")
            else:
                seconds = int(uptime_s())
                draw.text((20, 26), f"{seconds // 86400} d {seconds // 3600 % 24} h", fill="white")
                draw.text((20, 42), f"{seconds // 60 % 60} min {seconds % 60} s", fill="white")


meter = Meter()
drawn = turned = time.monotonic()
while True:
    now = time.monotonic()
    if now - turned >= PAGE_S:
        turned = now
        meter.turn()
    if now - drawn >= 0.25:
        drawn = now
        meter.measure()
        meter.draw()
    rec.poll()
    time.sleep(0.01)
