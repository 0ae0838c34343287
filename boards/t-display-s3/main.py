"""A conference badge: who you are, what comes next, and how much battery is left. LILYGO T-Display-S3, two buttons."""

import json
import time

import machine
import pixeltrail
import wifi
from i80 import Bus
from letters import center, text
from st7789 import ST7789, rgb

with open("settings.json") as file:
    settings = json.load(file)

wifi.join(settings)


def pin_out(number, value=1):
    return machine.Pin(number, machine.Pin.OUT, value=value)


def numbered(number):
    return pin_out(number), number


power = pin_out(15)  # of the display, when running from the battery
light = pin_out(38)
bus = Bus(
    [numbered(number) for number in (39, 40, 41, 42, 45, 46, 47, 48)],
    wr=numbered(8),
    dc=numbered(7),
    cs=numbered(6),
    rd=numbered(9),
)
lcd = ST7789(bus, 170, 320, x=35, reset=pin_out(5))
next_page = machine.Pin(14, machine.Pin.IN, machine.Pin.PULL_UP)
wave = machine.Pin(0, machine.Pin.IN, machine.Pin.PULL_UP)  # also BOOT
battery = machine.ADC(machine.Pin(4), atten=machine.ADC.ATTN_11DB)  # half of the battery's voltage

rec = pixeltrail.Recorder(
    pixeltrail.tap(lcd, format="RGB565S"),
    wifi.link(settings),
    device_id=settings.get("device_id"),
    sample_rate=settings.get("sample_rate", 1.0),
    app="Badge",
    app_version="1.0.0",
    board="T-Display-S3",
)

PAPER, INK, FAINT = rgb(250, 246, 236), rgb(24, 28, 40), rgb(140, 140, 150)
ACCENT, GREEN, RED = rgb(214, 64, 92), rgb(40, 160, 96), rgb(220, 60, 40)
NAME = settings.get("name", "Ada Lovelace").split()
ROLE = settings.get("role", "Engines")
TALKS = (
    ("10:00", "Opening"),
    ("10:30", "Small heaps"),
    ("11:15", "Coffee"),
    ("11:45", "Dirty rects"),
    ("13:00", "Lunch"),
)
PAGES = ("Name", "Programme", "Wave")


class Badge:
    def __init__(self):
        self.page = 0
        self.row = 0
        self.waves = 0
        self.began = time.ticks_ms()
        self.was_down = {}
        self.is_changed = True
        self.millivolts = self.measure()
        rec.screen(PAGES[0])

    def measure(self):
        return 2 * battery.read_uv() // 1000

    def pressed(self, name, pin):
        is_down = not pin.value()
        if is_down == self.was_down.get(name, False):
            return False
        self.was_down[name] = is_down
        rec.key(name, pixeltrail.DOWN if is_down else pixeltrail.UP)
        return is_down

    def step(self, now):
        if self.pressed("next", next_page):
            self.page = (self.page + 1) % len(PAGES)
            self.open()
        if self.pressed("wave", wave):
            self.page = 2
            self.waves += 1
            rec.track("Waved", {"times": self.waves})
            self.open()
        if self.page == 2:
            self.is_changed = True  # moves all the time
        elif self.page == 1 and time.ticks_diff(now, self.began) > 700:
            self.began = now
            self.row = (self.row + 1) % len(TALKS)
            self.is_changed = True

    def open(self):
        self.row = 0
        self.began = time.ticks_ms()
        self.is_changed = True
        self.millivolts = self.measure()
        rec.screen(PAGES[self.page])
        rec.vitals(battery_mv=self.millivolts)

    def draw(self, now):
        lcd.fill(PAPER)
        share = min(100, max(0, (self.millivolts - 3300) // 9))
        lcd.rect(132, 8, 28, 12, INK)
        lcd.fill_rect(134, 10, 24 * share // 100, 8, GREEN if share > 20 else RED)
        (self.draw_name, self.draw_programme, self.draw_wave)[self.page](now)

    def draw_name(self, now):
        lcd.fill_rect(0, 40, 170, 64, ACCENT)
        center(lcd, "HELLO", 85, 56, 4, PAPER)
        for at, word in enumerate(NAME[:3]):
            center(lcd, word, 85, 140 + 34 * at, 2, INK)
        center(lcd, ROLE, 85, 280, 1, FAINT)

    def draw_programme(self, now):
        text(lcd, "Next", 10, 8, 2, ACCENT)
        for at, (hour, title) in enumerate(TALKS):
            y = 44 + 52 * at
            if at == self.row:
                lcd.fill_rect(0, y - 8, 170, 44, ACCENT)
            text(lcd, hour, 10, y, 1, PAPER if at == self.row else FAINT)
            text(lcd, title, 10, y + 14, 1, PAPER if at == self.row else INK)

    def draw_wave(self, now):
        center(lcd, "Hi!", 85, 60, 5, INK)
        turn = time.ticks_diff(now, self.began) // 60 % 20
        x = 85 + 4 * (turn if turn < 10 else 20 - turn) - 20
        lcd.fill_rect(80, 210, 12, 90, ACCENT)
        for finger in range(4):
            lcd.fill_rect(x - 24 + 14 * finger, 150, 9, 50, ACCENT)
        lcd.fill_rect(x - 24, 190, 51, 30, ACCENT)


badge = Badge()
while True:
    now = time.ticks_ms()
    badge.step(now)
    if badge.is_changed:
        badge.is_changed = False
        badge.draw(now)
        lcd.show()
    rec.poll()
    time.sleep_ms(10)
