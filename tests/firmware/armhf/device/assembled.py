# CODE WORDS [N]: runs check_strips.py with machine code in place of inline assembler, which this port lacks: the code
# of thumb6 or thumb7, taken out of its .mpy, is put into executable memory and called as any C function is. With N:
# hashes an unchanged frame of 320x240 RGB565 N times instead.
import sys

import ffi
import uctypes
from pixeltrail.codec import assembly, strips
from pixeltrail.codec.kernels import wordwise

READ_WRITE_EXECUTE, PRIVATE_ANONYMOUS = 7, 0x22


def load(path):
    with open(path, "rb") as file:
        code = file.read()
    mmap = ffi.open("libc.so.6").func("p", "mmap", "pIiiii")
    place = mmap(None, 4096, READ_WRITE_EXECUTE, PRIVATE_ANONYMOUS, -1, 0)
    uctypes.bytearray_at(place, len(code))[:] = code
    return ffi.func("i", place | 1, "ppp")  # 1: Thumb


words = int(sys.argv[2])
code = load(sys.argv[1])


def find(buffer, table, context):
    return code(uctypes.addressof(buffer), uctypes.addressof(table), uctypes.addressof(context))


if not assembly._answers(find, wordwise, 4 * words):
    raise ValueError("not the known answers")
if assembly._answers(lambda buffer, table, context: 0, wordwise, 4 * words):
    raise ValueError("the known answers were not asked for")
assembly._assembler = lambda asked: find if asked == words else None
if len(sys.argv) > 3:
    row_bytes, rows = 640, 240
    buffer = bytearray(row_bytes * rows)
    table = strips.Strips(buffer, rows, row_bytes, row_bytes, 4 * words)
    marks = bytearray(table.cols * ((table.rows + 7) >> 3))
    table.refresh(marks)
    for _ in range(int(sys.argv[3])):
        if table.refresh(marks):
            raise ValueError("changed")
else:
    import check_strips  # noqa: F401
