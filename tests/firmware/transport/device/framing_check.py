# Runs on MicroPython: reads cases as hex lines, prints each one's frame and what decoding makes of it.
# A line "d HEX" is a damaged frame, without its zeros.
import sys
from binascii import hexlify, unhexlify

from pixeltrail.transport import framing as kernels

with open(sys.argv[1]) as cases:
    for line in cases:
        what, _, text = line.strip().partition(" ")
        data = bytearray(unhexlify(text))
        if what == "e":
            out = bytearray(len(data) + 9 + len(data) // 254 + 4)
            source = bytearray(b"\xaa\xbb\xcc") + data
            size = kernels.encode_frame(source, out, 3, len(data), kernels.CRC_TABLE)
            end = kernels.find_zero(out, 1, size)
            inner = bytearray(len(out))
            kernels.copy(inner, 0, out, 1, end - 1)
            length = kernels.decode_frame(inner, end - 1, kernels.CRC_TABLE)
            print(
                hexlify(out[:size]).decode(),
                end == size - 1 and inner[:length] == data,
                sum(1 for byte in out[size:] if not byte),
            )
        else:
            print(kernels.decode_frame(data, len(data), kernels.CRC_TABLE))
