"""Displays that draw into a buffer of their own and show it whole: ssd1306, sh1106, nano-gui, micro-gui, e-paper.

`find` knows the drivers below by their attributes, `Tap` takes anything when told what it is. A refresh is a call of
the display's `show`, `refresh` or `do_refresh` (the last may be a coroutine): the tap puts a method of its own in the
instance, which calls the driver's and then tells the recorder.

| driver | buffer | format |
|---|---|---|
| ssd1306 of micropython-lib | `buffer`, `pages` | MONO_VLSB |
| sh1106 | `renderbuf`, `rotate90` | MONO_VLSB; turned by 90 or 270 degrees MONO_HMSB, with the sides exchanged |
| nano-gui, micro-gui, 4 bits | `mvb`, `_mvb` or `_buf`, and `lut` | GS4_HMSB with palette |
| nano-gui, micro-gui, 8 bits | the same without `lut` | RGB332, or GS8 with palette where `rgb` packs otherwise |
| nano-gui, mono and e-paper | the same, `mode` | as `mode` says |

A `do_refresh` that sends the picture in segments gives way to other tasks between them. The recorder looks when the
last one is out; what another task drew meanwhile is then in the picture, up to a refresh early.
"""

from .palette import by_rgb, plain_rgb332

_MONO_VLSB = 0
_MONO_HLSB = 1
_MONO_HMSB = 2
_GS2_HMSB = 3
_GS4_HMSB = 4
_GS8 = 5
_RGB565 = 6
_RGB332 = 8
_BITS = (1, 1, 1, 2, 4, 8, 16, 16, 8)
_NAMES = ("MONO_VLSB", "MONO_HLSB", "MONO_HMSB", "GS2_HMSB", "GS4_HMSB", "GS8", "RGB565", "RGB565S", "RGB332")
# framebuf's own numbers, which drivers keep in `mode` or `_mode`
_OF_FRAMEBUF = {0: _MONO_VLSB, 1: _RGB565, 2: _GS4_HMSB, 3: _MONO_HLSB, 4: _MONO_HMSB, 5: _GS2_HMSB, 6: _GS8}
_HOOKS = ("show", "do_refresh", "refresh")
# what is known of a driver
_FINDER = 0
_NAME = 1
_SEEN = 2
_LUT = 3


class Tap:
    """A display whose `buffer` holds what its next refresh shows.

    buffer, format, width, height: looked up on the display where not given; `format` is a number or its name, such as
    "RGB565". palette: R, G, B bytes of each index. hook: name of the method that refreshes; "" when there is none, and
    then the app calls `recorder.capture()` after each refresh.
    """

    def __init__(
        self,
        display,
        buffer=None,
        format=None,
        width=None,
        height=None,
        pitch=0,
        palette=None,
        rotation=0,
        hook=None,
    ):
        self._display = display
        self.buffer = _given(buffer, display, "buffer")
        self.width = _given(width, display, "width")
        self.height = _given(height, display, "height")
        if format is None:
            raise ValueError(
                "tap: format must be given for %s: one of %s" % (_kind(display), ", ".join(_NAMES))
            )
        self.format = number_of(format)
        self.pitch = pitch
        self.palette = None if palette is None else bytes(palette)
        self.rotation = rotation
        self._hooks = _hooks(display) if hook is None else (hook,) if hook else ()
        self._originals = ()  # names and methods
        self.version = 0
        # For a display of a known driver: what made this tap, the attribute that holds its buffer, which was this
        # object, and a copy of its table of colours.
        self._known = None

    def attach(self, refreshed):
        for name in self._hooks:
            original = getattr(self._display, name, None)
            if original is None:
                raise ValueError("tap: %s has no method %s" % (_kind(self._display), name))
            try:
                setattr(self._display, name, self._wrap(name, original, refreshed))
            except AttributeError:
                raise ValueError(
                    "tap: %s of %s cannot be replaced; give hook='' and call recorder.capture() after each refresh"
                    % (name, _kind(self._display))
                ) from None
            self._originals += ((name, original),)

    def detach(self):
        for name, original in self._originals:
            setattr(self._display, name, original)
        self._originals = ()

    def change(self, buffer=None, width=None, height=None, palette=None, rotation=None):
        """The application's word that the display is another now: what is given, from the next refresh on."""
        if buffer is not None:
            self.buffer = buffer
        if width is not None:
            self.width = width
        if height is not None:
            self.height = height
        if palette is not None:
            self.palette = bytes(palette)
        if rotation is not None:
            self.rotation = rotation
        self.version += 1

    def look(self):
        """See whether a display of a known driver has another buffer or other colours."""
        known = self._known
        if known is None:
            return
        display = self._display
        if known[_LUT] is not None and display.lut != known[_LUT]:
            known[_LUT][:] = display.lut
        elif getattr(display, known[_NAME]) is known[_SEEN]:
            return
        found = known[_FINDER](display)
        known[_SEEN] = found._known[_SEEN]
        self.buffer, self.format, self.palette = found.buffer, found.format, found.palette
        self.width, self.height = found.width, found.height
        self.version += 1

    def known(self, finder, name, lut=None):
        """Look at a driver's attribute `name`, and at its table of colours, at each refresh."""
        self._known = [finder, name, getattr(self._display, name), None if lut is None else bytearray(lut)]
        return self

    def _wrap(self, name, original, refreshed):
        if name == "do_refresh":

            async def do_refresh(*args, **named):
                answer = await original(*args, **named)
                refreshed()
                return answer

            return do_refresh
        # sh1106: newer ones take full_update, and `**` would allocate
        if hasattr(self._display, "renderbuf"):

            def show_part(*args, full_update=None):
                if full_update is not None:
                    answer = original(full_update=full_update)
                else:
                    answer = original(*args) if args else original()
                refreshed()
                return answer

            return show_part
        if hasattr(self._display, "pages") or hasattr(self._display, "lut"):
            # drivers known to take no arguments by name: `**`, and passing on `*`, would allocate at every refresh
            def show(*args):
                answer = original(*args) if args else original()
                refreshed()
                return answer

            return show

        def show_any(*args, **named):
            answer = original(*args, **named)
            refreshed()
            return answer

        return show_any


