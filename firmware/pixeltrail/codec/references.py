"""References: rectangles coded earlier, so that one which comes again is named instead of coded.

The bridge keeps the content of the last n rectangles; the device keeps for each one, in 8 bytes, where it was and a
hash combined from the hashes of its strips. Both add an entry for each rectangle coded, and none else, so that both
count the same. A rectangle in which the app drew after the refresh gets a hash that nothing has.

Hashes are those of the last refresh, never of the buffer as it is: what a reference names is what was displayed.

Arrays for kernels/refs.py: hashes; the rest of them and places; the table of strips; numbers: 0 column, 1 columns, 2
row and 3 rows of what is looked for or added; 4 bits of a row, 5 of row and column; 6 rows of the display, 7 entries, 8
those in use, 9 the next one, 10 `odd`, 11 the last column, 12 how many tops of a rectangle are looked for.
"""

from array import array

from micropython import const

from .native import has_viper

if has_viper:
    from .kernels.refs import find, put
else:
    from .plain.refs import find, put

__all__ = ("bits_below", "find", "make", "put", "reset")

_COUNT = const(8)
_NEXT = const(9)
_TRIES = const(4)


def make(strips, size, odd):
    """size: entries, 0 for none. odd: 1 when the last column is unlike others, 2 when the last row is, 3 when both."""
    bits = bits_below(strips.rows)
    both = max(bits + bits_below(strips.cols), 1)
    numbers = array("i", (0, 0, 0, 0, bits, both, strips.rows, size, 0, 0, odd, strips.cols - 1, _TRIES))
    return array("i", bytes(4 * size)), array("I", bytes(4 * size)), strips.table, numbers


def bits_below(n):
    """Bits of a number below n."""
    bits = 0
    while 1 << bits < n:
        bits += 1
    return bits


def reset(references):
    numbers = references[3]
    numbers[_COUNT] = 0
    numbers[_NEXT] = 0
