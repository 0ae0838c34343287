"""S-CX, payload type 1: codes moves, references and rectangles into parts (schema/wire.md, "Payload S-CX").

    coder.open(out, start, end)
    coder.copy(...)  coder.reference(...)  coder.rectangle(...)
    size = coder.close()

One part is one stream of the range coder. What it learns (the model) passes from part to part until `reset`. Nothing
is ever taken back: an operation that does not fit is refused before it begins, and a rectangle that turns out too large
ends early, at any pixel. Its whole rows count; one that was begun is to be sent again.

Places are strips and rows, pages in MONO_VLSB. Everything is allocated at start. Functions are cut small on purpose: on
MicroPython a call with more than 11 locals and stack slots borrows heap, at the price of a small rectangle.
"""

from array import array

from micropython import const

from .native import has_viper
from .tables import STATES

if has_viper:
    from .kernels import cxhead as head
else:
    from .plain import cxhead as head

PAYLOAD_TYPE = const(1)

# Pixels, bits and how the kernels tell formats apart, by format number (schema/wire.md, "Picture").
_BITS = (1, 1, 1, 2, 4, 8, 16, 16, 8)
_RGB565S = const(7)
_GS4 = const(4)
_MONO_HLSB = const(1)

_COLOUR_CONTEXTS = const(904)
_MONO_CONTEXTS = const(2048)
_STOP = const(9)  # behind those of pixels

# Numbers that encoder.py shares with the kernels; kernels/drive.py says what they are.
START = const(10)
BUDGET = const(38)
IS_EMPTY = const(39)
_STRIP_PX = const(40)
END = const(41)
_IS_NOISE = const(42)
SPENT = const(43)
PIXELS = const(44)
_HAS_OPS = const(45)
HAS_TORN = const(47)
HAS_MASKS = const(48)
LARGEST = const(49)
_EFFORT = const(50)
SIZE = const(51)
_NUMBERS = const(52)

# What a head says.
_COPY = const(1)
_REFERENCE = const(2)
_RECTANGLE = const(3)
_RAW = const(4)

# A decision takes at most 10.5 bits. An operation's head has at most 62, a rectangle's 42; between two chances to stop
# lie 31 bytes and then at most 57, or 16 pixels of mono; the end of a part takes one decision and 4 bytes.
_CLOSE_BYTES = const(8)
_HEAD_BYTES = const(84)
_RECT_BYTES = const(58)
_STOP_BYTES = const(98)  # with the end

# Smaller rectangles are not kept for reference: there are many, and they would push out those that save more. Strips at
# the right edge count whole. With 128 references, frames took 7 % fewer bytes than with all rectangles kept.
_KEPT_PX = const(160)

_NOISE = const(2)  # why a rectangle ended early: raw bytes would be fewer
_NO_GAIN = const(64)  # bytes of pixels that can tell noise; in fewer the head of the rectangle is too much
_LEAST_NOISE = const(
    64
)  # half the bytes that are raw before pixels are tried again; doubles while it stays noise
_MOST_NOISE = const(1 << 14)
_FOR_GOOD = const(1 << 24)
NO_LIMIT = const(1 << 16)
_LEAST_EFFORT = const(64)  # room for the head of a rectangle and some pixels


