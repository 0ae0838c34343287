"""Session tracking for events that bring no session ID, as the browser plugin of the destination does it.

The plugin gives every event of a browser the ID of the session it is in: a new one when nothing came for longer than
the session length. Here it is done for each device by the times of its events, so that an event tried again gets the
same ID. Events of Pixeltrail's own devices have a session ID always, -1 among them, and are left as they are.

What is known of a device is lost when the bridge ends: the next event then begins a session.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from .mappings import DESTINATION, Mapping
from .times import parse_time
from .values import is_there

MAX_DEVICES: Final = 10_000  # the one that was silent for longest is forgotten


@dataclass
class _Session:
    id: int
    last_ms: int


class SessionTracker:
    def __init__(self) -> None:
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    def track(self, event: dict[str, Any], device_id: str, tracking: Mapping) -> dict[str, Any]:
        """The event with a session ID where it has none and `tracking` takes it."""
        integrations = event.get("integrations")
        integrations = integrations if isinstance(integrations, dict) else {}
        own = integrations.get(DESTINATION)
        own = own if isinstance(own, dict) else {}
        if is_there(own.get("session_id")) or not tracking.trigger.matches(event):
            return event
        time_ms = parse_time(event.get("timestamp"))
        length_ms = tracking.fields.get("sessionLength")
        if time_ms is None or not isinstance(length_ms, int):
            return event
        session_id = self._session_at(device_id, time_ms, length_ms)
        return {**event, "integrations": {**integrations, DESTINATION: {**own, "session_id": session_id}}}

    def _session_at(self, device_id: str, time_ms: int, length_ms: int) -> int:
        known = self._sessions.get(device_id)
        if known is None or not known.id - length_ms <= time_ms <= known.last_ms + length_ms:
            known = self._sessions[device_id] = _Session(time_ms, time_ms)
        known.last_ms = max(known.last_ms, time_ms)
        self._sessions.move_to_end(device_id)
        while len(self._sessions) > MAX_DEVICES:
            self._sessions.popitem(last=False)
        return known.id
