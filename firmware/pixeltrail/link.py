"""The custody protocol of wire.md: what goes up when, what an ack frees, what a bridge asks for.

No I/O but through the transport object, no time but the one passed in. `step(now, stream_ms)` moves everything one
bounded step on and returns the orders of the bridge, a set of bits for the recorder to follow.

The outbox may hold chunks of several streams, each marked with its stream's tag. They are delivered stream by stream,
oldest first: the *active* stream is the one that syncs tell of and whose acks count. It ends when everything below
its `next` is acked; then the following one becomes active, and begins with a sync of its own. A stream from which an
opt-out dropped chunks while it was no longer the newest says so by a sync whose `oldest` lies above the hole: nothing
can be written into it any more, so the bridge records the gap.

A chunk that the transport still writes is pinned: acks are noted, but its bytes stay until the transport is done.
"""

from micropython import const

from . import message, wire
from .cbor import Writer
from .clock import STREAM_LIMIT_MS, elapsed

# orders of the bridge
ORDER_KEYFRAME = const(1)
ORDER_NEW_STREAM = const(2)
ORDER_SESSION = const(4)
ORDER_OPT_OUT = const(8)
ORDER_OPT_IN = const(16)
ORDER_CONFIG = const(32)

MAX_STREAMS = const(4)  # 50 days without a bridge; their number is bounded by nothing else

_MESSAGES_A_STEP = const(4)
_SENDS_A_STEP = const(4)
_SYNC_MS = const(30_000)
_RESEND_MS = const(2_000)
_LAST_RESEND_MS = const(60_000)
_BRIDGE_SILENT_MS = const(120_000)
_HOST_FRESH_MS = const(5_000)
_SYNC_BYTES = const(192)


class Stream:
    def __init__(self, name, tag, previous):
        self.name = name
        self.tag = tag
        self.previous = previous
        self.acked = 0  # every chunk below it is the bridge's
        self.end = -1  # one above its last chunk, once a newer stream has begun
        self.ended_ms = 0  # its age when the newer stream began
        self.has_holes = False


