"""A display, a clock and a line for tests that run on MicroPython and CPython alike. Nothing here allocates in use."""

from pixeltrail import clock


class Oled:
    """The face of micropython-lib's ssd1306, without the bus."""

    def __init__(self, width=128, height=64):
        self.width = width
        self.height = height
        self.pages = height // 8
        self.buffer = bytearray(width * self.pages)
        self.shown = 0

    def show(self):
        self.shown += 1


class Ticks:
    """A clock that is turned by hand."""

    def __init__(self):
        self.ms = 0
        self.clock = clock.Clock(self._ticks, self._epoch, self._us)
        self.date = None

    def _ticks(self):
        return self.ms & 0x3FFFFFFF

    def _us(self):
        return self.ms * 1000 & 0x3FFFFFFF

    def _epoch(self):
        return self.date


class Line:
    """A transport in memory. Chunks are acked when `acks` is set: the seq is read from each, in its place."""

    needs_host_hello = False
    write_only = False

    def __init__(self):
        self.connected = True
        self.generation = 1
        self.errors = 0
        self.rx = bytearray(128)
        self.acks = True
        self.next = 0
        self.messages = 0
        self.bytes = 0
        self._stream = bytearray(8)
        self._pending = False

    def attach(self, device_id, max_message=1024):
        pass

    def poll(self, now_ms):
        pass

    def can_send(self):
        return True

    def send(self, buf, start, length):
        self.messages += 1
        self.bytes += length
        if buf[start] == 0x9F:
            for i in range(8):
                self._stream[i] = buf[start + 3 + i]
            seq = self._seq(buf, start + 11)
            if seq == self.next:
                self.next = seq + 1
        self._pending = self.acks
        return True

    def _seq(self, buf, at):
        first = buf[at]
        if first < 24:
            return first
        if first == 24:
            return buf[at + 1]
        if first == 25:
            return buf[at + 1] << 8 | buf[at + 2]
        return buf[at + 2] << 16 | buf[at + 3] << 8 | buf[at + 4]

    def receive(self):
        """An ack of everything that came, with the window 16 of the bridge AAAAAAAA."""
        if not self._pending:
            return 0
        self._pending = False
        rx = self.rx
        rx[0] = 0x86
        rx[1] = 1
        rx[2] = 2
        rx[3] = 0x48
        for i in range(8):
            rx[4 + i] = self._stream[i]
        rx[12] = 0x1A
        rx[13] = 0
        rx[14] = self.next >> 16
        rx[15] = self.next >> 8 & 0xFF
        rx[16] = self.next & 0xFF
        rx[17] = 16
        rx[18] = 0x48
        for i in range(8):
            rx[19 + i] = 0x41
        return 27
