"""MicroPython's module `machine` for a board that is imitated: pins, buses, converters and what hangs on them.

Methods have the names and arguments of the real ones; what an app does not need here is missing and says so. The parts
that are wired to the board, and what a person does with it, stand in emulation.json beside main.py, which is made from
the board's board.toml. Whoever presses a button does it when something looks: at each read of a pin, a converter or a
touch controller.
"""

import hashlib
import json
import math
import os
import sys
import time

import chips

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

with open("emulation.json") as _file:
    _about = json.load(_file)


class Person:
    """Presses buttons and touches glass as the board's board.toml says, over and over.

    A habit is [wait in ms, "press", pin, ms], [wait, "touch", x, y, ms] or [wait, "drag", x, y, to_x, to_y, ms].
    """

    def __init__(self, habits):
        self._habits = habits
        self._next = 0
        self._due = self._end = 0
        self._begin(time.ticks_ms())
        self.pin = None
        self.touch = None
        self._what = None

    def _begin(self, now):
        if self._habits:
            self._due = time.ticks_add(now, self._habits[self._next][0])

    def step(self):
        if not self._habits:
            return
        now = time.ticks_ms()
        if self._what is None:
            if time.ticks_diff(now, self._due) < 0:
                return
            self._what = self._habits[self._next]
            self._end = time.ticks_add(now, self._what[-1])
            self._next = (self._next + 1) % len(self._habits)
        _, action, *where, length = self._what
        left = time.ticks_diff(self._end, now)
        if left <= 0:
            self.pin = self.touch = self._what = None
            self._begin(now)
        elif action == "press":
            self.pin = where[0]
        elif action == "touch":
            self.touch = tuple(where)
        else:
            x, y, to_x, to_y = where
            done = 1 - left / length
            self.touch = (round(x + (to_x - x) * done), round(y + (to_y - y) * done))


_person = Person(_about["person"])
_levels = {}
_chips = [chips.make(about, _about) for about in _about["chips"]]


class Pin:
    IN = 0
    OUT = 1
    OPEN_DRAIN = 2
    PULL_UP = 1
    PULL_DOWN = 2
    IRQ_FALLING = 4
    IRQ_RISING = 8

    def __init__(self, id, mode=-1, pull=-1, value=None):
        self.id = id
        self.init(mode, pull, value)

    def init(self, mode=-1, pull=-1, value=None):
        self._pull = pull
        if value is not None:
            _levels[self.id] = 1 if value else 0

    def value(self, level=None):
        if level is not None:
            _levels[self.id] = 1 if level else 0
            return None
        _person.step()
        for chip in _chips:
            if chip.irq == self.id:
                return 0 if _person.touch else 1
        idle = 0 if self._pull == self.PULL_DOWN else _levels.get(self.id, 1)
        return 1 - idle if _person.pin == self.id else idle

    __call__ = value

    def on(self):
        self.value(1)

    high = on

    def off(self):
        self.value(0)

    low = off

    def toggle(self):
        self.value(1 - _levels.get(self.id, 0))


def _level(pin):
    return _levels.get(pin, 1)


class SPI:
    MSB = 0
    LSB = 1

    def __init__(self, id=-1, baudrate=1_000_000, **_):
        self.init(baudrate)

    def init(self, baudrate=1_000_000, **_):
        self.baudrate = baudrate

    def _chip(self):
        for chip in _chips:
            if chip.cs is not None and not _level(chip.cs):
                return chip
        return None

    def write(self, data):
        chip = self._chip()
        if chip is not None:
            chip.transfer(data, None, chip.dc is None or _level(chip.dc), _person)

    def write_readinto(self, data, answer):
        chip = self._chip()
        if chip is not None:
            chip.transfer(data, answer, chip.dc is None or _level(chip.dc), _person)

    def readinto(self, answer, value=0):
        self.write_readinto(bytes([value]) * len(answer), answer)

    def read(self, size, value=0):
        answer = bytearray(size)
        self.readinto(answer, value)
        return bytes(answer)

    def deinit(self):
        pass


SoftSPI = SPI


class I2C:
    def __init__(self, id=-1, scl=None, sda=None, freq=400_000, timeout=50_000):
        pass

    def _chip(self, address):
        for chip in _chips:
            if chip.address == address:
                return chip
        raise OSError(5)  # nobody acknowledges

    def scan(self):
        return sorted([chip.address for chip in _chips if chip.address is not None])

    def writeto(self, address, data, stop=True):
        self._chip(address).receive(bytes(data))
        return len(data)

    def writevto(self, address, vector, stop=True):
        return self.writeto(address, b"".join([bytes(part) for part in vector]), stop)


SoftI2C = I2C


class ADC:
    """What a sensor gives swings between two values, as [emulation.adc] says for the pin or channel."""

    ATTN_11DB = 3
    CORE_TEMP = 4

    def __init__(self, pin, atten=None):
        id = pin.id if isinstance(pin, Pin) else pin
        self._low, self._high, self._period_ms = _about["adc"].get(str(id), (30_000, 34_000, 20_000))

    def read_u16(self):
        _person.step()
        swing = math.sin(time.ticks_ms() % self._period_ms / self._period_ms * 2 * math.pi)
        return int((self._low + self._high) / 2 + (self._high - self._low) / 2 * swing)

    def read_uv(self):
        return self.read_u16() * 3_300_000 // 65_535

    def atten(self, _):
        pass


class PWM:
    def __init__(self, pin, freq=1000, duty_u16=0):
        self._freq, self._duty = freq, duty_u16

    def freq(self, value=None):
        if value is None:
            return self._freq
        self._freq = value

    def duty_u16(self, value=None):
        if value is None:
            return self._duty
        self._duty = value

    def deinit(self):
        pass


class WDT:
    def __init__(self, id=0, timeout=5000):
        pass

    def feed(self):
        pass


def unique_id():
    return hashlib.sha256(_about["name"].encode()).digest()[:8]


def freq(_=None):
    return _about["mhz"] * 1_000_000


def reset_cause():
    return PWRON_RESET


def reset():
    sys.exit(3)


soft_reset = reset


def idle():
    pass


def lightsleep(ms=0):
    time.sleep_ms(ms)


def i80():
    """The chip at the parallel bus, for the stand-in of i80.py."""
    for chip in _chips:
        if chip.cs is None and chip.address is None:
            return chip
    raise OSError("no chip at a parallel bus in %s/emulation.json" % os.getcwd())
