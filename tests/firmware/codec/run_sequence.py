"""Encodes a recorded sequence and prints one line for each frame; runs on CPython and on MicroPython.

    micropython run_sequence.py FRAMES WIDTH HEIGHT FORMAT ROOM [lock] [pitch=N] [strip=N]

FRAMES holds whole pictures one after another. Each line is the SHA-256 of a frame's parts, with their number. `lock`
encodes with the heap locked, where any allocation is a MemoryError, and also compares the heap before and after.
"""

import gc
import hashlib
import sys
from binascii import hexlify

from pixeltrail.codec.encoder import Encoder


class Parts:
    """Keeps every part of a frame one after another in a buffer made at start."""

    def __init__(self, size):
        self.data = bytearray(size)
        self.count = 0
        self.end = 0

    def collect(self, encoder, is_key, room):
        self.count = 0
        self.end = 0
        encoder.begin(is_key)
        while not encoder.finished:
            size = encoder.encode_into(self.data, self.end, self.end + room, 20000)
            if not size:
                raise ValueError("stuck")
            self.end += size
            self.count += 1
        if is_key:
            encoder.checksum_into(self.data, self.end)
            self.end += 4


def locked(step, encoder, parts, is_key, room):
    """Run a step twice over: a warm one has been run before. Returns the bytes it left on the heap."""
    import micropython

    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    micropython.heap_lock()
    try:
        step(encoder, parts, is_key, room)
    finally:
        micropython.heap_unlock()
    used = gc.mem_alloc() - before
    gc.enable()
    return used


def step(encoder, parts, is_key, room):
    encoder.refresh()
    parts.collect(encoder, is_key, room)


def main(path, width, height, format, room, lock, pitch, strip_width):
    with open(path, "rb") as file:
        frames = file.read()
    bits = (1, 1, 1, 2, 4, 8, 16, 16, 8)[format]
    rows = (height + 7) // 8 if format == 0 else height
    size = (pitch or (width if format == 0 else (width * bits + 7) // 8)) * rows
    buffer = bytearray(size)
    encoder = Encoder(buffer, width, height, format, pitch, strip_width)
    parts = Parts(3 * size + 8192)
    for number in range(len(frames) // size):
        for i in range(size):
            buffer[i] = frames[number * size + i]
        is_key = number == 0
        if lock and number:
            used = locked(step, encoder, parts, number % 2 == 0, room)
            if used:
                raise MemoryError("frame %d left %d bytes" % (number, used))
        else:
            step(encoder, parts, is_key, room)
        if not encoder.exact:
            raise ValueError("not exact")
        print(parts.count, hexlify(hashlib.sha256(bytes(parts.data[: parts.end])).digest()).decode())


def number(name):
    for word in sys.argv:
        if word.startswith(name + "="):
            return int(word[len(name) + 1 :])
    return 0


arguments = sys.argv[1:]
shape = [int(word) for word in arguments[1:5]]
main(arguments[0], *shape, "lock" in arguments, number("pitch"), number("strip"))
