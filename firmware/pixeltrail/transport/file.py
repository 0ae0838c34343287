"""Messages appended to a file: a data logger, and a sink for tests and measurements.

Nothing ever comes back, so `write_only` tells the link to count a message as acknowledged once it was written: the
outbox then drains at the speed of the file, and there is nothing to send again. `framed` puts each message into the
frame of a serial line, which finds its way again behind a torn write; without it the file is a CBOR sequence
(RFC 8742), as `.ptr` files are.

Unlike the other transports this one waits for the storage: a message at a time, and `flush` after each.
"""

from .stream import kernels, write_part

_FRAME_OVERHEAD = 9  # as in serial.py


class File:
    needs_host_hello = False
    write_only = True

    def __init__(self, path, framed=False):
        self._path = path
        self._framed = framed
        self._file = None
        self._failed = False
        self.connected = False
        self._out = bytearray(0)
        self.rx = bytearray(0)
        self.generation = 0
        self.errors = 0
        self.skipped = 0

    def attach(self, device_id, max_message=1024):
        if self._framed:
            self._out = bytearray(max_message + _FRAME_OVERHEAD + max_message // 254)

    def poll(self, now_ms):
        """Open the file once. A storage that failed is not tried again: it would be torn, or full."""
        if self._file is None and not self._failed:
            try:
                self._file = open(self._path, "ab")
                self.connected = True
                self.generation += 1
            except OSError:
                self._fail()

    def can_send(self):
        return True

    def send(self, buf, start, length):
        if self._file is None:
            return False
        try:
            if self._framed:
                if length + _FRAME_OVERHEAD + length // 254 > len(self._out):
                    return False
                length = kernels.encode_frame(buf, self._out, start, length, kernels.CRC_TABLE)
                buf, start = self._out, 0
            if write_part(self._file, buf, start, length) != length:
                self._fail()
                return False
            self._file.flush()
        except OSError:
            self._fail()
            return False
        return True

    def receive(self):
        return 0

    def close(self):
        if self._file is not None:
            stream, self._file = self._file, None
            self.connected = False
            try:
                stream.close()
            except OSError:
                self.errors += 1

    def _fail(self):
        self.errors += 1
        self._failed = True
        self.close()
