"""Drivers in C without a buffer, gc9a01_mpy and st7789_mpy of russhughes: a log of what they were told to draw.

Their methods cannot be replaced, and what they send passes Python by. So the application draws through `tap.display`,
which has the same methods: each is carried out by the driver, and again in a shadow of width * height * 2 bytes, which
the application gives. RGB565, the high byte first.

Drawn again are `fill`, `fill_rect`, `rect`, `hline`, `vline`, `line`, `pixel`, `blit_buffer`, `text` with fonts of 8
and 16 px, `write` with converted fonts, and `bitmap`, pixel by pixel as src/gc9a01.c draws them. What leaves the
display is not: the driver then writes to a window that it has not set. Drawings of other kinds (`jpg`, `draw`,
`polygon` and the like) are counted in `unseen`, and said once: give their places to `Recorder(blind=...)`.

There is no refresh: the recorder looks at its own pace, and only where something was drawn.
"""

from array import array

from .areas import EVERYWHERE, add, areas
from .net import Net

try:
    from .kernels import blit, byte_at, fill, glyph
except (ImportError, SyntaxError):  # CPython, or a port that cannot emit native code
    from .kernels_plain import blit, byte_at, fill, glyph

_RGB565S = 7
_UNSEEN = ("jpg", "png", "draw", "polygon", "fill_polygon", "circle", "fill_circle", "pbitmap")
_WHITE = 0xFFFF


class _Display:
    """Has the methods of the driver as its attributes."""


class _Twice:
    """A drawing of the driver's, and the same again. By the number of arguments, and no functions made in functions:
    `*args` makes a tuple at each call, and a closure of some arguments borrows heap.
    """

    def __init__(self, net, original, again):
        self._net = net
        self._original = original
        self._again = again

    def one(self, a):
        answer = self._original(a)
        with self._net:
            self._again(a)
        return answer

    def three(self, a, b, c):
        answer = self._original(a, b, c)
        with self._net:
            self._again(a, b, c)
        return answer

    def four(self, a, b, c, d=0):
        answer = self._original(a, b, c, d)
        with self._net:
            self._again(a, b, c, d)
        return answer

    def five(self, a, b, c, d, e):
        answer = self._original(a, b, c, d, e)
        with self._net:
            self._again(a, b, c, d, e)
        return answer

    def six(self, font, text, x, y, fg=_WHITE, bg=0):
        answer = self._original(font, text, x, y, fg, bg)
        with self._net:
            self._again(font, text, x, y, fg, bg)
        return answer


