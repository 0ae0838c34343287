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
# Rows looked at in a refresh, 20 to 40 instructions each: a little more than a display of 320x240 has strips, so that
# all of it may scroll. With 1,600 such frames took two to four times as many bytes.
_STEPS = const(2_600)

_NO_DY = const(4096)  # added to dy

_COLUMN = const(0)
_DY = const(3)
_LEFT = const(4)
_COUNT = const(5)
_LEAST = const(7)
_FAR = const(8)


class Moves:
    """movable_rows: all but a last page that is not 8 px high. strip_rows: pixels that a strip is high.

    found and numbers are for kernels/drive.py.
    """

    def __init__(self, strips, movable_rows, strip_rows):
        rows = strips.rows
        least = _LEAST_PAGES if strip_rows > 1 else _LEAST_ROWS
        self._table = strips.table
        self._furthest = min(_FURTHEST, rows)
        self.found = array("H", bytes(2 * _FIELDS * _MOST))
        strips.tell(least)
        limits = (_MOST, least, _FURTHEST, strips.cols * rows)
        self.numbers = array("i", (0, rows, movable_rows, _NO_DY, 0, 0) + limits)

    def drop(self):
        self.numbers[_COUNT] = 0

    def begin(self):
        """A refresh found the first column with changes. Until one does, what was found before has been sent."""
        self.numbers[_COUNT] = 0
        self.numbers[_LEFT] = _STEPS

    def hint(self, dy):
        """The next thing to try: a row shows what the one `dy` rows below it showed."""
        self.numbers[_DY] = _NO_DY + dy

    def search(self, column, dirty):
        """Look at a column whose changed strips have just been marked, while the table has their old hashes.

        Returns False when no other column needs to be looked at.
        """
        q = self.numbers
        q[_COLUMN] = column
        changed = kernel.complete(self._table, dirty, q)
        if changed >= q[_LEAST]:
            q[_FAR] = 0  # what moved beside it first
            if not (q[_COUNT] and kernel.search(self._table, dirty, self.found, q)) and q[_LEFT] > 0:
                q[_FAR] = self._furthest
                kernel.search(self._table, dirty, self.found, q)
        return q[_LEFT] > 0

    def count(self):
        return self.numbers[_COUNT]
