"""Errors that the application must not see: counted, and a part that fails again and again is turned off.

A part is what the recorder was in when the error came up, `at`. Three errors of one type in a row, without the part
having worked in between, turn it off until `restore`; for a memory that ran out they never do, since that is mostly the
application's, and passes.
"""

import sys

from micropython import const

APP = const(0)  # a call of the application, or the recorder itself: never turned off
TAP = const(1)
ENCODER = const(2)
TRANSPORT = const(3)
SPOOL = const(4)

NAMES = ("app", "tap", "encoder", "transport", "spool")
_IN_A_ROW = const(3)


class Faults:
    def __init__(self):
        self.at = APP
        self.errors = 0
        self.off = [False] * len(NAMES)
        self.is_counting = False  # some part has failed since it last worked
        self._counts = [0] * len(NAMES)
        self._types: list = [None] * len(NAMES)

    def passed(self, part):
        """The part did its work."""
        self._counts[part] = 0
        self.is_counting = max(self._counts) > 0

    def note(self, error):
        """Count an error of the part at work; returns the part if that turns it off, else APP."""
        part = self.at
        self.at = APP
        self.errors += 1
        if part == APP or isinstance(error, MemoryError):
            return APP
        if type(error) is not self._types[part]:
            self._types[part] = type(error)
            self._counts[part] = 0
        self._counts[part] += 1
        self.is_counting = True
        if self._counts[part] < _IN_A_ROW or self.off[part]:
            return APP
        self.off[part] = True
        return part

    def restore(self):
        """Give every part another chance."""
        for part in range(len(NAMES)):
            self.off[part] = False
            self._counts[part] = 0

    def names(self):
        """The parts that are off. Allocates."""
        return [NAMES[part] for part in range(len(NAMES)) if self.off[part]]


def print_error(error):
    if sys.implementation.name == "micropython":
        sys.print_exception(error)
    else:
        import traceback

        traceback.print_exception(error)
