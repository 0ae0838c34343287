"""MicroPython's module `network` where the host's network serves: an access point that takes anybody after a moment."""

import time

STA_IF = 0
AP_IF = 1
_JOIN_MS = 50


class WLAN:
    def __init__(self, interface=STA_IF):
        self._is_active = False
        self._joined_at = None

    def active(self, is_active=None):
        if is_active is None:
            return self._is_active
        self._is_active = bool(is_active)

    def connect(self, ssid=None, key=None, **_):
        if not self._is_active:
            raise OSError("the interface is not active")
        self._joined_at = time.ticks_add(time.ticks_ms(), _JOIN_MS)

    def disconnect(self):
        self._joined_at = None

    def isconnected(self):
        return self._joined_at is not None and time.ticks_diff(time.ticks_ms(), self._joined_at) >= 0

    def status(self, what=None):
        if what == "rssi":
            return -58
        return 3 if self.isconnected() else 1

    def ifconfig(self):
        return ("127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1")

    def config(self, *names, **settings):
        return b"\x02\x00\x00\x00\x00\x01" if names == ("mac",) else None


def hostname(_=None):
    return "simulated"


def country(_=None):
    return "XX"
