"""Clean columns passed by inline assembler, where a port has it: a third of what the viper kernels take.

The assembler finds the first changed strip of a column, a viper kernel with the same hash marks from there on. That
hash is not the one of the other kernels; a frame buffer keeps to one of the two for good.

An assembler kernel is used only on the processor it is for, and only after it has given known answers: code of a
Cortex-M3 would bring down a Cortex-M0, and no test could catch that. Anything that goes wrong leaves viper in charge.
"""

import sys
from array import array

from micropython import const

# Architectures in sys.implementation._mpy: armv6m; armv7m to armv7emdp.
_ARMV6M = const(4)
_ARMV7M = const(5)
_ARMV7EMDP = const(8)

# The context of the assembler, in words, and the window of a kernel (kernels/anysize.py).
_BASE, _STEP, _LAST_STEP, _HASHES, _HEIGHT, _GAP, _LEFT, _SKIP = 1, 2, 3, 4, 5, 6, 7, 8
_FIRST, _END, _TOP, _STOP, _ROWS, _PITCH, _STRIDE, _LAST, _SIZE, _LAST_COLUMN, _DO = range(11)


def scan_for(size, buffer, table):
    """For strips of `size` bytes of this buffer: a scan() with the contract of the kernels, the kernel with the same
    hash for small windows, where it is quicker, and its factor. Without assembler the first is None.
    """
    try:
        find = _assembler(size >> 2)
        if find:
            from .kernels import wordwise

            if _answers(find, wordwise, size):
                return Assembly(find, wordwise, buffer, table).scan, wordwise.scan, wordwise.K
    except Exception:  # SyntaxError from source, TypeError from .mpy, and whatever else a port makes of it
        pass
    return None, None, 0


def _assembler(words):
    architecture = sys.implementation._mpy >> 10 & 15
    if architecture == _ARMV6M:
        from .thumb import thumb6 as module
    elif _ARMV7M <= architecture <= _ARMV7EMDP:
        from .thumb import thumb7 as module
    else:
        return None
    return getattr(module, "scan%d" % words, None)


def _answers(find, kernel, size):
    """Two columns of three rows: hashed by viper, found clean, and then a bit turned in each place."""
    buffer = bytearray(6 * size)
    for i in range(len(buffer)):
        buffer[i] = i * 7 + (i >> 3) & 255
    table = array("I", bytes(4 * 9))
    marks = bytearray(2)
    window = array("i", (0, 2, 0, 3, 3, 2 * size, size, size, size, 1, 1))
    if kernel.scan(buffer, kernel.K, -1, table, marks, window) != 6:
        return False
    window[_DO] = 0
    assembly = Assembly(find, kernel, buffer, table)
    for i in range(-1, len(buffer), 5):
        marks[0] = marks[1] = 0
        if i >= 0:
            buffer[i] ^= 128
        found = assembly.scan(buffer, 0, 0, table, marks, window)
        if i < 0:
            if found:
                return False
            continue
        buffer[i] ^= 128
        row = i // (2 * size)
        column = i // size & 1
        if found != 1 or marks[column] != 1 << row or marks[1 - column]:
            return False
    return True


class Assembly:
    """The pass over one frame buffer. Functions are cut small: see strips.py."""

    def __init__(self, find, kernel, buffer, table):
        self._find = find
        self._kernel = kernel
        self._buffer = buffer
        self._table = table
        self._dirty = None
        self._context = array("i", (kernel.K, 0, 0, 0, 0, 0, 0, 0, 0))
        self._rest = array("i", bytes(44))

    def scan(self, p, k, h, s, d, q):
        self._dirty = d
        return self._go(q, q[_FIRST])

    def _go(self, q, column):
        changed = 0
        while column < q[_END]:
            self._aim(q, column)
            row = self._find(self._buffer, self._table, self._context)
            if not row:
                break
            column = q[_END] - self._context[_LEFT]
            changed += self._mark(q, column, row - 1)
            column += 1
            if q[_DO] & 2:
                q[_FIRST] = column
                break
        return changed

    def _aim(self, q, column):
        context = self._context
        rows = q[_STOP] - q[_TOP]
        last = q[_LAST_COLUMN]
        context[_BASE] = (q[_LAST] if column == last else column * q[_STRIDE]) + q[_TOP] * q[_PITCH]
        context[_STEP] = context[_LAST_STEP] = q[_STRIDE]
        if q[_END] > last:
            context[_LAST_STEP] = q[_LAST] - (last - 1) * q[_STRIDE]
        context[_HASHES] = (column * q[_ROWS] + q[_TOP]) * 4
        context[_HEIGHT] = rows * 4
        context[_GAP] = q[_PITCH] - q[_SIZE]
        context[_LEFT] = q[_END] - column
        context[_SKIP] = (q[_ROWS] - rows) * 4

    def _mark(self, q, column, row):
        """Store and mark what has changed in a column, from a row of the window on."""
        rest = self._rest
        for i in range(_STOP, _DO + 1):
            rest[i] = q[i]
        rest[_FIRST] = column
        rest[_END] = column + 1
        rest[_TOP] = q[_TOP] + row
        rest[_DO] = q[_DO] & 1
        return self._kernel.scan(self._buffer, self._kernel.K, -1, self._table, self._dirty, rest)
