"""What a log line may not hold: who somebody is, what they did, and secrets.

Devices are named by a keyed hash, unless the settings say otherwise; `pixeltrail devices --json` shows which is whose.
Users, traits, properties and secrets are never printed, under whatever name a line has them. Of an exception that is
not one of ours only its kind and place are printed: its words may be made of anything.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping, MutableMapping
from hashlib import blake2b
from typing import Any, Final

from ..errors import PixeltrailError

_NAMING: Final = frozenset(("device", "device_id", "topic", "app", "stream", "session"))
_SILENT: Final = frozenset(
    (
        *(
            "user",
            "user_id",
            "userId",
            "previousId",
            "anonymousId",
            "traits",
            "properties",
            "payload",
            "raw",
            "body",
        ),
        *(
            "password",
            "secret",
            "secret_key",
            "token",
            "api_key",
            "write_key",
            "key",
            "authorization",
            "headers",
        ),
    )
)
_HIDDEN: Final = "***"
_HASH_BYTES: Final = 5


def log_name(key: bytes, device_id: str) -> str:
    """What stands in a log for a device."""
    name = device_id.encode("utf-8", "surrogatepass")
    return "~" + blake2b(name, key=key, digest_size=_HASH_BYTES).hexdigest()


class Redactor:
    """A processor of structlog. `key`: of the store, so that a device has one name in all its logs."""

    def __init__(self, plain_ids: bool = False) -> None:
        self.plain_ids = plain_ids
        self.key = os.urandom(16)

    def name(self, device_id: str) -> str:
        return log_name(self.key, device_id)

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        del logger, method
        for field, value in list(event.items()):
            if field in _SILENT:
                event[field] = _HIDDEN
            elif field in _NAMING and not self.plain_ids:
                event[field] = self.name(str(value)) if value else value
            elif isinstance(value, Mapping):
                event[field] = {inner: _HIDDEN if inner in _SILENT else one for inner, one in value.items()}
        self._take_exception(event)
        return event

    def _take_exception(self, event: MutableMapping[str, Any]) -> None:
        told = event.pop("exc_info", None)
        error = told if isinstance(told, BaseException) else _current(told)
        if error is not None:
            event["exception"] = describe(error)


def describe(error: BaseException) -> str:
    """Where an exception came from; its words only where they are ours."""
    lines = []
    one: BaseException | None = error
    while one is not None:
        words = f": {one}" if isinstance(one, PixeltrailError) else ""
        frames = traceback.extract_tb(one.__traceback__)
        places = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        lines += [f"{type(one).__name__}{words}", *places]
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return "\n".join(lines)


def _current(told: Any) -> BaseException | None:
    if isinstance(told, tuple):
        return told[1] if len(told) == 3 else None
    if told:
        import sys

        return sys.exc_info()[1]
    return None


redactor: Final = Redactor()
