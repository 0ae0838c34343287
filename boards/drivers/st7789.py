"""ST7789 with a frame buffer of 16 bits a pixel, on any bus with `command(command, data)` (spi_bus.py, i80.py).

Colours are kept as the panel takes them, high byte first: make them with `rgb`. The frame takes width * height * 2
bytes. Its pixels are RGB565S to a recorder: `pixeltrail.tap(display, format="RGB565S")`.
"""

import time

import framebuf


def rgb(red, green, blue):
    color = (red & 0xF8) << 8 | (green & 0xFC) << 3 | blue >> 3
    return color >> 8 | (color & 0xFF) << 8


class ST7789(framebuf.FrameBuffer):
    """`madctl` turns the picture (datasheet, MADCTL), `x`, `y` is where the glass begins in the controller's memory."""

    def __init__(self, bus, width, height, madctl=0x00, x=0, y=0, reset=None):
        self.width = width
        self.height = height
        self.buffer = bytearray(2 * width * height)
        super().__init__(self.buffer, width, height, framebuf.RGB565)
        self._bus = bus
        if reset is not None:
            reset(0)
            time.sleep_ms(10)
            reset(1)
            time.sleep_ms(120)
        else:
            bus.command(0x01)
            time.sleep_ms(150)
        bus.command(0x11)  # out of sleep
        time.sleep_ms(120)
        bus.command(0x3A, b"\x55")  # 16 bits a pixel
        bus.command(0x36, bytes((madctl,)))
        bus.command(0x21)  # these panels are inverted
        bus.command(0x13)
        self._columns = bytes((x >> 8, x & 0xFF, x + width - 1 >> 8, x + width - 1 & 0xFF))
        self._rows = bytes((y >> 8, y & 0xFF, y + height - 1 >> 8, y + height - 1 & 0xFF))
        self.show()
        bus.command(0x29)

    def show(self):
        self._bus.command(0x2A, self._columns)
        self._bus.command(0x2B, self._rows)
        self._bus.command(0x2C, self.buffer)
