"""FOLDER: three starts of a device, as MicroPython keeps what they leave; prints what each one tells."""

import sys

import parts
import pixeltrail
from pixeltrail.state import State

path = sys.argv[1] + "/kept"


def start(**settings):
    ticks = parts.Ticks()
    rec = pixeltrail.Recorder(
        parts.Oled(),
        parts.Line(),
        device_id="reboot-1",
        sample_rate=1.0,
        clock=ticks.clock,
        state_file=path,
        log_level=0,
        **settings,
    )
    for _ in range(30):
        ticks.ms += 10
        rec.poll()
    return rec, ticks


rec, ticks = start(lifecycle_events=True, app_version="1")
rec._remote.take({"max_fps": 7.5, "masks": [1, 2, 3, 4]}, 600, ticks.clock)
rec.opt_out()
try:
    {}["kettle"]
except KeyError as error:
    rec.crash(error)
print(rec.errors, rec.stats()["state_errors"])

crash = State(path).get("crash")
print("KeyError" in crash, "reboot.py" in crash)

rec, ticks = start(lifecycle_events=True, app_version="2")
print(rec._settings.boot, rec._remote.max_fps, rec._masks.flat, rec._session.opted_out, rec.errors)
print(State(path).get("crash"), State(path).get("version"))

with open(path + ".0", "w") as file:
    file.write("[99,")
with open(path + ".1", "w") as file:
    file.write("")
rec, ticks = start()
print(rec._settings.boot, rec._remote.max_fps, rec._session.opted_out, rec.errors)
