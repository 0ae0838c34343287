"""CBOR (RFC 8949) written into a given buffer without allocating; cbor_reader.py reads.

The writer never raises: what does not fit sets `overflow`, what CBOR or the contract cannot express sets `bad`, and
from then on it writes nothing. The caller marks a position before a record, looks at both flags behind it and rewinds.
So a record is in the buffer whole or not at all.

Heads are in their shortest form, except where the caller asks for one of fixed size. Properties of the application
are limited in depth, items and length before they are written; the limits are the contract's.

Plain integers stay below 2^30. Larger ones, which 32-bit boards keep on the heap, are written from where they are.
"""

import struct

from micropython import const

from .wire import MAX_DEPTH, MAX_NAME, MAX_TEXT

try:
    from .kernels import copy, text_bytes
except (ImportError, SyntaxError):  # CPython, or a port that cannot emit native code
    from .kernels_plain import copy, text_bytes

UINT = 0x00
NEGATIVE = 0x20
BYTES = 0x40
TEXT = 0x60
ARRAY = 0x80
MAP = 0xA0
TAG = 0xC0
SIMPLE = 0xE0

FALSE = 0xF4
TRUE = 0xF5
NULL = 0xF6
BREAK = 0xFF

_MAX_ITEMS = 256  # of one properties map, nested ones counted: under the contract's 2,048 for a message
_U30_MAX = const((1 << 30) - 1)  # the largest integer that is no heap object on a 32-bit board
_I30_LEAST = const(-(1 << 30))
# Written once: to negate one of these, or to name two types, allocates.
_INFINITY = float("inf")
_MINUS_INFINITY = -_INFINITY
_I64_MAX = (1 << 63) - 1
_I64_LEAST = -(1 << 63)
_SEQUENCES = (list, tuple)
# Most boards have 32-bit floats, which a shorter item holds exactly.
_IS_SINGLE = 1.0 + 1e-9 == 1.0
_FLOAT_HEAD = 0xFA if _IS_SINGLE else 0xFB
_FLOAT_FORMAT = ">f" if _IS_SINGLE else ">d"
_FLOAT_BYTES = 4 if _IS_SINGLE else 8


