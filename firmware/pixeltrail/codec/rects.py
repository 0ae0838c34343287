"""The dirty map: which strips are still to be sent, and the next rectangle of them."""

from array import array

from .native import has_viper

if has_viper:
    from .kernels import bits
else:
    from .plain import bits

# Rows joined when rectangles are searched; 4 took no fewer bytes, 2 a tenth more. A page of MONO_VLSB has 8 already.
_BLOCK_ROWS = 8


_NOTHING = array("i", bytes(48))  # an area (encoder.py) of no rows at the top


class DirtyMap:
    """rect: the topmost rectangle's first column, columns, first row and rows, in strips, and 1 if there is one."""

    def __init__(self, cols, rows, pages):
        self._cols = cols
        self._rows = rows
        self._height = (rows + 7) >> 3
        self.bits = bytearray(cols * self._height)
        self.shape = array("H", (cols, self._height, 1 if pages else _BLOCK_ROWS))
        self.rect = array("H", (0, 0, 0, 0, 0))
        self.kernel = bits.settle

    def seek(self):
        """Find the topmost rectangle."""
        bits.settle(self.bits, 0, self.rect, self.shape, _NOTHING)

    def fill(self):
        bits.fill(self.bits, 0, self._height, self._cols, self._rows)

    def take(self, other):
        """Move the marks of another map of the same size into this one; true if it had any."""
        return bits.move(self.bits, other, len(other)) > 0
