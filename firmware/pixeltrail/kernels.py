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
