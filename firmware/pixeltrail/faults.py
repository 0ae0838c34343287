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
_COUNTS = const(5)  # of parts


class Faults:
    def __init__(self):
        self.at = APP
        self.errors = 0
        # 1 for each part that is off; of APP, once an error was said. Behind them how often each failed in a row.
        self.off = bytearray(2 * len(NAMES))
        self.is_counting = False  # some part has failed since it last worked
        self._types: list = [None] * (len(NAMES) - 1)  # of the errors counted of each part but APP

    def passed(self, part):
        """The part did its work."""
        self.off[_COUNTS + part] = 0
        self.is_counting = False
        for count in range(_COUNTS, len(self.off)):
            if self.off[count]:
                self.is_counting = True

    def note(self, error):
        """Count an error of the part at work; returns the part if that turns it off, else APP."""
        part = self.at
        self.at = APP
        self.errors += 1
        if part == APP or isinstance(error, MemoryError):
            return APP
        off = self.off
        if type(error) is not self._types[part - 1]:
            self._types[part - 1] = type(error)
            off[_COUNTS + part] = 0
        off[_COUNTS + part] = min(off[_COUNTS + part] + 1, _IN_A_ROW)
        self.is_counting = True
        if off[_COUNTS + part] < _IN_A_ROW or off[part]:
            return APP
        off[part] = 1
        return part

    def restore(self):
        """Give every part another chance."""
        for part in range(TAP, len(NAMES)):
            self.off[part] = 0
            self.off[_COUNTS + part] = 0

    def names(self):
        """The parts that are off. Allocates."""
        return [NAMES[part] for part in range(TAP, len(NAMES)) if self.off[part]]


def print_error(error):
    if sys.implementation.name == "micropython":
        sys.print_exception(error)
    else:
        import traceback

        traceback.print_exception(error)