class Link:
    """`boot` is the device's boot count; `date` a function that returns eight bytes or None."""

    def __init__(self, outbox, chunk, transport, device_id, boot, date):
        self._outbox = outbox
        self._chunk = chunk
        self._transport = transport
        self._device_id = device_id
        self._boot = boot
        self._date = date
        self.streams = []
        self.downlink = message.Downlink()  # holds what ORDER_SESSION and ORDER_CONFIG tell of
        self._sync = Writer(bytearray(_SYNC_BYTES))
        self._orders = 0
        # the connection
        self._generation = transport.generation
        self._needs_hello = transport.needs_host_hello
        self._write_only = getattr(transport, "write_only", False)
        self._is_fresh = False
        self._hello_at = 0
        # the bridge that we follow
        self._bridge = bytearray(wire.BRIDGE_ID_BYTES)
        self._has_bridge = False
        self._bridge_at = 0
        # sending
        self._window = wire.DEFAULT_WINDOW
        self._pinned = -1  # position of the chunk that the transport writes
        self._wants_sync = False
        self._synced_at = 0
        self._progress_at = 0
        self._resend_ms = _RESEND_MS
        self._wait_ms = _RESEND_MS
        self._highest = 0  # one above the highest seq of the active stream that was ever sent
        self._random = 1
        self.begin_counting()

    def begin_counting(self):
        self.chunks_sent = 0
        self.bytes_sent = 0
        self.resent = 0
        self.syncs = 0
        self.acks = 0
        self.acks_ignored = 0
        self.unknown = 0
        self.malformed = 0

    # --- streams ---

    @property
    def newest(self):
        return self.streams[-1]

    @property
    def can_begin_stream(self):
        return len(self.streams) < MAX_STREAMS

    def begin_stream(self, name, stream_ms):
        """Begin a stream, the earlier one being `stream_ms` old and wholly in the outbox. Allocates."""
        previous = None
        tag = 0
        if self.streams:
            last = self.newest
            last.end = self._chunk.seq
            last.ended_ms = stream_ms
            previous = last.name
            tag = (last.tag + 1) & 0xFF
        self.streams.append(Stream(name, tag, previous))
        self._chunk.begin_stream(name, tag)
        self._random = (name[0] << 8 | name[1]) or 1
        if len(self.streams) == 1:
            self._activate()
        else:
            self._free()  # and not _retire alone: a chunk of the ended stream may still be pinned
        return previous

    def _activate(self):
        """Another stream became the one that is sent."""
        self._highest = 0
        self._wants_sync = True
        self._resend_ms = self._wait_ms = _RESEND_MS

    def _next_of(self, stream):
        return self._chunk.seq if stream.end < 0 else stream.end

    def _retire(self):
        """Go on to the next stream once the active one is wholly acked."""
        while len(self.streams) > 1 and self.streams[0].acked >= self.streams[0].end:
            self.streams.pop(0)
            self._activate()

    def _age(self, stream_ms):
        """The clock of the active stream: it went on when newer ones began."""
        for i in range(len(self.streams) - 1):
            stream_ms += self.streams[i].ended_ms
        return min(stream_ms, STREAM_LIMIT_MS)

    def _oldest_of(self, stream):
        """The lowest seq that the bridge may still expect. In the newest stream gap records explain every hole."""
        if not stream.has_holes:
            return stream.acked
        at = self._outbox.oldest()
        if at >= 0 and self._outbox.tag(at) == stream.tag:
            return self._outbox.seq(at)
        return self._next_of(stream)

    @property
    def drained(self):
        return not self._outbox.count and len(self.streams) == 1 and not self._chunk.is_open

    # --- one step ---

    def step(self, now, stream_ms):
        """`now` is Clock.now, `stream_ms` the age of the newest stream. Returns orders, ORDER_* bits."""
        transport = self._transport
        transport.poll(now)
        self._unpin()
        if not transport.connected:
            self._is_fresh = False
            return self._take_orders()
        if transport.generation != self._generation:
            self._generation = transport.generation
            self._connected(now)
        self._receive(now)
        if self._may_send(now):
            self._timers(now)
            self._send(now, stream_ms)
        return self._take_orders()

    def send(self, now, stream_ms):
        """Give the transport what it takes now; for chunks that were closed since `step`."""
        if self._transport.connected:
            self._unpin()
            if self._may_send(now):
                self._send(now, stream_ms)

    @property
    def is_pinned(self):
        return self._pinned >= 0

    def _take_orders(self):
        orders = self._orders
        self._orders = 0
        return orders

    def _connected(self, now):
        self._wants_sync = True
        self._is_fresh = False
        self._restart_timer(now)

    def _may_send(self, now):
        """On a serial line, only while the host says that it listens."""
        if not self._needs_hello:
            return True
        return self._is_fresh and elapsed(now, self._hello_at) <= _HOST_FRESH_MS

    def _unpin(self):
        if self._pinned >= 0 and (self._transport.can_send() or not self._transport.connected):
            self._pinned = -1
            self._free()

    # --- timers ---

    def _restart_timer(self, now):
        """There was progress, or a new connection: wait the shortest time."""
        self._progress_at = now
        self._resend_ms = self._wait_ms = _RESEND_MS

    def _timers(self, now):
        if elapsed(now, self._synced_at) >= _SYNC_MS:
            self._wants_sync = True
        if self._is_waiting() and elapsed(now, self._progress_at) >= self._wait_ms:
            self._wants_sync = True
            self._go_back()
            self._progress_at = now
            self._resend_ms = min(2 * self._resend_ms, _LAST_RESEND_MS)
            self._wait_ms = self._resend_ms + self._jitter(self._resend_ms >> 2)

    def _is_waiting(self):
        """Something was sent that only an ack can settle: chunks, or the end of a stream with holes."""
        if self._outbox.sent:
            return True
        stream = self.streams[0]
        return stream.end >= 0 and stream.acked < stream.end

    def _go_back(self):
        self._outbox.go_back()

    def _jitter(self, limit):
        """From 0 to limit - 1, by a 16-bit xorshift."""
        x = self._random
        x ^= x << 7 & 0xFFFF
        x ^= x >> 9
        x ^= x << 8 & 0xFFFF
        self._random = x
        return x % limit

    # --- sending ---

    def _send(self, now, stream_ms):
        transport = self._transport
        if self._wants_sync:
            if not transport.can_send():
                return
            self._send_sync(now, stream_ms)
        for _ in range(_SENDS_A_STEP):
            if self._outbox.sent >= self._window or not transport.can_send():
                return
            at = self._outbox.next_to_send()
            if at < 0 or self._outbox.tag(at) != self.streams[0].tag:
                return
            if not self._send_chunk(now, at):
                return

    def _send_sync(self, now, stream_ms):
        stream = self.streams[0]
        w = self._sync
        w.reset(0, _SYNC_BYTES)
        message.sync(
            w,
            stream.name,
            self._oldest_of(stream),
            self._next_of(stream),
            self._age(stream_ms),
            self._date(),
            self._boot,
            stream.previous,
            self._device_id,
        )
        if self._transport.send(w.buffer, 0, w.at):
            self._wants_sync = False
            self._synced_at = now
            self.syncs += 1
            self.bytes_sent += w.at

    def _send_chunk(self, now, at):
        outbox = self._outbox
        length = outbox.length(at)
        if not self._transport.send(outbox.buffer, outbox.start(at), length):
            return False
        if not outbox.sent:
            self._progress_at = now
        seq = outbox.seq(at)
        if seq < self._highest:
            self.resent += 1
        else:
            self._highest = seq + 1
        self.chunks_sent += 1
        self.bytes_sent += length
        self._pinned = at
        outbox.mark_sent()
        if self._write_only:
            self._accept(self.streams[0], seq + 1, now)
        self._unpin()
        return True

    # --- receiving ---

    def _receive(self, now):
        transport = self._transport
        for _ in range(_MESSAGES_A_STEP):
            length = transport.receive()
            if not length:
                return
            self._take(transport.rx, length, now)

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

    def _knows_stream(self):
        for stream in self.streams:
            if self.downlink.names_stream(stream.name):
                return True
        return False

    def _on_host_hello(self, now):
        if not self.downlink.speaks_our_version:
            self.unknown += 1
            return
        if not self._may_send(now):
            self._wants_sync = True
            self._restart_timer(now)
        self._is_fresh = True
        self._hello_at = now

    def _on_ack(self, now):
        down = self.downlink
        stream = self.streams[0]
        if (
            not self._is_our_bridge(now)
            or not down.names_stream(stream.name)
            or down.next < stream.acked
            or down.next > self._next_of(stream)
        ):
            self.acks_ignored += 1
            return
        self.acks += 1
        for i in range(wire.BRIDGE_ID_BYTES):
            self._bridge[i] = down.buffer[down.bridge_at + i]
        self._has_bridge = True
        self._bridge_at = now
        self._window = down.window
        if down.next > stream.acked:
            self._accept(stream, down.next, now)

    def _is_our_bridge(self, now):
        if not self._has_bridge or self.downlink.matches(self.downlink.bridge_at, self._bridge):
            return True
        return elapsed(now, self._bridge_at) >= _BRIDGE_SILENT_MS

    def _accept(self, stream, next_seq, now):
        """Everything of the active stream below `next_seq` is the bridge's."""
        stream.acked = next_seq
        self._restart_timer(now)
        self._free()

    def _free(self):
        outbox = self._outbox
        stream = self.streams[0]
        while True:
            at = outbox.oldest()
            if at < 0 or at == self._pinned or outbox.tag(at) != stream.tag or outbox.seq(at) >= stream.acked:
                break
            outbox.free()
        if at >= 0 and at == self._pinned:
            return
        if stream.has_holes and self._oldest_of(stream) > stream.acked:
            self._wants_sync = True
        self._retire()

    # --- opt-out ---

    def purge(self, told):
        """Drop the replay data that is not acked; told(first, end) for each run of dropped chunks of the newest stream.

        Not while a chunk is pinned. Allocates.
        """
        runs = []
        newest = self.newest.tag

        def dropped(tag, seq):
            if tag != newest:
                self._mark_holes(tag)
            elif runs and runs[-1][1] == seq:
                runs[-1][1] = seq + 1
            else:
                runs.append([seq, seq + 1])

        self._outbox.purge(dropped)
        self._free()
        for first, end in runs:
            told(first, end)

    def _mark_holes(self, tag):
        for stream in self.streams:
            if stream.tag == tag:
                stream.has_holes = True
