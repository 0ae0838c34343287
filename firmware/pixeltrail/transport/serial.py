"""Framed messages over a serial line: a UART, a USB CDC interface, or the path of a terminal device.

A message becomes one frame (framing.py) in a buffer of our own, so the caller's is free at once. Bytes of the host are
gathered up to the next zero and decoded in place; what is no frame, or too long, is counted in `skipped` and reading
goes on behind the next zero.

`Serial("repl")` is the line of the REPL (repl.py). A stream that is written in Python, such as the CDCInterface of
micropython-lib's usb-device-cdc, has no write with an offset; it gets an adapter that writes prebuilt views.

A line cannot tell whether anyone listens at its other end: `needs_host_hello` leaves that to the link. `connected` only
says that the line is open.
"""

import sys

from micropython import const

from .stream import FAULTS, POLLIN, POLLOUT, Readiness, kernels, write_part

_RETRY_MS = const(1000)  # to open a path that is not there, or was pulled out
_READ_BYTES = const(128)
# A terminal that polls as writable takes this much without waiting, also where the port cannot open it non-blocking.
_WRITE_BYTES = const(256)
_PARTS_A_STEP = const(8)
_VIEWS_BYTES = const(64)
_FRAME_OVERHEAD = const(9)  # zeros, CRC-32, the first code byte and one for a last part of 254


