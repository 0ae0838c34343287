"""Chunks in flash, for the time without a bridge: what lay longest in the outbox, moved there a run at a time.

A segment is a file that is written once, from one run of the outbox, and never changed: `00000001.seg` and so on, in
the order in which they are to be sent. It is deleted as a whole when the bridge has all of it, so flash is erased in
whole blocks, and only for what could not be sent. A file begins with the head of its stream and goes on with chunks,
each a frame as on a serial line (zero, COBS with CRC-32, zero) around a slot as in the outbox: seq (4, little-endian)
size (2) tag class, then the chunk.

The outbox gives a chunk up only when the file that holds it is closed, which is when a file system makes it durable.
A power cut before that leaves nothing of the file, or some of it, or noise behind it: whole frames count, and
everything else is passed over. What was lost so is a hole in its stream, which the link tells the bridge of.

Opt-out alone changes a segment: `purge` has it written anew without replay data (renewal.py), and until then nothing of
the sort is read from it.

Sending and resending read, into the one buffer that writing also uses, and allocate nothing but a file handle in each
segment. Faults of the file system are counted and end the writing for a minute.
"""

import os
import struct

from micropython import const

from .transport.stream import FAULTS, kernels, write_part

SLOT = const(8)  # bytes before a chunk in `buffer`

_MAGIC = b"PTS1"
_HEAD = "<4s8sB8sII"  # magic, stream, whether there is a previous one, that, boot, age in ms
HEAD_BYTES = const(29)
_OVERHEAD = const(12)  # zeros, CRC-32 and code bytes of a frame
_BLOCK = const(4096)  # flash is erased in these, and a file takes whole ones
_IN_FLIGHT = const(64)
_BYTES_A_STEP = const(
    512
)  # of flash that are passed over when a chunk is looked for, but for the one that is read
_SEGMENT_BYTES = const(16_384)


class Segment:
    def __init__(self, number, head):
        self.number = number
        self.head = head  # of the file, as `pack_head` makes it
        self.stream = head[4:12]
        self.first = -1  # seq of its first chunk
        self.end = 0  # one above its last
        self.size = 0
        self.needs_purge = False

    def describe(self):
        """previous stream or None, boot count, age in ms of the stream when this was written"""
        _, _, has_previous, previous, boot, age_ms = struct.unpack(_HEAD, self.head)
        return (previous if has_previous else None), boot, age_ms


def pack_head(stream, previous, boot, age_ms):
    return struct.pack(_HEAD, _MAGIC, stream, previous is not None, previous or b"", boot, age_ms)


class Spool:
    """`folder` is made if it is not there; `limit` bytes of flash, in blocks; `files`: the module os, or a test's."""

    slot = SLOT  # for those who import nothing of this

    def __init__(self, folder, limit, max_chunk, files=os):
        self._folder = folder
        self._limit = limit
        self._files = files
        self._open = getattr(files, "open_file", open)
        self.segments = []
        self.faults = 0  # of the file system
        self.damaged = 0  # frames that could not be read
        self.used = 0  # bytes of flash, whole blocks
        plain = SLOT + max_chunk
        self.buffer = bytearray(plain + plain // 254 + _OVERHEAD)
        # writing
        self._file = None
        self._new = None
        # reading: the segment, and where in it the chunk begins that comes next
        self._source = None
        self._source_number = -1
        self._index = 0
        self._offset = 0
        self._behind = 0  # where the one after it begins
        self._loaded = 0
        self._in_flight = [0] * _IN_FLIGHT
        self.sent = 0
        from .renewal import Renewal  # not later: a step has no time to load it

        self._renew = Renewal
        self._renewal = None
        self._restore()

    # --- at start ---

    def _restore(self):
        """Find what earlier starts left. Reads every segment once."""
        try:
            names = sorted(self._files.listdir(self._folder))
        except OSError:
            try:
                self._files.mkdir(self._folder)
            except OSError:
                self.faults += 1
            return
        for name in names:
            if name[8:] == ".new":  # a purge was cut short
                self._try(self._settle, name)
        numbers = [int(name[:8]) for name in names if name[8:] in (".seg", ".new") and name[:8].isdigit()]
        for number in sorted(set(numbers)):
            segment = None
            try:
                segment = self._survey(number)
            except FAULTS:
                self.faults += 1
            if segment is not None and segment.first >= 0:
                self._add(segment)
            else:
                self._try(self._files.remove, self._path(number))
        self._close_source()

    def _settle(self, name):
        number = int(name[:8])
        if self._path(number)[-12:] in self._files.listdir(self._folder):
            self._files.remove(self._path(number, ".new"))
        else:
            self._files.rename(self._path(number, ".new"), self._path(number))

    def _survey(self, number):
        """What a file holds, or None when not even its head can be read."""
        self._open_source(number)
        length = self._read(0)
        if length != HEAD_BYTES or self.buffer[:4] != _MAGIC:
            return None
        segment = Segment(number, bytes(self.buffer[:HEAD_BYTES]))
        while True:
            segment.size = offset = self._behind
            length = self._read(offset)
            if length == 0:
                return segment
            if length > SLOT:
                seq = self.loaded_seq()
                if segment.first < 0:
                    segment.first = seq
                if seq >= segment.end:
                    segment.end = seq + 1
            else:
                self.damaged += 1

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

    def loaded_seq(self):
        b = self.buffer
        return b[0] | b[1] << 8 | b[2] << 16 | b[3] << 24

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

    # --- files ---

    def read(self, number, offset):
        """Read the frame at `offset` of a segment into `buffer`: bytes of what it holds, -1 for a bad one, 0 at the
        end. `behind` says where the next one begins."""
        if self._source_number != number:
            self._open_source(number)
        return self._read(offset)

    def behind(self):
        return self._behind

    def read_raw(self, offset, buffer):
        """Fill another buffer from the segment that was read last."""
        self._source.seek(offset)
        self._source.readinto(buffer)

    def _read(self, offset):
        count = self._fill(offset)
        at = 0
        while at < count and self.buffer[at] == 0:
            at += 1
        if at == count:
            return 0
        if at:  # the frame is decoded from the buffer's start
            offset += at
            count = self._fill(offset)
        at = kernels.find_zero(self.buffer, 0, count)
        self._behind = offset + at
        if at == count:  # torn, or noise
            return -1
        return max(-1, kernels.decode_frame(self.buffer, at, kernels.CRC_TABLE) or -1)

    def _fill(self, offset):
        self._source.seek(offset)
        return self._source.readinto(self.buffer) or 0

    def _open_source(self, number):
        self._close_source()
        self._source = self._open(self._path(number), "rb")
        self._source_number = number

    def _close_source(self):
        source, self._source = self._source, None
        self._source_number = -1
        if source is not None:
            self._try(source.close)

    def _path(self, number, ending=".seg"):
        return "%s/%08d%s" % (self._folder, number, ending)

    def _try(self, act, *arguments):
        try:
            act(*arguments)
        except OSError:
            self.faults += 1


def _blocks(size):
    return (size + _BLOCK - 1) // _BLOCK * _BLOCK
