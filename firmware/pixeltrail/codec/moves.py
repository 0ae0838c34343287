"""Moves: rows that show what other rows showed before the refresh, as scrolling leaves them.

Found inside the refresh, one strip column after another, by comparing hashes of strips; so a move is as exact as
the detection of changes itself. Rows are pages in MONO_VLSB. A move is a hint: its strips are marked dirty like all
others, and if it is never sent, they are coded as pixels.

The list is worth something only while the bridge's picture is what the table of hashes said before the refresh: the
encoder looks for moves only when nothing was left to send, and drops them when another refresh changes something.
"""

from array import array

from micropython import const

from .native import has_viper

if has_viper:
    from .kernels import moves as kernel
else:
    from .plain import moves as kernel

_MOST = const(12)  # as many as recorded frames needed
_FIELDS = const(5)
_LEAST_ROWS = const(8)  # changed rows: a copy takes 4 to 7 bytes, as pixels of some rows do
_LEAST_PAGES = const(4)
_FURTHEST = const(64)
_STEPS = const(8192)  # rows looked at in one refresh: bounds it to some 130,000 instructions

_COLUMN = const(0)
_DY = const(3)
_LEFT = const(4)
_COUNT = const(5)
_LEAST = const(7)


class Moves:
    """movable_rows: all but a last page that is not 8 px high. strip_rows: pixels that a strip is high."""

    def __init__(self, strips, movable_rows, strip_rows):
        rows = strips.rows
        least = _LEAST_PAGES if strip_rows > 1 else _LEAST_ROWS
        self._table = strips.table
        self._list = array("H", bytes(2 * _FIELDS * _MOST))
        limits = (_MOST, least, _FURTHEST, strips.cols * rows)
        self._q = array("i", (0, rows, movable_rows, 0, 0, 0) + limits)

    def drop(self):
        self._q[_COUNT] = 0

    def begin(self):
        """A refresh begins."""
        self._q[_COUNT] = 0
        self._q[_LEFT] = _STEPS

    def hint(self, dy):
        """The next thing to try: a row shows what the one `dy` rows below it showed."""
        self._q[_DY] = dy

    def search(self, column, dirty):
        """Look at a column whose changed strips have just been marked, while the table has their old hashes."""
        q = self._q
        if q[_LEFT] > 0:
            q[_COLUMN] = column
            if kernel.complete(self._table, dirty, q) >= q[_LEAST]:
                kernel.search(self._table, dirty, self._list, q)

    @property
    def count(self):
        return self._q[_COUNT]

    def aim(self, number, area):
        """Aim an area (area.py) at a move's rows; return how far below they were, negative when above."""
        m = self._list
        i = _FIELDS * number
        area.aim(m[i], m[i + 1], m[i + 2], m[i + 3])
        return m[i + 4] - m[i + 2]
