"""Whom nothing is taken from: devices and users that the settings block, and those that were forgotten.

Of what they send nothing is stored, and no row bears their ID. It is acknowledged all the same, so that no device
waits for ever, and counted without a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ..store.tombstones import Tombstones

REFUSED_MESSAGES = "refused_messages"  # counters of no device
REFUSED_CHUNKS = "refused_chunks"


@dataclass(frozen=True, slots=True)
class Blocked:
    """What the settings say; patterns have * and ?."""

    devices: tuple[str, ...] = ()
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusals:
    """Both of them, for one transaction."""

    blocked: Blocked
    forgotten: Tombstones

    def __bool__(self) -> bool:
        return bool(self.blocked.devices or self.blocked.users or self.forgotten)

    def refuses_device(self, device_id: str) -> bool:
        return _fits(device_id, self.blocked.devices) or self.forgotten.refuses("device", device_id)

    def refuses_user(self, user_id: str) -> bool:
        return _fits(user_id, self.blocked.users) or self.forgotten.refuses("user", user_id)

    def refuses_stream(self, stream: bytes) -> bool:
        """Of a device that was forgotten and may begin anew: what it began before may not go on."""
        return self.forgotten.refuses("stream", stream.hex())

    def refuses_stretch(self, device_id: str, session_id: int, until_ms: int) -> bool:
        """What a device recorded up to `until_ms` (host time), in a session."""
        return self.forgotten.refuses("device", device_id, until_ms) or self.forgotten.refuses_session(
            device_id, session_id
        )


def _fits(text: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)
