# SIZE N: flushes an area of a display of 320x240 N times; SIZE is width and height, such as 40x20.

import sys

import parts
import pixeltrail
from taps_flush import Area, Renderer

wide, high = [int(n) for n in sys.argv[1].split("x")]
renderer = Renderer(320, 240)
shadow = bytearray(320 * 240 * 2)
tap = pixeltrail.lvgl_tap(renderer, shadow, flush=renderer.flush)
ticks = parts.Ticks()
rec = pixeltrail.Recorder(
    tap, parts.Line(), device_id="flush-1", sample_rate=1.0, vitals_interval_s=0, clock=ticks.clock
)
renderer.show(Area(0, 0, 319, 239))
for _ in range(60):
    ticks.ms += 100
    rec.poll()
area = Area(64, 40, 63 + wide, 39 + high) if wide < 320 else Area(0, 0, 319, 239)
for _ in range(int(sys.argv[2])):
    renderer.show(area)
