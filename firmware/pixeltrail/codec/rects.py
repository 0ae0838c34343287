"""The dirty map: which strips are still to be sent, and the next rectangle of them."""

from array import array

from .area import AREA
from .native import has_viper

if has_viper:
    from .kernels import bits
else:
    from .plain import bits

# Rows joined when rectangles are searched; 4 took no fewer bytes, 2 a tenth more. A page of MONO_VLSB has 8 already.
_BLOCK_ROWS = 8


class DirtyMap:
    """`column`, `columns`, `row` and `rows` are those of the rectangle that was found last, in strips.

    bits, shape, rect and kernel are for kernels/drive.py: rect[4] is 1 when there is one.
    """

    def __init__(self, cols, rows, pages):
        self._cols = cols
        self._rows = rows
        self._height = (rows + 7) >> 3
        self.bits = bytearray(cols * self._height)
        self.shape = array("H", (cols, self._height, 1 if pages else _BLOCK_ROWS))
        self.rect = array("H", (0, 0, 0, 0, 0))
        self.kernel = bits.settle
        self._elsewhere = array("H", (0, 0, 0, 0, 0))
        self._nothing = array("i", (0 for _ in range(AREA)))

    def seek(self):
        """Find the topmost rectangle."""
        self.settle(self._nothing)

    def settle(self, area):
        """Take an area (area.py) off the map and find the next rectangle at or below its top."""
        bits.settle(self.bits, 0, self.rect, self.shape, area)

    @property
    def column(self):
        return self.rect[0]

    @property
    def columns(self):
        return self.rect[1]

    @property
    def row(self):
        return self.rect[2]

    @property
    def rows(self):
        return self.rect[3]

    def first_in_row(self, column, row):
        """The leftmost dirty column of a row from `column` on. There must be one."""
        i = column * self._height + (row >> 3)
        while not self.bits[i] >> (row & 7) & 1:
            i += self._height
        return i // self._height

    def clear_in(self, other, area):
        """Take an area off another map of the same size."""
        bits.settle(other, 0, self._elsewhere, self.shape, area)

    def has(self, area):
        """True when any strip of an area is dirty."""
        return bits.count(self.bits, 0, self._height, area) > 0

    def fill(self):
        bits.fill(self.bits, 0, self._height, self._cols, self._rows)

    def take(self, other):
        """Move the marks of another map of the same size into this one; true if it had any."""
        return bits.move(self.bits, other, len(other)) > 0
