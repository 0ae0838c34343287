"""Sessions, and what may be recorded in them: when one ends, whether sampling chose it, and opt-out.

A session begins at start, on request, and with the first input or call after `timeout_ms` without any; it lasts while
nothing happens. Its index counts from 0 at each boot. Its ID is the device's date at its start when the board knows
one, otherwise the bridge's to give.

Nothing of the replay is recorded unless the session is known to be sampled. A rate of 0 or 1 needs no date; else the
decision is xxHash32 of the ID's decimal text, as session-replay SDKs have it, taken here with a date and by the bridge
without. A decision taken here stands, whatever ID the bridge settles on.

Opt-out has two sources, the application and the bridge, and holds while either says so.
"""

from .clock import elapsed
from .xxh32 import xxh32


def is_sampled(session_id, rate):
    """The decision for a session ID, 0 < rate < 1."""
    return xxh32(str(session_id).encode()) % 1_000_000 / 1_000_000 < rate


class Session:
    def __init__(self, rate, timeout_ms, enabled=None, opted_out=False):
        self.rate = rate  # of the sessions to come
        self._timeout_ms = timeout_ms
        self._enabled = enabled
        self._active_at = 0  # of the last input or call; -1 once that is so long ago that the session is over
        self.index = -1
        self.sampled = None  # None: the bridge decides
        self.epoch = None  # eight bytes, as told in the session start record
        self.set_opt_out(opted_out, False)
        self._id = bytearray(8)
        self.has_id = False

    def begin(self, clock):
        """Begin the next session. Allocates."""
        self.index += 1
        self.touch(clock.now)
        date = clock.read_date()
        self.epoch = None if date is None else bytes(clock.date())
        self.has_id = date is not None
        if self.epoch is not None:
            self._id[:] = self.epoch
        self.sampled = self._decide(date)

    def _decide(self, date):
        if self._enabled is not None and not self._enabled():
            return False
        if self.rate <= 0:
            return False
        if self.rate >= 1:
            return True
        return None if date is None else is_sampled(date, self.rate)

    def is_over(self, now):
        """True when the next input or call belongs to another session. Ask more often than the clock wraps."""
        if (
            self._active_at >= 0
            and self._timeout_ms > 0
            and elapsed(now, self._active_at) >= self._timeout_ms
        ):
            self._active_at = -1
        return self._active_at < 0

    def touch(self, now):
        """There was an input or call."""
        self._active_at = now

    def opt_out(self, is_out):
        """The application's word, which ends an opt-out of either source."""
        self.set_opt_out(is_out, is_out and self.opted_out_by_bridge)

    def set_opt_out(self, by_app, by_bridge):
        self.opted_out_by_app = by_app
        self.opted_out_by_bridge = by_bridge
        self.opted_out = by_app or by_bridge

    def settle(self, index, session_id, sampled):
        """The bridge's word on a session: its ID, and the decision if it was left to the bridge."""
        if index != self.index:
            return False
        self.has_id = True
        for i in range(8):
            self._id[i] = session_id[i]
        if self.sampled is None:
            self.sampled = sampled
        return True

    def known_id(self):
        """The session's ID as an integer, -1 while nobody knows it."""
        return int.from_bytes(self._id, "big") if self.has_id else -1
