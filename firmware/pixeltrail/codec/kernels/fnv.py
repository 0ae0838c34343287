"""FNV-1a over painted rows, in viper: the checksum of a keyframe (schema/wire.md, "frame")."""

import micropython


@micropython.viper
def add(p: ptr8, h: uint, state: ptr32, q: ptr32):
    """Add the first q[8] rows of an area (encoder.py) to the 32-bit state. 10 instructions a byte."""
    at = q[0]
    pitch = q[1]
    size = q[2]
    rows = q[8]
    edge = q[6]
    foot = q[7]
    i = 0
    stop = 0
    mask = 255
    h = uint(state[0])
    while rows:
        i = at
        stop = at + size - 1
        mask = 255
        if rows == 1:
            mask = foot
        while i < stop:
            h = (h ^ (p[i] & mask)) * 0x01000193
            i += 1
        h = (h ^ (p[i] & mask & edge)) * 0x01000193
        at += pitch
        rows -= 1
    state[0] = int(h)
