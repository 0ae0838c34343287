"""E-paper drivers that are handed a picture: those of Waveshare for the Pico, and micropython-waveshare-epaper.

The methods that show something are wrapped in the instance, and what they are given is copied into a picture of the
panel; what the application draws between refreshes is not in it.

| driver | what shows |
|---|---|
| Pico_ePaper-2.9.py and others of waveshareteam/Pico_ePaper_Code | `display(image)`, _Base, _Partial; `Clear(color)` |
| Pico-ePaper-4.2_V2.py, -3.7 of the same | `EPD_4IN2_V2_Display(image)` and others named so; `..._Clear()` |
| epaper4in2.py, epaper7in5.py (mcauser/micropython-waveshare-epaper) | `display_frame(frame_buffer)` |
| epaper2in9.py, 2in13, 1in54 of the same | `set_frame_memory(image, x, y, w, h)`, then `display_frame()` |

Panels of the last kind have two memories: what is written goes into the one that is not shown, and `display_frame`
exchanges them; the tap does the same. Pictures are rows of bytes, the left pixel in the highest bit, 1 white
(MONO_HLSB). Methods with `4Gray` in their names take GS2_HMSB, of which 1 is the light grey; the first one makes
another picture for it. Panels with a second plane of colour are an unknown area: their two buffers are no picture.
"""

from array import array

from .framebuf import bits_of, number_of
from .net import Net

try:
    from .kernels import blit, exchange, fill
except (ImportError, SyntaxError):  # CPython, or a port that cannot emit native code
    from .kernels_plain import blit, exchange, fill

_MONO_HLSB, _GS2_HMSB = 1, 3
_GREYS = b"\x00\x00\x00\xaa\xaa\xaa\x55\x55\x55\xff\xff\xff"
_SHOWING = ("display", "display_base", "display_partial", "display_fast", "display_frame")
_NOTHING = object()


class Tap:
    """format: of the pictures. buffer: for the one of the panel, made here if not given."""

    def __init__(self, display, format="MONO_HLSB", buffer=None, width=None, height=None):
        self._display = display
        self.width = display.width if width is None else width
        self.height = display.height if height is None else height
        self.format = number_of(format)
        self.pitch = 0
        self.palette = None
        self.rotation = 0
        self.version = 0
        size = self._size()
        if buffer is not None and len(buffer) < size:
            raise ValueError(
                "tap: a picture of %dx%d pixels takes %d bytes, got %d"
                % (self.width, self.height, size, len(buffer))
            )
        self.buffer = bytearray(size) if buffer is None else buffer
        if hasattr(display, "buffer_red") or hasattr(display, "imagered"):
            self.buffer = None
        self._memory = bytearray(size) if hasattr(display, "set_frame_memory") else None
        self._grey = None
        self._set_memory = None
        self._copy = array("i", (0, 0, 0, 0, 0, 0))  # see blit and fill
        self._originals = []
        self._net = Net()

    def attach(self, refreshed):
        if self.buffer is None:
            return
        for name in dir(self._display):
            if name == "set_frame_memory":
                self._set_memory = self._display.set_frame_memory
                self._put(name, self._write)  # no closure: one of five arguments borrows heap
            elif name == "clear_frame_memory":
                self._put(name, self._fill(getattr(self._display, name)))
            elif name == "display_frame" and self._memory is not None:
                self._put(name, self._exchange(self._display.display_frame, refreshed))
            elif _clears(name):
                self._put(name, self._clear(getattr(self._display, name), refreshed))
            elif _shows(name):
                self._put(name, self._show(getattr(self._display, name), refreshed, "4Gray" in name))
        if not self._originals:
            raise ValueError("tap: %s has no method that shows a picture" % type(self._display).__name__)

    def detach(self):
        for name, original in self._originals:
            setattr(self._display, name, original)
        self._originals = []

    def look(self):
        """Raises what went wrong in a refresh, which is the recorder's to count."""
        self._net.check()

    def _put(self, name, method):
        self._originals.append((name, getattr(self._display, name)))
        setattr(self._display, name, method)

    def _show(self, original, refreshed, is_grey):
        def show(image=_NOTHING):
            answer = original() if image is _NOTHING else original(image)
            if image is not None:
                self._take(image, is_grey)
                refreshed()
            return answer

        return show

    def _clear(self, original, refreshed):
        def clear(colour=_NOTHING):
            answer = original() if colour is _NOTHING else original(colour)
            self._paint(self.buffer, 0xFF if colour is _NOTHING else colour)
            refreshed()
            return answer

        return clear

    def _exchange(self, original, refreshed):
        def show():
            answer = original()
            exchange(self.buffer, self._memory, self._size())
            refreshed()
            return answer

        return show

    def _write(self, image, x, y, w, h):
        self._set_memory(image, x, y, w, h)
        with self._net:
            self._aim_at(x, y, w, h)
            self._copy_in(self._memory, image)

    def _fill(self, original):
        def clear_frame_memory(color):
            original(color)
            self._paint(self._memory, color)

        return clear_frame_memory

    # --- what is copied: an error is kept for look() ---

    def _take(self, image, is_grey):
        with self._net:
            if is_grey != (self.format == _GS2_HMSB):
                self._change(is_grey)
            self._aim(0, 0, self._size(), 1)
            self._copy_in(self.buffer, self._display.buffer if image is _NOTHING else image)

    def _paint(self, target, colour):
        with self._net:
            self._aim(0, 0, len(target), 1)
            self._fill_in(target, colour)

    def _aim_at(self, x, y, w, h):
        """The window as the driver has it: x and the width are cut to whole bytes, and all of it to the panel."""
        pitch = (self.width + 7) >> 3
        column = x >> 3
        columns = pitch - column if (x & 0xF8) + (w & 0xF8) >= self.width else w >> 3
        rows = self.height - y if y + h >= self.height else h
        self._aim(y * pitch + column, pitch, columns, rows)

    def _copy_in(self, target, image):
        if len(image) < self._copy[4] * self._copy[5]:
            raise ValueError("tap: a picture of %d bytes is too small" % len(image))
        blit(target, image, self._copy)

    def _fill_in(self, target, colour):
        q = self._copy
        q[1] = 0
        q[2] = colour
        q[3] = colour
        fill(target, q)

    def _aim(self, to, pitch, size, rows):
        q = self._copy
        q[0] = to
        q[1] = pitch
        q[2] = 0
        q[3] = q[4] = size
        q[5] = rows

    def _change(self, is_grey):
        """Go on with the picture of the other depth; the first one in grey is made here."""
        other = self._grey
        self._grey = self.buffer
        self.format = _GS2_HMSB if is_grey else _MONO_HLSB
        self.palette = _GREYS if is_grey else None
        self.buffer = bytearray(self._size()) if other is None else other
        self.version += 1

    def _size(self):
        return (self.width * bits_of(self.format) + 7) // 8 * self.height


def _shows(name):
    if name.startswith("EPD_"):
        return "Display" in name
    return name.lower() in _SHOWING


def _clears(name):
    return name == "Clear" or (name.startswith("EPD_") and name.endswith("_Clear"))
