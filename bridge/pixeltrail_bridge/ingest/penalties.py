"""Who is kept out of the broker inside: a device that goes on far above its quota, for a while that grows.

What is refused costs little here, but the broker still has to read it. So a device with a key of its own that sends
more than ten times what it may, for five seconds on end, loses its connection and gets none for ten seconds, twice as
long each time it does so again. A device that keeps the custody protocol never comes near: it holds 16 messages in
flight and waits longer from resend to resend. Nothing is lost: it keeps what it recorded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from .quotas import Quotas

log = structlog.get_logger(__name__)

TIMES: Final = 10  # the quota
LAST_S: Final = 5.0  # that long on end
FIRST_S: Final = 10.0  # kept out; then twice as long, up to the next
_LONGEST_S: Final = 600.0
_FORGET_S: Final = 3_600.0  # after this long in peace it begins at the first again
_LOOK_S: Final = 1.0


@dataclass(slots=True)
class _Record:
    refused: int = 0  # at the last look
    loud_s: float = 0.0  # on end
    times: int = 0
    until_s: float = float("-inf")


class Penalties:
    """`kept_out` may be called from any thread, as often as one likes."""

    def __init__(
        self, quotas: Quotas, messages_per_s: float, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._quotas, self._now_s = quotas, now_s
        self._most_per_s = TIMES * messages_per_s
        self._records: dict[str, _Record] = {}
        self._looked_s = now_s()
        self._lock = threading.Lock()

    def kept_out(self) -> frozenset[str]:
        """Devices that may not connect at this moment."""
        with self._lock:
            now_s = self._now_s()
            if self._most_per_s and now_s - self._looked_s >= _LOOK_S:
                self._look(now_s, now_s - self._looked_s)
                self._looked_s = now_s
            return frozenset(device for device, one in self._records.items() if one.until_s > now_s)

    def _look(self, now_s: float, gone_s: float) -> None:
        for device_id, refused in self._quotas.over().items():
            if device_id:
                self._judge(device_id, self._records.setdefault(device_id, _Record()), refused, now_s, gone_s)
        self._records = {
            device_id: one
            for device_id, one in self._records.items()
            if one.loud_s or now_s - one.until_s < _FORGET_S
        }

    def _judge(self, device_id: str, one: _Record, refused: int, now_s: float, gone_s: float) -> None:
        is_loud = refused - one.refused > self._most_per_s * gone_s
        one.refused, one.loud_s = refused, one.loud_s + gone_s if is_loud else 0.0
        if one.loud_s < LAST_S or one.until_s > now_s:
            return
        length_s = min(FIRST_S * 2**one.times, _LONGEST_S)
        one.loud_s, one.times, one.until_s = 0.0, one.times + 1, now_s + length_s
        log.warning(
            "a device sends far more than its quota and is kept out of the broker inside, if it has a key",
            device=device_id,
            seconds=length_s,
        )
