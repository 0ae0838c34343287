"""xxHash32 with seed 0 of short texts: the sampling decision of session-replay SDKs rests on it.

Written with big integers, so it allocates on a 32-bit board; it runs once a session. The specification is
https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md.
"""

from micropython import const

_P1 = const(2654435761)
_P2 = const(2246822519)
_P3 = const(3266489917)
_P4 = const(668265263)
_P5 = const(374761393)
_MASK = const(0xFFFFFFFF)


def _rotate(value, count):
    return (value << count | value >> (32 - count)) & _MASK


def _word(data, at):
    return data[at] | data[at + 1] << 8 | data[at + 2] << 16 | data[at + 3] << 24


def xxh32(data):
    """The hash of `data`, a bytes-like object, as an unsigned 32-bit integer."""
    size = len(data)
    at = 0
    if size >= 16:
        lanes = [_P1 + _P2 & _MASK, _P2, 0, -_P1 & _MASK]
        while at + 16 <= size:
            for lane in range(4):
                lanes[lane] = _rotate(lanes[lane] + _word(data, at) * _P2 & _MASK, 13) * _P1 & _MASK
                at += 4
        h = _rotate(lanes[0], 1) + _rotate(lanes[1], 7) + _rotate(lanes[2], 12) + _rotate(lanes[3], 18)
    else:
        h = _P5
    h = h + size & _MASK
    while at + 4 <= size:
        h = _rotate(h + _word(data, at) * _P3 & _MASK, 17) * _P4 & _MASK
        at += 4
    while at < size:
        h = _rotate(h + data[at] * _P5 & _MASK, 11) * _P1 & _MASK
        at += 1
    h = (h ^ h >> 15) * _P2 & _MASK
    h = (h ^ h >> 13) * _P3 & _MASK
    return h ^ h >> 16
