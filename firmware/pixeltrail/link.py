"""The custody protocol of wire.md: what goes up when, what an ack frees, what a bridge asks for.

No I/O but through the transport object, no time but the one passed in. `step(now, stream_ms)` moves everything one
bounded step on and returns the orders of the bridge, a set of bits for the recorder to follow.

The outbox may hold chunks of several streams, each marked with its stream's tag. They are delivered stream by stream,
oldest first: the *active* stream is the one that syncs tell of and whose acks count. It ends when everything below
its `next` is acked; then the following one becomes active, and begins with a sync of its own. A stream from which an
opt-out dropped chunks while it was no longer the newest says so by a sync whose `oldest` lies above the hole: nothing
can be written into it any more, so the bridge records the gap.

A chunk that the transport still writes is pinned: acks are noted, but its bytes stay until the transport is done.

With a spool, chunks may lie in flash before those of the outbox (backlog.py), and are sent from there. Streams that an
earlier start left come first. Of their chunks those that were in RAM are gone, and what the bridge has of them may be
more than is here: so their syncs explain every hole, and any ack is theirs.
"""

from micropython import const

from . import message, wire
from .cbor import Writer
from .clock import elapsed
from .streams import KEPT, Streams, kept

# orders of the bridge
ORDER_KEYFRAME = const(1)
ORDER_NEW_STREAM = const(2)
ORDER_SESSION = const(4)
ORDER_OPT_OUT = const(8)
ORDER_OPT_IN = const(16)
ORDER_CONFIG = const(32)

_MESSAGES_A_STEP = const(2)
_MOST_SKIPPED = const(3)
_SLOT = const(8)  # bytes before a chunk in the outbox
_MASK = const((1 << 30) - 1)
_SYNC_MS = const(30_000)
_RESEND_MS = const(2_000)
_LAST_RESEND_MS = const(60_000)
_BRIDGE_SILENT_MS = const(120_000)
_HOST_FRESH_MS = const(5_000)
_SYNC_BYTES = const(192)
_STALLED_MS = const(5_000)
_NOTHING = const(-1)  # positions of the pinned chunk that are none in the outbox
_IN_SPOOL = const(-2)


