"""CBOR (RFC 8949) read from a given buffer without allocating, but for `item`, which makes the objects it returns.

Integers from 2^30 up, which 32-bit boards keep on the heap, are read as eight bytes.
"""

import struct

from micropython import const

from .cbor import ARRAY, BYTES, MAP, NEGATIVE, SIMPLE, TEXT, UINT
from .wire import MAX_DEPTH

try:
    from .kernels import copy
except (ImportError, SyntaxError):  # CPython, or a port that cannot emit native code
    from .kernels_plain import copy

_MAX_ITEMS = const(256)  # of one `item`, so that a short message cannot ask for a long list


class Reader:
    """Reads one message at `buffer[0:end]`. Anything unexpected sets `bad`; from then on every answer is 0 or None.

    `value` is the argument of the head read last when it is below 2^30, else -1; `wide_at` is where its eight bytes
    lie when it was written in nine, else -1. Lengths are definite: the bridge knows them.
    """

    def __init__(self):
        self.buffer = None
        self.at = 0
        self.end = 0
        self.bad = False
        self.major = 0
        self.value = 0
        self.wide_at = -1
        self.indefinite = False
        self._head_at = 0
        self._items = 0

    def reset(self, buffer, end):
        self.buffer = buffer
        self.at = 0
        self.end = end
        self.bad = False

    def head(self):
        """Read a head into `major` and `value`."""
        self.wide_at = -1
        self.indefinite = False
        self.value = 0
        self.major = -1
        if self.bad or self.at >= self.end:
            self.bad = True
            return
        first = self.buffer[self.at]
        self._head_at = self.at
        self.at += 1
        self.major = first & 0xE0
        self.value = first & 0x1F
        self.indefinite = self.value == 31
        if self.value < 24 or self.indefinite:
            return
        if self.value > 27:
            self.bad = True
            return
        self._argument(1 << (self.value - 24))

    def _argument(self, size):
        at = self.at
        if at + size > self.end:
            self.bad = True
            return
        self.at = at + size
        if size == 8:
            self.wide_at = at
        value = 0
        for i in range(at, at + size):
            if value >= 1 << 22:  # one more byte would reach 2^30
                value = -1
                break
            value = value << 8 | self.buffer[i]
        self.value = value

    def _expect(self, major):
        self.head()
        if self.major != major or self.value < 0 or self.indefinite:
            self.bad = True
        return 0 if self.bad else self.value

    def uint(self):
        """An unsigned integer below 2^30."""
        at = self.at
        if at < self.end and not self.bad:
            first = self.buffer[at]
            if first < 24:
                self.at = at + 1
                return first
        return self._expect(UINT)

    def array(self):
        """The number of items of an array, which then follow."""
        return self._expect(ARRAY)

    def blob(self, size):
        """Where the `size` bytes of a byte string lie, fewer than 24."""
        at = self.at + 1
        if at + size <= self.end and self.buffer[at - 1] == BYTES | size and not self.bad:
            self.at = at + size
            return at
        if self._expect(BYTES) != size or self.at + size > self.end:
            self.bad = True
            return 0
        self.at += size
        return self.at - size

    def boolean(self):
        self.head()
        if self.major != SIMPLE or not 20 <= self.value <= 21:
            self.bad = True
        return not self.bad and self.value == 21

    def wide_into(self, target):
        """An unsigned integer of any size into eight bytes, most significant first."""
        self.head()
        if self.bad or self.major != UINT or (self.value < 0 and self.wide_at < 0 and not self._is_word()):
            self.bad = True
            return
        if self.wide_at >= 0:
            copy(target, 0, self.buffer, self.wide_at, 8)
            return
        if self.value < 0:
            copy(target, 4, self.buffer, self.at - 4, 4)
        else:
            for i in range(4):
                target[4 + i] = self.value >> (24 - 8 * i) & 0xFF
        for i in range(4):
            target[i] = 0

    def _is_word(self):
        """The head read last took five bytes: an argument from 2^30 up."""
        return self.at >= 5 and self.buffer[self.at - 5] == UINT | 26

    def item(self):
        """The next item as an object: None, bool, int, float, str, list or dict. For settings; allocates."""
        self._items = _MAX_ITEMS
        value = self._item(MAX_DEPTH)
        return None if self.bad else value

    def _item(self, depth):
        self.head()
        self._items -= 1
        if self._items < 0 or self.indefinite:
            self.bad = True
        if self.bad:
            return None
        if self.major == SIMPLE:
            return self._simple()
        value = self.value if self.value >= 0 else self._large()
        if self.major == UINT:
            return value
        if self.major == NEGATIVE:
            return -1 - value
        if self.major == TEXT:
            return self._text(value)
        if depth == 0 or value > self._items:
            self.bad = True
        elif self.major == ARRAY:
            return self._list(value, depth - 1)
        elif self.major == MAP:
            return self._dict(value, depth - 1)
        self.bad = True  # nobody sends bytes or tags in settings
        return None

    def _large(self):
        """The argument of a head, from 2^30 up."""
        start = self.wide_at if self.wide_at >= 0 else self.at - 4
        return int.from_bytes(self.buffer[start : self.at], "big")

    def _text(self, size):
        if self.at + size > self.end:
            self.bad = True
            return None
        self.at += size
        try:
            return bytes(self.buffer[self.at - size : self.at]).decode()
        except ValueError:  # MicroPython's UnicodeError is one
            self.bad = True
            return None

    def _list(self, count, depth):
        values = []
        while count > 0 and not self.bad:
            values.append(self._item(depth))
            count -= 1
        return values

    def _dict(self, count, depth):
        values = {}
        while count > 0 and not self.bad:
            key = self._item(0)
            if not isinstance(key, str):
                self.bad = True
                break
            values[key] = self._item(depth)
            count -= 1
        return values

    def _simple(self):
        size = self.at - self._head_at
        if size == 1 and 20 <= self.value <= 22:
            return None if self.value == 22 else self.value == 21
        if size == 3:
            return _half(self.buffer[self.at - 2] << 8 | self.buffer[self.at - 1])
        if size == 5:
            return struct.unpack_from(">f", self.buffer, self.at - 4)[0]
        if size == 9:
            return struct.unpack_from(">d", self.buffer, self.at - 8)[0]
        self.bad = True
        return None


def _half(bits):
    """A float of 16 bits, which not every port's struct knows."""
    exponent = bits >> 10 & 31
    value = bits & 0x3FF
    if exponent == 31:
        value = float("nan") if value else float("inf")
    elif exponent:
        value = (value + 1024) * 2.0 ** (exponent - 25)
    else:
        value = value * 2.0**-24
    return -value if bits & 0x8000 else value
