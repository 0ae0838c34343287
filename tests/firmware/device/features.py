"""With the heap locked: taps that look at a display, masks, settings of the bridge, and a display drawn on directly.

Prints counts for the test to check.
"""

import micropython
import parts
import pixeltrail
from drivers import nano

TURNS = 120


class Direct:
    """A driver without a buffer, whose own methods allocate nothing."""

    def __init__(self, width, height):
        self.width = width
        self.height = height

    def set_window(self, x0, y0, x1, y1):
        pass

    def write(self, command=None, data=None):
        pass


def recorder(display, **settings):
    ticks = parts.Ticks()
    made = pixeltrail.Recorder(
        display,
        parts.Line(),
        device_id="steady-1",
        sample_rate=1.0,
        clock=ticks.clock,
        lifecycle_events=True,
        **settings,
    )
    return made, ticks


def step(rec, ticks):
    for _ in range(10):
        ticks.ms += 10
        rec.poll()


def draw_nano(display, turn):
    for i in range(20):
        display._mvb[(turn * 37 + i * 11) % 400] = turn * 7 + i & 0xFF
    display.refreshed()


def draw_direct(display, turn):
    display.set_window(turn % 30, 3, turn % 30 + 4, 7)
    display.write(None, PIXELS)
    display.write(None, PIXELS)


class Nano(nano.ST7789):
    """The driver's `show` with a bus that takes no time; the stand-in's own allocates."""

    def show(self):
        pass

    def refreshed(self):
        self.show()


PIXELS = bytes(range(26))


def turns(draw, display, rec, ticks, first, end):
    for turn in range(first, end):
        draw(display, turn)
        rec.touch(turn & 31, 5)
        rec.key("knob", pixeltrail.TURN, 1)
        step(rec, ticks)


def main():
    nano.ST7789.colour(1, 255, 0, 0)
    direct = Direct(40, 20)
    shadow = pixeltrail.direct_tap(direct, shadow=bytearray(40 * 20 * 2))
    display = Nano(40, 20)
    for draw, drawn, tap in ((draw_nano, display, display), (draw_direct, direct, shadow)):
        rec, ticks = recorder(tap, blind=[(0, 0, 4, 4)], mask_keys=True)
        rec.mask(0, 0, 10, 10)
        rec._remote.take({"max_fps": 12, "masks": [20, 0, 5, 5]}, 600, ticks.clock)
        rec._use_remote()
        turns(draw, drawn, rec, ticks, 0, 20)
        micropython.heap_lock()
        turns(draw, drawn, rec, ticks, 20, TURNS)
        with_pause = rec.paused()
        with_pause.__enter__()
        with_pause.__exit__(None, None, None)
        rec.mark_dirty()
        turns(draw, drawn, rec, ticks, TURNS, TURNS + 20)
        micropython.heap_unlock()
        stats = rec.stats()
        print("frames", stats["frames"])
        print("errors", stats["errors"])
        print("acks", stats["acks"])
    print("done")


main()
