"""What a recorder keeps over reboots: a few values in two small files, of which a power cut can spoil one.

Each save goes to the file that holds the older values, so the newer ones are there until the save is whole. A file is
one line of JSON, then the xxHash32 of that line; the highest `turn` whose hash is right counts. Files are written on
events that are rare (a boot, an opt-out, a crash, other remote settings), and never in a step of the recorder that an
event has not caused: a flash memory stops some boards for tens of milliseconds.

Nothing here raises: a storage that is full, missing or worn out is counted, and the values live on in memory.
"""

import json

from .xxh32 import xxh32

_FAULTS = (OSError, ValueError, MemoryError)  # made once: see transport/stream.py


class State:
    """`path` is that of both files but for their endings `.0` and `.1`; "" keeps nothing."""

    def __init__(self, path):
        self._path = path
        self._turn = 0
        self.errors = 0
        self.values = {}
        self.is_saved = bool(path)  # what was put last outlives this start
        for slot in range(2 if path else 0):
            self._read(slot)

    @property
    def is_kept(self):
        """True when values outlive this start."""
        return bool(self._path)

    def get(self, name, default=None):
        return self.values.get(name, default)

    def put(self, name, value):
        """Keep a value that JSON can hold; None forgets it. Returns False when it could not be kept."""
        if self.values.get(name) == value and self.is_saved:
            return True
        if value is None:
            self.values.pop(name, None)
        else:
            self.values[name] = value
        return self.save()

    def save(self):
        if not self._path:
            return False
        self.is_saved = False
        try:
            self._turn += 1
            line = json.dumps([self._turn, self.values])
            with open("%s.%d" % (self._path, self._turn & 1), "w") as file:
                file.write(line + "\n" + _seal(line) + "\n")
        except _FAULTS:
            self.errors += 1
            return False
        self.is_saved = True
        return True

    def _read(self, slot):
        try:
            with open("%s.%d" % (self._path, slot)) as file:
                text = file.read()
            line, seal = text.split("\n")[:2]
            turn, values = json.loads(line)
            if seal != _seal(line) or not isinstance(values, dict) or not turn > self._turn:
                return
        except _FAULTS:
            return  # not there yet, or cut off: the other one counts
        except TypeError:
            return
        self._turn = turn
        self.values = values


def _seal(line):
    return "%08x" % xxh32(line.encode())
