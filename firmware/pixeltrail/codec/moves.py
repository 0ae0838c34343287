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
# Instructions of a refresh in which every strip of 320x240 changed, most of what its hash pass leaves of a step. The
# kernel adds what strips that did not change have saved: with this alone, recorded frames took 3 % more bytes. On a
# smaller display each strip that is not there leaves some more.
_WORK = const(48_000)
_REFRESH = const(432_000)
_STRIP = const(160)

_NO_DY = const(4096)  # added to dy

_DY = const(3)
_COUNT = const(5)


def make(strips, movable_rows, strip_rows):
    """Numbers, the list of moves and the kernel that finds them, all for the refresh; kernels/drive.py takes the first
    two. movable_rows: all but a last page that is not 8 px high. strip_rows: pixels that a strip is high.
    """
    rows = strips.rows
    least = _LEAST_PAGES if strip_rows > 1 else _LEAST_ROWS
    limits = (_MOST, least, min(_FURTHEST, rows), strips.cols * rows)
    limits += (max(_WORK, _REFRESH - _STRIP * strips.cols * rows),)
    numbers = array("i", (0, rows, movable_rows, _NO_DY, 0, 0) + limits)
    return numbers, array("H", bytes(2 * _FIELDS * _MOST)), kernel.search


def drop(moves):
    moves[0][_COUNT] = 0


def hint(moves, dy):
    """The next thing to try: a row shows what the one `dy` rows below it showed."""
    moves[0][_DY] = _NO_DY + dy
