"""PicoGraphics of Pimoroni's MicroPython: its buffer, looked at when `update` or `partial_update` shows it.

The object is C and its methods cannot be replaced, so the application draws through `tap.display`, which has the same
methods and costs a call nothing more. Modules in C that draw into a PicoGraphics, such as jpegdec and pngdec, are still
given the object itself; the buffer is the same one.

    tap = pixeltrail.pico_tap(PicoGraphics(DISPLAY_PICO_DISPLAY_2, pen_type=PEN_P4), PEN_P4)
    display = tap.display

| pen (pico_graphics.hpp, pico_graphics_pen_*.cpp) | in memory | format |
|---|---|---|
| PEN_1BIT | rows, the left pixel in the highest bit | MONO_HLSB |
| "1BITY": PEN_1BIT of DISPLAY_INKY_PACK, Badger | columns, the top pixel in the highest bit | MONO_VLSB, a copy |
| PEN_P4, PEN_P8 | indices; the left pixel in the high bits | GS4_HMSB, GS8, and the palette |
| PEN_RGB332 | rrrgggbb | RGB332 |
| PEN_RGB565 | the high byte first, as the panel takes it | RGB565S |
| others | planes, 24 bits, or memory of the display's own | an unknown area |

A palette cannot be read back, so make the tap before the first pen, or give the palette's R, G and B. `partial_update`
is for e-paper (UC8151); LCDs ignore it, and so does the tap. One layer is seen.
"""

from array import array

from .areas import EVERYWHERE, add, areas
from .net import Net

try:
    from .kernels import columns
except (ImportError, SyntaxError):  # CPython, or a port that cannot emit native code
    from .kernels_plain import columns

_MONO_VLSB, _MONO_HLSB, _GS4_HMSB, _GS8, _RGB565S, _RGB332 = 0, 1, 4, 5, 7, 8
_PENS = ("1BIT", "3BIT", "P2", "P4", "P8", "RGB332", "RGB565", "RGB888", "INKY7")  # by picographics' numbers
_FORMATS = {
    "1BIT": _MONO_HLSB,
    "1BITY": _MONO_VLSB,
    "P4": _GS4_HMSB,
    "P8": _GS8,
    "RGB332": _RGB332,
    "RGB565": _RGB565S,
}


class _Display:
    """Has the methods of a PicoGraphics as its attributes."""


