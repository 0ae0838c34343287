"""The dirty map: which strips are still to be sent, and the next rectangle of them."""

from array import array

from .native import has_viper

if has_viper:
    from .kernels import bits
else:
    from .plain import bits

# Rows joined when rectangles are searched; 4 took no fewer bytes, 2 a tenth more. A page of MONO_VLSB has 8 already.
_BLOCK_ROWS = 8


class DirtyMap:
    """`column`, `columns`, `row` and `rows` are those of the rectangle that `seek` found, in strips."""

    def __init__(self, cols, rows, pages):
        self._cols = cols
        self._rows = rows
        self._height = (rows + 7) >> 3
        self._block = 1 if pages else _BLOCK_ROWS
        self.bits = bytearray(cols * self._height)
        self._rect = array("H", (0, 0, 0, 0))
        self.found = False

    def seek(self, row=0):
        """Find the next rectangle at or below the block that holds `row`; sets and returns `found`."""
        row -= row % self._block
        self.found = bits.find(self.bits, 0, self._rect, self._cols, self._height, self._block, row) == 1
        return self.found

    @property
    def column(self):
        return self._rect[0]

    @property
    def columns(self):
        return self._rect[1]

    @property
    def row(self):
        return self._rect[2]

    @property
    def rows(self):
        return self._rect[3]

    def first_in_row(self, column, row):
        """The leftmost dirty column of a row from `column` on. There must be one."""
        i = column * self._height + (row >> 3)
        while not self.bits[i] >> (row & 7) & 1:
            i += self._height
        return i // self._height

    def clear(self, area):
        """Take an area (area.py) off the map."""
        bits.clear(self.bits, 0, self._height, area)

    def clear_in(self, other, area):
        """Take an area off another map of the same size."""
        bits.clear(other, 0, self._height, area)

    def has(self, area):
        """True when any strip of an area is dirty."""
        return bits.count(self.bits, 0, self._height, area) > 0

    def fill(self):
        bits.fill(self.bits, 0, self._height, self._cols, self._rows)

    def take(self, other):
        """Move the marks of another map of the same size into this one; true if it had any."""
        return bits.move(self.bits, other, len(other)) > 0
