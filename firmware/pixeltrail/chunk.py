"""The chunk that is being filled: one at a time, in the outbox's ring, where it will lie.

A chunk opens with its first record, carries replay data or everything else, and takes its sequence number then; since
only a closed chunk exists for anyone else, one that is thrown away gives its number back. The outbox is asked for room
at opening; until the chunk is closed its room can only grow.

    if chunk.open(is_replay, level, now_ms):      False: no room, the record is refused
        write = chunk.begin_record(now_ms)        the writer, behind the record's dt
        ...                                       one record
        chunk.end_record()                        False: it did not fit or was malformed, and is gone
"""

from micropython import const

from . import wire
from .cbor import ARRAY, BYTES, UINT, Writer
from .outbox import CALLS

try:
    from . import kernels
except (ImportError, SyntaxError):  # CPython, or a port that cannot emit native code
    from . import kernels_plain as kernels

_MAX_RECORDS = const(500)
_CALL = const(160)
_TAG = const(11)  # behind wire version and stream ID
_SMALLEST = const(48)  # room below this is none: a chunk's head takes up to 23 bytes


class Chunk:
    def __init__(self, outbox, max_chunk):
        self._outbox = outbox
        self._max = max_chunk
        self.writer = Writer(outbox.buffer)
        # The first bytes of every chunk, and the tag of its stream, which is none of them.
        self._head = bytearray(b"\0\0\0" + bytes(wire.STREAM_ID_BYTES) + b"\0")
        self._head[0] = ARRAY | 31
        self._head[1] = UINT | wire.VERSION
        self._head[2] = BYTES | wire.STREAM_ID_BYTES
        self._begins_at = 0
        # The end of the ring is used up to where less than this is left; a record that needs more gets what there is.
        self._wish = max_chunk >> 2
        self.least_for_frames = _SMALLEST  # a chunk of frames begins with no less room
        self.may_grow = False  # the chunk that was dropped last could have had more room
        self.is_open = False
        self.is_replay = False
        self.is_writing = False  # a record is begun
        self.records = 0
        self.opened_ms = 0
        self._last_ms = 0
        self._record_at = 0
        self._record_ms = 0
        self.seq = 0  # of the open chunk, or of the next

    def begin_stream(self, stream, tag):
        """Number from 0 under another stream; no chunk may be open."""
        self._head[3:_TAG] = stream
        self._head[_TAG] = tag
        self.seq = 0
        self._last_ms = 0

    def open(self, is_replay, level, now_ms):
        """Make sure that a chunk of this class is open; closes one of the other class, or a full one."""
        if self.is_open:
            if (
                self.is_replay == is_replay
                and self.records < _MAX_RECORDS
                and (is_replay or self._has_room())
            ):
                return True
            self.close()
        if level == CALLS:
            least = _CALL  # in a smaller rest of the ring most calls would be written in vain
        else:
            least = _SMALLEST if level else self.least_for_frames
        room = self._outbox.reserve(level, self._wish if self._wish > least else least)
        if room < least:
            return False
        self.is_replay = is_replay
        self._begin(room, now_ms if now_ms > self._last_ms else self._last_ms)
        return True

    def is_whole(self):
        """True when the chunk begun last has all the room that one may have."""
        return self.writer.end - self._begins_at >= self._max - 1

    def _has_room(self):
        """True for a chunk that most calls fit: what does not fit is written twice."""
        return self.writer.end - self.writer.at >= _CALL

    def _begin(self, room, now_ms):
        room = min(room, self._max)
        at = self._begins_at = self._outbox.start_of_next()
        self.writer.reset(at, at + room - 1)  # one byte to close the array
        self.writer.at = kernels.chunk_head(self.writer.buffer, at, self._head, self.seq, now_ms)
        self.is_open = True
        self.records = 0
        self.opened_ms = self._last_ms = now_ms

    def begin_record(self, time_ms):
        """Write the record's dt. A time before the last record's counts as that one's."""
        if time_ms < self._last_ms:
            time_ms = self._last_ms
        w = self.writer
        self._record_at = w.at
        self._record_ms = time_ms
        self.is_writing = True
        w.uint(time_ms - self._last_ms)
        return w

    def end_record(self):
        w = self.writer
        if w.overflow or w.bad:
            return False
        self.is_writing = False
        self._last_ms = self._record_ms
        self.records += 1
        return True

    def drop_record(self):
        """Forget the record begun last, and an open chunk that has no other."""
        self.is_writing = False
        self.writer.rewind(self._record_at)
        if self.records == 0:
            self.is_open = False
            self.may_grow = self._wish < self._max
            self._wish = self._max

    def discard(self):
        """Throw the open chunk away; the next one takes its number."""
        self.is_open = False

    def close(self):
        """Hand the open chunk to the outbox; returns its size, 0 when none was open. Where that fails it stays open."""
        if not self.is_open:
            return 0
        if not self.records:  # its first one failed
            self.is_open = False
            return 0
        w = self.writer
        w.seal()
        size = w.at + 1 - self._begins_at
        tag = self._head[_TAG]
        self._outbox.commit(self.seq, size, tag | 256 if self.is_replay else tag)
        self.is_open = False
        self.seq += 1
        self._wish = self._max >> 2
        return size
