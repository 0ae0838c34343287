"""Encodes the pictures of frames_cx.json and compares every part. Runs under MicroPython and CPython."""

import json
import sys
from binascii import hexlify, unhexlify

from pixeltrail.codec.encoder import Encoder


def check(entry):
    display = entry["display"]
    buffer = bytearray(unhexlify(entry["steps"][0]["drawn"]))
    encoder = Encoder(
        buffer, display["width"], display["height"], display["format"], 0, display["strip_width"]
    )
    room = entry["room"]
    out = bytearray(room + 4)
    for step in entry["steps"]:
        drawn = unhexlify(step["drawn"])
        for i in range(len(buffer)):
            buffer[i] = drawn[i]
        encoder.refresh()
        is_key = step["parts"][0][0] & 1
        encoder.begin(is_key == 1)
        for _, payload in step["parts"]:
            size = encoder.encode_into(out, 0, room, 1 << 20)
            if is_key and encoder.finished:
                encoder.checksum_into(out, size)
                size += 4
            if hexlify(bytes(out[:size])).decode() != payload:
                raise ValueError("other bytes for %r" % display)
        if not encoder.finished:
            raise ValueError("too few parts for %r" % display)


with open(sys.argv[1]) as file:
    vectors = json.load(file)
for entry in vectors["valid"]:
    check(entry)
print(len(vectors["valid"]))
