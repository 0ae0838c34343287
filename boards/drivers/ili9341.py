"""ILI9341 with a frame buffer of 4 bits a pixel and a table of 16 colours, as nano-gui's drivers keep them.

A quarter of the memory of a whole picture: 38,400 bytes for 320x240. `lut` holds the 16 colours as the panel takes
them, high byte first in memory; set one with `color(index, r, g, b)`, and draw with its index.
"""

import time

import framebuf
import micropython

_LINES = 4  # are sent at a time


@micropython.viper
def _expand(target: ptr16, source: ptr8, at: int, size: int, lut: ptr16):
    to = 0
    while to < 2 * size:
        pair = source[at]
        target[to] = lut[pair >> 4]
        target[to + 1] = lut[pair & 15]
        at += 1
        to += 2


class ILI9341(framebuf.FrameBuffer):
    @staticmethod
    def rgb(red, green, blue):
        color = (red & 0xF8) << 8 | (green & 0xFC) << 3 | blue >> 3
        return color >> 8 | (color & 0xFF) << 8

    def __init__(self, spi, cs, dc, width=320, height=240, madctl=0x28):
        self.width = width
        self.height = height
        self.mode = framebuf.GS4_HMSB
        self.lut = bytearray(32)
        self.mvb = bytearray(width * height // 2)
        super().__init__(self.mvb, width, height, self.mode)
        self._spi, self._cs, self._dc = spi, cs, dc
        self._lines = bytearray(2 * width * _LINES)
        self._byte = bytearray(1)
        cs(1)
        self._command(0x01)
        time.sleep_ms(150)
        for command, data in (
            (0xC0, b"\x23"),  # power
            (0xC1, b"\x10"),
            (0xC5, b"\x3e\x28"),
            (0xC7, b"\x86"),
            (0x36, bytes((madctl,))),
            (0x3A, b"\x55"),  # 16 bits a pixel
            (0xB1, b"\x00\x18"),
            (0xB6, b"\x08\x82\x27"),
            (0x11, b""),
        ):
            self._command(command, data)
        time.sleep_ms(120)
        self._columns = bytes((0, 0, width - 1 >> 8, width - 1 & 0xFF))
        self._rows = bytes((0, 0, height - 1 >> 8, height - 1 & 0xFF))
        self.show()
        self._command(0x29)

    def color(self, index, red, green, blue):
        value = self.rgb(red, green, blue)
        self.lut[2 * index] = value & 0xFF
        self.lut[2 * index + 1] = value >> 8
        return index

    def show(self):
        self._command(0x2A, self._columns)
        self._command(0x2B, self._rows)
        self._command(0x2C)
        self._cs(0)
        self._dc(1)
        pairs = self.width // 2 * _LINES
        for at in range(0, len(self.mvb), pairs):
            _expand(self._lines, self.mvb, at, pairs, self.lut)
            self._spi.write(self._lines)
        self._cs(1)

    def _command(self, command, data=b""):
        self._byte[0] = command
        self._cs(0)
        self._dc(0)
        self._spi.write(self._byte)
        if data:
            self._dc(1)
            self._spi.write(data)
        self._cs(1)
