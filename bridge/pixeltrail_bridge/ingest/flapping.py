"""Devices that connect again and again: for a bad network, or because another client pushes them off.

A broker lets one client in under an MQTT client ID and drops the one that was there. NATS can bind a user to topics,
not to a client ID, so who has a key may do that to another device: nothing is lost or read by it, but somebody should
know. What is counted is the device's own word that it is there, said with each connection: NATS sends no last will of
a client that was replaced.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from ..sources.base import Presence

MOST: Final = (
    6  # within the time below: a device that comes back with its backoff from a broker's restart has one
)
WITHIN_S: Final = 600.0
_MOST_DEVICES: Final = 20_000


class Flapping:
    """Both methods may be called from any thread."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._begins: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, presence: Presence) -> None:
        if not presence.is_online or presence.was_kept:
            return
        with self._lock:
            self._begins.setdefault(presence.device_id, deque(maxlen=MOST)).append(self._now_s())
            self._begins.move_to_end(presence.device_id)
            if len(self._begins) > _MOST_DEVICES:
                self._begins.popitem(last=False)

    def devices(self) -> list[str]:
        """Those that connected `MOST` times within the last ten minutes."""
        since_s = self._now_s() - WITHIN_S
        with self._lock:
            return sorted(
                device
                for device, begins in self._begins.items()
                if len(begins) == MOST and begins[0] >= since_s
            )
