"""What differs between MicroPython and CPython when bytes go to a stream, and which kernels this port can run.

A stream here is non-blocking: `write_part` and `readinto` return the number of bytes moved, or None for none now.
"""

import select
import sys

try:
    from . import framing as kernels
except (ImportError, SyntaxError):  # CPython has no `micropython`; some ports have no native code emitter
    from . import framing_plain as kernels  # noqa: F401

# What contains a fault of the line. Made once: an `except (A, B)` would make the tuple when there may be no memory.
FAULTS = (OSError, MemoryError)
POLLIN = select.POLLIN
POLLOUT = select.POLLOUT

if sys.implementation.name == "micropython":

    def write_part(stream, buf, start, length):
        """Write from `buf` without a slice: MicroPython's streams take an offset."""
        return stream.write(buf, start, length)

else:

    def write_part(stream, buf, start, length):
        return stream.write(memoryview(buf)[start : start + length])


class Readiness:
    """Asks without waiting what one stream is ready for; allocates only when made."""

    def __init__(self, stream):
        poller = select.poll()
        poller.register(stream, POLLIN | POLLOUT)
        # MicroPython's poll() allocates its answer, ipoll() reuses one
        self._poll = getattr(poller, "ipoll", poller.poll)
        self.events()  # the first call makes what the others use again

    def events(self):
        """POLLIN, POLLOUT and what the port reports about errors, or 0."""
        for entry in self._poll(0):
            return entry[1]
        return 0
