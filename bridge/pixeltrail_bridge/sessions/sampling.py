"""Which sessions are recorded: the rule of Amplitude's session-replay SDKs since 1.35.

A session is recorded when xxHash32(decimal session ID) % 1,000,000 / 1,000,000 < rate. The comparison is strict, so
0 records nothing and 1 everything, and every party that knows the ID comes to the same answer.
"""

from __future__ import annotations

_P1, _P2, _P3, _P4, _P5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
_MASK = 0xFFFFFFFF


def is_sampled(session_id: int, rate: float) -> bool:
    return xxh32(str(session_id).encode()) % 1_000_000 / 1_000_000 < rate


def xxh32(data: bytes, seed: int = 0) -> int:
    """xxHash32 as its specification (version 0.1.1) has it."""
    lanes_end = len(data) // 16 * 16
    if lanes_end:
        value = _hash_lanes(data, lanes_end, seed)
    else:
        value = seed + _P5 & _MASK
    return _avalanche(_hash_rest(value + len(data) & _MASK, data, lanes_end))


def _rotate(value: int, bits: int) -> int:
    return (value << bits | value >> 32 - bits) & _MASK


def _hash_lanes(data: bytes, end: int, seed: int) -> int:
    lanes = [seed + _P1 + _P2 & _MASK, seed + _P2 & _MASK, seed & _MASK, seed - _P1 & _MASK]
    for at in range(0, end, 4):
        word = int.from_bytes(data[at : at + 4], "little")
        lane = at // 4 % 4
        lanes[lane] = _rotate(lanes[lane] + word * _P2 & _MASK, 13) * _P1 & _MASK
    return sum(_rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK


def _hash_rest(value: int, data: bytes, at: int) -> int:
    while at + 4 <= len(data):
        word = int.from_bytes(data[at : at + 4], "little")
        value = _rotate(value + word * _P3 & _MASK, 17) * _P4 & _MASK
        at += 4
    for byte in data[at:]:
        value = _rotate(value + byte * _P5 & _MASK, 11) * _P1 & _MASK
    return value


def _avalanche(value: int) -> int:
    value = (value ^ value >> 15) * _P2 & _MASK
    value = (value ^ value >> 13) * _P3 & _MASK
    return value ^ value >> 16