class Link:
    """`boot` is the device's boot count; `date` a function that returns eight bytes or None."""

    def __init__(self, outbox, chunk, transport, device_id, boot, date):
        self._outbox = outbox
        self._chunk = chunk
        self._transport = transport
        self._device_id = device_id
        self._date = date
        self._streams = Streams(chunk, boot)
        self.streams = self._streams.all
        self.newest = self._streams.newest
        self.downlink = message.Downlink()  # holds what ORDER_SESSION and ORDER_CONFIG tell of
        self._sync = Writer(bytearray(_SYNC_BYTES))
        self._orders = 0
        # the connection
        self._generation = transport.generation
        self._needs_hello = transport.needs_host_hello
        self._write_only = getattr(transport, "write_only", False)
        self._is_fresh = False
        self._hello_at = 0
        self._tells_host = hasattr(transport, "host_is")
        self._host_told = False
        # the bridge that we follow
        self._bridge = bytearray(wire.BRIDGE_ID_BYTES)
        self._has_bridge = False
        self._bridge_at = 0
        # sending
        self._window = wire.DEFAULT_WINDOW
        self._pinned = _NOTHING  # position of the chunk that the transport writes
        self._wants_sync = False
        self._synced_at = 0
        self._progress_at = 0
        self._taken_at = 0  # when the bridge last took something, or could begin to
        self._resend_ms = _RESEND_MS
        self._wait_ms = _RESEND_MS
        self._highest = 0  # one above the highest seq of the active stream that was ever sent
        self._random = 1
        self._skipped = 0  # so many steps in a row took messages and sent none
        self._is_behind = False  # something acked is still to be freed
        self.rests = False  # the last step left nothing to do but to wait
        self.is_purging = False  # send no chunk until `purge` was called
        self._backlog = None
        self._spool = None
        self._stream_ms = 0
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

    # --- flash ---

    def use_backlog(self, backlog):
        """Keep chunks in flash too, and deliver first what earlier starts left. Once, behind the first begin_stream."""
        self._backlog = backlog
        self._spool = backlog.spool
        self._streams.keep(backlog.found(kept))
        self._activate()

    def head_of(self, tag):
        """Head of a file with chunks of the stream that has this tag."""
        stream = self._streams.of_tag(tag)
        age_ms = self._stream_ms if stream.end < 0 else stream.ended_ms
        return self._backlog.pack_head(stream.name, stream.previous, stream.boot, age_ms)

    def _tend_backlog(self, now):
        is_stalled = not self._transport.connected or not self._may_send(now)
        if not is_stalled:
            is_stalled = self._is_waiting() and elapsed(now, self._taken_at) >= _STALLED_MS
        was_sent = self._outbox.sent
        if self._backlog.step(now, self, is_stalled):
            if was_sent:  # what is in flight was moved
                self._go_back()
            self._free()

    # --- streams ---

    def can_begin_stream(self):
        return self._streams.can_begin()

    def begin_stream(self, name, stream_ms):
        """Begin a stream, the earlier one being `stream_ms` old and wholly in the outbox. Allocates."""
        previous = self._streams.begin(name, stream_ms)
        self.newest = self._streams.newest
        self._random = (name[0] << 8 | name[1]) or 1
        if len(self.streams) == 1:
            self._activate()
        else:
            self._free()  # and not _retire alone: a chunk of the ended stream may still be pinned
        return previous

    def _activate(self):
        """Another stream became the one that is sent."""
        self.rests = False
        self._highest = 0
        self._wants_sync = True
        self._resend_ms = self._wait_ms = _RESEND_MS

    def _retire(self):
        """Go on to the next stream once the active one is wholly acked."""
        while len(self.streams) > 1 and self.streams[0].is_over():
            self.streams.pop(0)
            self._activate()

    def _oldest_of(self, stream):
        """The lowest seq that the bridge may still expect; -1 when that takes another step to find out.

        In the newest stream gap records explain every hole.
        """
        if not stream.has_holes:
            return stream.acked
        if self._spool is not None:
            seq = self._spool.oldest_in_flight()
            if seq < 0 and self._pinned != _IN_SPOOL:
                length = self._load_spooled(stream)
                if length < 0:
                    return -1
                if length:
                    seq = self._spool.loaded_seq()
            if seq >= 0:
                return max(seq, stream.acked)
        at = self._outbox.oldest()
        if at >= 0 and self._outbox.tag(at) == stream.tag:
            return self._outbox.seq(at)
        return self._streams.next_of(stream)

    def is_drained(self):
        if self._spool is not None and self._spool.segments:
            return False
        return not self._outbox.count and len(self.streams) == 1 and not self._chunk.is_open

    def in_flight(self):
        return self._outbox.sent if self._spool is None else self._outbox.sent + self._spool.sent

    # --- one step ---

    def step(self, now, stream_ms):
        """`now` is Clock.now, `stream_ms` the age of the newest stream. Returns orders, ORDER_* bits.

        At most one message goes up: each may cost a third of a step. `send` is there for those who have time for more.
        """
        transport = self._transport
        self.rests = False
        transport.poll(now)
        if self._pinned != _NOTHING:
            self._unpin()
        if self._is_behind:
            self._free()
        if self._backlog is not None:
            self._stream_ms = stream_ms
            self._tend_backlog(now)
        if not transport.connected:
            self._is_fresh = False
            if self._host_told:
                self._tell_host(False)
            return self._take_orders()
        if transport.generation != self._generation:
            self._generation = transport.generation
            self._connected(now)
        length = transport.receive()
        if length:
            self._receive(length, now)
        may_send = not self._needs_hello or self._may_send(now)
        if may_send != self._host_told and self._tells_host:
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
        if self._spool is not None and self._spool.segments:
            self.rests = False
        return self._take_orders() if self._orders else 0

    def send(self, now, stream_ms):
        """Give the transport another message; returns False when there is none or it takes none."""
        sent = self.chunks_sent
        if self._transport.connected and (not self._needs_hello or self._may_send(now)):
            if self._pinned != _NOTHING:
                self._unpin()
            self._send(now, stream_ms)
        return self.chunks_sent != sent

    def is_pinned(self):
        return self._pinned != _NOTHING

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

    def _tell_host(self, is_there):
        self._host_told = is_there
        self._transport.host_is(is_there)

    def _unpin(self):
        if self._transport.can_send() or not self._transport.connected:
            self._pinned = _NOTHING

    # --- timers ---

    def _restart_timer(self, now):
        """There was progress, or a new connection: wait the shortest time."""
        self._progress_at = now
        self._resend_ms = self._wait_ms = _RESEND_MS

    def _timers(self, now):
        if now - self._synced_at & _MASK >= _SYNC_MS:
            self._wants_sync = True
        if now - self._progress_at & _MASK >= self._wait_ms and self._is_waiting():
            self._wants_sync = True
            self._go_back()
            self._progress_at = now
            self._resend_ms = min(2 * self._resend_ms, _LAST_RESEND_MS)
            self._wait_ms = self._resend_ms + self._jitter(self._resend_ms >> 2)

    def _is_waiting(self):
        """Something was sent that only an ack can settle: chunks, or the end of a stream with holes."""
        if self.in_flight():
            return True
        stream = self.streams[0]
        return stream.end >= 0 and not stream.is_over()

    def _go_back(self):
        self._outbox.go_back()
        if self._spool is not None and self._pinned != _IN_SPOOL:
            self._spool.go_back()

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
        """Give the transport one message, if there is one and it takes it."""
        if self._wants_sync:
            if self._transport.can_send():
                self._send_sync(now, stream_ms)
            return
        outbox = self._outbox
        spool = self._spool
        if spool is None:
            if outbox.sent == outbox.count or outbox.sent >= self._window:
                return
        elif self.in_flight() >= self._window:
            return
        if not self._transport.can_send():
            return
        if spool is not None and spool.segments and self._send_from_flash(now):
            return
        at = outbox.next_to_send()
        if at >= 0 and outbox.buffer[at + 6] == self.streams[0].tag:
            self._send_chunk(now, at)

    def _send_sync(self, now, stream_ms):
        stream = self.streams[0]
        oldest = self._oldest_of(stream)
        if oldest < 0:
            return
        w = self._sync
        w.reset(0, _SYNC_BYTES)
        message.sync(
            w,
            stream.name,
            oldest,
            self._streams.next_of(stream),
            self._streams.age(stream_ms),
            self._date(),
            stream.boot,
            stream.previous,
            self._device_id,
        )
        if self._transport.send(w.buffer, 0, w.at):
            self._wants_sync = False
            self._synced_at = now
            self.syncs += 1
            self.bytes_sent += w.at

    def _send_chunk(self, now, at):
        if self.is_purging:
            return
        outbox = self._outbox
        length = outbox.length(at)
        if self._transport.send(outbox.buffer, at + _SLOT, length):
            self._pinned = at
            seq = outbox.seq(at)
            self._note_sent(now, seq, length)
            outbox.mark_sent(at, length)
            self._settle_sent(now, seq)

    def _send_from_flash(self, now):
        """1 when a chunk went, 0 when flash has none to send, -1 when none can be sent in this step."""
        if self.is_purging or not self._spool.can_mark():
            return -1
        length = self._load_spooled(self.streams[0])
        if length > 0:
            return 1 if self._send_spooled(now, length) else -1
        return length

    def _load_spooled(self, stream):
        """Length of the next chunk of the stream in flash, 0 for none, -1 for not in this step."""
        spool = self._spool
        damaged = spool.damaged
        length = spool.load(stream.name, stream.acked)
        if spool.damaged != damaged:
            stream.has_holes = True
        return length

    def _send_spooled(self, now, length):
        spool = self._spool
        if not self._transport.send(spool.buffer, spool.slot, length):
            return False
        seq = spool.loaded_seq()
        self._pinned = _IN_SPOOL
        self._note_sent(now, seq, length)
        spool.mark_sent()
        self._settle_sent(now, seq)
        return True

    def _note_sent(self, now, seq, length):
        if not self.in_flight():
            self._progress_at = self._taken_at = now
        if seq < self._highest:
            self.resent += 1
        else:
            self._highest = seq + 1
        self.chunks_sent += 1
        self.bytes_sent += length

    def _settle_sent(self, now, seq):
        self._unpin()
        if self._write_only:
            self._accept(self.streams[0], seq + 1, now)

    # --- receiving ---

    def _receive(self, length, now):
        """Take messages, up to one that makes much work."""
        transport = self._transport
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
        if (
            not self._needs_hello
        ):  # through a broker it comes once, from a bridge that begins: see what it missed
            self._go_back()
        if not self._needs_hello or not self._may_send(now):
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
            or (stream.tag != KEPT and not stream.acked <= down.next <= self._streams.next_of(stream))
        ):
            self.acks_ignored += 1
            return
        self.acks += 1
        if not self._has_bridge or not down.matches(down.bridge_at, self._bridge):
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
        self._taken_at = now
        stream.acked = next_seq
        self._restart_timer(now)
        self._free()

    def _free(self):
        """Forget what is acked, as much as fits a step; `_is_behind` tells whether something is left."""
        stream = self.streams[0]
        self._is_behind = True
        if self._spool is not None and (
            self._spool.free(stream.name, stream.acked) or self._backlog.is_moving()
        ):
            return
        if self._outbox.free_below(stream.tag, stream.acked, self._pinned):
            return
        if stream.has_holes:
            oldest = self._oldest_of(stream)
            if oldest < 0:
                return
            if oldest > stream.acked:
                self._wants_sync = True
        self._is_behind = False
        self._retire()

    # --- opt-out ---

    def purge(self, told, keep=None):
        """Drop the replay data that is not acked; told(first, end) for each run of dropped chunks of the newest stream.

        With `keep`, those of the outbox are handed to keep(runs, count): an array of tag, first, end ... with that many
        numbers. Not while a chunk is pinned. Allocates.
        """
        self.is_purging = self.rests = False
        if self._backlog is not None:
            self._backlog.purge(self._tell_purged(told))
        runs, count = self._outbox.purge()
        if len(self.streams) > 1:
            count = self._of_newest(runs, count)
        if keep is not None:
            keep(runs, count)
        else:
            for i in range(0, count, 3):
                told(runs[i + 1], runs[i + 2])
        self._free()

    def _of_newest(self, runs, count):
        """Leave of dropped chunks those of the newest stream; of the others, syncs will tell."""
        newest = self.newest.tag
        left = 0
        for i in range(0, count, 3):
            if runs[i] == newest:
                runs[left + 1] = runs[i + 1]
                runs[left + 2] = runs[i + 2]
                left += 3
            else:
                self._streams.of_tag(runs[i]).has_holes = True
        return left

    def _tell_purged(self, told):
        """What to do when chunks are dropped from flash, in the steps to come."""

        def dropped(name, first, end):
            stream = self._streams.of_name(name)
            if stream is not None:
                if stream.end < 0:
                    told(first, end)
                else:
                    stream.has_holes = True

        return dropped
