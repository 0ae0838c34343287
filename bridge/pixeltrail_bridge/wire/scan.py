"""Structure of a CBOR message, checked before anything is built from it.

One pass over the bytes that creates no objects: it finds where each item of
the message's array begins, and refuses what the wire never has (tags, and with
them bignums and shared references), what nests too deep, and what has too many
items. It does not look inside strings and does not judge values: decode.py does.
"""

from __future__ import annotations

from typing import Final

from ..errors import WireError
from . import limits

# Properties may nest 8 levels inside a record inside a chunk. Deeper ones are reported as a bad record; this bound only
# keeps recursion away from the decoder.
MAX_SCAN_DEPTH: Final = 16

_ILLEGAL: Final = -1
_LONG_STRING: Final = -2
_LOOSE_STRING: Final = -3  # indefinite length
_CONTAINER: Final = -4
_BREAK: Final = -5
_TAG: Final = -6


def _skips() -> list[int]:
    """For each initial byte the number of bytes that follow it and complete the item, or one of the codes above."""
    table = []
    for initial in range(256):
        major, low = initial >> 5, initial & 31
        argument = {24: 1, 25: 2, 26: 4, 27: 8}.get(low, 0)
        if 28 <= low <= 30 or (low == 31 and major in (0, 1, 6)):
            table.append(_ILLEGAL)
        elif major in (0, 1):
            table.append(argument)
        elif major in (2, 3):
            table.append(_LOOSE_STRING if low == 31 else _LONG_STRING if low > 23 else low)
        elif major in (4, 5):
            table.append(_CONTAINER)
        elif major == 6:
            table.append(_TAG)
        else:
            table.append(_BREAK if low == 31 else argument)
    return table


_SKIP: Final = tuple(_skips())


def item_offsets(data: bytes) -> list[int]:
    """Where each item of the outermost array begins, then the end of the last one.

    Raises WireError (field `structure`) unless `data` is one array that ends with the data and keeps the limits.
    """
    if not 0 < len(data) <= limits.MAX_MESSAGE_BYTES:
        raise WireError("message", "size", f"1 to {limits.MAX_MESSAGE_BYTES} bytes", len(data))
    if data[0] >> 5 != 4:
        raise _wrong(0, "an array", data[:1])
    try:
        offsets, end = _scan(data)
    except IndexError:
        raise _wrong(len(data), "a whole CBOR item", "the end of the message") from None
    if end != len(data):
        what = "the end of the message" if end > len(data) else f"{len(data) - end} more bytes"
        raise _wrong(min(end, len(data)), "one whole CBOR item", what)
    return offsets


def _scan(data: bytes) -> tuple[list[int], int]:
    offsets: list[int] = []
    left, at = _header(data, 0)
    items = 0
    outer: list[int] = []  # what is left of each container around the present one
    # `left` counts down the items of the present container; one of indefinite length starts at -1 and never meets 0.
    while True:
        if left == 0:
            if not outer:
                offsets.append(at)
                break
            left = outer.pop()
            continue
        code = data[at]
        skip = _SKIP[code]
        if not outer and skip != _BREAK:
            offsets.append(at)
        items += 1
        left -= 1
        if skip >= 0:
            at += 1 + skip
        elif skip == _CONTAINER:
            outer.append(left)
            if len(outer) >= MAX_SCAN_DEPTH:
                raise _wrong(at, f"at most {MAX_SCAN_DEPTH} levels deep", "another level")
            left, at = _header(data, at)
        elif skip == _LONG_STRING:
            length, at = _argument(data, at)
            at += length
        elif skip == _LOOSE_STRING:
            at = _loose_string_end(data, at)
        elif skip == _BREAK and left < -1:
            if not outer:
                offsets.append(at)
                at += 1
                break
            left, at = outer.pop(), at + 1
        else:
            raise _wrong(at, "an item of the wire's types (no tags)", data[at : at + 1])
    if items > limits.MAX_ITEMS:
        raise _wrong(0, f"at most {limits.MAX_ITEMS} items", items)
    return offsets, at


def _header(data: bytes, at: int) -> tuple[int, int]:
    """Number of items in the container at `at` (-1: up to a break), and where the first begins."""
    code = data[at]
    if code & 31 == 31:
        return -1, at + 1
    count, at = _argument(data, at)
    return (count * 2 if code >> 5 == 5 else count), at


def _argument(data: bytes, at: int) -> tuple[int, int]:
    low = data[at] & 31
    if low < 24:
        return low, at + 1
    size = 1 << (low - 24)
    if low > 27 or at + size >= len(data):
        raise IndexError
    return int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size


def _loose_string_end(data: bytes, at: int) -> int:
    major = data[at] >> 5
    at += 1
    while data[at] != 0xFF:
        if data[at] >> 5 != major or data[at] & 31 == 31:
            raise _wrong(at, "a piece of the same string", data[at : at + 1])
        length, at = _argument(data, at)
        at += length
    return at + 1


def _wrong(offset: int, expected: str, got: object) -> WireError:
    return WireError("message", "structure", expected, got, offset=offset)
