"""Checks of single fields. Each returns the value it was given, or raises Wrong.

Types are compared exactly: `True` is no number, and a float is no integer.
"""

from __future__ import annotations

from typing import Any, Final, TypeGuard

from ..errors import shorten
from . import limits

# Characters that fit whatever they are
_SHORT: Final = min(limits.MAX_NAME_BYTES, limits.MAX_TEXT_BYTES) // 4
_PLAIN: Final = frozenset((type(None), bool, int, float))


class Wrong(Exception):
    """A field that breaks the contract. decode.py turns it into a WireError or a Bad record; it goes no further."""

    def __init__(self, field: str, expected: str, got: object) -> None:
        super().__init__(field)
        self.field, self.expected, self.got = field, expected, got

    def __str__(self) -> str:
        return f"{self.field} must be {self.expected}, got {shorten(self.got)}"


def is_u30(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= limits.U30_MAX


def u30(value: Any, field: str) -> int:
    if type(value) is int and 0 <= value <= limits.U30_MAX:
        return value
    raise Wrong(field, "an integer from 0 to 2^30 - 1", value)


def within(value: Any, low: int, high: int, field: str) -> int:
    if type(value) is int and low <= value <= high:
        return value
    raise Wrong(field, f"an integer from {low} to {high}", value)


def maybe_within(value: Any, low: int, high: int, field: str) -> int | None:
    return None if value is None else within(value, low, high, field)


def epoch(value: Any, field: str) -> int:
    return within(value, 0, limits.EPOCH_MAX, field)


def maybe_epoch(value: Any, field: str) -> int | None:
    return None if value is None else within(value, 0, limits.EPOCH_MAX, field)


def boolean(value: Any, field: str) -> bool:
    if type(value) is bool:
        return value
    raise Wrong(field, "true or false", value)


def maybe_boolean(value: Any, field: str) -> bool | None:
    return None if value is None else boolean(value, field)


def identifier(value: Any, field: str) -> bytes:
    """A stream or bridge ID."""
    if type(value) is bytes and len(value) == limits.STREAM_ID_BYTES:
        return value
    raise Wrong(field, f"{limits.STREAM_ID_BYTES} bytes", value)


def maybe_identifier(value: Any, field: str) -> bytes | None:
    return None if value is None else identifier(value, field)


def device_id(value: Any) -> str:
    if type(value) is str and limits.DEVICE_ID.fullmatch(value):
        return value
    raise Wrong("device ID", f"text like {limits.DEVICE_ID.pattern}", value)


def _fits(value: str, limit: int) -> bool:
    size = len(value)
    return size <= limit and (4 * size <= limit or value.isascii() or len(value.encode()) <= limit)


def name(value: Any, field: str) -> str:
    if type(value) is str and _fits(value, limits.MAX_NAME_BYTES):
        return value
    raise Wrong(field, f"text of at most {limits.MAX_NAME_BYTES} bytes", value)


def maybe_name(value: Any, field: str) -> str | None:
    return None if value is None else name(value, field)


def text(value: Any, field: str) -> str:
    if type(value) is str and _fits(value, limits.MAX_TEXT_BYTES):
        return value
    raise Wrong(field, f"text of at most {limits.MAX_TEXT_BYTES} bytes", value)


def palette(value: Any) -> bytes | None:
    if value is None or (type(value) is bytes and 3 <= len(value) <= 768 and len(value) % 3 == 0):
        return value
    raise Wrong("palette", "null or R, G, B of 1 to 256 colours", value)


def properties(value: Any, field: str) -> dict[str, Any]:
    if type(value) is not dict:
        raise Wrong(field, "a map", value)
    _check_value(value, field, 1)
    return value


def _check_value(value: Any, field: str, depth: int) -> None:
    kind = type(value)
    if kind in _PLAIN:
        return
    if kind is str:
        text(value, field)
    elif kind is dict or kind is list:
        if depth > limits.MAX_DEPTH:
            raise Wrong(field, f"at most {limits.MAX_DEPTH} levels deep", value)
        if kind is list:
            for item in value:
                if type(item) not in _PLAIN:
                    _check_value(item, field, depth + 1)
            return
        for key, item in value.items():
            if type(key) is not str or len(key) > _SHORT:
                name(key, f"{field} key")
            if type(item) not in _PLAIN and not (type(item) is str and len(item) <= _SHORT):
                _check_value(item, field, depth + 1)
    else:
        raise Wrong(field, "null, a boolean, a number, text, an array or a map", value)
