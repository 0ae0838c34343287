"""LVGL: the pixels of each flush are copied into a shadow of the display, and hashed where flushes were.

LVGL draws into a small buffer, a tenth of the display for instance, and hands it to a flush callback with its area; the
last flush of a refresh says so. The tap stands before that callback: it copies, has the driver flush, and behind the
last one tells the recorder. What the driver does to the pixels in place, such as swapping their bytes, comes after.

| binding | give | its flush function |
|---|---|---|
| lvgl_micropython (kdschlosser) | a driver of display_driver_framework.py | found: `_flush_cb` |
| lv_micropython, LVGL 9 | what `lv.display_create` returned | the one given to `set_flush_cb`, as `flush` |
| lv_micropython, LVGL 8 | `ili9XXX` and other drivers with `disp_drv` | found: `flush` |
| the same | an `lv.disp_drv_t` | the one in `flush_cb`, as `flush` |

shadow: a bytearray of a byte or two for each pixel of the display, which the application gives if it can afford it;
without one the display is an unknown area. Where LVGL renders in DIRECT mode into one buffer of the whole display, give
that buffer and `is_direct=True`, and nothing is copied. format: "RGB565" as LVGL has it, "RGB565S" for a build with
LV_COLOR_16_SWAP, "RGB332" and "GS8" for displays of 8 bits.

For each flush the binding makes an area, a pointer and a view of the pixels, for the driver as for the tap; the tap
takes no memory otherwise. What fails in it is contained, and the driver flushes in any case.
"""

from array import array

from .areas import EVERYWHERE, add, areas
from .framebuf import bits_of, number_of
from .net import Net

try:
    from .kernels import blit
except (ImportError, SyntaxError):  # CPython, or a port that cannot emit native code
    from .kernels_plain import blit

_X0, _Y0, _X1, _Y1 = 0, 1, 2, 3


class Tap:
    """flush: the driver's flush function, where it cannot be found; width, height: where the display does not tell."""

    def __init__(
        self, display, shadow=None, flush=None, format="RGB565", width=None, height=None, is_direct=False
    ):
        self._display = display
        self._driver = _driver_of(display)
        self._size = getattr(self._driver, "get_horizontal_resolution", None)
        self.width = width or _side(self._driver, display, "get_horizontal_resolution", "hor_res", "width")
        self.height = height or _side(self._driver, display, "get_vertical_resolution", "ver_res", "height")
        self.format = number_of(format)
        if bits_of(self.format) not in (8, 16):
            raise ValueError("tap: LVGL is recorded with 8 or 16 bits a pixel, not as %s" % format)
        self._pixel_bytes = bits_of(self.format) // 8
        size = self.width * self.height * self._pixel_bytes
        if shadow is not None and len(shadow) < size:
            raise ValueError(
                "tap: a shadow of %dx%d pixels takes %d bytes, got %d"
                % (self.width, self.height, size, len(shadow))
            )
        self.buffer = shadow
        self.pitch = 0
        self.palette = None
        self.rotation = 0
        self.version = 0
        self.areas = areas()
        self._is_direct = is_direct
        self._original = _flush_of(display, self._driver) if flush is None else flush
        if self._original is None and shadow is not None:
            raise ValueError("tap: %s does not tell its flush function; give flush=" % _kind(display))
        self._is_last = None  # whether LVGL tells which flush is the last
        self._ends = True  # the flush under way is the last of a refresh
        self._flushed = self._pixels = None  # what the flush under way was given
        self._refreshed = None
        self._net = Net()
        self._area = array("i", (0, 0, 0, 0))
        self._copy = array("i", (0, 0, 0, 0, 0, 0))  # see blit

    def attach(self, refreshed):
        if self.buffer is None:
            return
        self._refreshed = refreshed
        _install(self._driver, self._flush)
        screen = getattr(self._driver, "get_screen_active", None)
        if screen is not None:
            screen().invalidate()  # LVGL flushes what changes, and the shadow has nothing yet

    def detach(self):
        if self.buffer is not None:
            _install(self._driver, self._original)

    def look(self):
        """Raises what went wrong in a flush, which is the recorder's to count."""
        self._net.check()

    def _flush(self, driver, area, pixels):
        self._ends = True
        self._flushed = area
        self._pixels = pixels
        self._note(driver)
        self._original(driver, area, pixels)
        if self._ends:
            self._refreshed()

    def _note(self, driver):
        with self._net:
            self._aim(self._flushed)
            self._take(self._pixels)
            if self._tells_last(driver):
                self._ends = driver.flush_is_last()

    def _tells_last(self, driver):
        if self._is_last is None:
            self._is_last = hasattr(driver, "flush_is_last")
        return self._is_last

    def _aim(self, area):
        if self._size is not None and self._size() != self.width:
            self._turn()
        a = self._area
        a[_X0] = area.x1
        a[_Y0] = area.y1
        a[_X1] = area.x2
        a[_Y1] = area.y2
        if not (0 <= a[_X0] <= a[_X1] < self.width and 0 <= a[_Y0] <= a[_Y1] < self.height):
            raise ValueError("tap: a flush of %s lies outside the display" % list(a))

    def _take(self, pixels):
        """Copy the pixels of an area."""
        a = self._area
        q = self._copy
        if not self._is_direct:
            size = self._pixel_bytes
            q[1] = size * self.width
            q[0] = a[_Y0] * q[1] + a[_X0] * size
            q[3] = q[4] = size * (a[_X1] - a[_X0] + 1)
            q[5] = a[_Y1] - a[_Y0] + 1
            self._blit(pixels, q)
        add(self.areas, a)

    def _blit(self, pixels, q):
        blit(self.buffer, pixels.__dereference__(q[4] * q[5]), q)

    def _turn(self):
        """LVGL turned its display, and draws everything anew."""
        self.width, self.height = self.height, self.width
        self.areas[0] = EVERYWHERE
        self.version += 1


def _driver_of(display):
    """LVGL's own object, which flushes."""
    for name in ("_disp_drv", "disp_drv"):
        driver = getattr(display, name, None)
        if driver is not None:
            return driver
    return display


def _flush_of(display, driver):
    for name in ("_flush_cb", "flush"):
        if hasattr(display, name):
            return getattr(display, name)
    found = getattr(driver, "flush_cb", None)
    return found if callable(found) else None


def _install(driver, flush):
    if hasattr(driver, "set_flush_cb"):
        driver.set_flush_cb(flush)
    else:
        driver.flush_cb = flush


def _side(driver, display, method, field, plain):
    if hasattr(driver, method):
        return getattr(driver, method)()
    side = getattr(driver, field, None) or getattr(display, plain, None)
    if side is None:
        raise ValueError("tap: %s must be given for %s" % (plain, _kind(display)))
    return side


def _kind(display):
    return type(display).__name__