class Tap:
    def __init__(self, display, shadow=None, width=None, height=None):
        self._driver = display
        self.width = display.width() if width is None else width
        self.height = display.height() if height is None else height
        if shadow is not None and len(shadow) < self.width * self.height * 2:
            raise ValueError(
                "tap: a shadow of %dx%d pixels takes %d bytes, got %d"
                % (self.width, self.height, self.width * self.height * 2, len(shadow))
            )
        self.buffer = shadow
        self.format = _RGB565S
        self.pitch = 0
        self.palette = None
        self.rotation = 0
        self.version = 0
        self.areas = areas()
        self.is_changed = False
        self.unseen = 0
        self._net = Net()
        self._area = array("i", (0, 0, 0, 0))
        self._q = array("i", bytes(32))  # see blit, fill and glyph
        self._colours = bytearray(512)
        self.display = _Display()
        self.detach()

    def attach(self, refreshed):
        """Pictures are taken by `is_changed`; nothing calls `refreshed`."""
        if self.buffer is None:
            return
        self._put("fill", "one", self._fill)
        self._put("rotation", "one", self._rotation)
        self._put("pixel", "three", self._pixel)
        self._put("hline", "four", self._hline)
        self._put("vline", "four", self._vline)
        self._put("bitmap", "four", self._bitmap)
        self._put("fill_rect", "five", self._fill_rect)
        self._put("rect", "five", self._rect)
        self._put("line", "five", self._line)
        self._put("blit_buffer", "five", self._blit_buffer)
        self._put("text", "six", self._text)
        self._put("write", "six", self._write)
        for name in _UNSEEN:
            if hasattr(self._driver, name):
                setattr(self.display, name, self._blind(name, getattr(self._driver, name)))
        self.is_changed = True

    def detach(self):
        for name in dir(self._driver):
            if not name.startswith("__"):
                setattr(self.display, name, getattr(self._driver, name))

    def look(self):
        """Raises what went wrong in a drawing, which is the recorder's to count."""
        self._net.check()

    def _put(self, name, arguments, again):
        if hasattr(self._driver, name):
            twice = _Twice(self._net, getattr(self._driver, name), again)
            setattr(self.display, name, getattr(twice, arguments))

    def _blind(self, name, original):
        def call(*args):
            if not self.unseen:
                print("pixeltrail: %s draws unseen; give its place to Recorder(blind=...)" % name)
            self.unseen += 1
            return original(*args)

        return call

    # --- what the driver draws ---

    def _aim(self, x, y, width, height):
        """Let the kernels write there; False when it is not wholly inside."""
        if x < 0 or y < 0 or width < 1 or height < 1 or x + width > self.width or y + height > self.height:
            return False
        area = self._area
        q = self._q
        area[0] = x
        area[1] = y
        area[2] = x + width - 1
        area[3] = y + height - 1
        add(self.areas, area)
        q[0] = 2 * (y * self.width + x)
        q[1] = 2 * self.width
        q[4] = 2 * width
        q[5] = height
        self.is_changed = True
        return True

    def _fill_rect(self, x, y, width, height, color):
        if self._aim(x, y, width, height):
            self._q[2] = color >> 8 & 255
            self._q[3] = color & 255
            fill(self.buffer, self._q)

    def _fill(self, color):
        self._fill_rect(0, 0, self.width, self.height, color)

    def _hline(self, x, y, length, color):
        self._fill_rect(x, y, min(length, self.width - x), 1, color)

    def _vline(self, x, y, length, color):
        self._fill_rect(x, y, 1, length, color)

    def _pixel(self, x, y, color):
        self._fill_rect(x, y, 1, 1, color)

    def _rect(self, x, y, width, height, color):
        self._hline(x, y, width, color)
        self._vline(x, y, height, color)
        self._hline(x, y + height - 1, width, color)
        self._vline(x + width - 1, y, height, color)

    def _line(self, x0, y0, x1, y1, color):
        """Runs of equal rows or columns, as the driver sends them."""
        steep = abs(y1 - y0) > abs(x1 - x0)
        if steep:
            first = x0
            x0 = y0
            y0 = first
            first = x1
            x1 = y1
            y1 = first
        if x0 > x1:
            first = x0
            x0 = x1
            x1 = first
            first = y0
            y0 = y1
            y1 = first
        error = x1 - x0 >> 1
        fall = abs(y1 - y0)
        first = x0
        for x in range(x0, x1 + 1):
            error -= fall
            if error < 0 or x == x1:
                if steep:
                    self._vline(y0, first, x + 1 - first, color)
                else:
                    self._hline(first, y0, x + 1 - first, color)
                first = x + 1
                if error < 0:
                    error += x1 - x0
                    y0 += 1 if y0 < y1 else -1

    def _blit_buffer(self, buffer, x, y, width, height):
        rows = len(buffer) // (2 * width) if width > 0 else 0
        if self._aim(x, y, width, height) and rows:
            self._q[2] = 0
            self._q[3] = self._q[4]
            self._q[5] = min(rows, height)
            blit(self.buffer, buffer, self._q)
        if rows < height and self._aim(x, y + rows, len(buffer) // 2 - rows * width, 1):
            self._q[2] = 2 * width * rows  # the driver sends as much as there is
            blit(self.buffer, buffer, self._q)

    def _text(self, font, text, x, y, fg, bg):
        width = font.WIDTH
        size = width * font.HEIGHT
        self._pair(0, bg)
        self._pair(1, fg)
        at = 0
        code = text if isinstance(text, int) else byte_at(text, 0)
        while code:
            if font.FIRST <= code <= font.LAST:
                self._glyph(font.FONT, x, y, width, font.HEIGHT, (code - font.FIRST) * size, 1)
                x += width
            at += 1
            code = 0 if isinstance(text, int) else byte_at(text, at)

    def _write(self, font, text, x, y, fg, bg):
        self._pair(0, bg)
        for i in range(1, 1 << font.BPP):
            self._pair(i, fg)
        for char in chr(text) if isinstance(text, int) else text:
            index = font.MAP.find(char)
            if index < 0:
                continue
            width = font.WIDTHS[index]
            start = 0
            for i in range(font.OFFSET_WIDTH):
                start = start << 8 | font.OFFSETS[index * font.OFFSET_WIDTH + i]
            if x + width > self.width:
                break
            self._glyph(font.BITMAPS, x, y, width, font.HEIGHT, start, font.BPP)
            x += width

    def _bitmap(self, bitmap, x, y, index):
        for i, value in enumerate(bitmap.PALETTE):  # sent as it lies in memory, the low byte first
            self._pair(i, value >> 8 | (value & 255) << 8)
        start = bitmap.HEIGHT * bitmap.WIDTH * bitmap.BPP * index if getattr(bitmap, "BITMAPS", 0) else 0
        self._glyph(bitmap.BITMAP, x, y, bitmap.WIDTH, bitmap.HEIGHT, start, bitmap.BPP)

    def _pair(self, index, color):
        self._colours[2 * index] = color >> 8 & 255
        self._colours[2 * index + 1] = color & 255

    def _glyph(self, bits, x, y, width, height, start, bpp):
        if self._aim(x, y, width, height):
            self._q[2] = start
            self._q[3] = bpp
            glyph(self.buffer, bits, self._colours, self._q)

    def _rotation(self, _rotation):
        width, height = self._driver.width(), self._driver.height()
        if width != self.width:
            self.width, self.height = width, height
            self.areas[0] = EVERYWHERE
            self.version += 1
