"""One 32-bit hash for each strip of the display: tells what changed without a copy of the frame.

A strip is a few pixels of one row (of one page of 8 rows in MONO_VLSB). Hashes lie column after column, so that one
kernel call walks straight down. The last column overlaps its neighbour where the width is no multiple of a strip's:
a change there marks both. Hashes never leave the device. Bits of a byte beyond the right edge are hashed too: if an app
changes them, a strip is sent that looks the same.
"""

import sys
from array import array

from micropython import const

from .native import has_viper

if has_viper:
    from .kernels import moves as kernel
else:
    from .plain import moves as kernel

_STORE = const(1)  # the last field of a window says what to do about a changed hash
_IS_32_BIT = sys.maxsize <= 0x7FFFFFFF
_IS_THUMB = 4 <= getattr(sys.implementation, "_mpy", 0) >> 10 & 15 <= 8  # armv6m to armv7emdp
MASK = -1 if _IS_32_BIT else (1 << 32) - 1


def natural_strip_width(width, pages):
    """Narrow strips pay on small displays, and on pages, which are 8 px high already."""
    return 16 if pages or width <= 160 else 32


class Strips:
    """The hash table of one frame buffer.

    table: hashes, `rows` to a column. Behind them, by row, is what the changed strips of the last changed column had
    before; the rest of that is stale. memory: the array that the table is in, with so many words `before` it, and so
    many `behind` the hashes, which share their place with the old ones: it is free between refreshes.

    Kernels take their numbers in an array: a call with many arguments makes the interpreter borrow heap for the
    caller's frame, and the search for it costs as much as hashing the whole display.
    """

    def __init__(self, buffer, rows, pitch, row_bytes, strip_bytes, before=0, behind=0):
        self.rows = rows
        self.cols = (row_bytes + strip_bytes - 1) // strip_bytes
        self.memory = array("I", bytes(4 * (before + self.cols * rows + max(rows, behind))))
        self.table = memoryview(self.memory)[before:] if before else self.memory
        size = min(strip_bytes, row_bytes)
        last = row_bytes - size
        shape = (rows, pitch, strip_bytes, last, size, self.cols - 1)
        self._whole = array("i", (0, self.cols, 0, rows) + shape + (_STORE,))
        self.aimed = array("i", (0, 0, 0, 0) + shape + (0,))
        scan, self.check, factor = _kernel(size, pitch | last, buffer, self.table)
        self.overlaps = row_bytes > size and row_bytes % strip_bytes > 0
        self._job = (scan, buffer, factor, MASK, self.table, self._whole)
        self._seen = b""  # the runs of rows to hash; none: all

    def refresh(self, dirty, moves=()):
        """Hash the whole frame into the table; set the dirty bits of changed strips; return how many changed.

        moves: what is to be found meanwhile (moves.py), its `all`.
        """
        if not self._seen:
            self._whole[0] = 0
        return kernel.look(0, 1 if self._seen else 0, dirty, moves, self._job, self._seen)

    def factor(self):
        return self._job[2]

    def see_all(self):
        """Hash every strip that is not masked at the next refresh."""

    # --- with masks ---

    def see(self, masked, dirty):
        """From now on hash only what is not masked (masked.py; None: nothing is). What is masked has the hash of
        zeros, and is marked dirty if it had another. Allocates.
        """
        if masked is None:
            self._seen = b""
            whole = self._whole
            whole[0], whole[1], whole[2], whole[3] = 0, self.cols, 0, self.rows
            return
        zeros = self._hash_of_zeros()
        height = (self.rows + 7) >> 3
        for column in range(self.cols):
            for row in range(self.rows):
                i = column * self.rows + row
                if masked.is_masked(column, row) and self.table[i] != zeros:
                    self.table[i] = zeros
                    dirty[column * height + (row >> 3)] |= 1 << (row & 7)
        self._seen = masked.seen

    def _hash_of_zeros(self):
        size = self.aimed[8]
        table = array("I", (0, 0))
        one = array("i", (0, 1, 0, 1, 1, size, size, 0, size, 0, _STORE))
        self.check(bytearray(size), self.factor(), MASK, table, bytearray(1), one)
        return table[0]


def _kernel(size, offsets, buffer, table):
    """The hash function for a whole display, the same hash for small windows, and its factor."""
    if not has_viper:
        from .plain import anysize as kernel

        return kernel.scan, kernel.scan, 0
    name = _shape(size, offsets | _address(buffer))
    if _IS_THUMB and (name == "words16" or name == "words8"):
        from .assembly import scan_for

        scan, check, factor = scan_for(size, buffer, table)
        if scan:
            return scan, check, factor
    kernel = _load(name)
    return kernel.scan, kernel.scan, kernel.K


def _address(buffer):
    """Only its lowest bits count. A port without uctypes gets the kernel that takes any address."""
    try:
        from uctypes import addressof
    except ImportError:
        return 1
    return addressof(buffer) & 3


def _shape(size, offsets):
    """The kernel for strips of `size` bytes whose addresses have the low bits `offsets`. ptr32 must be aligned.

    All but the slow one compare hashes without cutting them to 32 bits.
    """
    if _IS_32_BIT:
        if not offsets & 3:
            if size in (128, 64, 32, 16, 8):
                return "words%d" % (size >> 2)
        elif not offsets & 1:
            if size in (64, 32):
                return "halves%d" % (size >> 1)
        elif size == 32:
            return "bytes32"
    return "anysize"


def _load(name):
    # Written out, so that a tool that freezes modules sees every one of them.
    if name == "words32":
        from .kernels import words32 as kernel
    elif name == "words16":
        from .kernels import words16 as kernel
    elif name == "words8":
        from .kernels import words8 as kernel
    elif name == "words4":
        from .kernels import words4 as kernel
    elif name == "words2":
        from .kernels import words2 as kernel
    elif name == "halves32":
        from .kernels import halves32 as kernel
    elif name == "halves16":
        from .kernels import halves16 as kernel
    elif name == "bytes32":
        from .kernels import bytes32 as kernel
    else:
        from .kernels import anysize as kernel
    return kernel
