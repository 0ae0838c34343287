"""Files of the spool: how chunks lie in a segment, how they are read, and what of them a power cut left.

A file begins with the head of its stream and goes on with chunks, each a frame as on a serial line (zero, COBS with
CRC-32, zero) around a slot as in the outbox: seq (4, little-endian) size (2) tag class, then the chunk. What was
written last may be torn, or have noise behind it: whole frames count, and everything else is passed over.
"""

import struct

from micropython import const

from .transport.stream import FAULTS, kernels

SLOT = const(8)  # bytes before a chunk in `buffer`
HEAD_BYTES = const(29)

_MAGIC = b"PTS1"
_HEAD = "<4s8sB8sII"  # magic, stream, whether there is a previous one, that, boot, age in ms
_OVERHEAD = const(12)  # zeros, CRC-32 and code bytes of a frame


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


class Files:
    """The segments in `folder`, with chunks of up to `max_chunk` bytes; `files`: the module os, or a test's."""

    slot = SLOT  # for those who import nothing of this

    def __init__(self, folder, max_chunk, files):
        self._folder = folder
        self._files = files
        self._open = getattr(files, "open_file", open)
        self.faults = 0  # of the file system
        self.damaged = 0  # frames that could not be read
        plain = SLOT + max_chunk
        self.buffer = bytearray(plain + plain // 254 + _OVERHEAD)
        self._source = None
        self._source_number = -1
        self._behind = 0  # where the frame begins that follows the one read last

    # --- at start ---

    def found(self):
        """The segments that earlier starts left, in their order; other files of theirs go. Reads every one once."""
        segments = []
        for number in self._numbers():
            segment = None
            try:
                segment = self._survey(number)
            except FAULTS:
                self.faults += 1
            if segment is not None and segment.first >= 0:
                segments.append(segment)
            else:
                self._try(self._files.remove, self._path(number))
        self._close_source()
        return segments

    def _numbers(self):
        try:
            names = self._files.listdir(self._folder)
        except OSError:
            self._try(self._files.mkdir, self._folder)
            return ()
        numbers = set()
        for name in names:
            if name[:8].isdigit() and name[8:] in (".seg", ".new"):
                numbers.add(int(name[:8]))
                if name[8:] == ".new":  # a purge was cut short
                    self._try(self._settle, int(name[:8]), name[:8] + ".seg" in names)
        return sorted(numbers)

    def _settle(self, number, has_old):
        if has_old:
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

    # --- reading ---

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

    def loaded_seq(self):
        b = self.buffer
        return b[0] | b[1] << 8 | b[2] << 16 | b[3] << 24

    # --- the file system ---

    def _path(self, number, ending=".seg"):
        return "%s/%08d%s" % (self._folder, number, ending)

    def _try(self, act, *arguments):
        try:
            act(*arguments)
        except OSError:
            self.faults += 1
