"""What a link keeps in flash: when chunks leave the outbox for the spool, and which streams earlier starts left there.

The order of custody is one line: the spool from its first segment to its last, then the outbox. Chunks go from the
outbox's old end to the spool's new one, so the order never changes; they are sent from the front.

That happens while the outbox is more than half full and the bridge takes nothing: the line is down, no ack came for
5 s, or the spool itself has chunks that come first. A step writes one chunk. While a run is being moved, acks are noted
and nothing of the outbox is freed, so that at every moment each chunk is in the outbox or in a closed file, or in both.

After a fault of the file system nothing is written for a minute; after some in a row the recorder lets nothing more be
written. What lies in flash is sent all the same.
"""

from micropython import const

from .clock import elapsed
from .segments import SLOT, pack_head
from .transport.stream import FAULTS

_FREES = const(8)
_RETRY_MS = const(60_000)  # after a fault of the file system


class Backlog:
    pack_head = staticmethod(pack_head)

    def __init__(self, spool, outbox):
        self.spool = spool
        self._outbox = outbox
        self._at = 0
        self._left = 0  # chunks of the run that are still to be written
        self._count = 0  # chunks of the run that are still to leave the outbox
        self._is_resting = False
        self._rests_at = 0
        self._told = None  # whom a purge under way tells of dropped chunks

    def is_moving(self):
        return self._count > 0

    def step(self, now, link, is_stalled, may_write):
        """Move one chunk, or purge one segment. Returns True when a run has left the outbox.

        A fault of writing is told link.spool_failed(error) once all is as it was.
        """
        if self._is_resting:
            if elapsed(now, self._rests_at) < _RETRY_MS:
                return False
            self._is_resting = False
        if link.is_pinned():
            return False
        faults = self.spool.faults
        moved = False
        try:
            if self._told is not None:
                if not self.spool.purge(self._told):
                    self._told = None
            elif self._left:
                self._move()
            elif self._count:
                moved = self._let_go()
            elif may_write and self._is_time(is_stalled):
                self._begin(link)
        except FAULTS as error:
            self.spool.faults += 1
            self._give_up()
            link.spool_failed(error)
        if self.spool.faults != faults:
            self._is_resting = True
            self._rests_at = now
        return moved

    def _is_time(self, is_stalled):
        outbox = self._outbox
        if outbox.used * 2 <= outbox.size:
            return False
        return is_stalled or len(self.spool.segments) > 0

    def _begin(self, link):
        count = self._outbox.count_run(self.spool.room() * 250 // 255 - 16 * self._outbox.count)
        if count == 0:
            return
        self.spool.begin(link.head_of(self._outbox.tag(self._outbox.oldest())))
        self._at = self._outbox.oldest()
        self._left = self._count = count

    def _move(self):
        outbox = self._outbox
        at = self._at
        self.spool.put(outbox.buffer, at, SLOT + outbox.length(at))
        if self._left > 1:
            self._at = outbox.after(at)
            self._left -= 1
            return
        self.spool.finish()
        self._left = 0

    def _let_go(self):
        """Free what is in a closed file, a bounded number; True when the whole run has left the outbox."""
        for _ in range(min(self._count, _FREES)):
            self._outbox.free()
            self._count -= 1
        return self._count == 0

    def _give_up(self):
        if self.spool.is_writing() or self._left:
            self.spool.abort()
        self._left = self._count = 0

    def purge(self, told):
        """told(stream, first, end) for each run of dropped chunks, over the steps to come."""
        if self._left:
            self._give_up()
        while self._count:
            self._let_go()
        self.spool.begin_purge()
        self._told = told

    def found(self, make):
        """Streams of earlier starts, oldest first: make(name, previous, boot, age in ms, first seq, end) for each."""
        streams = []
        name = None
        for segment in self.spool.segments:
            previous, boot, age_ms = segment.describe()
            if segment.stream == name:
                last = streams[-1]
                last.end = segment.end
                last.ended_ms = age_ms
            else:
                name = segment.stream
                streams.append(make(name, previous, boot, age_ms, segment.first, segment.end))
        return streams
