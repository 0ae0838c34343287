"""Shows the numbers 0, 1, 2 ... as rows of black and white squares, and prints when each was shown (ms since 1970)."""

import random
import time

import pixeltrail
from simulation import Display, Options, drain

WIDTH, HEIGHT = 320, 240
BITS, SIDE = 12, 16  # the lowest bit at the left; page.js in bench_view.py reads them
LEAST_MS, MOST_MS = 150, 400

options = Options()
display = Display(WIDTH, HEIGHT)
rec = pixeltrail.Recorder(
    display,
    options.transport(),
    device_id=options.text("device-id"),
    sample_rate=1.0,
    app="Count",
    app_version="1",
    board="Display that counts",
)


def draw(number):
    for bit in range(BITS):
        display.fill_rect(bit * SIDE, 0, SIDE, SIDE, 0xFFFF if number >> bit & 1 else 0)
    x, y = random.randint(0, WIDTH - 60), random.randint(SIDE, HEIGHT - 40)
    display.fill_rect(x, y, 60, 40, random.randint(0, 0xFFFF))  # about as much as a widget


count = int(options.number("count", 100))
number, due = 0, time.ticks_add(time.ticks_ms(), int(options.number("wait", 5000)))
while number < count:
    if time.ticks_diff(time.ticks_ms(), due) >= 0:
        number += 1
        draw(number)
        print(number, time.time_ns() // 1_000_000)
        display.show()
        due = time.ticks_add(due, random.randint(LEAST_MS, MOST_MS))
    rec.poll()
    time.sleep_ms(1)
drain(rec)
