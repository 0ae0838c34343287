"""A link that keeps chunks in flash too (backlog.py): loaded only by a recorder with `flash_spool_bytes`.

Chunks in flash lie before those of the outbox, and are sent from there. Streams that an earlier start left come first.
Of their chunks those that were in RAM are gone, and what the bridge has of them may be more than is here: so their
syncs explain every hole, and any ack is theirs.
"""

from micropython import const

from .backlog import Backlog
from .clock import elapsed
from .faults import SPOOL, TRANSPORT
from .link import ORDER_SPOOL_OFF, Link
from .spool import Spool
from .streams import SYNCS_TELL, kept

_STALLED_MS = const(5_000)
_IN_SPOOL = const(-2)  # position of the pinned chunk when it is none of the outbox


class FlashLink(Link):
    """`open` or `use_backlog` comes once, right behind the first begin_stream."""

    def open(self, folder, limit, max_chunk, faults):
        """Deliver first what earlier starts left in a folder, which may take `limit` bytes of flash."""
        self.use_backlog(Backlog(Spool(folder, limit, max_chunk), self._outbox), faults)

    def use_backlog(self, backlog, faults):
        self._faults = faults
        self._backlog = backlog
        self._spool = backlog.spool
        self._stream_ms = 0
        self.fault = None  # that turned the spool off
        self._streams.keep(backlog.found(kept))
        self._activate()

    def head_of(self, tag):
        """Head of a file with chunks of the stream that has this tag."""
        stream = self._streams.of_tag(tag)
        age_ms = self._stream_ms if stream.end < 0 else stream.ended_ms
        return self._backlog.pack_head(stream.name, stream.previous, stream.boot, age_ms)

    def is_drained(self):
        return not self._spool.segments and Link.is_drained(self)

    def in_flight(self):
        return self._outbox.sent + self._spool.sent

    # --- one step ---

    def step(self, now, stream_ms):
        self._stream_ms = stream_ms
        orders = Link.step(self, now, stream_ms)
        if self._spool.segments:
            self.rests = False
        return orders

    def _tidy(self, now):
        Link._tidy(self, now)
        is_stalled = not self.transport.connected or not self._may_send(now)
        if not is_stalled:
            is_stalled = self._is_waiting() and elapsed(now, self._taken_at) >= _STALLED_MS
        was_sent = self._outbox.sent
        if self._backlog.step(now, self, is_stalled, not self._faults.off[SPOOL]):
            self._faults.passed(SPOOL)
            if was_sent:  # what is in flight was moved
                self._go_back()
            self._free()

    def spool_failed(self, error):
        faults = self._faults
        faults.at = SPOOL
        if faults.note(error):
            self.fault = error
            self._orders |= ORDER_SPOOL_OFF
        faults.at = TRANSPORT

    def _go_back(self):
        Link._go_back(self)
        if self._pinned != _IN_SPOOL:
            self._spool.go_back()

    # --- sending ---

    def _has_next(self):
        return self.in_flight() < self._window

    def _send_next(self, now):
        if not (self._spool.segments and self._send_from_flash(now)):
            Link._send_next(self, now)

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
            stream.holes = SYNCS_TELL
        return length

    def _send_spooled(self, now, length):
        spool = self._spool
        if not self.transport.send(spool.buffer, spool.slot, length):
            return False
        seq = spool.loaded_seq()
        self._pinned = _IN_SPOOL
        self._note_sent(now, seq, length)
        spool.mark_sent()
        self._settle_sent(now, seq)
        return True

    # --- freeing ---

    def _oldest_of(self, stream):
        """As in a link without flash; -1 when that takes another step to find out."""
        if not self._tells_of_holes(stream):
            return stream.acked
        seq = self._spool.oldest_in_flight()
        if seq < 0 and self._pinned != _IN_SPOOL:
            length = self._load_spooled(stream)
            if length < 0:
                return -1
            if length:
                seq = self._spool.loaded_seq()
        if seq >= 0:
            return max(seq, stream.acked)
        return Link._oldest_of(self, stream)

    def _is_far_behind(self):
        return len(self._spool.segments) > 0 or Link._is_far_behind(self)

    def _free(self):
        stream = self.streams[0]
        self._is_behind = True
        if not (self._spool.free(stream.name, stream.acked) or self._backlog.is_moving()):
            Link._free(self)

    # --- opt-out ---

    def purge(self, told, keep=None):
        if not self._outbox.is_purging():
            self._backlog.purge(self._tell_purged(told))
        return Link.purge(self, told, keep)

    def _tell_purged(self, told):
        """What to do when chunks are dropped from flash, in the steps to come."""

        def dropped(name, first, end):
            stream = self._streams.of_name(name)
            if stream is not None:
                if stream.end < 0:
                    self._gaps_tell()
                    told(first, end)
                else:
                    stream.holes = SYNCS_TELL

        return dropped
