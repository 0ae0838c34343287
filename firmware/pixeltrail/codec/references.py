"""References: rectangles coded earlier, so that one which comes again is named instead of coded.

The bridge keeps the content of the last n rectangles; the device keeps for each one where it was and a hash of 60
bits, combined from the hashes of its strips. Both add an entry for each rectangle coded, and none else, so that both
count the same. A rectangle in which the app drew after the refresh gets a hash that nothing has.

Hashes are those of the last refresh, never of the buffer as it is: what a reference names is what was displayed.
"""

from array import array

from micropython import const

from .area import COLUMN, COLUMNS, ROW, ROWS
from .native import has_viper

if has_viper:
    from .kernels import refs as kernel
else:
    from .plain import refs as kernel

_COLUMN = const(0)
_COLUMNS = const(1)
_ROW = const(2)
_ROWS = const(3)
_COUNT = const(8)
_NEXT = const(9)
_TRIES = const(4)  # tops of a rectangle looked for
_NO_HASH = const(-1)  # halves of a hash are not negative


class References:
    """size: entries, 0 for none. odd: 1 when the last column is unlike others, 2 when the last row is, 3 when both.

    arrays, match and put are for kernels/drive.py.
    """

    def __init__(self, strips, size, odd):
        self.size = size
        self.hashes = array("i", bytes(8 * size))
        self.q = array("i", (0, 0, 0, 0, 0, 0, strips.rows, size, 0, 0, odd, strips.cols - 1, _TRIES))
        self.arrays = (self.hashes, array("H", bytes(6 * size)), strips.table, self.q)

        self.match = kernel.find
        self.put = kernel.put

    def reset(self):
        self.q[_COUNT] = 0
        self.q[_NEXT] = 0

    def find(self, area):
        """Where the rectangle (area.py) is: 0 nowhere, else twice how many entries back, the newest being 1, plus 1 if
        it was at the same place. Where there is only its top, as of one that took several parts, `area` is aimed at it.
        """
        q = self.q
        if not q[_COUNT]:
            return 0
        self._aim(area)
        found = kernel.find(0, 0, self.arrays)
        if found:
            area[ROWS] = q[_ROWS]
        return found

    def add(self, area, is_torn):
        """The rectangle was coded; is_torn: perhaps not as the refresh had it."""
        if self.size:
            self._aim(area)
            entry = 2 * self.q[_NEXT]
            kernel.put(0, 0, self.arrays)
            if is_torn:
                self.hashes[entry] = _NO_HASH

    def _aim(self, area):
        q = self.q
        q[_COLUMN] = area[COLUMN]
        q[_COLUMNS] = area[COLUMNS]
        q[_ROW] = area[ROW]
        q[_ROWS] = area[ROWS]
