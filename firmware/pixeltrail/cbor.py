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
    from . import kernels
except (ImportError, SyntaxError):  # CPython, or a port that cannot emit native code
    from . import kernels_plain as kernels

_text = kernels.text  # a call of a method would need a slot more

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
    """Writes items into `buffer[at:end]`; `at` moves on.

    No class of the device that is stored to in every step has a property: beside one, MicroPython looks for a setter
    at each store to any attribute, which costs ten times as much.
    """

    def __init__(self, buffer):
        self.buffer = buffer
        self._items = 0
        self._depth = 0
        self.reset(0, len(buffer))

    def reset(self, at, end):
        self.at = at
        self.end = end
        self._stop = end  # 0 behind the first item that was refused: from there on nothing fits
        self.overflow = False
        self.bad = False

    def rewind(self, mark):
        """Forget everything from `mark`, an earlier `at`, and both flags."""
        self.at = mark
        self._stop = self.end
        self.overflow = False
        self.bad = False

    def seal(self):
        """End an open array with the byte that was kept behind `end`, where `at` does not go; nothing was refused."""
        self.buffer[self.at] = BREAK

    def byte(self, value):
        at = self.at
        if at < self._stop:
            self.buffer[at] = value
            self.at = at + 1
        else:
            self._refuse(0)

    def _refuse(self, at):
        """A kernel found no room (0), or something that must not be written (-1)."""
        self._stop = 0
        if at:
            self.bad = True
        else:
            self.overflow = True

    def _fits(self, size):
        if self.at + size <= self._stop:
            return True
        self._refuse(0)
        return False

    def head(self, major, value):
        """The head of an item: `major` is one of UINT to TAG, `value` an integer below 2^30."""
        at = kernels.head(self.buffer, self.at, self._stop, major, value)
        if at > 0:
            self.at = at
        else:
            self._refuse(at)

    def uint(self, value):
        at = kernels.head(self.buffer, self.at, self._stop, UINT, value)
        if at > 0:
            self.at = at
        else:
            self._refuse(at)

    def uint_to(self, value, most):
        """An unsigned integer that the contract limits."""
        if 0 <= value <= most:
            self.head(UINT, value)
        else:
            self._refuse(-1)

    def integer(self, value):
        if 0 <= value <= _U30_MAX:
            self.head(UINT, value)
        elif _I30_LEAST <= value < 0:
            self.head(NEGATIVE, -1 - value)
        elif _I64_LEAST <= value <= _I64_MAX:
            self._wide(value)
        else:
            self._refuse(-1)

    def small_integer(self, value):
        """An integer that the contract keeps within 30 bits and a sign."""
        if _I30_LEAST <= value <= _U30_MAX:
            self.integer(value)
        else:
            self._refuse(-1)

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
        if type(value) is str or isinstance(value, str):  # a kernel takes a number for an address
            at = _text(self.buffer, self.at, self._stop, value, len(value), limit)
            if at > 0:
                self.at = at
            else:
                self._refuse(at)
        else:
            self._refuse(-1)

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
            self._refuse(-1)
            return
        begin = self.at + 3
        room = self._stop - begin
        if room < 0:
            self._refuse(0)
            return
        size = kernels.text_bytes(value, len(value))
        cut = min(size, limit, room)
        buffer = self.buffer
        kernels.copy(buffer, begin, value, 0, cut)
        if cut < size:
            cut = _whole_characters(buffer, begin, cut)
        buffer[begin - 3] = TEXT | 25
        buffer[begin - 2] = cut >> 8
        buffer[begin - 1] = cut & 0xFF
        self.at = begin + cut

    def blob(self, value, start, size):
        """A byte string copied from value[start : start + size]."""
        self.head(BYTES, size)
        self._copy(value, start, size)

    def raw(self, items):
        """Items that are encoded already."""
        self._copy(items, 0, len(items))

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
            kernels.copy(self.buffer, self.at, value, start, size)
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

    def begin(self, items, kind):
        """An array of `items` below 24, the first of which is a record's kind."""
        at = self.at
        if at + 2 <= self._stop:
            buffer = self.buffer
            buffer[at] = ARRAY | items
            buffer[at + 1] = kind
            self.at = at + 2
        else:
            self._refuse(0)

    def properties(self, values):
        """A dict with str keys, or None for an empty one."""
        self._items = _MAX_ITEMS
        if values is None:
            self.byte(MAP)
        elif isinstance(values, dict):
            self._depth = MAX_DEPTH
            self._dict(values)
        else:
            self._refuse(-1)

    def _goes_down(self, major, count):
        """The head of an array or map, one level down; False when that is too deep."""
        if self._depth == 0:
            self._refuse(-1)
            return False
        self._depth -= 1
        self.head(major, count)
        return True

    def _dict(self, values):
        if self._goes_down(MAP, len(values)):
            for key in values:
                self._pair(key, values)
                if not self._stop:
                    return
            self._depth += 1

    def _pair(self, key, values):
        self.text(key, MAX_NAME)
        self._value(values[key])

    def _list(self, values):
        if self._goes_down(ARRAY, len(values)):
            for value in values:
                self._value(value)
                if not self._stop:
                    return
            self._depth += 1

    def _value(self, value):
        self._items -= 1
        if self._items < 0:
            self._refuse(-1)
            return
        kind = type(value)
        if kind is int:
            self.integer(value)
        elif kind is str:
            self.text(value)
        elif value is None:
            self.byte(NULL)
        elif kind is bool:
            self.byte(TRUE if value else FALSE)
        elif kind is float:
            self.real(value)
        else:
            self._rarer(value)

    def _rarer(self, value):
        """What holds others, and classes made from those above."""
        if isinstance(value, dict):
            self._dict(value)
        elif isinstance(value, _SEQUENCES):
            self._list(value)
        elif isinstance(value, int):
            self.integer(value)
        elif isinstance(value, str):
            self.text(value)
        elif isinstance(value, float):
            self.real(value)
        else:
            self._refuse(-1)


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
