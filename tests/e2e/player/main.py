"""Shows a recorded sequence and counts aloud: after every picture a `Tick` with the next number.

In lock-step a picture is shown when the recorder has taken the one before it; with --pace at the recorded times,
`speed` times as fast. The last line printed is the counters as JSON.
"""

import json
import sys
import time

import pixeltrail
from player import Panel, frames
from simulation import Options, drain

_DRAIN_MS = 90_000
_FRAMEBUF = {"GS4": "GS4_HMSB"}  # where a sequence's format has another name than framebuf's


def record(options, panel, name):
    settings = {}
    for setting in ("outbox-bytes", "max-step-ms", "keyframe-interval-s", "vitals-interval-s", "max-fps"):
        if options.text(setting):
            settings[setting.replace("-", "_")] = int(options.text(setting))
    return pixeltrail.Recorder(
        pixeltrail.tap(panel, format=_FRAMEBUF.get(name, name)),
        options.transport(),
        device_id=options.text("device-id"),
        sample_rate=options.number("sample-rate", 1),
        app="Player",
        app_version="1.0",
        board="Simulated display",
        **settings,
    )


def settle(rec):
    """Until the recorder has taken what is shown."""
    while not rec.idle:
        rec.poll()
        time.sleep_ms(1)


def wait(rec, start, until_ms):
    while time.ticks_diff(time.ticks_ms(), start) < until_ms:
        rec.poll()
        time.sleep_ms(1)


def main(options):
    path = options.text("play")
    with open(path) as file:
        about = json.load(file)
    panel = Panel(about["width"], about["height"], about["frame_bytes"])
    rec = record(options, panel, about["format"])
    times, speed = about["t_ms"], options.number("speed", 1)
    ticks = 0
    start = time.ticks_ms()
    for _ in range(int(options.number("loops", 1))):
        for number, _ in enumerate(frames(path[:-5] + ".bin.gz", panel, False)):
            if options.text("pace"):
                wait(rec, start, (times[number] - times[0]) / speed)
            panel.show()
            rec.poll()
            if not options.text("pace"):
                settle(rec)
            rec.track("Tick", {"n": ticks})
            if options.text("aloud"):
                print("tick", ticks, "of the app")
            ticks += 1
    settle(rec)
    drain(rec, _DRAIN_MS)
    counters = {"ticks": ticks, "drained": rec.drained}
    counters.update(rec.stats())
    if options.text("out"):
        with open(options.text("out"), "w") as file:
            file.write(json.dumps(counters))
    print(json.dumps(counters))
    sys.exit(0 if rec.drained else 1)


main(Options())
