"""Every call while the app has used up the heap: none raises, and afterwards the recorder goes on."""

import gc

import parts
import pixeltrail

display = parts.Oled()
ticks = parts.Ticks()
rec = pixeltrail.Recorder(
    display, parts.Line(), device_id="full-1", sample_rate=1.0, clock=ticks.clock, log_level=4
)


class Odd:
    pass


# The app's own allocations would be its own errors.
ODD = {"odd": Odd}
GOOD = {"a": 1.5}


def calls():
    rec.track("A", ODD)
    rec.track("B", GOOD)
    rec.screen("B")
    rec.touch(1.5, 2)
    rec.key("k")
    rec.log("text")
    rec.mask(1, 2, 3, 4)
    rec.unmask(1, 2, 3, 4)
    rec.opt_out(True)
    rec.opt_out(False)
    rec.new_session()
    rec.background()
    rec.mark_dirty()
    rec.crash(None)
    rec.flush()
    rec.stop()
    rec.start()


def fill():
    """Take all there is, in ever smaller pieces; the pieces are linked through their first item."""
    pieces = None
    size = 4096
    while size:
        try:
            piece = [None] * size
            piece[0] = pieces
            pieces = piece
        except MemoryError:
            size //= 2
    return pieces


def turn(n):
    display.buffer[n % 1024] = n & 255
    display.show()
    for _ in range(10):
        ticks.ms += 10
        rec.poll()


turn(1)
calls()
gc.collect()
pieces = fill()
for n in range(20):
    calls()
    turn(n)
pieces = None
gc.collect()
print("contained", rec.errors > 0)
rec.start()
frames = rec.stats()["frames"]
for n in range(20):
    turn(n + 50)
print("off", rec.stats()["off"], "goes on", rec.stats()["frames"] > frames)
