"""The dirty map: which strips are still to be sent, and the next rectangle of them."""

from array import array

from micropython import const

from .native import has_viper

if has_viper:
    from .kernels import bits
else:
    from .plain import bits

__all__ = ("bits", "fill", "make", "seek")

# Rows joined when rectangles are searched; 4 took no fewer bytes, 2 a tenth more. A page of MONO_VLSB has 8 already.
_BLOCK_ROWS = 8

_NOTHING = array("i", bytes(48))  # an area (encoder.py) of no rows at the top

# Where in a job of kernels/drive.py the map, its rectangle and its shape are.
_BITS = const(5)
_RECT = const(6)
_SHAPE = const(21)


def make(cols, rows, pages):
    """The map; the topmost rectangle's first column, columns, first row and rows, in strips, and 1 if there is one; the
    map's shape.
    """
    height = (rows + 7) >> 3
    shape = array("H", (cols, height, 1 if pages else _BLOCK_ROWS))
    return bytearray(cols * height), array("H", (0, 0, 0, 0, 0)), shape


def seek(job):
    """Find the topmost rectangle."""
    bits.settle(job[_BITS], 0, job[_RECT], job[_SHAPE], _NOTHING)


def fill(job, rows):
    bits.fill(job[_BITS], 0, job[_SHAPE][1], job[_SHAPE][0], rows)