def number_of(format):
    """The wire's number of a format that is given as one, or by name; raises ValueError."""
    number = _NAMES.index(format) if format in _NAMES else format
    if number not in range(len(_NAMES)):
        raise ValueError("tap: format must be one of %s, got %r" % (", ".join(_NAMES), format))
    return number


def bits_of(format):
    """Bits of a pixel."""
    return _BITS[format]


def find(display):
    """The tap for a display of a known driver; raises ValueError with what to do when it is none."""
    if hasattr(display, "renderbuf"):
        return _sh1106(display)
    if hasattr(display, "buffer") and hasattr(display, "pages"):
        return Tap(display, format=_MONO_VLSB).known(find, "buffer")
    for name in ("mvb", "_mvb", "_buf"):
        if getattr(display, name, None) is not None:
            return _by_mode(display, name)
    other = _other(display)
    if other is not None:
        return other(display)
    if getattr(display, "buffer", None) is not None:
        return _by_mode(display, "buffer")
    raise ValueError(
        "no tap knows the display %s; use pixeltrail.tap(display, buffer=..., format=..., width=..., height=...)"
        % _kind(display)
    )


def _other(display):
    """The kind of tap for a display that is none of those above; without a shadow it reports an unknown area."""
    found = None
    if _has_any(display, "_disp_drv disp_drv set_flush_cb"):
        from .lvgl import Tap as found
    elif hasattr(display, "preprocess") and hasattr(display, "display"):
        from .luma import Tap as found
    elif _has_any(display, "display_Base set_frame_memory TurnOnDisplay"):
        from .epaper import Tap as found
    elif hasattr(display, "fill_rect") and callable(getattr(display, "width", None)):
        from .c import Tap as found
    elif _has_any(display, "set_window _set_window block"):
        from .direct import Tap as found
    return found


def _has_any(display, names):
    for name in names.split():
        if hasattr(display, name):
            return True
    return False


def _sh1106(display):
    width, height = display.width, display.height  # of the panel, however it is turned
    if getattr(display, "rotate90", False):
        # the driver copies renderbuf, bit by bit, into the order of the panel
        tap = Tap(display, buffer=display.renderbuf, format=_MONO_HMSB, width=height, height=width)
    else:
        tap = Tap(display, buffer=display.renderbuf, format=_MONO_VLSB)
    return tap.known(find, "renderbuf")


def _by_mode(display, name):
    buffer = getattr(display, name)
    lut = getattr(display, "lut", None)
    mode = getattr(display, "_mode", getattr(display, "mode", None))
    width, height = getattr(display, "width", None), getattr(display, "height", None)
    if lut is not None and len(buffer) == (width + 1) // 2 * height:
        tap = Tap(display, buffer=buffer, format=_GS4_HMSB, palette=_palette(display, lut))
        return tap.known(find, name, lut)
    if mode not in _OF_FRAMEBUF:
        return Tap(display, buffer=buffer)  # tells that the format is missing
    format = _OF_FRAMEBUF[mode]
    palette = None
    if format == _GS8:  # these libraries keep red, green and blue in it
        format = _RGB332
        rgb = getattr(display, "rgb", None)
        if rgb is not None and not plain_rgb332(rgb):
            format = _GS8
            palette = by_rgb(rgb, range(256))
    return Tap(display, buffer=buffer, format=format, palette=palette).known(find, name)


def _palette(display, lut):
    """R, G, B bytes from the 16 colours that `rgb` made: two bytes each, the low one first, or one."""
    if len(lut) == 32:
        values = [lut[2 * i] | lut[2 * i + 1] << 8 for i in range(16)]
    else:
        values = list(lut)
    return by_rgb(display.rgb, values)


def _hooks(display):
    """The synchronous way to refresh and the asynchronous one, where the driver has both."""
    names = [name for name in _HOOKS[:2] if hasattr(display, name)]
    if "show" not in names and hasattr(display, "refresh"):
        names.append("refresh")
    if not names:
        raise ValueError("tap: %s has none of %s; give hook=..." % (_kind(display), ", ".join(_HOOKS)))
    return tuple(names)


def _given(value, display, name):
    if value is None:
        value = getattr(display, name, None)
    if value is None:
        raise ValueError("tap: %s must be given for %s" % (name, _kind(display)))
    return value


def _kind(display):
    return type(display).__name__
