"""What a link sends, when it sends it again, and what an ack frees: the uplink half of the custody protocol of wire.md.

The outbox may hold chunks of several streams, each marked with its stream's tag. They are delivered stream by stream,
oldest first: the *active* stream is the one that syncs tell of and whose acks count. It ends when everything below
its `next` is acked; then the following one becomes active, and begins with a sync of its own. A stream from which an
opt-out dropped chunks while it was no longer the newest says so by a sync whose `oldest` lies above the hole: nothing
can be written into it any more, so the bridge records the gap. So does the newest one while more chunks wait than may
be in flight: the gap records that tell of its holes lie behind them all, where no ack would ever let them be sent.

A chunk that the transport still writes is pinned: acks are noted, but its bytes stay until the transport is done.
"""

from micropython import const

from . import message, wire
from .cbor import Writer
from .streams import GAPS_TELL, SYNCS_TELL, Streams

_SLOT = const(8)  # bytes before a chunk in the outbox
_MASK = const((1 << 30) - 1)
_SYNC_MS = const(30_000)
_RESEND_MS = const(2_000)
_LAST_RESEND_MS = const(60_000)
_SYNC_BYTES = const(54)  # of a sync at most, without the device ID
_NOTHING = const(-1)  # position of the pinned chunk when there is none


class Sender:
    """`boot` is the device's boot count; `date` a function that returns eight bytes or None."""

    def __init__(self, outbox, chunk, transport, device_id, boot, date):
        self._outbox = outbox
        self._chunk = chunk
        self.transport = transport
        self._device_id = device_id
        self._date = date
        self._streams = Streams(chunk, boot)
        self.streams = self._streams.all
        self.newest = self._streams.newest
        self._sync = Writer(bytearray(_SYNC_BYTES + len(device_id)))
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
        self._is_behind = False  # something acked is still to be freed
        self.rests = False  # the last step left nothing to do but to wait
        self.is_purging = False  # send no chunk until `purge` was called
        self.begin_counting()

    def begin_counting(self):
        self.chunks_sent = 0
        self.bytes_sent = 0
        self.resent = 0
        self.acks = 0
        self.acks_ignored = 0
        self.unknown = 0
        self.malformed = 0

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
            self._is_behind = True  # the ended stream may be wholly acked
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
        """The lowest seq that the bridge may still expect."""
        if not self._tells_of_holes(stream):
            return stream.acked
        at = self._outbox.oldest()
        if at >= 0 and self._outbox.tag(at) == stream.tag:
            return self._outbox.seq(at)
        return self._streams.next_of(stream)

    def _tells_of_holes(self, stream):
        """Syncs must; of those that gap records tell of only while these may be too far off to be sent."""
        if stream.holes == GAPS_TELL:
            return self._is_far_behind() and not self.is_purging
        return stream.holes == SYNCS_TELL

    def _is_far_behind(self):
        """There may be more chunks than can be in flight."""
        return self._outbox.count > self._window

    def is_drained(self):
        return not self._outbox.count and len(self.streams) == 1 and not self._chunk.is_open

    def in_flight(self):
        return self._outbox.sent

    def is_pinned(self):
        return self._pinned != _NOTHING

    def _unpin(self):
        if self.transport.can_send() or not self.transport.connected:
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
            if self.transport.can_send():
                self._send_sync(now, stream_ms)
            return
        if self._has_next() and self.transport.can_send():
            self._send_next(now)

    def _has_next(self):
        outbox = self._outbox
        return outbox.sent != outbox.count and outbox.sent < self._window

    def _send_next(self, now):
        """Send the next chunk of the outbox, if it belongs to the active stream."""
        outbox = self._outbox
        at = outbox.next_to_send()
        if at >= 0 and outbox.buffer[at + 6] == self.streams[0].tag:
            self._send_chunk(now, at)

    def _send_sync(self, now, stream_ms):
        stream = self.streams[0]
        oldest = self._oldest_of(stream)
        if oldest < 0:  # not in this step: see FlashLink
            return
        w = self._sync
        w.reset(0, len(w.buffer))
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
        if self.transport.send(w.buffer, 0, w.at):
            self._wants_sync = False
            self._synced_at = now
            self.bytes_sent += w.at

    def _send_chunk(self, now, at):
        if self.is_purging:
            return
        outbox = self._outbox
        length = outbox.length(at)
        if self.transport.send(outbox.buffer, at + _SLOT, length):
            self._pinned = at
            seq = outbox.seq(at)
            self._note_sent(now, seq, length)
            outbox.mark_sent(at, length)
            self._settle_sent(now, seq)

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
        if getattr(self.transport, "write_only", False):
            self._accept(self.streams[0], seq + 1, now)

    # --- freeing ---

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
        if self._outbox.free_below(stream.tag, stream.acked, self._pinned):
            return
        if stream.holes:
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
        numbers. A piece; returns True when all is done. Not while a chunk is pinned. Allocates.
        """
        runs, count = self._outbox.purge()
        if len(self.streams) > 1:
            count = self._of_newest(runs, count)
        if count:
            self._gaps_tell()
        if keep is not None:
            keep(runs, count)
        else:
            for i in range(0, count, 3):
                told(runs[i + 1], runs[i + 2])
        if self._outbox.is_purging():
            return False
        self.is_purging = self.rests = False
        self._free()
        return True

    def _gaps_tell(self):
        newest = self.newest
        newest.holes = newest.holes or GAPS_TELL

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
                self._streams.of_tag(runs[i]).holes = SYNCS_TELL
        return left