class Tap:
    """pen: a number of picographics, or its name without PEN_. shadow: for "1BITY", width * height / 8 bytes; made here
    if not given. palette: R, G, B of each index, where pens were created before.
    """

    def __init__(self, graphics, pen, shadow=None, palette=None):
        self._graphics = graphics
        name = _PENS[pen] if isinstance(pen, int) and 0 <= pen < len(_PENS) else pen
        if name not in _FORMATS and name not in _PENS:
            raise ValueError("tap: pen must be one of %s or 1BITY, got %r" % (", ".join(_PENS), pen))
        self.width, self.height = graphics.get_bounds()
        self.format = _FORMATS.get(name, _RGB565S)
        self.pitch = 0
        self.rotation = 0
        self.version = 0
        self.palette = None
        self.areas = None
        self._colours = bytearray()  # of the indices, where there are any
        self._is_recoloured = False
        self._source = None
        self._net = Net()
        self._refreshed = None
        self._area = array("i", (0, 0, 0, 0))
        if name in ("P4", "P8"):
            step, count = (16, 16) if name == "P4" else (1, 256)
            greys = bytes(step * (i // 3) for i in range(3 * count))
            self.palette = bytes(palette) if palette is not None else greys
            self._colours = bytearray(self.palette)
        self.buffer = None
        if name == "1BITY":
            self.buffer = shadow if shadow is not None else bytearray(self.width * self.height // 8)
            self._source = memoryview(graphics)
            self.areas = areas()
        elif name in _FORMATS:
            self.buffer = memoryview(graphics)
        self.display = _Display()
        for method in dir(graphics):
            if not method.startswith("__"):
                setattr(self.display, method, getattr(graphics, method))

    def attach(self, refreshed):
        self._refreshed = refreshed
        self._put("update", self._update)
        self._put("set_framebuffer", self._set_framebuffer)
        if self._source is not None:
            self._put("partial_update", self._partial_update)
        if self._colours:
            self._put("create_pen", self._create_pen)
            self._put("create_pen_hsv", self._create_pen_hsv)
            self._put("update_pen", self._update_pen)
            self._put("reset_pen", self._reset_pen)
            self._put("set_palette", self._set_palette)

    def detach(self):
        for method in dir(self._graphics):
            if not method.startswith("__"):
                setattr(self.display, method, getattr(self._graphics, method))

    def look(self):
        """Follow the palette, which the panel gets with the picture. Raises what went wrong in a refresh."""
        self._net.check()
        if self._is_recoloured:
            self._is_recoloured = False
            self.palette = bytes(self._colours)
            self.version += 1

    def _put(self, name, method):
        if hasattr(self._graphics, name):
            setattr(self.display, name, method)

    # --- what the application calls ---

    def _update(self):
        if self._source is not None:
            self._area[0] = self._area[1] = 0
            self._area[2] = self.width
            self._area[3] = self.height
            self._take()
        self._graphics.update()
        self._refreshed()

    def _partial_update(self, x, y, w, h):
        area = self._area
        area[0] = x
        area[1] = y
        area[2] = w
        area[3] = h
        self._take()
        self._graphics.partial_update(x, y, w, h)
        self._refreshed()

    def _take(self):
        """Copy the columns that are sent: y and height in whole groups of eight pixels, as UC8151::partial_update."""
        area = self._area
        area[1] >>= 3
        area[3] >>= 3
        if area[2] > 0 and area[3] > 0:
            with self._net:
                self._copy(area)

    def _copy(self, area):
        if (
            area[0] < 0
            or area[1] < 0
            or area[0] + area[2] > self.width
            or area[1] + area[3] > self.height >> 3
        ):
            raise ValueError("tap: an update outside of the display")
        columns(self.buffer, self._source, area, self.width, self.height >> 3)
        area[2] += area[0] - 1
        area[3] = 8 * (area[1] + area[3]) - 1
        area[1] *= 8
        add(self.areas, area)

    def _set_framebuffer(self, buffer):
        self._graphics.set_framebuffer(buffer)
        view = None if buffer is None else memoryview(self._graphics)
        if self._source is None:
            self.buffer = view
            self.version += 1
        elif view is not None:
            self._source = view
            self.areas[0] = EVERYWHERE

    def _create_pen(self, r, g, b):
        index = self._graphics.create_pen(r, g, b)
        self._note_pen(index, (r, g, b))
        return index

    def _create_pen_hsv(self, h, s, v):
        index = self._graphics.create_pen_hsv(h, s, v)
        self._note_pen(index, _from_hsv(h, s, v))
        return index

    def _update_pen(self, index, r, g, b):
        self._graphics.update_pen(index, r, g, b)
        self._note_pen(index, (r, g, b))

    def _reset_pen(self, index):
        self._graphics.reset_pen(index)
        self._note_pen(index, (0, 0, 0))

    def _set_palette(self, *colours):
        self._graphics.set_palette(*colours)
        if len(colours) == 1 and isinstance(colours[0], list):
            colours = colours[0]
        for index, colour in enumerate(colours):
            self._note_pen(index, colour)

    def _note_pen(self, index, colour):
        at = 3 * (index & 15 if self.format == _GS4_HMSB else index & 255)
        for i in range(3):
            value = colour[i] & 255
            if self._colours[at + i] != value:
                self._colours[at + i] = value
                self._is_recoloured = True


def _from_hsv(h, s, v):
    """As PicoGraphics::from_hsv: parts of a colour wheel, cut to whole numbers."""
    sector = int(h * 6)
    rest = h * 6 - sector
    v *= 255
    p, q, t = int(v * (1 - s)), int(v * (1 - rest * s)), int(v * (1 - (1 - rest) * s))
    v = int(v)
    return ((v, t, p), (q, v, p), (p, v, t), (p, q, v), (t, p, v), (v, p, q))[sector % 6]
