"""For the colour drivers of nano-gui and micro-gui: 4 bits with a table of colours, 8 bits without."""

import asyncio


class _Driver:
    def show(self):
        for line in range(self.height):
            self._send(line)

    async def do_refresh(self, split=4, elock=None):
        lines, rest = divmod(self.height, split)
        if rest:
            raise ValueError("Invalid do_refresh arg.")
        for segment in range(split):
            for line in range(segment * lines, (segment + 1) * lines):
                self._send(line)
            self.segments += 1
            await asyncio.sleep(0)


class ST7789(_Driver):
    """st7789_4bit.py: GS4_HMSB in `_mvb`; the table, shared by the class, holds inverted colours, low byte first."""

    lut = bytearray(32)

    @staticmethod
    def rgb(r, g, b):
        return ((b & 0xF8) << 5 | (g & 0x1C) << 11 | (g & 0xE0) >> 5 | (r & 0xF8)) ^ 0xFFFF

    def __init__(self, height=240, width=240):
        self.height = height
        self.width = width
        self._mvb = memoryview(bytearray(height * -(-width // 2)))
        # As the wire has it: the high byte of RGB565 first, inverted
        self.panel = bytearray(width * height * 2)
        self.segments = 0

    @classmethod
    def colour(cls, index, r, g, b):
        """As create_color of nano-gui's colors.py."""
        value = cls.rgb(r, g, b)
        cls.lut[2 * index] = value & 0xFF
        cls.lut[2 * index + 1] = value >> 8

    def pixel(self, x, y, index):
        at = y * -(-self.width // 2) + x // 2
        shift = 0 if x & 1 else 4
        self._mvb[at] = self._mvb[at] & ~(15 << shift) | index << shift

    def _send(self, line):
        pitch = -(-self.width // 2)
        for x in range(self.width):
            index = self._mvb[line * pitch + x // 2] >> (0 if x & 1 else 4) & 15
            at = 2 * (line * self.width + x)
            self.panel[at : at + 2] = self.lut[2 * index : 2 * index + 2]

    def shown(self, x, y):
        """Red, green and blue of a pixel of the panel, of 5, 6 and 5 bits."""
        at = 2 * (y * self.width + x)
        value = (self.panel[at] << 8 | self.panel[at + 1]) ^ 0xFFFF
        return value >> 11, value >> 5 & 63, value & 31


class ILI9341(_Driver):
    """ili9341_8bit.py: one byte rrrgggbb a pixel in `mvb`, `mode` as framebuf's GS8."""

    @staticmethod
    def rgb(r, g, b):
        return (r & 0xE0) | ((g >> 3) & 0x1C) | (b >> 6)

    def __init__(self, height=240, width=320):
        self.height = height
        self.width = width
        self.mode = 6
        self.mvb = memoryview(bytearray(height * width))
        self.panel = bytearray(width * height)
        self.segments = 0

    def _send(self, line):
        first = line * self.width
        self.panel[first : first + self.width] = self.mvb[first : first + self.width]


class SSD1351(ILI9341):
    """ssd1351.py of 8 bits: blue where the others have red."""

    @staticmethod
    def rgb(r, g, b):
        return (b & 0xE0) | ((g >> 3) & 0x1C) | (r >> 6)
