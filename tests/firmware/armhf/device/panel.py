"""A recorder at rest on a display of any size: nothing left to send, the next refresh finds nothing new."""

import io

import parts
import pixeltrail
from pixeltrail import clock

_ROW_BITS = (1, 1, 1, 2, 4, 8, 16, 16, 8)


class Panel:
    """A display that has a framebuffer and shows it."""

    def __init__(self, width, height, format, pitch=0):
        self.width = width
        self.height = height
        self.pages = (height + 7) // 8
        row = width if format == 0 else (width * _ROW_BITS[format] + 7) // 8
        self.pitch = pitch or row
        self.buffer = bytearray(self.pitch * (self.pages if format == 0 else height))
        for i in range(0, len(self.buffer), 1021):
            self.buffer[i] = i * 5 & 0xFF

    def show(self):
        pass


class Hands:
    """A clock turned by hand whose functions are in C, as those of a board are: where a stream stands is the time."""

    def __init__(self, microseconds=None):
        self._stream = io.BytesIO()
        self.clock = clock.Clock(self._stream.tell, self._no_date, microseconds or self._stream.tell)

    def _no_date(self):
        return None

    def turn(self, ms):
        self._stream.seek(ms, 1)


def make(width, height, format, pitch=0, **settings):
    """A panel, its clock and its recorder."""
    panel = Panel(width, height, format, pitch)
    tap = pixeltrail.tap(panel, format=format, pitch=panel.pitch)
    hands = Hands()
    recorder = pixeltrail.Recorder(
        tap, parts.Line(), device_id="rest-1", sample_rate=1.0, clock=hands.clock, **settings
    )
    return panel, hands, recorder


def settle(panel, hands, recorder):
    """Until the keyframe is sent and acked."""
    panel.show()
    for _ in range(20000):
        hands.turn(66)
        recorder.poll()
        if recorder.idle and recorder.drained:
            return
    raise ValueError("never at rest: %r" % recorder.stats())
