"""Chunks in flash, for the time without a bridge: what lay longest in the outbox, moved there a run at a time.

A segment is a file that is written once, from one run of the outbox, and never changed: `00000001.seg` and so on, in
the order in which they are to be sent. It is deleted as a whole when the bridge has all of it, so flash is erased in
whole blocks, and only for what could not be sent. segments.py says what lies in a file.

The outbox gives a chunk up only when the file that holds it is closed, which is when a file system makes it durable.
What a power cut before that left unreadable is a hole in its stream, which the link tells the bridge of.

Opt-out alone changes a segment: `purge` has it written anew without replay data (renewal.py), and until then nothing of
the sort is read from it.

Sending and resending read, into the one buffer that writing also uses, and allocate nothing but a file handle in each
segment. Faults of the file system are counted and end the writing for a minute.
"""

import os

from micropython import const

from .segments import HEAD_BYTES, SLOT, Files, Segment
from .transport.stream import FAULTS, kernels, write_part

_BLOCK = const(4096)  # flash is erased in these, and a file takes whole ones
_IN_FLIGHT = const(64)
# Of flash, passed over when a chunk is looked for; the one that is read comes on top.
_BYTES_A_STEP = const(512)
_SEGMENT_BYTES = const(16_384)


class Spool(Files):
    """`folder` is made if it is not there; `limit` bytes of flash, in blocks; `files`: the module os, or a test's."""

    def __init__(self, folder, limit, max_chunk, files=os):
        Files.__init__(self, folder, max_chunk, files)
        self._limit = limit
        self.segments = []
        self.used = 0  # bytes of flash, whole blocks
        # writing
        self._file = None
        self._new = None
        # reading: the segment, and where in it the chunk begins that comes next
        self._index = 0
        self._offset = 0
        self._loaded = 0
        self._in_flight = [0] * _IN_FLIGHT
        self.sent = 0
        from .renewal import Renewal  # not later: a step has no time to load it

        self._renew = Renewal
        self._renewal = None
        for segment in self.found():
            self._add(segment)

    def close(self):
        """Give the file handle back; it is opened again when it is needed."""
        self._close_source()

    # --- writing ---

    def is_writing(self):
        return self._file is not None

    def room(self):
        """Bytes that one more segment may have."""
        left = (self._limit - self.used) // _BLOCK * _BLOCK
        return max(0, min(left, _SEGMENT_BYTES) - 2 * HEAD_BYTES)

    def begin(self, head):
        number = self.segments[-1].number + 1 if self.segments else 1
        self._new = Segment(number, head)
        self._file = self._open(self._path(number), "wb")
        self._put(head, 0, len(head))

    def put(self, ring, at, size):
        """Write a slot of the outbox, `size` bytes with its head of 8."""
        self._put(ring, at, size)
        segment = self._new
        seq = ring[at] | ring[at + 1] << 8 | ring[at + 2] << 16 | ring[at + 3] << 24
        if segment.first < 0:
            segment.first = seq
        segment.end = seq + 1

    def finish(self):
        """Close the file: from here on the chunks are the spool's."""
        file, self._file = self._file, None
        file.close()
        self._add(self._new)
        self._new = None

    def abort(self):
        """Forget the file that is being written."""
        file, self._file = self._file, None
        segment, self._new = self._new, None
        if file is not None:
            self._try(file.close)
        if segment is not None:
            self._try(self._files.remove, self._path(segment.number))

    def _put(self, data, at, size):
        self._loaded = 0
        length = kernels.encode_frame(data, self.buffer, at, size, kernels.CRC_TABLE)
        if write_part(self._file, self.buffer, 0, length) != length:
            raise OSError("no space")
        self._new.size += length

    def _add(self, segment):
        self.segments.append(segment)
        self.used += _blocks(segment.size)

    # --- sending ---

    def load(self, stream, acked):
        """Read the next chunk of `stream` that is not below `acked` to buffer[SLOT:].

        Returns its length; 0 when there is none, -1 to look further in the next step.
        """
        if self._loaded and self.loaded_seq() >= acked:
            return self._loaded
        self._loaded = 0
        left = _BYTES_A_STEP
        while left > 0:
            if self._index >= len(self.segments):
                return 0
            segment = self.segments[self._index]
            if segment.stream != stream:
                return 0
            if segment.end <= acked or not self._next_frame(segment):
                self._index += 1
                self._offset = 0
            elif self._loaded and self.loaded_seq() >= acked:
                return self._loaded
            else:
                left -= self._behind - self._offset
                self._offset = self._behind
                self._loaded = 0
        return -1

    def _next_frame(self, segment):
        """Read the frame at the cursor; False at the segment's end."""
        try:
            length = self.read(segment.number, self._offset)
        except FAULTS:
            self.faults += 1
            return False
        if length == 0:
            return False
        if length < 0:
            self.damaged += 1
        elif length > SLOT and not self._is_head() and not (segment.needs_purge and self.buffer[7]):
            self._loaded = length - SLOT
        return True

    def _is_head(self):
        return self._offset == 0

    def can_mark(self):
        return self.sent < _IN_FLIGHT

    def mark_sent(self):
        """The chunk that was loaded was given to the transport."""
        self._in_flight[self.sent] = self.loaded_seq()
        self.sent += 1
        self._offset = self._behind
        self._loaded = 0

    def go_back(self):
        self.sent = 0
        self._index = self._offset = self._loaded = 0

    def oldest_in_flight(self):
        return self._in_flight[0] if self.sent else -1

    def free(self, stream, acked):
        """Every chunk of `stream` below `acked` is the bridge's. True: a file was deleted, and there may be others."""
        gone = 0
        while gone < self.sent and self._in_flight[gone] < acked:
            gone += 1
        if gone:
            self.sent -= gone
            for i in range(self.sent):
                self._in_flight[i] = self._in_flight[i + gone]
        if self.segments and self.segments[0].stream == stream and self.segments[0].end <= acked:
            self._drop_first()
            return True
        return False

    def _drop_first(self):
        segment = self.segments.pop(0)
        if self._renewal is not None and self._renewal.old is segment:
            self._give_up_renewal()
        self.used -= _blocks(segment.size)
        if self._index:
            self._index -= 1
        else:
            self._offset = self._loaded = 0
        if self._source_number == segment.number:
            self._close_source()
        self._try(self._files.remove, self._path(segment.number))

    # --- opt-out ---

    def begin_purge(self):
        """From now on no replay data that lies here is sent."""
        self._loaded = 0
        for segment in self.segments:
            segment.needs_purge = True

    def purge(self, dropped):
        """Go on with writing anew what needs it, a frame in each call; dropped(stream, first, end) for each run of
        chunks. False when nothing needs it. Not while a chunk is being sent from here."""
        self._loaded = 0
        try:
            if self._renewal is None:
                return self._begin_renewal()
            if not self._renewal.step():
                self._renewal.finish(dropped)
                self._renewal = None
        except FAULTS:
            self.faults += 1
            self._give_up_renewal()
        return True

    def _begin_renewal(self):
        for segment in self.segments:
            if segment.needs_purge:
                self._renewal = self._renew(self, segment)
                return True
        return False

    def _give_up_renewal(self):
        renewal, self._renewal = self._renewal, None
        if renewal is not None:
            renewal.give_up()

    def create(self, number, ending):
        return self._open(self._path(number, ending), "wb")

    def discard(self, file, number):
        self._try(file.close)
        self._try(self._files.remove, self._path(number, ".new"))

    def replace(self, old, new):
        """Put the closed file of `new` in the place of `old`'s, or nothing."""
        self._close_source()
        self._files.remove(self._path(old.number))
        self.used -= _blocks(old.size)
        index = self.segments.index(old)
        if new is None:
            self._files.remove(self._path(old.number, ".new"))
            self.segments.pop(index)
        else:
            self._files.rename(self._path(old.number, ".new"), self._path(old.number))
            self.segments[index] = new
            self.used += _blocks(new.size)
        self.go_back()


def _blocks(size):
    return (size + _BLOCK - 1) // _BLOCK * _BLOCK