class Coder:
    """Codes `buffer`, which it reads and never writes.

    effort: bytes of a part after which no pixels are begun, and those under way end at the next chance, 31 bytes
    later at most. Pixels that take many bytes take many instructions, up to 4,500 each: bytes bound the time of a part.
    rows_above: how many rows above a rectangle it looks at, within the rectangle's columns. `rectangle` may be told
    that they are known (above_known) only if the host has them exactly so.
    """

    def __init__(self, buffer, width, height, format, pitch, strip_width, strip_rows):
        pages = strip_rows > 1
        bits = _BITS[format]
        self._buffer = buffer
        self._strip_px = strip_width * strip_rows
        self.strip_bytes = strip_width * (8 if pages else bits) >> 3
        self._strips_to_try = (_NO_GAIN + self.strip_bytes - 1) // self.strip_bytes
        cols = (width + strip_width - 1) // strip_width
        rows = (height + 7) >> 3 if pages else height
        self.rows_above = 1 if pages else 3 if bits == 1 else 2
        base = _MONO_CONTEXTS if bits == 1 else _COLOUR_CONTEXTS
        strip_bits = _bits(cols)
        self._states = bytearray(base + 156 + (2 << strip_bits))
        self._table = _words(STATES)
        step = _step(buffer, pitch, bits)
        columns = width + 10 if bits == 1 else (2 if step > 1 else 3) * ((width + 5) & 0x7FE)
        columns = max(columns, cols * ((rows + 7) >> 3) >> 1)  # the marks of drive.py lie there too
        self._space = array("H", bytes(2 * (272 + columns)))
        self._code_head = head.code
        self._code = _kernel(bits)
        # Numbers of the kernels; cxhead.in and the other templates say which.
        numbers = array("i", (0 for _ in range(_NUMBERS)))
        self.numbers = numbers
        numbers[_STRIP_PX] = self._strip_px
        numbers[12] = pitch
        numbers[19] = bits
        numbers[20] = _order(format)
        numbers[21] = step
        numbers[23] = base + _STOP
        numbers[24] = base
        numbers[25] = strip_bits
        numbers[26] = _bits(rows)
        numbers[31] = strip_width
        numbers[32] = 8 if pages else bits
        numbers[33] = width
        numbers[34] = self.rows_above
        numbers[35] = rows
        numbers[36] = _edge(format, width * numbers[32] & 7)
        numbers[37] = (1 << (height & 7)) - 1 if pages and height & 7 else 255
        self.limit(NO_LIMIT)
        self.out = buffer
        self.is_kept = False  # the last rectangle may be referred to
        self.reset()

    def reset(self):
        """Forget all that was learned. For the first part of a keyframe."""
        head.clear(self._states, len(self._states))
        for i in range(80, 208):
            self._space[i] = 0
        numbers = self.numbers
        numbers[29] = 0  # rectangles kept since
        numbers[30] = 0  # the one after the one referred to last
        numbers[PIXELS] = 0
        self._noise_bytes = self._noise_beside = self._noise_column = 0
        self._calm()

    def limit(self, effort):
        self.effort = max(effort, _LEAST_EFFORT)
        self.numbers[_EFFORT] = self.effort

    def job(self, area, strips, dirty, references, moves):
        """What kernels/drive.py works with, in the order it says."""
        rows = memoryview(self._space)[272:]
        job = [self.numbers, self._space, area, rows, strips.aimed, dirty.bits, dirty.rect, references.arrays]
        job += (self._buffer, b"", self._table, self._states)
        job += (strips.table, strips.check, strips.factor, strips.mask)
        job += (head.code, self._code, references.match, references.put)
        job += (dirty.kernel, dirty.shape, moves.found, moves.numbers, head.open, head.close)
        return job

    def open(self, out, start, end):
        """Begin a part in out[start:end]."""
        self.out = out
        self.numbers[START] = start
        self.numbers[END] = end
        head.open(self.numbers, 0, 0)

    def room(self):
        """Bytes certainly left, with the end of the part set aside."""
        return self.numbers[END] - self.numbers[2] - _CLOSE_BYTES

    def copy(self, column, columns, row, rows, dy):
        """Take these strips from dy rows further down in the picture before the frame. False: no room."""
        if self.room() < _HEAD_BYTES:
            return False
        numbers = self.numbers
        numbers[4] = column
        numbers[5] = columns
        numbers[6] = row
        numbers[7] = rows
        numbers[8] = dy << 1 if dy > 0 else 1 - (dy << 1)
        self._head(_COPY)
        return True

    def reference(self, distance, column, row, is_same_place):
        """Show again the rectangle kept `distance` kept rectangles ago, 1 being the last. False: no room.

        is_same_place: (column, row) is where it was coded. It must be as wide in pixels here as there.
        """
        if self.room() < _HEAD_BYTES:
            return False
        numbers = self.numbers
        numbers[4] = column
        numbers[6] = row
        numbers[8] = distance
        numbers[9] = 1 if is_same_place else 0
        self._head(_REFERENCE)
        return True

    def rectangle(self, column, columns, row, rows, above_known):
        """Code the top of a rectangle; return how many rows of it, 0 when there is no room for one."""
        numbers = self.numbers
        numbers[4] = column
        numbers[5] = columns
        numbers[6] = row
        numbers[7] = rows
        numbers[9] = 1 if above_known else 0
        return self._kept(self._rectangle())

    def read(self, buffer, pitch):
        """Code rectangles from this buffer: with pitch 0, one row that all rows look like."""
        self._buffer = buffer
        self.numbers[12] = pitch

    def close(self):
        """End the part; return its length, 0 if it holds nothing."""
        if not self.numbers[_HAS_OPS]:
            return 0
        return head.close(0, 0, self.out, self._table, self._states, self.numbers)

    def columns_that_fit(self, column, row):
        """How many strips of one row fit into what is left of the part, whatever they show."""
        room = self.room() - (_RECT_BYTES + _RECT_BYTES + _STOP_BYTES)
        fitting = max(0, room) // self.strip_bytes
        if self._is_noise(column, row):
            return fitting if self._noise_bytes > 0 else min(fitting, self._strips_to_try)
        return min(fitting, max(1, self.effort // self.strip_bytes))

    def is_try_due(self, column, row):
        """True when only `columns_that_fit` of one row should be coded, to see if the noise that was here is over."""
        return self.numbers[_IS_NOISE] and self._noise_bytes <= 0 and self._is_noise(column, row)

    def _head(self, kind):
        self.numbers[_HAS_OPS] = 1
        self.numbers[3] = kind
        self._code_head(0, 0, self.out, self._table, self._states, self.numbers, self._space)

    def _rectangle(self):
        numbers = self.numbers
        begun = numbers[2]
        if begun + _RECT_BYTES > numbers[22]:
            return 0
        if self._noise_bytes > 0 and numbers[12] and self._is_noise(numbers[4], numbers[6]):
            return self._raw()
        self._head(_RECTANGLE)
        done = self._pixels()
        numbers[SPENT] += numbers[2] - begun
        if numbers[3] == _NOISE or self._is_no_gain(done * numbers[13], numbers[2] - begun):
            self.notice_noise(done)
            if not done:
                return self._raw()
        else:
            self._calm()
        return done

    def _is_no_gain(self, raw, used):
        """Where time is short, pixels that take as much as their bytes are not worth fifty times the instructions."""
        return self.effort < NO_LIMIT and used > raw >= _NO_GAIN

    def notice_noise(self, done):
        """The last rectangle, of which so many rows were done, was noise."""
        self._noise_run = min(self._noise_run << 1, _MOST_NOISE)
        self._noise_bytes = self._noise_run if self.effort < NO_LIMIT else _FOR_GOOD
        self._expect_noise(done)

    def _expect_noise(self, done):
        """What goes on below this rectangle will be raw; where time is short also beside it, and only for a while."""
        numbers = self.numbers
        if numbers[6] != self._noise_row or numbers[4] != self._noise_beside:
            self._noise_column = numbers[4]
        numbers[_IS_NOISE] = 1
        self._noise_row = numbers[6]
        self._noise_below = numbers[6] + done
        self._noise_beside = numbers[4] + numbers[5] if self.effort < NO_LIMIT else -1

    def _calm(self):
        self.numbers[_IS_NOISE] = 0
        self._noise_run = _LEAST_NOISE
        self._noise_row = self._noise_below = -1

    def _is_noise(self, column, row):
        if row == self._noise_below:
            return column == self._noise_column
        return row == self._noise_row and column == self._noise_beside

    def _kept(self, rows):
        self.is_kept = rows * self.numbers[5] * self._strip_px >= _KEPT_PX
        if self.is_kept:
            self.numbers[29] += 1
        return rows

    def _pixels(self):
        return self._code(0, 0, self._buffer, self.out, self._table, self._states, self.numbers, self._space)

    def _raw(self):
        """As many rows as fit, whatever they show."""
        numbers = self.numbers
        numbers[7] = rows = self._raw_rows(numbers[7], numbers[5] * self.strip_bytes)
        if rows:
            self._head(_RAW)
            head.raw(0, 0, self._buffer, self.out, numbers)
            self._noise_bytes -= rows * numbers[13]
            self._expect_noise(rows)
        return rows

    def _raw_rows(self, rows, row_bytes):
        return min(rows, max(0, self.room() - _RECT_BYTES) // row_bytes)


def _bits(n):
    """Bits of a number below n."""
    bits = 0
    while 1 << bits < n:
        bits += 1
    return bits


def _words(table):
    """As the kernels read it: viper needs an address of whole words, which a frozen module may not offer."""
    if has_viper and not _address(table) & 3:
        return table
    return array("I", table)


def _address(buffer):
    """Only its lowest bits count. A port without uctypes gets the kernels that take any address."""
    try:
        from uctypes import addressof
    except ImportError:
        return 1
    return addressof(buffer) & 3


def _step(buffer, pitch, bits):
    if bits < 16 or not has_viper:
        return 0
    offsets = _address(buffer) | pitch
    return 0 if offsets & 1 else 1 if offsets & 3 else 2


def _order(format):
    if format < 3:
        return format
    return 1 if format == _RGB565S else 0


def _edge(format, used_bits):
    """Which bits of the last byte of a row belong to pixels."""
    if not used_bits:
        return 255
    if format in (_MONO_HLSB, _GS4):
        return 255 << (8 - used_bits) & 255
    return (1 << used_bits) - 1


def _kernel(bits):
    # Written out, so that a tool that freezes modules sees every one of them.
    if not has_viper:
        if bits == 1:
            from .plain import cxmono as kernel
        else:
            from .plain import cxcolour as kernel
    elif bits == 1:
        from .kernels import cxmono as kernel
    else:
        from .kernels import cxcolour as kernel
    return kernel.code
