"""What an app's start tells: lifecycle events, under the names of Segment's libraries, and how the last run ended.

Which version ran before, and a crash, are kept in the state file. A crash stays there until the bridge has it: told
twice is better than never.
"""

import sys

from . import wire

INSTALLED = "Application Installed"
UPDATED = "Application Updated"
OPENED = "Application Opened"
BACKGROUNDED = "Application Backgrounded"
CRASHED = "Application Crashed"

_BOOTS = ("unknown", "power on", "reset", "watchdog", "deep sleep", "soft reset")
_CRASH_BYTES = 300  # of a traceback, from its end: fits the smallest chunk with everything around it


class Lifecycle:
    def __init__(self, is_wanted, device, state):
        self._is_wanted = is_wanted
        self._version = device.app_version
        self._boot_reason = device.boot_reason
        self._state = state
        self._crash_seq = -1  # of the chunk that tells of the crash; -1 when none does
        self.line = None  # for the log of the replay, once one is recorded

    def started(self, track, seq):
        """Tell what is new at this start by track(event, properties); `seq` is the next chunk's number."""
        crash = self._state.get("crash")
        if crash is not None:
            track(CRASHED, {"reason": crash, "boot": _BOOTS[self._boot_reason], "version": self._version})
            self._crash_seq = seq
            self.line = crash
        elif self._boot_reason == wire.BOOT_WATCHDOG:
            self.line = "the watchdog reset this device"
        if not self._is_wanted:
            return
        if self._state.is_kept:
            before = self._state.get("version")
            if before is None:
                track(INSTALLED, {"version": self._version})
            elif before != self._version:
                track(UPDATED, {"version": self._version, "previous_version": before})
            self._state.put("version", self._version)
        track(OPENED, {"version": self._version, "from_background": False})

    def moved(self, track, is_background):
        """The device went to sleep, or woke up."""
        if self._is_wanted and is_background:
            track(BACKGROUNDED, {})
        elif self._is_wanted:
            track(OPENED, {"version": self._version, "from_background": True})

    def acked(self, next_seq):
        """The bridge has every chunk below `next_seq` of the first stream."""
        if 0 <= self._crash_seq < next_seq:
            self._crash_seq = -1
            self._state.put("crash", None)

    @property
    def is_pending(self):
        """True while there is a line to log, or a crash that the bridge has not got."""
        return self.line is not None or self._crash_seq >= 0

    def crashed(self, error):
        """Keep the end of an exception's traceback for the next start; returns False when it could not be kept."""
        self._crash_seq = -1
        return self._state.put("crash", traceback_of(error))


def traceback_of(error):
    """The last bytes of a traceback; the error alone where memory does not suffice."""
    try:
        if sys.implementation.name == "micropython":
            import io

            file = io.StringIO()
            sys.print_exception(error, file)  # pyright: ignore[reportArgumentType]
            text = file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
        else:
            import traceback

            text = "".join(traceback.format_exception(error))
        text = text.strip()
        while len(text.encode()) > _CRASH_BYTES:
            text = text[len(text.encode()) - _CRASH_BYTES :]
        return text
    except MemoryError:
        return type(error).__name__
