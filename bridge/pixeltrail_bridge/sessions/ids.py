"""Session IDs and Replay IDs: Amplitude's rules (DESIGN of the product: one device ID, one session ID everywhere).

A session ID is an integer above 0: ms since 1970 at the session's start, and above every earlier one of the device.
-1 is "no session": it goes out as that number, never as part of a Replay ID.
"""

from __future__ import annotations

from ..wire.messages import ClockQuality

NO_SESSION = -1
MAX_EPOCH_BEHIND_MS = 365 * 86_400_000
MAX_EPOCH_AHEAD_MS = 5 * 60_000


def epoch_counts(epoch_ms: int | None, clock_quality: int, host_ms: int) -> bool:
    """Whether a device's own clock may be believed: a good one, between 365 days behind and 5 minutes ahead."""
    if epoch_ms is None or clock_quality != ClockQuality.GOOD:
        return False
    return host_ms - MAX_EPOCH_BEHIND_MS <= epoch_ms <= host_ms + MAX_EPOCH_AHEAD_MS


def choose_session_id(
    epoch_ms: int | None, clock_quality: int, start_ms: int, received_ms: int, last_id: int
) -> int:
    """ID of a session that began at host time `start_ms` and whose start record came at `received_ms`.

    `last_id` is the device's highest session ID so far, 0 for none.
    """
    believed = epoch_ms if epoch_counts(epoch_ms, clock_quality, received_ms) else None
    return max(start_ms if believed is None else believed, last_id + 1, 1)


def replay_id(device_id: str, session_id: int) -> str | None:
    """`<device>/<session>`, None without a session."""
    return f"{device_id}/{session_id}" if session_id > 0 else None
