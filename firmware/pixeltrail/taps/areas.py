"""Where a display changed since the recorder last looked: up to eight areas, which a tap notes and the encoder clears.

An array of 16-bit numbers: how many there are, or EVERYWHERE, then x0, y0, x1, y1 of each in pixels, both corners
inside. A tap that has one as its attribute `areas` says that its buffer changes nowhere else, and only what lies there
is hashed. The encoder begins by looking everywhere, and looks everywhere again when masks have changed.
"""

from array import array

from micropython import const

try:
    from .kernels import add
except (ImportError, SyntaxError):  # CPython, or a port that cannot emit native code
    from .kernels_plain import add

__all__ = ("EVERYWHERE", "add", "areas")

EVERYWHERE = const(0xFFFF)
_MOST = const(8)


def areas():
    return array("H", (EVERYWHERE,) + (0,) * (4 * _MOST))
