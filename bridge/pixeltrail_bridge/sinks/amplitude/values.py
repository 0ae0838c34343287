"""JSON values with the rules of JavaScript, which the published destination is written in.

Where a path leads, how a number becomes text, and what counts as empty decide what goes out, so these few rules are
kept to the letter. `MISSING` is JavaScript's undefined: nothing is there, which is not the same as null.
"""

from __future__ import annotations

import math
import re
import sys
from functools import lru_cache
from typing import Any, Final, TypeGuard


class _Missing:
    """The one value of its kind; false, as undefined is."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
MAX_PATH: Final = 300  # characters; Amplitude takes no more than 40 levels

# A path is cut at dots and at the brackets around quotes and digits; quotes are dropped.
_CUT = re.compile(r"\[(?=[\"'\d])|\.|(?<=[\"'\d])\]+")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_RADIX = {"0x": 16, "0o": 8, "0b": 2}
_SPACES = " \t\n\v\f\r\u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)


def look_up(value: Any, path: str) -> Any:
    """What lies at `path` below `value`, MISSING when nothing does. Something false on the way is the answer."""
    return walk(value, split_path(path))


@lru_cache(4096)
def split_path(path: str) -> tuple[str, ...]:
    """The names on the way; none of them means the value itself."""
    if path in ("", "."):
        return ()
    return tuple(part.replace("'", "").replace('"', "") for part in _CUT.split(path) if part)


def walk(value: Any, names: tuple[str, ...]) -> Any:
    """look_up() with the path cut already."""
    for name in names:
        if type(value) is dict:
            value = value.get(name, MISSING)
        elif is_truthy(value):
            value = member(value, name)
        else:
            return value
    return value


def member(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return value.get(name, MISSING)
    if isinstance(value, list | str):
        if name == "length":
            return len(value)
        if name.isascii() and name.isdecimal() and str(int(name[:16])) == name and int(name) < len(value):
            return value[int(name)]
    return MISSING


def is_truthy(value: Any) -> bool:
    """As an `if` of JavaScript sees it: an empty object or list is something."""
    if isinstance(value, dict | list):
        return True
    return bool(value) and value == value


def is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_finite(value: float) -> bool:
    """Also of integers that no float holds, which JSON of others may bring."""
    return -sys.float_info.max <= value <= sys.float_info.max


def is_whole(value: float) -> bool:
    return isinstance(value, int) or value.is_integer()


def is_there(value: Any) -> bool:
    """Neither missing nor null."""
    return value is not None and value is not MISSING


def as_text(value: Any) -> str:
    """`"" + value`."""
    if value is MISSING:
        return "undefined"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number_text(value)
    if isinstance(value, list):
        return ",".join(as_text(item) if is_there(item) else "" for item in value)
    return "[object Object]" if isinstance(value, dict) else str(value)


def _number_text(value: float) -> str:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    if number == 0:
        return "0"
    if number.is_integer() and abs(number) < 1e21:
        # Python would print all digits of the binary value; JavaScript prints the shortest and fills up with zeros.
        return f"{number:.0f}" if abs(number) < 2**53 else _fill(repr(number))
    mantissa, _, exponent = repr(number).partition("e")
    if not exponent:
        return mantissa
    power = int(exponent)
    if -6 <= power < 0:
        digits = mantissa.lstrip("-").replace(".", "")
        return ("-" if number < 0 else "") + "0." + "0" * (-power - 1) + digits
    return f"{mantissa.removesuffix('.0')}e{power:+d}"


def _fill(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return mantissa.removesuffix(".0")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    fraction = "" if fraction == "0" else fraction
    return sign + whole + fraction.ljust(int(exponent), "0")


def as_number(text: str) -> float | None:
    """`+text`; None where that is not a number."""
    bare = text.strip(_SPACES)
    if not bare:
        return 0
    base = _RADIX.get(bare[:2].lower())
    if base:
        try:
            return int(bare[2:], base) if "_" not in bare else None
        except ValueError:
            return None
    if bare.lstrip("+-") == "Infinity" and len(bare) <= 9:
        return -math.inf if bare[0] == "-" else math.inf
    if not _NUMBER.fullmatch(bare):
        return None
    return plain(float(bare))


def plain(number: float) -> float:
    """A whole number without its `.0`, as JSON of JavaScript has it."""
    return int(number) if math.isfinite(number) and float(number).is_integer() else number


def without_missing(value: Any) -> Any:
    """A copy of objects and lists without members that are MISSING."""
    if isinstance(value, dict):
        return {key: without_missing(item) for key, item in value.items() if item is not MISSING}
    if isinstance(value, list):
        return [None if item is MISSING else without_missing(item) for item in value]
    return value
