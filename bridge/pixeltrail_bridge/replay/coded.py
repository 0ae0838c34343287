"""The arithmetic of S-CX (payload type 1): schema/wire.md, "Payload S-CX", line by line.

Plain functions over sequences of numbers; `functions` returns this module, or the same text compiled by numba. They
raise nothing, since compiled code raises poorly: faults are negative numbers, and OVERRUN in `s`.

    data    the part's payload
    table   256 numbers: P(1) << 16 | state after 0 << 8 | state after 1
    states  the state of every context: first those of pixels, then from `base` on those of heads
    s       the decoder: CODE, RANGE, TAKEN, SIZE, OVERRUN
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from types import FunctionType, ModuleType
from typing import Any, Final

CODE: Final = 0
RANGE: Final = 1
TAKEN: Final = 2
SIZE: Final = 3
OVERRUN: Final = 4

# Contexts of heads, from `base` on. Those of places depend on the number of strips: see `layout`.
MORE: Final = 0
COPY: Final = 1
SAME_DY: Final = 2
UP: Final = 3
REFERENCE: Final = 4
NEXT: Final = 5
SAME_PLACE: Final = 6
ABOVE: Final = 7
RAW: Final = 8
STOP: Final = 9
DY: Final = 10
DISTANCE: Final = 34
PLACE: Final = 58

# An operation, as `head` fills it in.
STRIP: Final = 1
STRIPS: Final = 2
ROW: Final = 3
ROWS: Final = 4
DY_ROWS: Final = 5
WHICH: Final = 6
IS_SAME_PLACE: Final = 7
IS_RAW: Final = 8
IS_ABOVE_KNOWN: Final = 9

END: Final = 0
IS_COPY: Final = 1
IS_REFERENCE: Final = 2
IS_RECTANGLE: Final = 3

# How pixels lie in bytes.
PAGES: Final = 0
HIGH_FIRST: Final = 1
LOW_FIRST: Final = 2

IS_COMPILED = False

BAD_NUMBER: Final = -1
BAD_RAW: Final = -2
TOO_MUCH: Final = -3


def start(data: Any, s: Any) -> None:
    s[CODE] = 0
    for i in range(4):
        s[CODE] = s[CODE] << 8
        if i < len(data):
            s[CODE] |= data[i]
    s[RANGE] = 0x3FFFFFFF
    s[TAKEN] = 0
    s[SIZE] = len(data)
    s[OVERRUN] = 0


def normalise(data: Any, s: Any) -> None:
    """Take bytes until the range has 22 bits. CODE has two bits more than the range, which come later."""
    while s[RANGE] < 1 << 22:
        s[RANGE] <<= 8
        s[TAKEN] += 1
        i = s[TAKEN] + 3
        s[CODE] <<= 8
        if i < s[SIZE]:
            s[CODE] |= data[i]
        elif s[TAKEN] + 1 > s[SIZE] + 3:
            s[OVERRUN] = 1


def bit(data: Any, s: Any, table: Any, states: Any, context: int) -> int:
    normalise(data, s)
    entry = table[states[context]]
    part = (s[RANGE] >> 12) * (entry >> 16)
    if s[CODE] >> 2 < part:
        s[RANGE] = part
        states[context] = entry & 255
        return 1
    s[CODE] -= part << 2
    s[RANGE] -= part
    states[context] = entry >> 8 & 255
    return 0


def raw(data: Any, s: Any, n: int) -> int:
    """n raw bits."""
    normalise(data, s)
    s[RANGE] >>= n
    value = (s[CODE] >> 2) // s[RANGE]
    if value >> n:
        s[OVERRUN] = 1  # no encoder writes that
        value = 0
    s[CODE] -= value * s[RANGE] << 2
    return int(value)


def tree(data: Any, s: Any, table: Any, states: Any, context: int, n: int) -> int:
    """A number of n bits, highest first."""
    m = 1
    for _ in range(n):
        m = m << 1 | bit(data, s, table, states, context + m)
    return m - (1 << n)


def golomb(data: Any, s: Any, table: Any, states: Any, context: int) -> int:
    n = 0
    while n < 12 and bit(data, s, table, states, context + n):
        n += 1
    if n > 11:
        return BAD_NUMBER
    value = 1
    for i in range(n - 1, -1, -1):
        value = value << 1 | bit(data, s, table, states, context + 12 + i)
    return value - 1


def row_number(data: Any, s: Any, table: Any, states: Any, context: int, n: int) -> int:
    """The highest five bits as a tree, then each lower one with a context of its own."""
    high = min(n, 5)
    value = tree(data, s, table, states, context, high)
    for i in range(n - high - 1, -1, -1):
        value = value << 1 | bit(data, s, table, states, context + 32 + i)
    return value


def height(data: Any, s: Any, table: Any, states: Any, context: int) -> int:
    n = tree(data, s, table, states, context, 4)
    if n > 10:
        return BAD_NUMBER
    value = min(n, 1)
    for i in range(n - 2, -1, -1):
        value = value << 1 | bit(data, s, table, states, context + 16 + (n - 1) * (n - 2) // 2 + i)
    return value + 1


def head(
    data: Any,
    s: Any,
    table: Any,
    states: Any,
    base: int,
    bits: Any,
    op: Any,
    dy: int,
    expected: int,
    count: int,
) -> int:
    """Fill in `op` with the next operation; return its kind or a fault.

    bits: of a strip and of a row. dy: that of the last copy of this part, or 0. expected: the rectangle after the one
    referred to last. count: rectangles so far.
    """
    strip_bits, row_bits = bits[0], bits[1]
    strip = base + PLACE
    strips = strip + (1 << strip_bits)
    row = strips + (1 << strip_bits)
    rows = row + 37
    if not bit(data, s, table, states, base + MORE):
        return END
    if bit(data, s, table, states, base + COPY):
        op[DY_ROWS] = dy
        if not bit(data, s, table, states, base + SAME_DY):
            up = bit(data, s, table, states, base + UP)
            distance = golomb(data, s, table, states, base + DY) + 1
            op[DY_ROWS] = -distance if up else distance
        if op[DY_ROWS] == 0:
            return BAD_NUMBER
        kind = IS_COPY
    elif bit(data, s, table, states, base + REFERENCE):
        op[WHICH] = expected
        if not bit(data, s, table, states, base + NEXT):
            distance = golomb(data, s, table, states, base + DISTANCE)
            if distance < 0:
                return BAD_NUMBER
            op[WHICH] = count - 1 - distance
        op[IS_SAME_PLACE] = bit(data, s, table, states, base + SAME_PLACE)
        if not op[IS_SAME_PLACE]:
            op[STRIP] = tree(data, s, table, states, strip, strip_bits)
            op[ROW] = row_number(data, s, table, states, row, row_bits)
        return IS_REFERENCE
    else:
        kind = IS_RECTANGLE
    op[STRIP] = tree(data, s, table, states, strip, strip_bits)
    op[STRIPS] = tree(data, s, table, states, strips, strip_bits) + 1
    op[ROW] = row_number(data, s, table, states, row, row_bits)
    op[ROWS] = height(data, s, table, states, rows)
    if op[ROWS] < 1:
        return BAD_NUMBER
    if kind == IS_RECTANGLE:
        op[IS_RAW] = bit(data, s, table, states, base + RAW)
        op[IS_ABOVE_KNOWN] = 0
        if not op[IS_RAW] and op[ROW]:
            op[IS_ABOVE_KNOWN] = bit(data, s, table, states, base + ABOVE)
    return kind


def raw_rows(data: Any, s: Any, picture: Any, pitch: int, left: int, top: int, width: int, rows: int) -> int:
    for row in range(top, top + rows):
        for i in range(width):
            picture[row * pitch + left + i] = raw(data, s, 8)
        if s[OVERRUN]:
            return BAD_RAW
    return rows


def colour_slot(value: int) -> int:
    return (value ^ value >> 5 ^ value >> 9) & 63


def predict(w: int, n: int, nw: int) -> int:
    """w + n - nw, kept between w and n."""
    if nw >= max(w, n):
        return min(w, n)
    if nw <= min(w, n):
        return max(w, n)
    return w + n - nw


def restlessness(difference: int) -> int:
    return 0 if difference < 1 else 1 if difference < 3 else 2 if difference < 8 else 3


def difference(data: Any, s: Any, table: Any, states: Any, context: int, sign: int, largest: int) -> int:
    if not bit(data, s, table, states, context):
        return 0
    is_negative = bit(data, s, table, states, sign)
    n = 0
    while n < largest and bit(data, s, table, states, context + 1 + n):
        n += 1
    value = 1 << n
    if n:
        value += raw(data, s, n)
    return -value if is_negative else value


def swap(value: int) -> int:
    return (value >> 8 | value << 8) & 0xFFFF


def rgb(data: Any, s: Any, table: Any, states: Any, west: int, north: int, northwest: int) -> int:
    """A 16-bit pixel as differences from its neighbours: green, then red and blue, which follow green by half."""
    wg, ng, qg = west >> 5 & 63, north >> 5 & 63, northwest >> 5 & 63
    expected = predict(wg, ng, qg)
    context = 648 + 8 * restlessness(abs(wg - qg) + abs(ng - qg))
    green = (expected + difference(data, s, table, states, context, 680, 5)) & 63
    step = green - expected
    half = abs(step) // 2
    if step < 0:
        half = -half
    size = 8 * restlessness(abs(step))
    sign = 1 if step > 0 else 2 if step < 0 else 0
    red_step = difference(data, s, table, states, 688 + size, 720 + sign, 4)
    red = (predict(west >> 11, north >> 11, northwest >> 11) + half + red_step) & 31
    sign = 1 if red_step > 0 else 2 if red_step < 0 else 0
    blue_step = difference(data, s, table, states, 728 + size, 760 + 3 * sign, 4)
    blue = (predict(west & 31, north & 31, northwest & 31) + half + blue_step) & 31
    return red << 11 | green << 5 | blue


def stops(data: Any, s: Any, table: Any, states: Any, base: int, mark: int) -> int:
    """Whether the rectangle ends here: asked when more than 31 bytes came since the last time. The new mark, or -1."""
    if s[TAKEN] <= mark:
        return mark
    mark = s[TAKEN] + 31
    if bit(data, s, table, states, base + STOP):
        return -1
    return mark


def colour(
    data: Any,
    s: Any,
    table: Any,
    states: Any,
    base: int,
    colours: Any,
    modes: Any,
    values: Any,
    w: int,
    above: int,
    rows: int,
    bits: int,
    is_swapped: int,
    budget: int,
) -> int:
    """Pixels of more than one bit; returns how many rows came whole.

    values: `above` rows of w pixels, the known ones, and room for the others.
    """
    mark = s[TAKEN] + 31
    for i in range((w + 15) // 16):
        modes[i] = 0
    for y in range(rows):
        budget -= w
        if budget < 0:
            return TOO_MUCH
        p = (above + y) * w
        q = p - w if above + y > 0 else -1  # the row above, -1 is a row of zeros
        r = q - w if above + y > 1 else q  # the row above that
        left_mode = 0
        for x0 in range(0, w, 16):
            if s[OVERRUN]:
                return BAD_RAW
            mark = stops(data, s, table, states, base, mark)
            if mark < 0:
                return y
            x1 = min(x0 + 16, w)
            chunk = x0 // 16
            context = 552 + left_mode + 4 * modes[chunk]
            if bit(data, s, table, states, context):
                for x in range(x0, x1):
                    values[p + x] = values[q + x] if q >= 0 else 0
                modes[chunk] = left_mode = 0
                continue
            north = values[q + x0] if q >= 0 else 0
            west = values[p + x0 - 1] if x0 else north
            if bit(data, s, table, states, context + 16):
                for x in range(x0, x1):
                    values[p + x] = west
                modes[chunk] = left_mode = 1
                continue
            modes[chunk] = left_mode = 2
            northwest = values[q + x0 - 1] if x0 and q >= 0 else north
            northeast = values[q + min(x0 + 1, w - 1)] if q >= 0 else 0
            last_missed = missed = was_new = 0
            for x in range(x0, x1):
                northeast2 = values[q + min(x + 2, w - 1)] if q >= 0 else 0
                northnorth = values[r + x] if r >= 0 else 0
                context = (
                    int(northeast == northeast2)
                    | int(north == northeast) << 1
                    | int(north == northwest) << 2
                    | int(west == north) << 3
                    | int(west == northwest) << 4
                    | last_missed << 5
                    | missed << 6
                    | int(north == northnorth) << 7
                )
                history = last_missed | missed << 1
                is_new = 0
                if was_new:
                    is_new = bit(data, s, table, states, 580 + history)
                was_new = 0
                value = -1
                if not is_new and bit(data, s, table, states, context):
                    value = west
                    missed = last_missed
                    last_missed = 0
                else:
                    mark = stops(data, s, table, states, base, mark)
                    if mark < 0:
                        return y
                    missed = last_missed
                    last_missed = 1
                    history = 1 | missed << 1
                    follower = 64 + colour_slot(west)
                    if not is_new:
                        if north != west and bit(data, s, table, states, 256 + context):
                            value = north
                        elif (
                            northeast != west
                            and northeast != north
                            and bit(data, s, table, states, 512 + (context & 31))
                        ):
                            value = northeast
                        elif bits < 8:
                            value = tree(data, s, table, states, 648 + (west << bits), bits)
                        else:
                            guess = colours[follower]
                            if (
                                guess != west
                                and guess != north
                                and bit(data, s, table, states, 548 + history)
                            ):
                                value = guess
                            elif bit(data, s, table, states, 544 + history):
                                value = colours[tree(data, s, table, states, 584, 6)]
                                colours[follower] = value
                    if value < 0:
                        was_new = 1
                        if bits == 8:
                            value = tree(data, s, table, states, 648, 8)
                        elif is_swapped:
                            value = swap(
                                rgb(data, s, table, states, swap(west), swap(north), swap(northwest))
                            )
                        else:
                            value = rgb(data, s, table, states, west, north, northwest)
                        colours[follower] = value
                        colours[colour_slot(value)] = value
                values[p + x] = value
                northwest, north, northeast, west = north, northeast, northeast2, value
    return rows


def mono(
    data: Any,
    s: Any,
    table: Any,
    states: Any,
    base: int,
    values: Any,
    w: int,
    rows: int,
    budget: int,
) -> int:
    """Pixels of one bit; as `colour`.

    values: zeros, but for known pixels in the first 3 rows. Each row has 2 more before and after its w pixels.
    """
    mark = s[TAKEN] + 31
    size = w + 4
    for y in range(rows):
        budget -= w
        if budget < 0:
            return TOO_MUCH
        p = (3 + y) * size + 2
        q, r, t = p - size, p - 2 * size, p - 3 * size
        for x in range(w):
            if x & 15 == 0:
                if s[OVERRUN]:
                    return BAD_RAW
                mark = stops(data, s, table, states, base, mark)
                if mark < 0:
                    return y
            context = (
                values[p + x - 1]
                | values[p + x - 2] << 1
                | values[q + x + 2] << 2
                | values[q + x + 1] << 3
                | values[q + x] << 4
                | values[q + x - 1] << 5
                | values[q + x - 2] << 6
                | values[r + x + 1] << 7
                | values[r + x] << 8
                | values[r + x - 1] << 9
                | values[t + x] << 10
            )
            values[p + x] = bit(data, s, table, states, context)
    return rows


def shift(layout: int, bits: int, x: int, y: int) -> int:
    """Where a pixel smaller than a byte begins in its byte."""
    if layout == PAGES:
        return y & 7
    here = x * bits & 7
    return 8 - bits - here if layout == HIGH_FIRST else here


def load(
    picture: Any,
    pitch: int,
    layout: int,
    bits: int,
    x0: int,
    y0: int,
    w: int,
    rows: int,
    values: Any,
    at: int,
    step: int,
) -> None:
    """Read an area of a picture, each row `step` after the one before, from values[at] on."""
    for j in range(rows):
        row = (y0 + j) // 8 * pitch if layout == PAGES else (y0 + j) * pitch
        for i in range(w):
            x = x0 + i
            k = row + (x if layout == PAGES else x * bits // 8)
            if bits == 16:
                value = picture[k] + 256 * picture[k + 1]
            else:
                value = picture[k] // (1 << shift(layout, bits, x, y0 + j)) % (1 << bits)
            values[at + i] = value
        at += step


def store(
    picture: Any,
    pitch: int,
    layout: int,
    bits: int,
    x0: int,
    y0: int,
    w: int,
    rows: int,
    values: Any,
    at: int,
    step: int,
) -> None:
    """The opposite of `load`."""
    for j in range(rows):
        row = (y0 + j) // 8 * pitch if layout == PAGES else (y0 + j) * pitch
        for i in range(w):
            x = x0 + i
            k = row + (x if layout == PAGES else x * bits // 8)
            value = values[at + i]
            if bits == 16:
                picture[k] = value & 255
                picture[k + 1] = value >> 8
            else:
                place = shift(layout, bits, x, y0 + j)
                mask = (1 << bits) - 1
                picture[k] = (picture[k] & (255 - (mask << place))) | (value & mask) << place
        at += step


@functools.cache
def functions(use_numba: bool) -> ModuleType:
    """This module, or its text with every function compiled, where numba imports. The first use may take seconds."""
    here = sys.modules[__name__]
    if not use_numba:
        return here
    try:
        from numba import njit
    except ImportError:
        return here
    name = f"{__name__}_compiled"
    spec = importlib.util.spec_from_file_location(name, here.__file__)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where numba's cache looks for it
    spec.loader.exec_module(module)
    for function in list(vars(module).values()):
        if isinstance(function, FunctionType) and function.__name__[0] != "_":
            setattr(module, function.__name__, _compile(njit, function))
    vars(module)["IS_COMPILED"] = True
    return module


def _compile(njit: Any, function: FunctionType) -> Any:
    try:
        return njit(cache=True)(function)
    except RuntimeError:  # no folder to keep the machine code in
        return njit(function)
