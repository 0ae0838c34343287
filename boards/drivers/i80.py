"""The 8-bit parallel bus of a display at an ESP32-S3, by hand: MicroPython has no driver for it.

A byte goes out by two writes to the registers that set and clear pins, and the write pin strobes it. The eight data
pins must lie in the upper bank, GPIO 32 to 48, and the write pin in the lower one, as they do on a T-Display-S3.
Registers: ESP32-S3 Technical Reference Manual, chapter "IO MUX and GPIO Matrix". Unmeasured on silicon.
"""

from array import array

import micropython

_LOW_SET, _LOW_CLEAR = 0x60004008, 0x6000400C
_HIGH_SET, _HIGH_CLEAR = 0x60004014, 0x60004018


@micropython.viper
def _write(data: ptr8, size: int, bits: ptr32, all_bits: int, strobe: int):
    low_set = ptr32(0x60004008)
    low_clear = ptr32(0x6000400C)
    high_set = ptr32(0x60004014)
    high_clear = ptr32(0x60004018)
    at = 0
    while at < size:
        low_clear[0] = strobe
        high_clear[0] = all_bits
        high_set[0] = bits[data[at]]
        low_set[0] = strobe  # the controller reads at the rising edge
        at += 1


class Bus:
    """`data`: eight pins, the lowest bit first; each of these a machine.Pin that is an output, with its number."""

    def __init__(self, data, wr, dc, cs, rd=None):
        self._dc, self._cs = dc[0], cs[0]
        self._strobe = 1 << wr[1]
        self._all = 0
        for _, number in data:
            self._all |= 1 << number - 32
        self._bits = array("I", [0] * 256)
        for value in range(256):
            for bit in range(8):
                if value >> bit & 1:
                    self._bits[value] |= 1 << data[bit][1] - 32
        self._byte = bytearray(1)
        if rd is not None:
            rd[0](1)
        wr[0](1)
        self._cs(1)

    def command(self, command, data=b""):
        self._byte[0] = command
        self._cs(0)
        self._dc(0)
        _write(self._byte, 1, self._bits, self._all, self._strobe)
        if data:
            self._dc(1)
            _write(data, len(data), self._bits, self._all, self._strobe)
        self._cs(1)
