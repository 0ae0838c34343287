"""For the GC9A01: russhughes' driver in plain Python, and the one in C, whose attributes cannot be set.

`GC9A01py`: lib/gc9a01py.py: `_set_window` and `_write`; a side that is too far out sends no address. `GC9A01`:
src/gc9a01.c of gc9a01_mpy, with the methods and arguments of its locals_dict; st7789_mpy draws the same way. Pixels go
to the panel, the high byte first.
"""

import struct

CASET, RASET, RAMWR, MADCTL = 0x2A, 0x2B, 0x2C, 0x36


class _Controller:
    def __init__(self, width, height):
        self.memory = bytearray(width * height * 2)
        self.width = width
        self.window = [0, 0, 0, 0]
        self.at = 0

    def data(self, data):
        x0, y0, x1, y1 = self.window
        wide = x1 - x0 + 1
        for i in range(0, len(data) - 1, 2):
            x, y = x0 + self.at % wide, y0 + self.at // wide
            if y <= y1:
                at = 2 * (y * self.width + x)
                self.memory[at : at + 2] = data[i : i + 2]
            self.at += 1


class GC9A01py:
    def __init__(self, width=240, height=240):
        self.width = width
        self.height = height
        self._panel = _Controller(width, height)
        self.panel = self._panel.memory

    def _write(self, command=None, data=None):
        panel = self._panel
        if command in (CASET, RASET):
            at = command - CASET
            panel.window[at], panel.window[at + 2] = struct.unpack(">HH", data)
        elif command == RAMWR:
            panel.at = 0
        elif command is None and data is not None:
            panel.data(data)

    def rotation(self, rotation):
        self._write(MADCTL, bytes([rotation]))

    def _set_columns(self, start, end):
        if start <= end <= self.width:
            self._write(CASET, struct.pack(">HH", start, end))

    def _set_rows(self, start, end):
        if start <= end <= self.height:
            self._write(RASET, struct.pack(">HH", start, end))

    def _set_window(self, x0, y0, x1, y1):
        self._set_columns(x0, x1)
        self._set_rows(y0, y1)
        self._write(RAMWR)

    def pixel(self, x, y, color):
        self._set_window(x, y, x, y)
        self._write(None, struct.pack(">H", color))

    def hline(self, x, y, length, color):
        self.fill_rect(x, y, length, 1, color)

    def vline(self, x, y, length, color):
        self.fill_rect(x, y, 1, length, color)

    def blit_buffer(self, buffer, x, y, width, height):
        self._set_window(x, y, x + width - 1, y + height - 1)
        self._write(None, buffer)

    def rect(self, x, y, w, h, color):
        self.hline(x, y, w, color)
        self.vline(x, y, h, color)
        self.vline(x + w - 1, y, h, color)
        self.hline(x, y + h - 1, w, color)

    def fill_rect(self, x, y, width, height, color):
        self._set_window(x, y, x + width - 1, y + height - 1)
        chunks, rest = divmod(width * height, 256)
        pixel = struct.pack(">H", color)
        for _ in range(chunks):
            self._write(None, pixel * 256)
        if rest:
            self._write(None, pixel * rest)

    def fill(self, color):
        self.fill_rect(0, 0, self.width, self.height, color)

    def line(self, x0, y0, x1, y1, color):
        steep = abs(y1 - y0) > abs(x1 - x0)
        if steep:
            x0, y0, x1, y1 = y0, x0, y1, x1
        if x0 > x1:
            x0, x1, y0, y1 = x1, x0, y1, y0
        dx, dy = x1 - x0, abs(y1 - y0)
        err = dx // 2
        ystep = 1 if y0 < y1 else -1
        while x0 <= x1:
            self.pixel(y0, x0, color) if steep else self.pixel(x0, y0, color)
            err -= dy
            if err < 0:
                y0 += ystep
                err += dx
            x0 += 1

    def text(self, font, text, x0, y0, color=0xFFFF, background=0):
        for char in text:
            code = ord(char)
            fits = x0 + font.WIDTH <= self.width and y0 + font.HEIGHT <= self.height
            if font.FIRST <= code < font.LAST and fits:
                for line in range(0, font.HEIGHT, 8):
                    first = (code - font.FIRST) * font.HEIGHT + line
                    cells = [
                        color if font.FONT[first + row] >> (7 - bit) & 1 else background
                        for row in range(8)
                        for bit in range(8)
                    ]
                    self.blit_buffer(struct.pack(">64H", *cells), x0, y0 + line, 8, 8)
                x0 += 8


