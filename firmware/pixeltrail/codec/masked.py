"""Masked strips: what the encoder takes for zeros, and never reads.

Masks are rounded outward to whole strips. A last column that overlaps its neighbour (strips.py) is masked with it,
because its hash covers pixels of it.
"""

from array import array

from micropython import const

_FIELDS = const(4)


class Masked:
    """flat: x, y, width and height in pixels of each mask, within the display. The strips of one set of masks.

    bits: as in a dirty map. alike: how many rows from each one on have the same strips masked. seen: column, first row
    and end of each run of rows that may be read, column after column; a column that does not exist ends them.
    """

    def __init__(self, flat, cols, rows, strip_width, strip_rows, overlaps):
        self._height = (rows + 7) >> 3
        self.bits = bytearray(cols * self._height)
        for i in range(0, len(flat), _FIELDS):
            left = flat[i] // strip_width
            right = min((flat[i] + flat[i + 2] + strip_width - 1) // strip_width, cols)
            if overlaps and right == cols - 1:
                right = cols
            bottom = min((flat[i + 1] + flat[i + 3] + strip_rows - 1) // strip_rows, rows)
            self._mask(left, right, flat[i + 1] // strip_rows, bottom)
        self.seen = array("H", self._runs(cols, rows))
        self.alike = array("H", bytes(2 * rows))
        self._compare(cols, rows)

    def is_masked(self, column, row):
        return self.bits[column * self._height + (row >> 3)] >> (row & 7) & 1

    def _mask(self, left, right, top, bottom):
        for column in range(left, right):
            for row in range(top, bottom):
                self.bits[column * self._height + (row >> 3)] |= 1 << (row & 7)

    def _runs(self, cols, rows):
        runs = []
        for column in range(cols):
            top = -1
            for row in range(rows):
                if self.is_masked(column, row):
                    if top >= 0:
                        runs += (column, top, row)
                    top = -1
                elif top < 0:
                    top = row
            if top >= 0:
                runs += (column, top, rows)
        runs += (cols, 0, 0)
        return runs

    def _compare(self, cols, rows):
        """How many rows from each one on have the same strips masked."""
        alike = 0
        for row in range(rows - 1, -1, -1):
            if alike:
                for column in range(cols):
                    if self.is_masked(column, row) != self.is_masked(column, row + 1):
                        alike = 0
                        break
            alike += 1
            self.alike[row] = alike
