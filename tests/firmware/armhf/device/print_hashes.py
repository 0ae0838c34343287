# Prints the hashes of one column for each kernel: NAME and the table's bytes in hexadecimal.
import sys
from array import array
from binascii import hexlify

pixels = bytearray(range(256)) + bytearray((i * 37 + 11) & 0xFF for i in range(256))
ROWS = 4
for name in sys.argv[1:]:
    kernel = getattr(__import__("pixeltrail.codec.kernels." + name).codec.kernels, name)
    table = array("I", bytes(8 * ROWS))
    marks = bytearray(1)
    window = array("i", (0, 1, 0, ROWS, ROWS, 128, 128, 0, 128, 0, 1))
    if kernel.scan(pixels, kernel.K, -1, table, marks, window) != ROWS:
        raise ValueError(name)
    print(name, hexlify(bytes(table)[: 4 * ROWS]).decode())
