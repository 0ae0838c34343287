"""Time of the device: milliseconds that count up, the age of the stream, and the date when the board knows it.

Ticks wrap (at 2^30 on most boards); `update` turns their differences into two counters. `now` wraps at 2^30 and is for
timers, compared by `elapsed` alone. `stream_ms` counts from the begin of the stream and stops just below 2^30, before
which the recorder begins a new stream. Integers stay below 2^30, so nothing allocates.

The date is taken once, at a session's start and at each connection, and carried on by ticks: eight bytes, since
milliseconds since 1970 are a heap object on a 32-bit board. The library never sets the machine's clock.
"""

import os
import sys
import time

from micropython import const

_MASK = const((1 << 30) - 1)
STREAM_LIMIT_MS = (1 << 30) - 1
_EARLIEST = const(1735689600)  # 2025-01-01: a board whose clock was never set starts years before
_UNIX_2000 = const(946684800)

if sys.implementation.name == "micropython":
    ticks_ms = time.ticks_ms
    ticks_us = time.ticks_us
    ticks_diff = time.ticks_diff
    _EPOCH_SHIFT_S = 0 if time.gmtime(0)[0] == 1970 else _UNIX_2000
else:
    _EPOCH_SHIFT_S = 0

    def ticks_ms():
        return time.monotonic_ns() // 1_000_000 & _MASK  # pyright: ignore

    def ticks_us():
        return time.monotonic_ns() // 1_000 & _MASK  # pyright: ignore

    def ticks_diff(later, earlier):
        return (later - earlier + (1 << 29) & _MASK) - (1 << 29)


def elapsed(now, then):
    """Milliseconds from `then` to `now`, both values of Clock.now, right across the wrap."""
    return (now - then) & _MASK


def epoch_ms():
    """Milliseconds since 1970 by the board's own clock, or None when nobody has set it."""
    seconds = time.time() + _EPOCH_SHIFT_S
    if seconds < _EARLIEST:
        return None
    if hasattr(time, "time_ns"):
        return time.time_ns() // 1_000_000 + _EPOCH_SHIFT_S * 1000
    return int(seconds) * 1000


class Clock:
    """`ticks`, `epoch` and `microseconds` are functions to replace in tests."""

    def __init__(self, ticks=ticks_ms, epoch=epoch_ms, microseconds=ticks_us):
        self.ticks = ticks
        self._epoch = epoch
        self.microseconds = microseconds
        self._last = ticks()
        self.now = 0
        self.stream_ms = 0
        self._date = bytearray(8)
        self._date_at = 0
        self.has_date = False

    def update(self):
        ticks = self.ticks()
        passed = (ticks - self._last) & _MASK
        if not passed:
            return
        self._last = ticks
        self.now = (self.now + passed) & _MASK
        passed += self.stream_ms
        self.stream_ms = passed if passed < STREAM_LIMIT_MS else STREAM_LIMIT_MS

    def begin_stream(self):
        self.stream_ms = 0

    def read_date(self):
        """Ask the board for the date; returns ms since 1970 or None. Allocates."""
        date = self._epoch()
        self.has_date = date is not None
        if date is not None:
            self._date[:] = date.to_bytes(8, "big")
            self._date_at = self.now
        return date

    def date(self):
        """The date now as eight bytes, most significant first, or None. The bytes are valid until the next call."""
        if not self.has_date:
            return None
        rest = elapsed(self.now, self._date_at)
        self._date_at = self.now
        date = self._date
        for i in range(7, -1, -1):
            rest += date[i]
            date[i] = rest & 0xFF
            rest >>= 8
        return date


def _unique_id():
    try:
        import machine

        return machine.unique_id()
    except (ImportError, AttributeError):
        return b""


def new_stream_id(previous=b""):
    """Eight bytes that no other start of any device has: system randomness mixed with what differs between boards.

    Some boards have weak randomness right after power-on, hence the chip's ID and the tick counter.
    """
    mixed = bytearray(os.urandom(8))
    salt = _unique_id() + bytes(previous) + (ticks_us() & _MASK).to_bytes(4, "little")
    h = 0x1505
    for i in range(len(salt)):
        h = (h * 33 ^ salt[i]) & 0xFFFFFF
        mixed[i & 7] ^= h & 0xFF
    return bytes(mixed)
