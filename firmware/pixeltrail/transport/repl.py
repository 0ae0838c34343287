"""The line of the REPL as a stream: the board's own USB CDC, over which people also type and programs print.

What differs from a line of our own:

- A byte 3 from the host is Ctrl-C to MicroPython. It is data only while a host is there: the link says so (`host_is`),
  and a lone zero byte, which a host sends ahead and nobody types, says so for a second. Otherwise, and after
  `close()`, Ctrl-C interrupts as ever.
- Prints may come between two writes, so a frame is written whole in one step, as long as the line takes it without
  a wait of more than _WAIT_US. A print that gets into a frame spoils it, and the link sends it again.
- Writing may wait inside MicroPython: rp2 and others wait up to 500 ms for a host that has stopped reading, and then
  throw the rest away. Pieces are therefore as small as a USB packet, which a line that polls as writable takes at once.
  One that takes longer than _STALL_MS ends the frame, and nothing is written until a byte comes from the host.
- Reading waits for as many bytes as were asked for, so they are read singly.

The unix port has a terminal instead: there, Ctrl-C is a matter of its settings.
"""

import sys
import time

from micropython import const

from .stream import POLLIN, POLLOUT, Readiness

_PIECE = const(64)
_WAIT_US = const(4_000)
_STALL_MS = const(50)
_WAKE_MS = const(1_000)
_CTRL_C = const(3)

# Of struct termios, as Linux has it: input, output and local modes
_ICRNL_IXON = const(0x0500)
_OPOST = const(0x0001)
_ISIG = const(0x0001)
_ICANON_ECHO_IEXTEN = const(0x800A)
_VQUIT = const(1)
_VSUSP = const(10)


class Repl:
    piece_bytes = 1 << 14  # a frame goes out in one write

    def __init__(self):
        if sys.implementation.name != "micropython":
            raise ValueError("Serial('repl') is for MicroPython; here, give the path of a serial port")
        self._in = sys.stdin.buffer
        self._out = sys.stdout.buffer
        self._can_read = Readiness(sys.stdin)
        self._can_write = Readiness(sys.stdout)
        self._byte = bytearray(1)
        self._keyboard = _keyboard()
        self._is_host = False
        self._is_awake = False
        self._awake_at = 0
        self._is_stalled = False
        self.stalls = 0
        self._began_us = 0
        self._piece_ms = 0
        self.readiness = self

    def host_is(self, is_there):
        self._is_host = is_there
        self._is_awake = False
        self._keyboard(is_there)

    def close(self):
        self.host_is(False)

    def events(self):
        if self._is_awake and time.ticks_diff(time.ticks_ms(), self._awake_at) > _WAKE_MS:
            self.host_is(False)
        events = self._can_read.events() & POLLIN
        if not self._is_stalled:
            events |= self._can_write.events() & POLLOUT
        return events

    def readinto(self, buf):
        for at in range(len(buf)):
            if not self._can_read.events() & POLLIN or not self._in.readinto(self._byte):
                return at
            buf[at] = self._byte[0]
            self._is_stalled = False
            if buf[at] == 0 and not self._is_host:
                self._wake()
        return len(buf)

    def _wake(self):
        if not self._is_awake:
            self._is_awake = True
            self._keyboard(True)
        self._awake_at = time.ticks_ms()

    def write(self, buf, at, size):
        """Write as much as goes without a wait; returns how much."""
        end = at + size
        self._began_us = time.ticks_us()
        while at < end and not self._is_stalled:
            if self._can_write.events() & POLLOUT:
                at += self._write_piece(buf, at, end - at)
            elif time.ticks_diff(time.ticks_us(), self._began_us) > _WAIT_US:
                break
        return at - end + size

    def _write_piece(self, buf, at, size):
        self._piece_ms = time.ticks_ms()
        size = self._out.write(buf, at, min(size, _PIECE)) or 0
        if time.ticks_diff(time.ticks_ms(), self._piece_ms) > _STALL_MS:
            # The host does not read: a piece was probably thrown away, and the next would wait as long.
            self.stalls += 1
            self._is_stalled = True
        return size


def _keyboard():
    """A function that takes True to make Ctrl-C a byte like others, False to make it an interrupt."""
    try:
        import termios

        return _Terminal(termios).keyboard
    except (ImportError, OSError):
        pass
    import micropython

    kbd_intr = micropython.kbd_intr

    def keyboard(is_data):
        kbd_intr(-1 if is_data else _CTRL_C)

    return keyboard


class _Terminal:
    """Standard input of the unix port; OSError when that is no terminal."""

    def __init__(self, termios):
        self._termios = termios
        self._modes = termios.tcgetattr(0)
        self._modes[0] &= ~_ICRNL_IXON
        self._modes[1] &= ~_OPOST
        self._modes[3] &= ~_ICANON_ECHO_IEXTEN
        self._modes[6][_VQUIT] = self._modes[6][_VSUSP] = b"\0"  # a board has no such keys
        self.keyboard(False)

    def keyboard(self, is_data):
        if is_data:
            self._modes[3] &= ~_ISIG
        else:
            self._modes[3] |= _ISIG
        self._termios.tcsetattr(0, self._termios.TCSANOW, self._modes)