class Serial:
    needs_host_hello = True
    write_only = False

    def __init__(self, stream_or_path, rx_bytes=512):
        self._path = None
        self._stream = None
        self.connected = False
        self._tells_host = False
        if stream_or_path == "repl":
            from .repl import Repl

            self._use(Repl())
        elif isinstance(stream_or_path, str):
            self._path = stream_or_path
        elif not hasattr(stream_or_path, "readinto") or not hasattr(stream_or_path, "write"):
            raise ValueError(
                "Serial needs a stream with readinto and write, a path, or 'repl', got %r" % (stream_or_path,)
            )
        else:
            self._use(_with_offsets(stream_or_path))
        self.rx = bytearray(rx_bytes + _FRAME_OVERHEAD + rx_bytes // 254)
        self.generation = 1 if self._stream is not None else 0
        self.errors = 0
        self.skipped = 0
        self._out = bytearray(0)
        self._out_at = 0
        self._out_end = 0
        self._in = bytearray(_READ_BYTES)
        self._in_at = 0
        self._in_end = 0
        self._gathered = 0  # bytes of an unfinished frame in rx, or more than fit
        self._ready = 0
        self._handed = False
        self._now = 0
        self._tried_at = -_RETRY_MS

    # --- the transport's contract ---

    def attach(self, device_id, max_message=1024):
        self._out = bytearray(max_message + _FRAME_OVERHEAD + max_message // 254)

    def poll(self, now_ms):
        if now_ms < self._now:
            self._tried_at = now_ms
        self._now = now_ms
        try:
            if self._stream is None:
                self._open()
            else:
                self._write()
                self._read()
        except FAULTS:
            self._fail()

    def can_send(self):
        return self._out_at == self._out_end

    def send(self, buf, start, length):
        if self._stream is None or self._out_at < self._out_end:
            return False
        if length + _FRAME_OVERHEAD + length // 254 > len(self._out):
            return False
        self._out_end = kernels.encode_frame(buf, self._out, start, length, kernels.CRC_TABLE)
        self._out_at = 0
        self._write_safely()
        return True

    def _write_safely(self):
        try:
            self._write()
        except OSError:
            self._fail()

    def receive(self):
        if self._handed:
            self._handed = False
            self._ready = 0
            self._deframe()
        if self._ready:
            self._handed = True
        return self._ready

    def close(self):
        """Close a path that we opened; a stream that was handed to us stays open."""
        if self._path is not None and self._stream is not None:
            stream, self._stream = self._stream, None
            self.connected = False
            try:
                stream.close()
            except OSError:
                pass
        elif self._tells_host:
            self._stream.close()
        self._forget()

    def host_is(self, is_there):
        if self._tells_host:
            self._stream.host_is(is_there)

    # --- the line ---

    def _use(self, stream):
        self._readiness = getattr(stream, "readiness", None) or Readiness(getattr(stream, "terminal", stream))
        self._piece_bytes = getattr(stream, "piece_bytes", _WRITE_BYTES)
        self._tells_host = hasattr(stream, "host_is")
        # MicroPython's readinto waits for a whole buffer unless the stream is non-blocking: ask a UART what is there
        self._any = getattr(stream, "any", None)
        self._stream = stream
        self.connected = True

    def _open(self):
        if self._path is None or self._now - self._tried_at < _RETRY_MS:
            return
        self._tried_at = self._now
        self._use(open_terminal(self._path))
        self.generation += 1

    def _fail(self):
        """The line is broken: a path is opened again, a stream just goes on."""
        self.errors += 1
        if self._path is None:
            self._forget()
        else:
            self.close()

    def _forget(self):
        """Drop what was half sent or half received."""
        self._out_at = self._out_end = 0
        self._in_at = self._in_end = 0
        self._gathered = 0
        if not self._handed:
            self._ready = 0

    def _write(self):
        left = _PARTS_A_STEP
        while left:
            left -= 1
            size = min(self._out_end - self._out_at, self._piece_bytes)
            if size == 0 or not self._readiness.events() & POLLOUT:
                return
            count = write_part(self._stream, self._out, self._out_at, size)
            if not count:
                return
            self._out_at += count

    def _read(self):
        if self._ready:
            if not self._handed:
                return  # the next frame would overwrite it
            self._handed = False
            self._ready = 0
        if self._in_at == self._in_end:
            events = self._readiness.events()
            if not events & POLLIN:
                if events & ~(POLLIN | POLLOUT) and self._path is not None:
                    self._fail()  # hung up
                return
            if self._any is not None:
                count = self._stream.readinto(self._in, min(self._any(), _READ_BYTES))
            else:
                count = self._stream.readinto(self._in)
            if not count:
                if count == 0 and self._path is not None:
                    self._fail()
                return
            self._in_at = 0
            self._in_end = count
        self._deframe()

    def _deframe(self):
        """Gather bytes up to the next zero, until a message is complete or no byte is left."""
        while self._in_at < self._in_end and not self._ready:
            zero = kernels.find_zero(self._in, self._in_at, self._in_end)
            count = zero - self._in_at
            if self._gathered + count <= len(self.rx):
                kernels.copy(self.rx, self._gathered, self._in, self._in_at, count)
            self._gathered = min(self._gathered + count, len(self.rx) + 1)
            self._in_at = zero
            if zero < self._in_end:
                self._in_at += 1
                self._end_frame()

    def _end_frame(self):
        length, self._gathered = self._gathered, 0
        if length == 0:  # between two frames
            return
        if length <= len(self.rx):
            length = kernels.decode_frame(self.rx, length, kernels.CRC_TABLE)
            if length > 0:
                self._ready = length
                return
        self.skipped += 1


class _Simple:
    """A stream without offsets, whose `write(buf)` returns how much it took: gets pieces of 1, 2, 4 ... 64 bytes.

    Asked for one byte at a time, and only while it has some: it would make a view of what is left of a longer buffer.
    """

    def __init__(self, stream):
        self.terminal = stream
        self._readiness = Readiness(stream)
        self._byte = bytearray(1)
        staging = bytearray(_VIEWS_BYTES)
        self._staging = staging
        self._is_full = False  # it took less than it was given
        self._views = [memoryview(staging)[: 1 << i] for i in range(7)]

    def write(self, buf, at, size):
        end = at + size
        while at < end:
            count = self._write_piece(buf, at, end - at)
            at += count
            if count == 0 or self._is_full:
                break
        return at - end + size or None

    def _write_piece(self, buf, at, size):
        i = 6
        while 1 << i > size:
            i -= 1
        kernels.copy(self._staging, 0, buf, at, 1 << i)
        at = self.terminal.write(self._views[i]) or 0
        self._is_full = at < 1 << i
        return at

    def readinto(self, buf):
        for at in range(len(buf)):
            if not self._readiness.events() & POLLIN or not self.terminal.readinto(self._byte):
                return at or None
            buf[at] = self._byte[0]
        return len(buf)


def _with_offsets(stream):
    if sys.implementation.name != "micropython":
        return stream
    try:
        stream.write(b"", 0, 0)
    except TypeError:
        return _Simple(stream)
    return stream


class _BlockingTerminal:
    """A file of the unix port, which cannot be made non-blocking: bytes are read singly, while there are some."""

    def __init__(self, terminal):
        self.terminal = terminal
        self._readiness = Readiness(terminal)
        self._byte = bytearray(1)
        self.write = terminal.write
        self.close = terminal.close

    def readinto(self, buf):
        for at in range(len(buf)):
            if not self._readiness.events() & POLLIN:
                return at
            if not self.terminal.readinto(self._byte):
                return at
            buf[at] = self._byte[0]
        return len(buf)


def open_terminal(path):
    """Open a terminal device for reading and writing: raw, unbuffered, and non-blocking where the port can."""
    if sys.implementation.name == "micropython":
        stream = open(path, "r+b", buffering=0)
        try:
            import termios

            termios.setraw(stream.fileno())
        except (ImportError, OSError):
            pass  # not a terminal
        return _BlockingTerminal(stream)
    import io
    import os
    import tty

    flags = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK  # pyright: ignore[reportAttributeAccessIssue]
    fd = os.open(path, flags)
    try:
        if os.isatty(fd):
            tty.setraw(fd)
        return io.FileIO(fd, "r+b")
    except BaseException:
        os.close(fd)
        raise
