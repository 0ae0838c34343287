"""The kernels of framing.py in plain Python: the same names, arguments and results."""

import binascii
import struct

CRC_TABLE = None


def copy(target, at, source, start, length):
    target[at : at + length] = source[start : start + length]


def find_zero(source, start, end):
    while start < end and source[start]:
        start += 1
    return start


def encode_frame(source, out, start, length, table):
    body = bytes(source[start : start + length])
    body += struct.pack("<I", binascii.crc32(body))
    at = 0
    out[at] = 0
    at += 1
    # Each block is one run without zeros, of at most 254 bytes; a shorter one implies a zero behind it.
    rest = 0
    while True:
        stop = body.find(b"\0", rest)
        if stop < 0:
            stop = len(body)
        size = min(stop - rest, 254)
        out[at] = size + 1
        out[at + 1 : at + 1 + size] = body[rest : rest + size]
        at += 1 + size
        rest += size
        if rest == len(body):
            break
        if size < 254:
            rest += 1
    out[at] = 0
    return at + 1


def decode_frame(frame, length, table):
    at = 0
    out = 0
    while at < length:
        code = frame[at]
        stop = at + code
        if code == 0 or stop > length:
            return -1
        size = code - 1
        frame[out : out + size] = frame[at + 1 : stop]
        out += size
        at = stop
        if code < 255 and at < length:
            frame[out] = 0
            out += 1
    out -= 4
    if out < 1:
        return -1
    if bytes(frame[out : out + 4]) != struct.pack("<I", binascii.crc32(bytes(frame[:out]))):
        return -1
    return out
