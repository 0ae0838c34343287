"""How the device and its recorder fare: the numbers of the vitals record, counted from the begin of the stream.

The first record of a stream comes soon, others every `interval_ms` and before the recorder stops: so the counts of a
run that lasts seconds are told as well.
"""

import gc

from micropython import const

from . import wire
from .clock import elapsed

_FIRST_MS = const(2_000)
_KINDS = wire.VITAL_REFUSED_CALLS + 1


class Vitals:
    def __init__(self, interval_ms):
        self._interval_ms = interval_ms  # 0: never
        self.numbers: list = [None] * _KINDS  # by the keys of the wire's vitals map
        self.begin_counting(0)

    def begin_counting(self, now):
        self._told_at = now
        self.longest_step_us = 0
        self._wait_ms = min(_FIRST_MS, self._interval_ms)

    @property
    def is_wanted(self):
        return self._interval_ms > 0

    def is_due(self, now):
        return self._interval_ms > 0 and elapsed(now, self._told_at) >= self._wait_ms

    def note_told(self, now):
        self._told_at = now
        self._wait_ms = self._interval_ms

    def tell(self, rssi, battery_mv):
        if isinstance(rssi, int):
            self.numbers[wire.VITAL_RSSI] = rssi
        if isinstance(battery_mv, int):
            self.numbers[wire.VITAL_BATTERY_MV] = battery_mv

    def note_step(self, step_us):
        if step_us > self.longest_step_us:
            self.longest_step_us = step_us

    def collect(self, capture, link, announcer, errors):
        n = self.numbers
        if hasattr(gc, "mem_free"):
            n[wire.VITAL_HEAP_FREE] = gc.mem_free()
            n[wire.VITAL_HEAP_USED] = gc.mem_alloc()
        n[wire.VITAL_FRAMES] = capture.frames
        n[wire.VITAL_SKIPPED] = capture.skipped
        n[wire.VITAL_REFUSED] = capture.refused
        n[wire.VITAL_MIXED] = capture.mixed
        n[wire.VITAL_BYTES] = link.bytes_sent
        n[wire.VITAL_LONGEST_STEP_US] = self.longest_step_us
        n[wire.VITAL_ERRORS] = errors
        n[wire.VITAL_RESENT] = link.resent
        n[wire.VITAL_REFUSED_CALLS] = announcer.refused_calls
