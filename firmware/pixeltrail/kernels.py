"""Kernels of the device core: one call for one buffer, no allocation, no bounds but the arguments.

kernels_plain.py holds the same functions in plain Python, for CPython and for ports without a native code emitter.
"""

import micropython


@micropython.viper
def copy(target: ptr8, at: int, source: ptr8, start: int, length: int):
    """target[at : at + length] = source[start : start + length], from the lowest byte up.

    The two may overlap when the bytes move down. `source` may be a str. Checked on x64 with MicroPython 1.28.
    """
    while length > 0:
        target[at] = source[start]
        at += 1
        start += 1
        length -= 1


@micropython.viper
def text_bytes(text: ptr8, characters: int) -> int:
    """Bytes that `characters` characters of UTF-8 take. Reads the zero that MicroPython keeps behind every str."""
    at = 0
    while True:
        if text[at] & 0xC0 != 0x80:
            if characters == 0:
                return at
            characters -= 1
        at += 1
    return at


@micropython.viper
def head(target: ptr8, at: int, end: int, major: int, value: int) -> int:
    """The head of a CBOR item in its shortest form, from target[at] on and below `end`.

    Returns where it ends; 0 when there is no room, -1 for a value that is not 0 to 2^30 - 1.
    """
    if value >> 30:  # below 0, too
        return -1
    if value < 24:
        if at >= end:
            return 0
        target[at] = major | value
        return at + 1
    if value < 0x100:
        if at + 2 > end:
            return 0
        target[at] = major | 24
        target[at + 1] = value
        return at + 2
    if value < 0x10000:
        if at + 3 > end:
            return 0
        target[at] = major | 25
        target[at + 1] = value >> 8
        target[at + 2] = value
        return at + 3
    if at + 5 > end:
        return 0
    target[at] = major | 26
    target[at + 1] = value >> 24
    target[at + 2] = value >> 16
    target[at + 3] = value >> 8
    target[at + 4] = value
    return at + 5


@micropython.viper
def text(target: ptr8, at: int, end: int, source: ptr8, characters: int, limit: int) -> int:
    """A str as a CBOR item, from target[at] on and below `end`; returns as `head` does, -1 beyond `limit` bytes."""
    size = 0
    while True:
        if source[size] & 0xC0 != 0x80:
            if characters == 0:
                break
            characters -= 1
        size += 1
    if size > limit:
        return -1
    at += 1
    if size > 23:
        at += 1
    if size > 255:
        at += 1
    if at + size > end:
        return 0
    if size < 24:
        target[at - 1] = 0x60 | size
    else:
        target[at - 1] = size
        if size < 256:
            target[at - 2] = 0x78
        else:
            target[at - 2] = size >> 8
            target[at - 3] = 0x79
    start = 0
    while start < size:
        target[at] = source[start]
        at += 1
        start += 1
    return at


@micropython.viper
def write_slot(ring: ptr8, at: int, seq: int, length: int, marks: int):
    """The head of a slot of the outbox."""
    ring[at] = seq
    ring[at + 1] = seq >> 8
    ring[at + 2] = seq >> 16
    ring[at + 3] = seq >> 24
    ring[at + 4] = length
    ring[at + 5] = length >> 8
    ring[at + 6] = marks
    ring[at + 7] = marks >> 8


@micropython.viper
def read_seq(ring: ptr8, at: int) -> int:
    """The number of the chunk whose slot is at ring[at]."""
    return ring[at] | ring[at + 1] << 8 | ring[at + 2] << 16 | ring[at + 3] << 24
