"""Settings from the bridge: they win over the device's own for as long as they are valid, and no longer.

A config message replaces what the one before it said; an empty one, or a time of 0, ends it. Numbers are moved to the
nearest that the device allows. What is not known, or has the wrong type, is counted and does nothing. The last message
is kept over reboots. While the board is off its time stands still, unless the board knows the date.

Nothing here can start a recorder that was stopped or opted out: `capture_enabled` only takes away.
"""

from micropython import const

from .clock import elapsed

LEVELS = ("none", "error", "warn", "info", "debug")
# Lowest and highest value of the settings that the bridge may change as well; whole numbers where these are.
RANGES = {
    "sample_rate": (0.0, 1.0),
    "max_fps": (0.01, 120),
    "keyframe_interval_s": (1, 86_400),
    "log_level": (0, 4),
}
_MASK_NUMBERS = const(4)
_CACHE = "config"


class Remote:
    """The settings in force, the device's own where the bridge said nothing. `state` is a state.State."""

    def __init__(self, settings, state):
        self._own = settings
        self._state = state
        self._at = 0  # when the time left was right
        self.left_s = 0  # 0: nothing of the bridge is in force
        self.unknown = 0
        self._apply({})

    def load(self, clock):
        """Take up what was kept over a reboot."""
        kept = self._state.get(_CACHE)
        try:
            values, ttl_s, told_s = kept
            date_s = _seconds(clock)
            if date_s is not None and told_s is not None:
                ttl_s -= max(0, date_s - told_s)
            if ttl_s > 0 and isinstance(values, dict):
                self._begin(values, ttl_s, clock.now)
        except (TypeError, ValueError):  # nothing, or of another version
            pass

    def take(self, values, ttl_s, clock):
        """A config message."""
        if not values or ttl_s <= 0:
            self._end()
            return
        self._begin(values, ttl_s, clock.now)
        self._keep(values, ttl_s, _seconds(clock))

    def tick(self, now):
        """Let time pass; returns True when the settings ended. Call it more often than the clock wraps."""
        if not self.left_s:
            return False
        passed = elapsed(now, self._at)
        if passed < 1000:
            return False
        self._at = now - passed % 1000
        self.left_s -= passed // 1000
        if self.left_s > 0:
            return False
        self._end()
        return True

    def _begin(self, values, ttl_s, now):
        self._at = now
        self.left_s = ttl_s
        self._apply(values)

    def _end(self):
        self.left_s = 0
        self._state.put(_CACHE, None)
        self._apply({})

    def _keep(self, values, ttl_s, date_s):
        """Write it down, unless what is written says the same: messages are repeated, and flash wears out."""
        kept = self._state.get(_CACHE)
        if kept is not None and kept[:2] == [values, ttl_s]:
            if date_s is None or (kept[2] is not None and 0 <= date_s - kept[2] < ttl_s // 2):
                return
        self._state.put(_CACHE, [values, ttl_s, date_s])

    def _apply(self, values):
        own = self._own
        self.sample_rate = own.sample_rate
        self.max_fps = own.max_fps
        self.keyframe_interval_s = own.keyframe_interval_s
        self.log_level = own.log_level
        self.capture_enabled = True
        self.masks = ()
        for name in values:
            if not self._set(name, values[name]):
                self.unknown += 1

    def _set(self, name, value):
        if name == "capture_enabled":
            if isinstance(value, bool):
                self.capture_enabled = value
            return isinstance(value, bool)
        if name == "masks":
            return self._set_masks(value)
        if name == "log_level":
            if value in LEVELS:
                value = LEVELS.index(value)
        elif name not in ("sample_rate", "max_fps", "keyframe_interval_s"):
            return False
        low, high = RANGES[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
            return False
        value = min(max(value, low), high)
        setattr(self, name, value if isinstance(low, float) else int(value))
        return True

    def _set_masks(self, numbers):
        """x, y, width, height of each, flat as in the masks record."""
        if not isinstance(numbers, list) or len(numbers) % _MASK_NUMBERS:
            return False
        for number in numbers:
            if isinstance(number, bool) or not isinstance(number, int) or number < 0:
                return False
        for i in range(0, len(numbers), _MASK_NUMBERS):
            self.masks += (tuple(numbers[i : i + _MASK_NUMBERS]),)
        return True


def _seconds(clock):
    date = clock.read_date()
    return None if date is None else date // 1000
