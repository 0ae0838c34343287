"""A room thermostat with four keys: Pico 2 W with a display of 240x240, as on Waveshare's Pico-LCD-1.3."""

import json
import time

import machine
import pixeltrail
import wifi
from letters import center, right, text
from spi_bus import Bus
from st7789 import ST7789, rgb

with open("settings.json") as file:
    settings = json.load(file)

wifi.join(settings)


def pin_out(number, value=1):
    return machine.Pin(number, machine.Pin.OUT, value=value)


spi = machine.SPI(1, baudrate=62_500_000, sck=machine.Pin(10), mosi=machine.Pin(11))
lcd = ST7789(Bus(spi, pin_out(8), pin_out(9)), 240, 240, madctl=0x70, reset=pin_out(12))
light = machine.PWM(machine.Pin(13), freq=1000, duty_u16=48_000)
KEYS = {
    "warmer": machine.Pin(15, machine.Pin.IN, machine.Pin.PULL_UP),  # A
    "cooler": machine.Pin(17, machine.Pin.IN, machine.Pin.PULL_UP),  # B
    "page": machine.Pin(19, machine.Pin.IN, machine.Pin.PULL_UP),  # X
    "away": machine.Pin(21, machine.Pin.IN, machine.Pin.PULL_UP),  # Y
}
sensor = machine.ADC(4)  # inside the chip

rec = pixeltrail.Recorder(
    pixeltrail.tap(lcd, format="RGB565S"),
    wifi.link(settings),
    device_id=settings.get("device_id"),
    sample_rate=settings.get("sample_rate", 1.0),
    app="Thermostat",
    app_version="1.0.0",
    board="Pico 2 W, ST7789",
)

NIGHT, CARD, LINE = rgb(11, 16, 28), rgb(24, 33, 51), rgb(60, 74, 104)
TEXT, FAINT, WARM, COOL = rgb(240, 244, 252), rgb(136, 150, 176), rgb(255, 138, 60), rgb(76, 168, 255)
HISTORY = 96


def degrees():
    """RP2350 datasheet, 12.4.6."""
    return 27 - (sensor.read_u16() * 3.3 / 65535 - 0.706) / 0.001721


class Thermostat:
    def __init__(self):
        self.room = degrees()
        self.target = 21.0
        self.is_away = False
        self.is_heating = False
        self.page = "Home"
        self.history = bytearray([int(4 * self.room)] * HISTORY)  # quarters of a degree
        self.down = set()
        self.is_changed = True
        rec.screen("Home")

    def step(self):
        for name, pin in KEYS.items():
            is_down = not pin.value()
            if is_down != (name in self.down):
                rec.key(name, pixeltrail.DOWN if is_down else pixeltrail.UP)
                if is_down:
                    self.down.add(name)
                    self.press(name)
                else:
                    self.down.remove(name)

    def press(self, name):
        self.is_changed = True
        if name == "page":
            self.page = "History" if self.page == "Home" else "Home"
            rec.screen(self.page)
        elif name == "away":
            self.is_away = not self.is_away
            rec.track("Away Changed", {"away": self.is_away})
        else:
            self.target = min(30.0, max(10.0, self.target + (0.5 if name == "warmer" else -0.5)))
            rec.track("Target Changed", {"to": self.target})

    def measure(self):
        """Once a second."""
        self.room += (degrees() - self.room) / 8
        self.history[:-1] = self.history[1:]
        self.history[-1] = max(0, min(255, int(4 * self.room)))
        wanted = 16.0 if self.is_away else self.target
        is_heating = self.room < wanted - (0.0 if self.is_heating else 0.3)
        if is_heating != self.is_heating:
            self.is_heating = is_heating
            rec.track("Heating On" if is_heating else "Heating Off", {"room": round(self.room, 1)})
        self.is_changed = True

    def draw(self):
        lcd.fill(NIGHT)
        text(lcd, self.page, 12, 12, 2, TEXT)
        if self.is_away:
            right(lcd, "away", 228, 12, 2, FAINT)
        if self.page == "Home":
            self.draw_home()
        else:
            self.draw_history()

    def draw_home(self):
        colour = WARM if self.is_heating else COOL
        lcd.fill_rect(12, 44, 216, 108, CARD)
        center(lcd, "%.1f" % self.room, 120, 72, 6, TEXT)
        lcd.fill_rect(12, 152, 216, 4, colour)
        center(lcd, "set %.1f" % self.target, 120, 172, 3, colour)
        share = int(216 * (self.target - 10) / 20)
        lcd.fill_rect(12, 212, 216, 8, LINE)
        lcd.fill_rect(12, 212, share, 8, colour)
        lcd.fill_rect(8 + share, 206, 8, 20, TEXT)

    def draw_history(self):
        low, high = min(self.history) - 4, max(self.history) + 4
        lcd.fill_rect(12, 44, 216, 150, CARD)
        for at in range(HISTORY):
            height = 150 * (self.history[at] - low) // (high - low)
            lcd.fill_rect(12 + at * 9 // 4, 194 - height, 2, height, COOL)
        text(lcd, "%.1f to %.1f" % ((low + 4) / 4, (high - 4) / 4), 12, 208, 2, FAINT)


app = Thermostat()
measured = time.ticks_ms()
while True:
    app.step()
    if time.ticks_diff(time.ticks_ms(), measured) >= 1000:
        measured = time.ticks_ms()
        app.measure()
    if app.is_changed:
        app.is_changed = False
        app.draw()
        lcd.show()
    rec.poll()
    time.sleep_ms(5)
