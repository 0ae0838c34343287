# BINDING PLAN OUT: plays recorded flushes through a driver on top of LVGL's stand-in, into a file of messages.
#
# PLAN is a folder: `size` holds width and height; `frames` pictures one behind the other, `areas` a line of corners for
# each. For each picture prints how many frames the recorder has made of it and whether the panel shows it.

import sys

import parts
import pixeltrail
from drivers import lvgl

binding, plan, out = sys.argv[1:4]
with open(plan + "/size") as file:
    width, height = [int(word) for word in file.read().split()]
size = width * height * 2
shadow = bytearray(size)

if binding == "lvgl_micropython":
    panel = lvgl.Panel(width, height)
    display = lvgl.DisplayDriver(lvgl.Bus(panel), width, height)
    renderer = display._disp_drv
    tap = pixeltrail.lvgl_tap(display, shadow)
elif binding == "lv_micropython 9":
    panel = lvgl.Panel(width, height)
    renderer = display = lvgl.Display(width, height)

    def flush_cb(disp_drv, area, color_p):
        data = color_p.__dereference__((area.x2 - area.x1 + 1) * (area.y2 - area.y1 + 1) * 2)
        lvgl.swap(data)
        panel.write(area.x1, area.y1, area.x2, area.y2, data)
        disp_drv.flush_ready()

    display.set_flush_cb(flush_cb)
    tap = pixeltrail.lvgl_tap(display, shadow, flush=flush_cb)
else:  # lv_micropython 8
    display = lvgl.ILI9XXX(width, height)
    panel, renderer = display.panel, display.disp_drv
    tap = pixeltrail.lvgl_tap(display, shadow, format="RGB565S")

ticks = parts.Ticks()
rec = pixeltrail.Recorder(
    tap,
    pixeltrail.File(out),
    device_id="lvgl-1",
    sample_rate=1.0,
    vitals_interval_s=0,
    clock=ticks.clock,
    debug_mode=True,
)
renderer.refresh(bytes(size), [(0, 0, width - 1, height - 1)])


def settle():
    while True:
        ticks.ms += 100
        rec.poll()
        if rec.idle and rec.drained:
            return


settle()
print(rec.stats()["frames"], "True")
frames = open(plan + "/frames", "rb")
areas = open(plan + "/areas")
swapped = bytearray(size)
for line in areas:
    numbers = [int(word) for word in line.split()]
    picture = frames.read(size)
    renderer.refresh(picture, [tuple(numbers[i : i + 4]) for i in range(0, len(numbers), 4)])
    settle()
    if binding == "lv_micropython 8":
        is_same = panel.memory == picture
    else:
        swapped[:] = picture
        lvgl.swap(swapped)
        is_same = panel.memory == swapped
    print(rec.stats()["frames"], is_same)
print("errors", rec.errors)
