"""Displays that draw into a buffer of their own and show it whole: ssd1306, sh1106, nano-gui, micro-gui, e-paper.

`find` knows the drivers below by their attributes, `Tap` takes anything when told what it is. A refresh is a call of
the display's `show`, `refresh` or `do_refresh` (the last may be a coroutine): the tap puts a method of its own in the
instance, which calls the driver's and then tells the recorder.

| driver | buffer | format |
|---|---|---|
| ssd1306 of micropython-lib | `buffer`, `pages` | MONO_VLSB |
| sh1106 | `renderbuf`, MONO_HMSB when turned by 90 or 270 degrees | MONO_VLSB |
| nano-gui, micro-gui, 4 bits | `mvb` or `_buf`, `lut` of 16 colours | GS4_HMSB with palette |
| nano-gui, micro-gui, 8 bits | the same without `lut` | RGB332, as their `rgb` packs it |
| nano-gui, mono and e-paper | the same, `_mode` | as `_mode` says |
"""

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
# framebuf's own numbers, which drivers keep in `_mode`
_OF_FRAMEBUF = {0: _MONO_VLSB, 1: _RGB565, 2: _GS4_HMSB, 3: _MONO_HLSB, 4: _MONO_HMSB, 5: _GS2_HMSB, 6: _GS8}
_HOOKS = ("show", "do_refresh", "refresh")


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
        self.format = _NAMES.index(format) if format in _NAMES else format
        if self.format not in range(len(_NAMES)):
            raise ValueError("tap: format must be one of %s, got %r" % (", ".join(_NAMES), format))
        self.pitch = pitch
        self.palette = None if palette is None else bytes(palette)
        self.rotation = rotation
        self._hooks = _hooks(display) if hook is None else (hook,) if hook else ()
        self._originals = []
        self._refreshed = None

    def attach(self, refreshed):
        self._refreshed = refreshed
        for name in self._hooks:
            original = getattr(self._display, name, None)
            if original is None:
                raise ValueError("tap: %s has no method %s" % (_kind(self._display), name))
            try:
                setattr(self._display, name, self._wrap(name, original))
            except AttributeError:
                raise ValueError(
                    "tap: %s of %s cannot be replaced; give hook='' and call recorder.capture() after each refresh"
                    % (name, _kind(self._display))
                ) from None
            self._originals.append((name, original))

    def detach(self):
        for name, original in self._originals:
            setattr(self._display, name, original)
        self._originals = []

    def _wrap(self, name, original):
        refreshed = self._refreshed
        if name == "do_refresh":

            async def do_refresh(*args, **named):
                answer = await original(*args, **named)
                refreshed()
                return answer

            return do_refresh
        if hasattr(self._display, "renderbuf"):  # sh1106: `**` would allocate at every refresh

            def show_part(full_update=False):
                answer = original(full_update)
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


def find(display):
    """The tap for a display of a known driver; raises ValueError with what to do when it is none."""
    if hasattr(display, "renderbuf"):
        return _sh1106(display)
    if hasattr(display, "buffer") and hasattr(display, "pages"):
        return Tap(display, format=_MONO_VLSB)
    for name in ("mvb", "_mvb", "_buf", "buffer"):
        buffer = getattr(display, name, None)
        if buffer is not None:
            return _by_mode(display, buffer)
    raise ValueError(
        "no tap knows the display %s; use pixeltrail.tap(display, buffer=..., format=..., width=..., height=...)"
        % _kind(display)
    )


def _sh1106(display):
    turned = getattr(display, "rotate90", False)
    # turned, the driver shows renderbuf after copying it, bit by bit, into the order of the panel
    return Tap(display, buffer=display.renderbuf, format=_MONO_HMSB if turned else _MONO_VLSB)


def _by_mode(display, buffer):
    lut = getattr(display, "lut", None)
    mode = getattr(display, "_mode", getattr(display, "mode", None))
    width, height = getattr(display, "width", None), getattr(display, "height", None)
    if lut is not None and len(buffer) == (width + 1) // 2 * height:
        return Tap(display, buffer=buffer, format=_GS4_HMSB, palette=_palette(lut))
    if mode in _OF_FRAMEBUF:
        format = _OF_FRAMEBUF[mode]
        if format == _GS8:  # these libraries keep red, green and blue in it
            format = _RGB332
        return Tap(display, buffer=buffer, format=format)
    return Tap(display, buffer=buffer)  # tells that the format is missing


def _palette(lut):
    """R, G, B bytes from a table of 16 colours, RGB565 with its bytes in the panel's order, or RGB332."""
    palette = bytearray(48)
    is_wide = len(lut) == 32
    for i in range(16):
        if is_wide:
            value = lut[2 * i] << 8 | lut[2 * i + 1]
            red, green, blue = value >> 11, value >> 5 & 63, value & 31
            palette[3 * i : 3 * i + 3] = bytes((red * 255 // 31, green * 255 // 63, blue * 255 // 31))
        else:
            value = lut[i]
            palette[3 * i : 3 * i + 3] = bytes(
                ((value >> 5) * 255 // 7, (value >> 2 & 7) * 255 // 7, (value & 3) * 255 // 3)
            )
    return bytes(palette)


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
