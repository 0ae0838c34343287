"""The messages of schema/wire.cddl, one function for each.

Records are written by `function(writer, a, b, c)`, all with the same four arguments, so that the recorder can write any
of them again into another chunk. They check nothing that the writer checks: after one of them the caller looks at
`writer.overflow` and `writer.bad`.

Downlink reads what a bridge sends, into its own fields; nothing here keeps state or knows what a message leads to.
"""

from micropython import const

from . import wire
from .cbor_reader import Reader

try:
    from . import kernels
except (ImportError, SyntaxError):  # CPython, or a port that cannot emit native code
    from . import kernels_plain as kernels

_MOST_LEVEL = const(4)  # debug


def sync(w, stream, oldest, next_seq, now_ms, epoch, boot, previous, device_id):
    """`epoch` is eight bytes or None, `previous` a stream ID or None."""
    w.array(10)
    w.uint(wire.VERSION)
    w.uint(wire.SYNC)
    w.blob(stream, 0, wire.STREAM_ID_BYTES)
    w.uint(oldest)
    w.uint(next_seq)
    w.uint(now_ms)
    w.wide_uint(epoch)
    w.uint(boot)
    w.blob_or_null(previous)
    w.text(device_id)


def hello(w, device, clock_quality, previous):
    """`device` has the attributes of config.Device."""
    w.begin(11, wire.HELLO)
    w.text(device.device_id)
    w.uint(device.boot)
    w.uint(device.boot_reason)
    w.name(device.board)
    w.name(device.library)
    w.name(device.app)
    w.name(device.app_version)
    w.uint(clock_quality)
    w.blob_or_null(previous)
    w.name(device.os)


def display(w, tap, encoder, references):
    w.begin(9, wire.DISPLAY)
    w.uint(tap.width)
    w.uint(tap.height)
    w.uint(tap.format)
    w.uint(encoder.strip_width)
    w.uint(encoder.strip_rows)
    w.uint(references)
    w.blob_or_null(tap.palette)
    w.uint(tap.rotation)


def session_start(w, index, sampled, epoch):
    w.begin(4, wire.SESSION_START)
    w.uint(index)
    w.boolean_or_null(sampled)
    w.wide_uint(epoch)


def session_end(w, index, _b, _c):
    w.begin(2, wire.SESSION_END)
    w.uint(index)


def touch(w, x, y, phase):
    """`x` is None inside a mask."""
    w.begin(4, wire.TOUCH)
    if x is None:
        w.null()
        w.null()
    else:
        w.uint(x)
        w.uint(y)
    w.uint_to(phase, wire.CANCEL)


def key(w, name, phase, amount):
    w.begin(4, wire.KEY)
    w.name(name)
    w.uint_to(phase, wire.TURN)
    w.small_integer(amount)


def track(w, event, properties, _c):
    w.begin(3, wire.TRACK)
    w.name(event)
    w.properties(properties)


def screen(w, name, properties, _c):
    w.begin(3, wire.SCREEN)
    w.name(name)
    w.properties(properties)


def identify(w, user, traits, _c):
    w.begin(3, wire.IDENTIFY)
    w.name_or_null(user)
    w.properties(traits)


def group(w, group_id, traits, _c):
    w.begin(3, wire.GROUP)
    w.name(group_id)
    w.properties(traits)


def alias(w, user, previous, _c):
    w.begin(3, wire.ALIAS)
    w.name(user)
    w.name_or_null(previous)


def gap(w, first, end, refused, reason):
    """`refused` begins with the numbers of frames, inputs and calls, or is None for none."""
    w.begin(5, wire.GAP)
    w.uint(first)
    w.uint(end)
    w.array(3)
    for i in range(3):
        w.uint(refused[i] if refused else 0)
    w.uint(reason)


def vitals(w, numbers, _b, _c):
    """`numbers` is indexed by the keys of the vitals map; None stands for what is not known."""
    w.begin(2, wire.VITALS)
    w.map_open()
    for key in range(len(numbers)):
        if numbers[key] is not None:
            w.uint(key)
            w.integer(numbers[key])
    w.close()


def log(w, level, text, _c):
    w.begin(3, wire.LOG)
    w.uint_to(level, _MOST_LEVEL)
    w.cut_text(text)


def masks(w, rectangles, _b, _c):
    """`rectangles` holds x, y, width and height of each mask, flat."""
    w.begin(2, wire.MASKS)
    w.array(len(rectangles))
    for number in rectangles:
        w.uint(number)


def unknown_area(w, rectangle, _b, _c):
    """`rectangle` is x, y, width and height."""
    w.begin(5, wire.UNKNOWN_AREA)
    for number in rectangle:
        w.uint(number)


def opt_out(w, is_out, _b, _c):
    w.begin(2, wire.OPT_OUT)
    w.boolean(is_out)


class Downlink:
    """The message read last: the fields of its kind. `stream_at`: where in the buffer its stream ID lies."""

    def __init__(self):
        self._reader = Reader()
        self.stream_at = 0
        self.next = 0
        self.window = 0
        self.bridge_at = 0
        self.index = 0
        self.session_id = bytearray(8)
        self.sampled = False
        self.is_out = False
        self.settings = None  # the dict of the config message read last
        self.ttl_s = 0
        self.speaks_our_version = False

    def read(self, buffer, length):
        """Read the message at buffer[0:length]; returns its kind, 0 when it cannot be read."""
        r = self._reader
        r.reset(buffer, length)
        count = r.array()
        version = r.uint()
        kind = r.uint()
        if r.bad or count < 2 or version != wire.VERSION:
            return 0
        if kind == wire.ACK:
            self.stream_at = r.blob(wire.STREAM_ID_BYTES)
            self.next = r.uint()
            self.window = r.uint()
            self.bridge_at = r.blob(wire.BRIDGE_ID_BYTES)
            return 0 if r.bad or count < 6 or not 0 < self.window < 256 else kind
        if kind == wire.SESSION:
            self.stream_at = r.blob(wire.STREAM_ID_BYTES)
            self.index = r.uint()
            r.wide_into(self.session_id)
            self.sampled = r.boolean()
            return 0 if r.bad or count < 6 else kind
        return kind if self._read_other(r, kind, count) else 0

    def _read_other(self, r, kind, count):
        """True when the rest of the message could be read."""
        needed = 3
        if kind == wire.KEYFRAME_REQUEST or kind == wire.NEW_STREAM:
            self.stream_at = r.blob(wire.STREAM_ID_BYTES)
        elif kind == wire.OPT_OUT_ORDER:
            self.is_out = r.boolean()
        elif kind == wire.CONFIG:
            self.settings = r.item()
            self.ttl_s = r.uint()
            if not isinstance(self.settings, dict):
                return False
            needed = 4
        elif kind == wire.HOST_HELLO:
            self.bridge_at = r.blob(wire.BRIDGE_ID_BYTES)
            oldest = r.uint()
            self.speaks_our_version = oldest <= wire.VERSION <= r.uint()
            needed = 5
        else:
            needed = 2  # of no interest, or of a later version
        return count >= needed and not r.bad

    def names_stream(self, stream):
        return self.matches(self.stream_at, stream)

    def matches(self, at, identifier):
        """True when the eight bytes at `at` are `identifier`."""
        return kernels.same(self._reader.buffer, at, identifier, 8) == 1

    def bridge_into(self, target):
        """Copy the ID of the bridge that sent this."""
        kernels.copy(target, 0, self._reader.buffer, self.bridge_at, wire.BRIDGE_ID_BYTES)
