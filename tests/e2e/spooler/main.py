"""Counts aloud, a `Tick` and a changed picture each turn, with a spool in --folder, until it is killed.

With --ticks N it counts N times, from --first on, hands over everything and ends.
"""

import json
import sys
import time

import pixeltrail
from simulation import Options, drain

_DRAIN_MS = 90_000


class Panel:
    width, height, pages = 128, 64, 8
    buffer = bytearray(1024)

    def show(self):
        pass


def main(options):
    panel = Panel()
    rec = pixeltrail.Recorder(
        panel,
        options.transport(),
        device_id=options.text("device-id"),
        sample_rate=1.0,
        board="Simulated display",
        vitals_interval_s=0,
        flash_spool_bytes=65_536,
        flash_spool_folder=options.text("folder") + "/spool",
        state_file=options.text("folder") + "/state",
    )
    number = int(options.number("first", 0))
    end = number + int(options.number("ticks", 1_000_000))
    while number < end:
        panel.buffer[number * 7 & 1023] ^= 255
        panel.show()
        rec.track("Tick", {"n": number})
        number += 1
        for _ in range(10):
            rec.poll()
            time.sleep_ms(1)
    drain(rec, _DRAIN_MS)
    print(json.dumps(rec.stats()))
    sys.exit(0 if rec.drained else 1)


main(Options())
