"""Moments as the published destination reads them: with dayjs in UTC, and what dayjs leaves to JavaScript's Date.

Dates of ISO 8601 and of mail headers, and numbers, are ms since 1970. Other spellings that a browser would guess at
are refused; docs/amplitude.md has the list of differences.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from .values import as_number, as_text, is_number

MAX_MS = 8_640_000_000_000_000  # what a Date holds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOOSE = re.compile(
    r"(\d{4})[-/]?(\d{1,2})?[-/]?(\d{0,2})[Tt\s]*(\d{1,2})?:?(\d{1,2})?:?(\d{1,2})?[.:]?(\d+)?", re.ASCII
)
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?\s?([Zz]|[+-]\d\d:?\d\d)?",
    re.ASCII,
)


def parse_time(value: Any) -> int | None:
    """ms since 1970 of a number, of digits or of a date; None when it is none of these."""
    if is_number(value):
        return _clip(value)
    if not isinstance(value, str):
        return None
    if value.isascii() and value.isdecimal() and len(value) > 8:
        return _clip(int(value[:32]))
    if value[-1:] not in ("Z", "z"):
        loose = _LOOSE.fullmatch(value)
        if loose:
            return _from_loose(loose)
    iso = _ISO.fullmatch(value)
    return _from_iso(iso) if iso else _from_mail(value)


def parse_session(value: Any) -> int | None:
    """A session ID from what a mapping gave: a number, digits, or a date. 0 and nothing are no session."""
    if isinstance(value, str):
        number = as_number(value) if re.fullmatch(r"-?\d+", value, re.ASCII) else None
        if number is not None:
            value = number
    session = parse_time(value)
    return session or None


def is_date_like(text: str) -> bool:
    """Whether text passes for a date when the fields of a mapping are checked."""
    number = as_number(text)
    if number is not None and as_text(number) == text:
        return abs(number) * 1000 <= MAX_MS
    return parse_time(text) is not None


def _clip(value: float) -> int | None:
    return math.trunc(value) if -MAX_MS <= value <= MAX_MS else None


def _from_loose(found: re.Match[str]) -> int | None:
    year, month, day, hour, minute, second, fraction = found.groups()
    return _moment(
        *(int(year), int(month) if month else 1, int(day or 1) or 0),
        *(int(hour or 0), int(minute or 0), int(second or 0), int((fraction or "0")[:3])),
    )


def _from_iso(found: re.Match[str]) -> int | None:
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    parts = (int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
    if not (1 <= parts[0] <= 12 and 1 <= parts[1] <= 31 and parts[3] < 60 and parts[4] < 60):
        return None
    if parts[2] > 24 or (parts[2] == 24 and any(parts[3:])):
        return None
    ms = _moment(int(year), *parts, int((fraction or "0")[:3].ljust(3, "0")), is_plain_year=True)
    if ms is None or zone in (None, "Z", "z"):
        return ms
    offset_min = int(zone[1:3]) * 60 + int(zone[-2:])
    return ms - offset_min * 60_000 * (-1 if zone[0] == "-" else 1)


def _moment(
    year: int,
    month: int,
    day: int,
    hour: int,
    minute: int,
    second: int,
    ms: int,
    *,
    is_plain_year: bool = False,
) -> int | None:
    """Date.UTC(): what is too large runs over into the next larger part, years below 100 are of the 1900s."""
    if year < 100 and not is_plain_year:
        year += 1900
    year, month0 = year + (month - 1) // 12, (month - 1) % 12
    if not 1 <= year <= 9999:
        return None
    first = datetime(year, month0 + 1, 1, tzinfo=UTC)
    span = first - _EPOCH + timedelta(days=day - 1, hours=hour, minutes=minute, seconds=second)
    return span // timedelta(milliseconds=1) + ms


def _from_mail(text: str) -> int | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError, IndexError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return (moment - _EPOCH) // timedelta(milliseconds=1)
    except OverflowError:
        return None
