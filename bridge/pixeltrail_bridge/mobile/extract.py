"""Who sent an event and in which session: the order in which the published plugins and destinations look.

Device ID: `context.device.id`, then `anonymousId`. Amplitude's destination takes an empty `context.device.id` at its
word and sends none at all, so an empty one counts as missing here and is filled in.

Session ID: `integrations["Actions Amplitude"].session_id`, then `properties.session_id`, then none. The destination
reads text as a date unless it is all digits ("-1" becomes a day in 2001) and refuses other words, so whatever can be
read is made an integer, and the rest counts as missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

from ..sessions.ids import NO_SESSION

DESTINATION: Final = "Actions Amplitude"
MAX_ID_CHARACTERS: Final = 512
_MAX_SESSION: Final = (1 << 53) - 1  # integers above it do not survive JavaScript

Where = Literal["integration", "property", "none"]


def device_id_of(event: Mapping[str, Any]) -> tuple[str | None, bool]:
    """The device ID, and whether `context.device.id` gave it."""
    device = table(table(event, "context"), "device")
    for value, is_context in ((device.get("id"), True), (event.get("anonymousId"), False)):
        text = id_text(value)
        if text:
            return text, is_context
    return None, False


def session_id_of(event: Mapping[str, Any]) -> tuple[int, Where]:
    """The session ID that an event brings: above 0, -1 where the app says "no session", and where it stood.

    (-1, "none"): it brings none that can be read.
    """
    value = table(table(event, "integrations"), DESTINATION).get("session_id")
    number = session_number(value)
    if number is not None:
        return number, "integration"
    number = session_number(table(event, "properties").get("session_id"))
    if number is not None:
        return number, "property"
    return NO_SESSION, "none"


def session_number(value: Any) -> int | None:
    """A session ID as an integer: numbers, digits as text, ISO 8601 dates. None: nothing that can be one.

    0 is what Amplitude takes for missing; anything negative is "no session".
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        number = value
    elif isinstance(value, str):
        found = _number_of(value.strip())
        if found is None:
            return None
        number = found
    else:
        return None
    if not math.isfinite(number) or not -_MAX_SESSION <= number <= _MAX_SESSION:
        return None
    whole = math.trunc(number)
    if whole < 0:
        return NO_SESSION
    return whole or None


def _number_of(text: str) -> float | None:
    if not text or len(text) > 40:
        return None
    try:
        return float(text) if not text[1:].isdigit() else int(text)
    except ValueError:
        return time_ms(text)


def time_ms(value: Any) -> int | None:
    """ms since 1970 of an ISO 8601 text, UTC where it names no zone. None: it is none, or lies before 1970."""
    if not isinstance(value, str) or not 8 <= len(value) <= 40:
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        milliseconds = math.floor(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
    return milliseconds if milliseconds >= 0 else None


def id_text(value: Any) -> str | None:
    """An ID as text: the destination makes text of numbers. None: missing, empty, or nothing that can be one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if abs(value) <= _MAX_SESSION else None
    if isinstance(value, str) and len(value) <= MAX_ID_CHARACTERS:
        return value.strip() or None
    return None


def table(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object under a name; an empty one where there is none, or something else."""
    value = parent.get(name)
    return value if isinstance(value, Mapping) else {}
