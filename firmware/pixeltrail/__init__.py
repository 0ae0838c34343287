"""Pixeltrail: session replay for devices with a display."""

import sys

if sys.implementation.name != "micropython":  # the same source runs on CPython, which has no such module

    def _no_emitter(name):
        if name.startswith("__"):  # the import system asks for these
            raise AttributeError(name)
        raise ImportError("micropython.%s needs MicroPython" % name)

    _micropython = sys.modules.setdefault("micropython", type(sys)("micropython"))
    _micropython.__dict__.setdefault("const", lambda value: value)
    _micropython.__dict__.setdefault("__getattr__", _no_emitter)

from . import sight as _sight  # noqa: F401, I001 - first: an import inside others takes stack, and this goes deepest
from .recorder import Recorder
from .taps.framebuf import Tap as tap
from .wire import CANCEL, DOWN, MOVE, TURN, UP

# pyright: reportUnsupportedDunderAll=false
__all__ = (
    "CANCEL",
    "DOWN",
    "File",
    "MOVE",
    "MQTT",
    "Recorder",
    "Serial",
    "TURN",
    "UP",
    "c_tap",
    "direct_tap",
    "epaper_tap",
    "luma_tap",
    "lvgl_tap",
    "pico_tap",
    "signed",
    "tap",
)


def __getattr__(name):
    """Loaded on first use: a board carries only the transport that it names, and the tap that it needs."""
    if name == "MQTT":
        from .transport.mqtt import MQTT as found
    elif name == "Serial":
        from .transport.serial import Serial as found
    elif name == "File":
        from .transport.file import File as found
    elif name == "signed":
        from .signing import signed as found
    elif name == "direct_tap":
        from .taps.direct import Tap as found
    elif name == "c_tap":
        from .taps.c import Tap as found
    elif name == "epaper_tap":
        from .taps.epaper import Tap as found
    elif name == "pico_tap":
        from .taps.pico import Tap as found
    elif name == "luma_tap":
        from .taps.luma import Tap as found
    elif name == "lvgl_tap":
        from .taps.lvgl import Tap as found
    else:
        raise AttributeError(name)
    return found
