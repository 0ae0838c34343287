"""The custody protocol of wire.md: when a link is used, what a bridge acks, and what it asks for.

No I/O but through the transport object, no time but the one passed in. `step(now, stream_ms)` moves everything one
bounded step on and returns the orders of the bridge, a set of bits for the recorder to follow. What goes up is
sending.py's; chunks in flash are flash.py's.
"""

from micropython import const

from . import message, wire
from .clock import elapsed
from .sending import Sender
from .streams import KEPT

# orders of the bridge
ORDER_KEYFRAME = const(1)
ORDER_NEW_STREAM = const(2)
ORDER_SESSION = const(4)
ORDER_OPT_OUT = const(8)
ORDER_OPT_IN = const(16)
ORDER_CONFIG = const(32)
ORDER_SPOOL_OFF = const(64)  # no bridge's: see FlashLink

_MESSAGES_A_STEP = const(2)
_MOST_SKIPPED = const(3)
_BRIDGE_SILENT_MS = const(120_000)
_HOST_FRESH_MS = const(5_000)
_NOTHING = const(-1)
_NEVER = const(-1)  # no time


class Link(Sender):
    def __init__(self, outbox, chunk, transport, device_id, boot, date):
        Sender.__init__(self, outbox, chunk, transport, device_id, boot, date)
        self.downlink = message.Downlink()  # holds what ORDER_SESSION and ORDER_CONFIG tell of
        self._orders = 0
        self._skipped = 0  # so many steps in a row took messages and sent none
        # the connection
        self._generation = transport.generation
        self._hello_at = _NEVER  # of this connection
        # What the transport was told of a host; None: it need not know.
        self._host_told = False if hasattr(transport, "host_is") else None
        # the bridge that we follow
        self._bridge = bytearray(wire.BRIDGE_ID_BYTES)
        self._bridge_at = _NEVER

    # --- one step ---

    def step(self, now, stream_ms):
        """`now` is Clock.now, `stream_ms` the age of the newest stream. Returns orders, ORDER_* bits.

        At most one message goes up: each may cost a third of a step. `send` is there for those who have time for more.
        """
        transport = self.transport
        self.rests = False
        transport.poll(now)
        self._tidy(now)
        if not transport.connected:
            self._hello_at = _NEVER
            self.release()
            return self._take_orders()
        if transport.generation != self._generation:
            self._generation = transport.generation
            self._connected(now)
        length = transport.receive()
        if length:
            self._receive(length, now)
        may_send = not transport.needs_host_hello or self._may_send(now)
        if self._host_told is not None and may_send != self._host_told:
            self._tell_host(may_send)
        if may_send:
            self._timers(now)
            if length and self._skipped < _MOST_SKIPPED:  # `send` follows, if there is time
                self._skipped += 1
            else:
                self._skipped = 0
                self._send(now, stream_ms)
        outbox = self._outbox
        self.rests = outbox.sent == outbox.count and not (self._wants_sync or self._is_behind or length)
        return self._take_orders() if self._orders else 0

    def _tidy(self, _now):
        """Settle what was sent and acked before."""
        if self._pinned != _NOTHING:
            self._unpin()
        if self._is_behind:
            self._free()

    def send(self, now, stream_ms):
        """Give the transport another message; returns False when there is none or it takes none."""
        sent = self.chunks_sent
        if self.transport.connected and self._may_send(now):
            if self._pinned != _NOTHING:
                self._unpin()
            self._send(now, stream_ms)
        return self.chunks_sent != sent

    def _take_orders(self):
        orders = self._orders
        self._orders = 0
        return orders

    def _connected(self, now):
        self._wants_sync = True
        self._hello_at = _NEVER
        self._restart_timer(now)

    def _may_send(self, now):
        """On a serial line, only while the host says that it listens."""
        if not self.transport.needs_host_hello:
            return True
        return self._hello_at >= 0 and elapsed(now, self._hello_at) <= _HOST_FRESH_MS

    def release(self):
        """No step follows for now: the line is its other users' as if no host were there."""
        if self._host_told:
            self._tell_host(False)

    def _tell_host(self, is_there):
        self._host_told = is_there
        self.transport.host_is(is_there)

    # --- receiving ---

    def _receive(self, length, now):
        """Take messages, up to one that makes much work."""
        transport = self.transport
        left = _MESSAGES_A_STEP
        while length:
            kind = self._take(transport.rx, length, now)
            left -= 1
            if not left or kind == wire.ACK or kind == wire.CONFIG or kind == wire.NEW_STREAM:
                return
            length = transport.receive()

    def _take(self, buffer, length, now):
        down = self.downlink
        kind = down.read(buffer, length)
        if kind == 0:
            self.malformed += 1
        elif kind == wire.ACK:
            self._on_ack(now)
        elif kind == wire.HOST_HELLO:
            self._on_host_hello(now)
        elif kind == wire.KEYFRAME_REQUEST:
            if down.names_stream(self.newest.name):
                self._orders |= ORDER_KEYFRAME
        elif kind == wire.SESSION:
            if self._knows_stream():
                self._orders |= ORDER_SESSION
        elif kind == wire.OPT_OUT_ORDER:
            self._orders &= ~(ORDER_OPT_OUT | ORDER_OPT_IN)
            self._orders |= ORDER_OPT_OUT if down.is_out else ORDER_OPT_IN
        elif kind == wire.NEW_STREAM:
            if down.names_stream(self.newest.name):
                self._orders |= ORDER_NEW_STREAM
        elif kind == wire.CONFIG:
            self._orders |= ORDER_CONFIG
        elif kind != wire.TIME:
            self.unknown += 1
        return kind

    def _knows_stream(self):
        for stream in self.streams:
            if self.downlink.names_stream(stream.name):
                return True
        return False

    def _on_host_hello(self, now):
        if not self.downlink.speaks_our_version:
            self.unknown += 1
            return
        needs_hello = self.transport.needs_host_hello
        if not needs_hello:  # through a broker it comes once, from a bridge that begins: see what it missed
            self._go_back()
        if not needs_hello or not self._may_send(now):
            self._wants_sync = True
            self._restart_timer(now)
        self._hello_at = now

    def _on_ack(self, now):
        down = self.downlink
        stream = self.streams[0]
        if (
            not self._is_our_bridge(now)
            or not down.names_stream(stream.name)
            or (stream.tag != KEPT and not stream.acked <= down.next <= self._streams.next_of(stream))
        ):
            self.acks_ignored += 1
            return
        self.acks += 1
        if self._bridge_at < 0 or not down.matches(down.bridge_at, self._bridge):
            down.bridge_into(self._bridge)
        self._bridge_at = now
        self._window = down.window
        if down.next > stream.acked:
            self._accept(stream, down.next, now)

    def _is_our_bridge(self, now):
        if self._bridge_at < 0 or self.downlink.matches(self.downlink.bridge_at, self._bridge):
            return True
        return elapsed(now, self._bridge_at) >= _BRIDGE_SILENT_MS
