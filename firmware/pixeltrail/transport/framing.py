"""Kernels of the transports: COBS frames with CRC-32, and a copy between buffers.

One frame on a serial line, as in wire.md:  00 COBS(message, CRC-32 of it little-endian) 00
framing_plain.py holds the same functions in plain Python, for CPython and for ports without a native code emitter.

Callers check lengths: nothing here is bounded but by the arguments. No kernel allocates; each is one call for one
message. `table` is CRC_TABLE, 16 words of the reflected polynomial, one for each nibble: 64 bytes instead of 1,024.
A word of it is a negative integer on a 32-bit board, hence the masks after every right shift.
"""

import struct

import micropython


def _crc_table():
    table = bytearray(64)
    for index in range(16):
        crc = index
        for _ in range(4):
            crc = (crc >> 1) ^ (0xEDB88320 if crc & 1 else 0)
        struct.pack_into("<I", table, 4 * index, crc)
    return table


CRC_TABLE = _crc_table()


@micropython.viper
def copy(target: ptr8, at: int, source: ptr8, start: int, length: int):
    """target[at:at + length] = source[start:start + length]"""
    target = ptr8(int(target) + at)
    source = ptr8(int(source) + start)
    i = 0
    while i < length:
        target[i] = source[i]
        i += 1


@micropython.viper
def find_zero(source: ptr8, start: int, end: int) -> int:
    """Index of the first zero in source[start:end], or `end`."""
    while start < end:
        if source[start] == 0:
            break
        start += 1
    return start


@micropython.viper
def encode_frame(source: ptr8, out: ptr8, start: int, length: int, table: ptr32) -> int:
    """Write source[start:start + length] as a frame to `out`, return its length.

    `out` has room for length + 8 + length // 254 bytes: two zeros, the CRC, a code byte at the start and one after
    each 254 bytes without a zero.
    """
    source = ptr8(int(source) + start)
    crc = -1
    out[0] = 0
    code_at = 1
    at = 2
    i = 0
    while i < length + 4:
        if i < length:
            byte = source[i]
            crc = ((crc >> 4) & 0x0FFFFFFF) ^ table[(crc ^ byte) & 15]
            crc = ((crc >> 4) & 0x0FFFFFFF) ^ table[(crc ^ (byte >> 4)) & 15]
        else:
            if i == length:
                crc = crc ^ -1
            byte = crc & 255
            crc = crc >> 8
        if byte == 0:
            out[code_at] = at - code_at
            code_at = at
            at += 1
        else:
            out[at] = byte
            at += 1
            if at - code_at == 255 and i < length + 3:
                out[code_at] = 255
                code_at = at
                at += 1
        i += 1
    out[code_at] = at - code_at
    out[at] = 0
    return at + 1


@micropython.viper
def decode_frame(frame: ptr8, length: int, table: ptr32) -> int:
    """Decode what lay between two zeros in place; return the length of the message now at its start, or -1."""
    at = 0
    out = 0
    while at < length:
        code = frame[at]
        at += 1
        stop = at + code - 1
        if code == 0 or stop > length:
            return -1
        while at < stop:
            frame[out] = frame[at]
            at += 1
            out += 1
        if code < 255 and at < length:
            frame[out] = 0
            out += 1
    if out < 5:
        return -1
    out -= 4
    crc = -1
    at = 0
    while at < out:
        code = frame[at]
        crc = ((crc >> 4) & 0x0FFFFFFF) ^ table[(crc ^ code) & 15]
        crc = ((crc >> 4) & 0x0FFFFFFF) ^ table[(crc ^ (code >> 4)) & 15]
        at += 1
    crc = crc ^ -1
    while at < out + 4:
        if frame[at] != crc & 255:
            return -1
        crc = crc >> 8
        at += 1
    return out
