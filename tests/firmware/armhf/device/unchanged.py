# WIDTH HEIGHT FORMAT PITCH WHAT N: does WHAT, N times, with nothing changed on the display.
#   show   a refresh with the hash pass inside
#   poll   a step with nothing to do, as the main loop has many between two refreshes
#   off    a refresh with the recorder stopped
import gc
import sys

import panel as panels

width, height, format, pitch = [int(word) for word in sys.argv[1:5]]
what, repetitions = sys.argv[5], int(sys.argv[6])
panel, hands, recorder = panels.make(width, height, format, pitch)
panels.settle(panel, hands, recorder)
if what == "off":
    recorder.stop()
frames = recorder.stats()["frames"]


def repeat(count):
    if what == "poll":
        for _ in range(count):
            recorder.poll()
    else:
        for _ in range(count):
            panel.show()


gc.collect()
gc.disable()
repeat(repetitions)
stats = recorder.stats()
if stats["frames"] != frames or stats["errors"]:
    raise ValueError("there was something to do: %r" % stats)
