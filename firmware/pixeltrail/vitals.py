"""How the device and its recorder fare: the numbers of the vitals record, counted from the begin of the stream.

The first record of a stream comes soon, others every `interval_ms` and before the recorder stops: so the counts of a
run that lasts seconds are told as well.

Counting what is free in a heap goes through all of it: milliseconds on a microcontroller, longer than a step with RAM
outside of the chip. So a record counts either what is free or what is used, in turns, and only in a heap that is quick
to count, which is tried once, at start.
"""

import gc

from micropython import const

from . import wire
from .clock import elapsed, ticks_diff

_COUNT_US = const(4_000)  # the longest that counting the heap may take
_FIRST_MS = const(2_000)
_KINDS = wire.VITAL_REFUSED_CALLS + 1


class Vitals:
    def __init__(self, interval_ms, microseconds):
        self._interval_ms = interval_ms  # 0: never
        self.numbers: list = [None] * _KINDS  # by the keys of the wire's vitals map
        self._counts_used = False
        self._counts_heap = interval_ms > 0 and hasattr(gc, "mem_free") and self._try_heap(microseconds)
        self.begin_counting(0)

    def _try_heap(self, microseconds):
        """Count both; False when one of them took too long."""
        began_us = microseconds()
        free = gc.mem_free()
        if ticks_diff(microseconds(), began_us) > _COUNT_US:
            return False
        self.numbers[wire.VITAL_HEAP_FREE] = free
        self.numbers[wire.VITAL_HEAP_USED] = gc.mem_alloc()
        return True

    def begin_counting(self, now):
        self._told_at = now
        self.longest_step_us = 0
        self._wait_ms = min(_FIRST_MS, self._interval_ms)

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

    def collect(self, capture, link, announcer, errors):
        n = self.numbers
        if self._counts_heap:
            if self._counts_used:
                n[wire.VITAL_HEAP_USED] = gc.mem_alloc()
            else:
                n[wire.VITAL_HEAP_FREE] = gc.mem_free()
            self._counts_used = not self._counts_used
        n[wire.VITAL_FRAMES] = capture.frames
        n[wire.VITAL_SKIPPED] = capture.skipped
        n[wire.VITAL_REFUSED] = capture.refused
        n[wire.VITAL_MIXED] = capture.mixed
        n[wire.VITAL_BYTES] = link.bytes_sent
        n[wire.VITAL_LONGEST_STEP_US] = self.longest_step_us
        n[wire.VITAL_ERRORS] = errors
        n[wire.VITAL_RESENT] = link.resent
        n[wire.VITAL_REFUSED_CALLS] = announcer.refused_calls()
