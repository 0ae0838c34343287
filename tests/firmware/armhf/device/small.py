# WHAT N: one small thing, N times.
#   empty  a Python call of nothing, to subtract    head  the head of a byte string in CBOR
#   cobs   a frame of 1,000 bytes for a serial line    decobs  the same frame, decoded
import sys

from pixeltrail.cbor import BYTES, Writer
from pixeltrail.transport import framing

writer = Writer(bytearray(64))
message = bytearray(1000)
for i in range(1000):
    message[i] = i * 7 & 0xFF
frame = bytearray(1100)
size = framing.encode_frame(message, frame, 0, 1000, framing.CRC_TABLE)
inner = bytearray(1100)


def empty():
    pass


def head():
    writer.reset(0, 64)
    writer.head(BYTES, 500)


def cobs():
    framing.encode_frame(message, frame, 0, 1000, framing.CRC_TABLE)


def decobs():
    framing.copy(inner, 0, frame, 1, size)
    if framing.decode_frame(inner, size - 2, framing.CRC_TABLE) != 1000:
        raise ValueError("not decoded")


def repeat(do, count):
    for _ in range(count):
        do()


repeat({"empty": empty, "head": head, "cobs": cobs, "decobs": decobs}[sys.argv[1]], int(sys.argv[2]))
