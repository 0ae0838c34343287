"""For russhughes/st7789py_mpy: no buffer; everything is drawn through windows of the panel, RGB565 high byte first."""

import struct

CASET, RASET, RAMWR, MADCTL = 0x2A, 0x2B, 0x2C, 0x36
_BUFFER_SIZE = 256


class ST7789:
    def __init__(self, display_width, display_height):
        self._display_width = self.width = display_width
        self._display_height = self.height = display_height
        self.panel = bytearray(display_width * display_height * 2)
        self.scrolled = 0
        self._window = [0, 0, 0, 0]
        self._at = 0

    def write(self, command=None, data=None):
        """What the bus carries; the panel follows it as its controller does."""
        if command in (CASET, RASET):
            at = 0 if command == CASET else 1
            self._window[at], self._window[at + 2] = struct.unpack(">HH", data)
        elif command == RAMWR:
            self._at = 0
        elif command is None:
            self._fill_window(data)

    def _fill_window(self, data):
        x0, y0, x1, y1 = self._window
        wide = x1 - x0 + 1
        for i in range(0, len(data), 2):
            x, y = x0 + self._at % wide, y0 + self._at // wide
            at = 2 * (y * self.width + x)
            self.panel[at : at + 2] = data[i : i + 2]
            self._at += 1

    def rotation(self, rotation):
        sides = self._display_width, self._display_height
        self.width, self.height = sides if rotation % 2 == 0 else sides[::-1]
        self.write(MADCTL, bytes([0x60 * (rotation & 1)]))

    def set_window(self, x0, y0, x1, y1):
        self.write(CASET, struct.pack(">HH", x0, x1))
        self.write(RASET, struct.pack(">HH", y0, y1))
        self.write(RAMWR)

    def pixel(self, x, y, color):
        self.set_window(x, y, x, y)
        self.write(None, struct.pack(">H", color))

    def blit_buffer(self, buffer, x, y, width, height):
        self.set_window(x, y, x + width - 1, y + height - 1)
        self.write(None, buffer)

    def fill_rect(self, x, y, width, height, color):
        self.set_window(x, y, x + width - 1, y + height - 1)
        chunks, rest = divmod(width * height, _BUFFER_SIZE)
        pixel = struct.pack(">H", color)
        for _ in range(chunks):
            self.write(None, pixel * _BUFFER_SIZE)
        if rest:
            self.write(None, pixel * rest)

    def hline(self, x, y, length, color):
        self.fill_rect(x, y, length, 1, color)

    def vline(self, x, y, length, color):
        self.fill_rect(x, y, 1, length, color)

    def fill(self, color):
        self.fill_rect(0, 0, self.width, self.height, color)

    def text(self, font, text, x0, y0, color=0xFFFF, background=0):
        """`font` has WIDTH 8, HEIGHT 8, FIRST, LAST and FONT, a byte for each row of a character."""
        for char in text:
            first = (ord(char) - font.FIRST) * 8
            cells = [
                color if font.FONT[first + row] >> (7 - column) & 1 else background
                for row in range(8)
                for column in range(8)
            ]
            self.blit_buffer(struct.pack(">64H", *cells), x0, y0, 8, 8)
            x0 += 8