class GC9A01:
    __slots__ = ("_panel", "_sides", "_size")

    def __init__(self, width=240, height=240):
        self._panel = _Controller(width, height)
        self._sides = self._size = (width, height)

    def init(self):
        pass

    def width(self):
        return self._size[0]

    def height(self):
        return self._size[1]

    def rotation(self, rotation):
        self._size = self._sides if rotation % 2 == 0 else self._sides[::-1]
        self._panel.width = self._size[0]

    def _window(self, x0, y0, x1, y1):
        assert 0 <= x0 <= x1 < self.width() and 0 <= y0 <= y1 < self.height(), "a window that is not set"
        self._panel.window = [x0, y0, x1, y1]
        self._panel.at = 0

    def fill_rect(self, x, y, w, h, color):
        if x < self.width() and y < self.height():
            self._window(x, y, x + w - 1, y + h - 1)
            self._panel.data(struct.pack(">H", color) * (w * h))

    def fill(self, color):
        self.fill_rect(0, 0, self.width(), self.height(), color)

    def hline(self, x, y, length, color):
        self.fill_rect(x, y, min(length, self.width() - x), 1, color)

    def vline(self, x, y, length, color):
        self.fill_rect(x, y, 1, length, color)

    def pixel(self, x, y, color):
        self.fill_rect(x, y, 1, 1, color)

    def rect(self, x, y, w, h, color):
        for row in (y, y + h - 1):
            self.hline(x, row, w, color)
        for column in (x, x + w - 1):
            self.vline(column, y, h, color)

    def line(self, x0, y0, x1, y1, color):
        """Pixel by pixel, where the driver joins those of a row or column."""
        steep = abs(y1 - y0) > abs(x1 - x0)
        if steep:
            x0, y0, x1, y1 = y0, x0, y1, x1
        if x0 > x1:
            x0, x1, y0, y1 = x1, x0, y1, y0
        dx, dy = x1 - x0, abs(y1 - y0)
        err = dx >> 1
        for x in range(x0, x1 + 1):
            self.pixel(y0, x, color) if steep else self.pixel(x, y0, color)
            err -= dy
            if err < 0:
                err += dx
                y0 += 1 if y0 < y1 else -1

    def blit_buffer(self, buffer, x, y, w, h):
        self._window(x, y, x + w - 1, y + h - 1)
        self._panel.data(buffer[: w * h * 2])

    def text(self, font, s, x0, y0, fg=0xFFFF, bg=0):
        wide = font.WIDTH // 8
        for code in [s] if isinstance(s, int) else s.encode():
            if font.FIRST <= code <= font.LAST:
                at = (code - font.FIRST) * font.HEIGHT * wide
                data = font.FONT[at : at + font.HEIGHT * wide]
                cells = [fg if byte >> (7 - bit) & 1 else bg for byte in data for bit in range(8)]
                if x0 + font.WIDTH - 1 < self.width():
                    self._window(x0, y0, x0 + font.WIDTH - 1, y0 + font.HEIGHT - 1)
                    self._panel.data(struct.pack(">%dH" % len(cells), *cells))
                x0 += font.WIDTH

    def write(self, font, s, x, y, fg=0xFFFF, bg=0):
        for char in chr(s) if isinstance(s, int) else s:
            index = font.MAP.find(char)
            if index >= 0:
                width = font.WIDTHS[index]
                at = index * font.OFFSET_WIDTH
                bit = int.from_bytes(font.OFFSETS[at : at + font.OFFSET_WIDTH], "big")
                cells = []
                for _ in range(width * font.HEIGHT):
                    value = _bits(font.BITMAPS, bit, font.BPP)
                    bit += font.BPP
                    cells.append(fg if value else bg)
                if x + width - 1 >= self.width():
                    break
                self._window(x, y, x + width - 1, y + font.HEIGHT - 1)
                self._panel.data(struct.pack(">%dH" % len(cells), *cells))
                x += width

    def bitmap(self, bitmap, x, y, idx=0):
        size = bitmap.HEIGHT * bitmap.WIDTH
        first = size * bitmap.BPP * idx
        cells = [
            bitmap.PALETTE[_bits(bitmap.BITMAP, first + bitmap.BPP * i, bitmap.BPP)] for i in range(size)
        ]
        self._window(x, y, x + bitmap.WIDTH - 1, y + bitmap.HEIGHT - 1)
        self._panel.data(struct.pack("<%dH" % len(cells), *cells))

    def jpg(self, filename, x, y, method=0):
        self.fill_rect(x, y, 10, 10, 0x1234)


def _bits(data, first, count):
    value = 0
    for bit in range(first, first + count):
        value = value << 1 | data[bit >> 3] >> (7 - (bit & 7)) & 1
    return value
