"""Frames, calls, touches, chunks, acks and resends with the heap locked: any allocation raises and is counted.

Run long enough for the outbox to turn many times. Prints counts for the test to check.
"""

import micropython
import parts
import pixeltrail

FRAMES = 700  # 70 s: two syncs by the clock, one record of vitals
DATE = 1767323045000
PROPERTIES = {"cups": 2, "size": "gro\u00df", "hot": True, "temperature": 91.5, "steps": [1, 2, {"a": None}]}


def make(exact, date):
    display = parts.Oled()
    line = parts.Line()
    ticks = parts.Ticks()
    ticks.date = date
    recorder = pixeltrail.Recorder(
        display,
        line,
        device_id="steady-1",
        sample_rate=1.0,
        exact=exact,
        clock=ticks.clock,
        debug_mode=False,
    )
    return display, line, ticks, recorder


def draw(buffer, turn):
    for i in range(turn % 40):
        buffer[(turn * 37 + i * 11) & 1023] = turn * 7 + i & 0xFF


def work(display, line, ticks, recorder, first, end):
    for turn in range(first, end):
        draw(display.buffer, turn)
        display.show()
        if turn % 3 == 0:
            recorder.touch(turn & 127, turn & 63, pixeltrail.DOWN)
            recorder.key("ok", pixeltrail.TURN, -3)
            recorder.log("level \u00e4", 2)
        if turn % 5 == 0:
            recorder.track("Brew Started", PROPERTIES)
            recorder.screen("Home")
            recorder.identify("user-1", PROPERTIES)
        # Silent for 6 s: the outbox fills, refuses, and is sent again
        line.acks = not 100 <= turn % 200 < 160
        for _ in range(10):
            ticks.ms += 10
            recorder.poll()


def main():
    for exact, date in ((True, None), (False, DATE)):
        display, line, ticks, recorder = make(exact, date)
        work(display, line, ticks, recorder, 0, 20)
        micropython.heap_lock()
        work(display, line, ticks, recorder, 20, FRAMES)
        micropython.heap_unlock()
        stats = recorder.stats()
        for name in ("frames", "resent", "refused", "errors", "acks", "mixed"):
            print(name, stats[name])
        print("chunks", recorder._chunk.seq)
    print("done")


if __name__ == "__main__":
    main()
