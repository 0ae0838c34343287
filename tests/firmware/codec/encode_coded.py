"""Runs the operations of coded.json and compares every payload. Runs under MicroPython and CPython."""

import json
import sys
from binascii import hexlify, unhexlify

from one_by_one import Operations as Coder


def check(entry):
    d = entry["display"]
    buffer = bytearray(unhexlify(entry["steps"][0]["drawn"]))
    rows = (d["height"] + d["strip_rows"] - 1) // d["strip_rows"]
    pitch = len(buffer) // rows
    coder = Coder(buffer, d["width"], d["height"], d["format"], pitch, d["strip_width"], d["strip_rows"])
    room = entry["room"]
    out = bytearray(room + 1)
    for step in entry["steps"]:
        if "drawn" in step:
            drawn = unhexlify(step["drawn"])
            for i in range(len(buffer)):
                buffer[i] = drawn[i]
        coder.open(out, 1, 1 + room)
        for operation in step["operations"]:
            done = getattr(coder, operation[0])(*operation[1:6])
            if operation[0] == "rectangle" and done != operation[6]:
                raise ValueError("%d rows, expected %r" % (done, operation))
        size = coder.close()
        if hexlify(bytes(out[1 : 1 + size])).decode() != step["payload"]:
            raise ValueError("other bytes for %r" % d)


with open(sys.argv[1]) as file:
    vectors = json.load(file)
for entry in vectors["valid"]:
    check(entry)
print(len(vectors["valid"]))
