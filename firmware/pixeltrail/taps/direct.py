"""Displays that are drawn on without a buffer: st7789py, gc9a01py, ili9341 and their like, in plain Python.

Such a driver opens a window and writes pixels into it, whatever it draws: text, lines, pictures. The tap stands in both
doors, in the instance: it notes the window and copies the pixels into a shadow of the display, in the byte order of the
panel. So every drawing of the driver is covered, and the shadow is what the panel shows.

    set_window(x0, y0, x1, y1)     or _set_window: corners, both inside; the driver may send RAMWR in it
    write(command, data)           or _write: data of no command, or of RAMWR, are pixels
    block(x0, y0, x1, y1, data)    in place of both (ili9341.py of rdagger/micropython-ili9341)

The first two under either name: st7789py.py and gc9a01py.py of russhughes have the second for one of them or both.

The shadow takes width * height * 2 bytes, which the application gives if it can afford them. Without one the display is
reported as an unknown area, and events, touches and keys are recorded alone. There is no refresh: the recorder looks at
the shadow at its own pace, `is_changed` tells it when. What a controller does by itself (scrolling, inversion) and what
modules written in C draw past these methods is not seen.
"""

from .net import Net

try:
    from ..kernels import copy
except (ImportError, SyntaxError):  # CPython, or a port that cannot emit native code
    from ..kernels_plain import copy

_RGB565S = 7
_RAMWR = (None, 0x2C, b"\x2c")
_NAMES = ("set_window", "_set_window"), ("write", "_write"), ("block",)


class Tap:
    """`shadow`: a bytearray of width * height * 2 bytes, or None. Pixels are RGB565, high byte first."""

    def __init__(self, display, shadow=None, width=None, height=None, format=_RGB565S):
        self._display = display
        self.width = display.width if width is None else width
        self.height = display.height if height is None else height
        self.format = format
        self.pitch = 0
        self.palette = None
        self.rotation = 0
        if shadow is not None and len(shadow) < self.width * self.height * 2:
            raise ValueError(
                "tap: a shadow of %dx%d pixels takes %d bytes, got %d"
                % (self.width, self.height, self.width * self.height * 2, len(shadow))
            )
        self.buffer = shadow
        self.version = 0
        self.is_changed = False
        self._originals = []
        self._window = self._write = self._block = None
        self._seen_width = display.width
        self._net = Net()
        self._fits = False  # the window lies inside the display
        self._x0 = self._y1 = 0
        self._row_bytes = 0  # of the window
        self._row = 0  # where the next pixel goes: a row of the display,
        self._at = 0  # and a byte of the window's row
        self._to = 0

    def attach(self, refreshed):
        """Pictures are taken by `is_changed`; nothing calls `refreshed`."""
        if self.buffer is None:
            return
        # Methods, not functions made here: calling one of those with four arguments would borrow heap.
        window, write, block = [_first(self._display, names) for names in _NAMES]
        if block:
            self._block = self._put(block, self._on_block)
        elif window and write:
            self._window = self._put(window, self._on_window)
            self._write = self._put(write, self._on_write)
        else:
            raise ValueError(
                "tap: %s has neither set_window and write nor block" % type(self._display).__name__
            )
        self.is_changed = True

    def detach(self):
        for name, original in self._originals:
            setattr(self._display, name, original)
        self._originals = []

    def look(self):
        """A driver that turned its display exchanges width and height; it draws everything anew then. Raises what went
        wrong in a drawing, which is the recorder's to count.
        """
        self._net.check()
        if self._display.width != self._seen_width:
            self._turn()

    def _turn(self):
        self._seen_width = self._display.width
        self.width, self.height = self._display.width, self._display.height
        self.version += 1

    def _put(self, name, method):
        """Stand in for the driver's method, which is returned."""
        original = getattr(self._display, name)
        self._originals.append((name, original))
        setattr(self._display, name, method)
        return original

    def _on_window(self, x0, y0, x1, y1):
        self._open(x0, y0, x1, y1)
        return self._window(x0, y0, x1, y1)

    def _on_write(self, command=None, data=None):
        if data is not None and command in _RAMWR:
            self._take(data)
        return self._write(command, data)

    def _on_block(self, x0, y0, x1, y1, data):
        self._open(x0, y0, x1, y1)
        self._take(data)
        return self._block(x0, y0, x1, y1, data)

    def _open(self, x0, y0, x1, y1):
        if self._display.width != self._seen_width:
            self._turn()
        self._fits = 0 <= x0 <= x1 < self.width and 0 <= y0 <= y1 < self.height
        self._x0 = x0
        self._y1 = y1
        self._row_bytes = 2 * (x1 - x0 + 1)
        self._row = y0
        self._at = 0

    def _take(self, data):
        with self._net:
            self._paint(data)
        self.is_changed = True

    def _paint(self, data):
        """Copy pixels to where the window has got to; a write may end inside a row."""
        if not self._fits:
            return
        start = 0
        left = len(data)
        while left and self._row <= self._y1:
            size = self._paint_row(data, start, left)
            start += size
            left -= size
        self.is_changed = True

    def _paint_row(self, data, start, left):
        """Up to the end of a row of the window; returns the bytes. In a larger function its calls would borrow heap."""
        size = min(self._row_bytes - self._at, left)
        self._to = 2 * (self._row * self.width + self._x0) + self._at
        copy(self.buffer, self._to, data, start, size)
        self._at += size
        if self._at == self._row_bytes:
            self._at = 0
            self._row += 1
        return size


def _first(display, names):
    """The name that the display has, or None."""
    for name in names:
        if hasattr(display, name):
            return name
    return None
