"""An opt-out in flash: a segment of the spool is written anew without replay data, one frame in each step.

The new file has another ending until the old one is gone, so a power cut leaves one of them whole. Until then nothing
of the replay is read from the old one (Spool.load). What of it cannot be done is begun again later.
"""

from .segments import SLOT, Segment
from .transport.stream import write_part


class Renewal:
    """`old`: the segment. Holds a buffer and a file of its own until `finish` or `give_up`. OSError from any step."""

    def __init__(self, spool, old):
        self.old = old
        self._spool = spool
        self._new = Segment(old.number, old.head)
        self._gone = []  # first and end of each run of dropped chunks
        self._at = 0
        self._buffer = bytearray(len(spool.buffer))
        self._file = spool.create(old.number, ".new")

    def step(self):
        """Copy the next frame, or leave it out. False when there is none left.

        To know what a frame holds takes as long as a step may; so it is copied as it lies in the old file.
        """
        spool = self._spool
        at = self._at
        length = spool.read(self.old.number, at)
        if length == 0:
            self._write(1)  # a zero ends the last frame
            return False
        self._at = spool.behind()
        if at == 0:
            self._copy(at)
        elif length > SLOT:
            seq = spool.loaded_seq()
            if spool.buffer[7]:
                self._leave_out(seq)
            else:
                self._copy(at)
                if self._new.first < 0:
                    self._new.first = seq
                self._new.end = seq + 1
        return True

    def _copy(self, at):
        self._spool.read_raw(at, self._buffer)
        self._write(self._at - at)

    def _write(self, size):
        """The first bytes of the buffer, which begin with a zero."""
        if write_part(self._file, self._buffer, 0, size) != size:
            raise OSError("no space")
        self._new.size += size

    def _leave_out(self, seq):
        gone = self._gone
        if gone and gone[-1][1] == seq:
            gone[-1][1] = seq + 1
        else:
            gone.append([seq, seq + 1])

    def finish(self, dropped):
        """Let the new file take the old one's place; dropped(stream, first, end) for each run of chunks left out."""
        file, self._file = self._file, None
        file.close()
        self._spool.replace(self.old, self._new if self._new.first >= 0 else None)
        for first, end in self._gone:
            dropped(self.old.stream, first, end)

    def give_up(self):
        """Forget the new file."""
        file, self._file = self._file, None
        if file is not None:
            self._spool.discard(file, self.old.number)