class Writer:
    """Writes items into `buffer[at:end]`; `at` moves on."""

    def __init__(self, buffer):
        self.buffer = buffer
        self.at = 0
        self.end = len(buffer)
        self.overflow = False
        self.bad = False
        self._items = 0

    def reset(self, at, end):
        self.at = at
        self.end = end
        self.overflow = False
        self.bad = False

    def rewind(self, mark):
        """Forget everything from `mark`, an earlier `at`, and both flags."""
        self.at = mark
        self.overflow = False
        self.bad = False

    @property
    def ok(self):
        return not (self.overflow or self.bad)

    def byte(self, value):
        if self.overflow or self.bad:
            return
        if self.at >= self.end:
            self.overflow = True
            return
        self.buffer[self.at] = value
        self.at += 1

    def _fits(self, size):
        if self.overflow or self.bad:
            return False
        if self.at + size > self.end:
            self.overflow = True
            return False
        return True

    def head(self, major, value):
        """The head of an item: `major` is one of UINT to TAG, `value` an integer below 2^30."""
        if not 0 <= value <= _U30_MAX:
            self.bad = True
            return
        if value < 24:
            self.byte(major | value)
            return
        size = 2 if value < 0x100 else 3 if value < 0x10000 else 5
        if not self._fits(size):
            return
        buffer = self.buffer
        at = self.at
        self.at = at + size
        if size == 2:
            buffer[at] = major | 24
        elif size == 3:
            buffer[at] = major | 25
            buffer[at + 1] = value >> 8
        else:
            buffer[at] = major | 26
            buffer[at + 1] = value >> 24
            buffer[at + 2] = value >> 16 & 0xFF
            buffer[at + 3] = value >> 8 & 0xFF
        buffer[at + size - 1] = value & 0xFF

    def uint(self, value):
        self.head(UINT, value)

    def uint_to(self, value, most):
        """An unsigned integer that the contract limits."""
        if 0 <= value <= most:
            self.head(UINT, value)
        else:
            self.bad = True

    def integer(self, value):
        if 0 <= value <= _U30_MAX:
            self.head(UINT, value)
        elif _I30_LEAST <= value < 0:
            self.head(NEGATIVE, -1 - value)
        elif _I64_LEAST <= value <= _I64_MAX:
            self._wide(value)
        else:
            self.bad = True

    def small_integer(self, value):
        """An integer that the contract keeps within 30 bits and a sign."""
        if _I30_LEAST <= value <= _U30_MAX:
            self.integer(value)
        else:
            self.bad = True

    def _wide(self, value):
        if not self._fits(9):
            return
        at = self.at
        self.at = at + 9
        buffer = self.buffer
        struct.pack_into(">q", buffer, at + 1, value)
        buffer[at] = UINT | 27
        if value < 0:
            buffer[at] = NEGATIVE | 27
            for i in range(at + 1, at + 9):
                buffer[i] ^= 0xFF  # -1 - value, without making that integer

    def boolean(self, value):
        self.byte(TRUE if value else FALSE)

    def boolean_or_null(self, value):
        self.byte(NULL if value is None else TRUE if value else FALSE)

    def null(self):
        self.byte(NULL)

    def real(self, value):
        """A float; what is not finite becomes null, as in JSON."""
        if not _MINUS_INFINITY < value < _INFINITY:
            self.byte(NULL)
        elif self._fits(1 + _FLOAT_BYTES):
            self.buffer[self.at] = _FLOAT_HEAD
            struct.pack_into(_FLOAT_FORMAT, self.buffer, self.at + 1, value)
            self.at += 1 + _FLOAT_BYTES

    def text(self, value, limit=MAX_TEXT):
        """A str of at most `limit` bytes of UTF-8."""
        if not isinstance(value, str):
            self.bad = True
            return
        size = text_bytes(value, len(value))
        if size > limit:
            self.bad = True
            return
        self.head(TEXT, size)
        self._copy(value, 0, size)

    def name(self, value):
        self.text(value, MAX_NAME)

    def name_or_null(self, value):
        if value is None:
            self.byte(NULL)
        else:
            self.text(value, MAX_NAME)

    def cut_text(self, value, limit=MAX_TEXT):
        """As much of a str as fits, whole characters; for texts where the beginning is worth having."""
        if not isinstance(value, str):
            self.bad = True
            return
        size = text_bytes(value, len(value))
        room = self.end - self.at - 3
        if room < 0:
            self.overflow = True
            return
        cut = min(size, limit, room)
        self.byte(TEXT | 25)
        self.byte(0)
        self.byte(0)
        begin = self.at
        self._copy(value, 0, cut)
        if self.overflow or self.bad:
            return
        if cut < size:
            cut = _whole_characters(self.buffer, begin, cut)
            self.at = begin + cut
        self.buffer[begin - 2] = cut >> 8
        self.buffer[begin - 1] = cut & 0xFF

    def blob(self, value, start, size):
        """A byte string copied from value[start : start + size]."""
        self.head(BYTES, size)
        self._copy(value, start, size)

    def blob_or_null(self, value):
        if value is None:
            self.byte(NULL)
        else:
            self.blob(value, 0, len(value))

    def wide_uint(self, value):
        """An unsigned integer given as eight bytes, most significant first, or None for null."""
        if value is None:
            self.byte(NULL)
            return
        self.byte(UINT | 27)
        self._copy(value, 0, 8)

    def _copy(self, value, start, size):
        if self._fits(size):
            copy(self.buffer, self.at, value, start, size)
            self.at += size

    def array(self, count):
        self.head(ARRAY, count)

    def map(self, count):
        self.head(MAP, count)

    def array_open(self):
        self.byte(ARRAY | 31)

    def map_open(self):
        self.byte(MAP | 31)

    def close(self):
        """End the innermost open array or map."""
        self.byte(BREAK)

    def properties(self, values):
        """A dict with str keys, or None for an empty one."""
        self._items = _MAX_ITEMS
        if values is None:
            self.byte(MAP)
        elif isinstance(values, dict):
            self._dict(values, MAX_DEPTH)
        else:
            self.bad = True

    def _dict(self, values, depth):
        if depth == 0:
            self.bad = True
            return
        self.head(MAP, len(values))
        for key in values:
            self.text(key, MAX_NAME)
            self._value(values[key], depth - 1)
            if self.overflow or self.bad:
                return

    def _list(self, values, depth):
        if depth == 0:
            self.bad = True
            return
        self.head(ARRAY, len(values))
        for value in values:
            self._value(value, depth - 1)
            if self.overflow or self.bad:
                return

    def _value(self, value, depth):
        self._items -= 1
        if self._items < 0:
            self.bad = True
        elif value is None:
            self.byte(NULL)
        elif value is True:
            self.byte(TRUE)
        elif value is False:
            self.byte(FALSE)
        elif isinstance(value, int):
            self.integer(value)
        elif isinstance(value, str):
            self.text(value)
        elif isinstance(value, float):
            self.real(value)
        elif isinstance(value, dict):
            self._dict(value, depth)
        elif isinstance(value, _SEQUENCES):
            self._list(value, depth)
        else:
            self.bad = True


def _whole_characters(buffer, begin, size):
    """The largest size up to `size` that ends where a character of UTF-8 does."""
    last = begin + size
    start = last - 1
    while start >= begin and buffer[start] & 0xC0 == 0x80:
        start -= 1
    if start < begin:
        return 0
    lead = buffer[start]
    width = 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    return size if start + width == last else start - begin
