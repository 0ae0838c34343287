"""S-CX, payload type 1: what the kernels that code parts work with (schema/wire.md, "Payload S-CX").

One part is one stream of the range coder. What it learns (the model) passes from part to part until `reset`. Nothing
is ever taken back: an operation that does not fit is refused before it begins, and a rectangle that turns out too large
ends early, at any pixel. Its whole rows count; one that was begun is to be sent again.

Places are strips and rows, pages in MONO_VLSB. Everything is allocated at start: numbers lie in arrays, since the
kernels read them there, and since an attribute would take eight bytes and 200 to 3,200 instructions.
"""

from array import array

from micropython import const

from . import tables
from .native import has_viper
from .references import bits_below

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
_COLOURS_END = const(208)  # of the space of the kernels: tokens, then what pixels were like
_ROWS_BEGIN = const(272)  # of it: rows under way; in formats of one bit 0, since no head is coded meanwhile
_TOKENS = const(80)
SMALL = const(136)  # words before them

# Numbers that the encoder shares with the kernels; kernels/drive.py says what they are.
START = const(10)
BUDGET = const(38)
_STRIP_PX = const(40)
END = const(41)
_IS_NOISE = const(42)
SPENT = const(43)
PIXELS = const(44)
HAS_TORN = const(47)
HAS_MASKS = const(48)
EFFORT = const(50)
_STRIP_BYTES = const(52)
IS_KEY = const(53)
KEY_ROW = const(54)
KEY_COLUMN = const(55)
_COLS = const(56)
IS_NARROW = const(57)
IS_TORN = const(59)
_PITCH = const(60)
_NOISE_RUN = const(61)
_NOISE_LEFT = const(62)
_NOISE_ROW = const(63)
_NOISE_BELOW = const(64)
_BEGIN = const(67)
_NUMBERS = const(68)
_NOWHERE = const(4096)
# Half the bytes that are raw before pixels are tried again; doubles while it stays noise
_LEAST_NOISE = const(64)

# What a job of kernels/drive.py has where.
SPACE = const(1)
DIRTY = const(5)
RECT = const(6)
KNOWN = const(7)
OUT = const(9)
STATES = const(11)
MASKS = const(26)
ALIKE = const(27)
FILL = const(28)
STATE = const(32)

NO_LIMIT = const(1 << 16)
LEAST_EFFORT = const(64)  # room for the head of a rectangle and some pixels


def rows_of_space(buffer, width, format, pitch, map_bytes):
    """Numbers of 16 bits for rows under way; the marks of drive.py lie there too."""
    bits = _BITS[format]
    step = _step(buffer, pitch, bits)
    marks = (map_bytes + 1) >> 1 if has_viper else map_bytes
    if bits == 1:
        return max(width + 10, marks, _TOKENS)
    return max((2 if step > 1 else 3) * ((width + 5) & 0x7FE), marks)


def can_share(format):
    """True where rows under way may lie in the strips' memory: kernels find them anywhere."""
    return has_viper and _BITS[format] > 1


class Coder:
    """Codes `buffer`, which it reads and never writes. What kernels/drive.py works with.

    strips: whose memory has SMALL words before the table, and room for rows behind the hashes; None: has its own.
    """

    def __init__(self, buffer, width, height, format, pitch, strip_width, strip_rows, strips=None):
        pages = strip_rows > 1
        bits = _BITS[format]
        cols = (width + strip_width - 1) // strip_width
        rows = (height + 7) >> 3 if pages else height
        base = _MONO_CONTEXTS if bits == 1 else _COLOUR_CONTEXTS
        strip_bits = bits_below(cols)
        self.states = bytearray(base + 156 + (2 << strip_bits))
        self.table = _words(tables.STATES)
        step = _step(buffer, pitch, bits)
        begin = 0 if bits == 1 else _ROWS_BEGIN
        if strips is None:
            columns = rows_of_space(buffer, width, format, pitch, cols * ((rows + 7) >> 3))
            self.space = array("H", bytes(2 * (begin + columns)))
            self.rows = memoryview(self.space)[begin:]
        else:
            self.space = strips.memory
            self.rows = memoryview(self.space)[SMALL + cols * rows :]
            begin += 2 * cols * rows
        self.pixels = _kernel(bits)
        # Numbers of the kernels; cxhead.in and the other templates say which.
        self.numbers = numbers = array("i", (0 for _ in range(_NUMBERS)))
        numbers[12] = numbers[_PITCH] = pitch
        numbers[19] = bits
        numbers[20] = _order(format)
        numbers[21] = step
        numbers[23] = base + _STOP
        numbers[24] = base
        numbers[25] = strip_bits
        numbers[26] = bits_below(rows)
        numbers[31] = strip_width
        numbers[32] = 8 if pages else bits
        numbers[33] = width
        numbers[34] = 1 if pages else 3 if bits == 1 else 2  # rows above a rectangle that it looks at
        numbers[35] = rows
        numbers[36] = _edge(format, width * numbers[32] & 7)
        numbers[37] = (1 << (height & 7)) - 1 if pages and height & 7 else 255
        numbers[_BEGIN] = begin
        numbers[_STRIP_PX] = strip_width * strip_rows
        numbers[_STRIP_BYTES] = strip_width * numbers[32] >> 3
        numbers[_COLS] = cols
        numbers[EFFORT] = NO_LIMIT
        numbers[HAS_TORN] = 1  # the bridge has no picture yet: the first refresh need not look for moves
        reset(numbers, self.states, self.space)


def reset(numbers, states, space):
    """Forget all that was learned. For the first part of a keyframe."""
    head.clear(states, len(states))
    if numbers[_BEGIN]:  # else it has rows alone; nothing of a part is under way in front of the colours
        head.clear(space, 2 * _COLOURS_END if has_viper else _COLOURS_END)
    numbers[29] = 0  # rectangles kept since
    numbers[30] = 0  # the one after the one referred to last
    numbers[PIXELS] = 0
    numbers[_IS_NOISE] = numbers[_NOISE_LEFT] = 0
    numbers[_NOISE_RUN] = _LEAST_NOISE
    numbers[_NOISE_ROW] = numbers[_NOISE_BELOW] = _NOWHERE


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
        elif bits > 8:
            from .plain import cxcolour as kernel
        else:
            from .plain import cxgrey as kernel
    elif bits == 1:
        from .kernels import cxmono as kernel
    elif bits > 8:
        from .kernels import cxcolour as kernel
    else:
        from .kernels import cxgrey as kernel
    return kernel.code
