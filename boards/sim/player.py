"""Plays a recorded sequence on a display of its size, in lock-step with the recorder or at its own pace.

A sequence is NAME.json (format, size, t_ms of each frame) beside NAME.bin.gz: the first frame, then each one XOR the
one before it. In lock-step a frame is shown as soon as the recorder is idle, so it has taken every one before it.
"""

import json
import sys
import time

import deflate
import micropython
import pixeltrail
from simulation import Clock, drain

_PIECE = 4096
_DRAIN_MS = 60_000
# In lock-step the outbox may hold this much before the next frame is shown, so that no frame is ever refused.
_OUTBOX_BYTES = 96 * 1024
_WAITING_BYTES = 24 * 1024


@micropython.viper
def _xor(target: ptr8, at: int, source: ptr8, length: int):
    i = 0
    while i < length:
        target[at + i] ^= source[i]
        i += 1


class Panel:
    """A display as drivers have it: `buffer`, size and `show`."""

    def __init__(self, width, height, frame_bytes):
        self.width = width
        self.height = height
        self.buffer = bytearray(frame_bytes)

    def show(self):
        pass


def _clear(buffer):
    """In pieces: a second buffer of that size finds no room in a heap with the whole library in it."""
    zeros = memoryview(bytes(_PIECE))
    for at in range(0, len(buffer), _PIECE):
        size = min(_PIECE, len(buffer) - at)
        buffer[at : at + size] = zeros[:size]


def frames(path, panel, loop):
    """Put one frame after the other into the panel's buffer and yield; over and over with `loop`."""
    piece = bytearray(_PIECE)
    while True:
        with open(path, "rb") as file:
            blocks = deflate.DeflateIO(file, deflate.GZIP, 15)
            _clear(panel.buffer)
            while True:
                at = 0
                while at < len(panel.buffer):
                    count = blocks.readinto(piece, min(_PIECE, len(panel.buffer) - at))
                    if not count:
                        break
                    _xor(panel.buffer, at, piece, count)
                    at += count
                if at < len(panel.buffer):
                    break
                yield
        if not loop:
            return


def play(options):
    path = options.text("play")
    with open(path) as file:
        about = json.load(file)
    panel = Panel(about["width"], about["height"], about["frame_bytes"])
    is_paced = options.text("pace")
    # In lock-step no time passes between the frames, and the recorder may take what it needs
    haste = {} if is_paced else {"max_fps": 120, "max_step_ms": 20, "outbox_bytes": _OUTBOX_BYTES}
    rec = pixeltrail.Recorder(
        pixeltrail.tap(panel, format={"GS4": "GS4_HMSB"}.get(about["format"], about["format"])),
        options.transport(),
        device_id=options.text("device-id"),
        sample_rate=options.number("sample-rate", 1),
        app="Player",
        board="Simulated display",
        **haste,
    )
    clock = Clock(options.number("duration", 0))
    times = about["t_ms"]
    shown = 0
    for _ in frames(path[:-5] + ".bin.gz", panel, options.text("loop")):
        if is_paced:
            due = times[shown % len(times)] - times[0] + shown // len(times) * (times[-1] - times[0] + 500)
            while clock.now() < due:
                rec.poll()
                time.sleep_ms(1)
        panel.show()
        rec.poll()
        shown += 1
        while not is_paced and (not rec.idle or rec.stats()["outbox_bytes"] > _WAITING_BYTES):
            rec.poll()
        if clock.is_over():
            break
    drain(rec, _DRAIN_MS)
    counts = rec.stats()
    counts["shown"] = shown
    del counts["off"]  # names, and no number
    print(*[word for pair in sorted(counts.items()) for word in pair])
    sys.exit(0 if rec.drained else 1)
