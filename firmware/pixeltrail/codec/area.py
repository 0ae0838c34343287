"""An area: a rectangle of strips and its bytes in the frame buffer, as numbers in an array that kernels read.

0 first byte, 1 pitch, 2 bytes of a row; 6 which bits of a row's last byte are pixels, 7 which bits of the last row;
8 rows, 9 column, 10 columns, 11 row.
"""

from array import array

from micropython import const

_AT = const(0)
_SIZE = const(2)
_EDGE = const(6)
_FOOT = const(7)
ROWS = const(8)
COLUMN = const(9)
COLUMNS = const(10)
ROW = const(11)
AREA = const(12)  # numbers


class Area:
    """edge and foot: the masks of the last byte of a row of the display, and of its last row."""

    def __init__(self, shape, edge, foot):
        self._bottom, pitch, self._row_bytes, self._strip_bytes = shape
        self._edge = edge
        self._foot = foot
        self.q = array("i", (0, pitch, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0))

    def aim(self, column, columns, row, rows):
        q = self.q
        q[COLUMN] = column
        q[COLUMNS] = columns
        q[ROW] = row
        q[ROWS] = rows
        q[_FOOT] = self._foot if row + rows == self._bottom else 255
        self._aim_bytes(column * self._strip_bytes, (column + columns) * self._strip_bytes)

    def _aim_bytes(self, start, end):
        q = self.q
        q[_AT] = q[ROW] * q[1] + start
        q[_EDGE] = self._edge if end >= self._row_bytes else 255
        q[_SIZE] = min(end, self._row_bytes) - start
