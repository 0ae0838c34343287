# ROW_BYTES ROWS PITCH STRIP_BYTES N: hashes a frame N times that does not change.
import sys

from pixeltrail.codec.strips import Strips

row_bytes, rows, pitch, strip_bytes, repetitions = [int(word) for word in sys.argv[1:]]
buffer = bytearray(pitch * rows)
for i in range(0, len(buffer), 1021):
    buffer[i] = i * 5 & 0xFF
strips = Strips(buffer, rows, pitch, row_bytes, strip_bytes)
marks = bytearray(strips.cols * ((strips.rows + 7) >> 3))
strips.refresh(marks)
for _ in range(repetitions):
    if strips.refresh(marks):
        raise ValueError("changed")
