"""What mapping is told: settings, and the events that the bridge makes itself where they name them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..sessions import remote

SESSION_STARTED = "Session Started"
SESSION_ENDED = "Session Ended"
DEVICE_CONNECTED = "Device Connected"
DEVICE_DISCONNECTED = "Device Disconnected"
REPLAY_GAP = "Replay Gap"
EXTRA_EVENTS = frozenset({SESSION_STARTED, SESSION_ENDED, DEVICE_CONNECTED, DEVICE_DISCONNECTED, REPLAY_GAP})


def nobody(user_id: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class MappingSettings:
    sample_rate: float = 0.0  # for sessions whose device could not decide
    extra_events: frozenset[str] = frozenset()  # of EXTRA_EVENTS: those the bridge makes itself
    public_url: str | None = None
    classic: bool = False
    replay_by_user: bool = False  # the Replay ID begins with the user ID where there is one
    debug: str | None = None  # value of the debug property in events of a replay
    remote: tuple[remote.RemoteRule, ...] = ()
    refuses_user: Callable[[str], bool] = (
        nobody  # of whom nothing is kept; ingest sets it for each transaction
    )
