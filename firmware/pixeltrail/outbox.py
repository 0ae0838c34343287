"""Chunks that wait for an ack: a ring of fixed size in one buffer, first in, first out.

Nothing that was admitted is evicted; `purge` alone drops chunks, on opt-out. Every chunk lies in one piece, so that a
transport can write it from where it is: one that does not fit behind the last goes to the start of the ring, and the
bytes between are lost until the ring has passed them.

Whether a chunk may come in depends on what it carries: frames up to FRAMES, calls and inputs up to CALLS, what the
recorder itself must say (gap, session end, opt-out) up to the brim.

A chunk is written where it will lie: `reserve` says where, `commit` makes a slot of it. Between the two, chunks may be
acked, but none may be purged.

A slot is a head of 8 bytes, then the chunk:  seq (4, little-endian)  size (2)  tag of its stream  class
The send cursor divides the ring: `sent` chunks between the oldest and it were given to the transport.

Written by the recorder (reserve, commit, purge) and by the link (everything else), which run in turn; nothing here is
safe to call from an interrupt.
"""

from array import array

from micropython import const

try:
    from . import kernels
except (ImportError, SyntaxError):  # CPython, or a port that cannot emit native code
    from . import kernels_plain as kernels

FRAMES = 0
CALLS = 1
CONTROL = 2

_HEAD = const(8)
# What is done in one step of the recorder at most.
_FREES = const(16)
_RUN = const(48)
_PIECE = const(24_576)  # bytes looked at by a purge, 64 for each slot beside its own: 10 instructions each
_RUNS = const(64)
# At least so much is kept for a gap, a session end and an opt-out, each in a chunk of its own, of about 70 bytes.
_RESERVE = const(256)


class Outbox:
    def __init__(self, size):
        self.buffer = bytearray(size)
        self.size = size
        calls = min(size * 97 // 100, size - _RESERVE)
        self._limits = (min(size * 75 // 100, calls), calls, size)
        self._place = 0  # of the slot that comes next
        self._purging = None
        self.clear()

    def clear(self):
        self._head = 0  # of the oldest slot
        self._tail = 0  # behind the newest
        self._wrap = self.size  # where the slots before the ring's end stop; size when it has not turned
        self._cursor = 0
        self.used = 0  # bytes of the ring that cannot be written, lost ones counted
        self.unsent = 0  # bytes of chunks behind the cursor
        self._bytes = 0  # of all chunks, without their slots
        self.count = 0
        self.sent = 0

    # --- the recorder's side ---

    def room(self, level):
        """Bytes that a chunk of this level may have now."""
        place = self._place
        room = self.reserve(level, self.size)
        self._place = place  # a chunk may be open there
        return room

    def reserve(self, level, wanted):
        """Choose where the next chunk lies, `start_of_next`; returns how many bytes it may have, `wanted` if it can."""
        if self.count == 0:
            self.clear()
        tail = self._place = self._tail
        head = self._head
        left = self._limits[level] - self.used - _HEAD
        if self.count and tail <= head:
            room = head - tail - _HEAD
            return max(0, room if room < left else left)
        room = self.size - tail - _HEAD
        if room > left:
            room = left
        if room < wanted:
            left -= self.size - tail
            if left > head - _HEAD:
                left = head - _HEAD
            if left > room:
                self._place = 0
                room = left
        return max(0, room)

    def start_of_next(self):
        """Where the bytes begin of the chunk that room was reserved for."""
        return self._place + _HEAD

    def commit(self, seq, length, marks):
        """Admit the chunk of `length` bytes at `start_of_next`. `marks`: its stream's tag, and 256 for replay data."""
        if self.count == 0:
            self._head = self._tail = self._cursor = self._place
            self._wrap = self.size
        elif self._place != self._tail:
            self._turn()
        kernels.write_slot(self.buffer, self._place, seq, length, marks)
        self.unsent += length
        self._bytes += length
        length += _HEAD
        self._tail = self._place + length
        self.used += length
        self.count += 1

    def _turn(self):
        """Go on at the start of the ring."""
        self._wrap = self._tail
        self.used += self.size - self._tail
        if self._cursor == self._tail:
            self._cursor = 0
        self._tail = 0

    def purge(self):
        """Drop chunks of replay data; the rest moves together. A piece of it, until `is_purging` is false. Returns an
        array with tag, first seq and end of each run of dropped chunks, and how many numbers of it count.

        Not while a transport writes from the ring, nor while a chunk is being written. Allocates. Between pieces
        nothing may be sent, and no replay data come; what is acked is freed afterwards.
        """
        q = self._purging
        if q is None:
            at = self._head
            size = self.size
            q = (at, 0, self.sent, 0, size, at, at, 0, 0, 0, 0, 0, size, at, 0, 0, _PIECE)
            q = self._purging = array("i", q)
        runs = array("i", bytes(12 * min(_RUNS, self.count + 1)))
        q[1] = self.count
        q[3] = self._wrap
        if kernels.purge(self.buffer, q, runs):
            self._settle(q)
        return runs, q[15]

    def _settle(self, q):
        """All was looked at: go on with what is left."""
        self._purging = None
        self._head = q[0]
        self._tail, self._cursor, self.used, self.unsent, self._bytes = q[5], q[6], q[7], q[8], q[9]
        self.count, self._wrap = q[10], q[12]
        if self.sent:
            self.sent = q[11]
        else:
            self.go_back()  # as somebody asked meanwhile
        if self.count == 0:
            self.clear()

    def is_purging(self):
        """True between the pieces of a purge."""
        return self._purging is not None

    # --- a slot, by its position ---

    def seq(self, at):
        return kernels.read_seq(self.buffer, at)

    def length(self, at):
        return self.buffer[at + 4] | self.buffer[at + 5] << 8

    def tag(self, at):
        return self.buffer[at + 6]

    def start(self, at):
        """Where the chunk's own bytes begin."""
        return at + _HEAD

    # --- the link's side ---

    def oldest(self):
        """Position of the oldest chunk, -1 when there is none."""
        return self._head if self.count else -1

    def after(self, at):
        """Position of the slot behind the one at `at`; the caller knows that there is one."""
        at += _HEAD + self.length(at)
        return 0 if at >= self._wrap else at

    def count_run(self, limit):
        """How many of the oldest chunks are of one stream and take at most `limit` bytes with their slots."""
        at = self._head
        ring = self.buffer
        tag = ring[at + 6]
        most = 0 if self._purging else min(self.count, _RUN)
        count = 0
        while count < most:
            if at >= self._wrap:
                at = 0
            size = _HEAD + (ring[at + 4] | ring[at + 5] << 8)
            limit -= size
            if limit < 0 or ring[at + 6] != tag:
                break
            at += size
            count += 1
        return count

    def next_to_send(self):
        """Position of the chunk at the cursor, -1 when all were sent."""
        if self.sent >= self.count:
            return -1
        if self._cursor >= self._wrap:
            self._cursor = 0
        return self._cursor

    def mark_sent(self, at, length):
        """The chunk of `length` bytes at the cursor, which is `at`, was given to the transport."""
        self._cursor = at + _HEAD + length
        self.unsent -= length
        self.sent += 1

    def go_back(self):
        """Send everything again, from the oldest."""
        self.unsent = self._bytes
        self._cursor = self._head
        self.sent = 0

    def free_below(self, tag, seq, pinned):
        """Forget the oldest chunks, if they are of the stream with this tag, below `seq` and not at `pinned`.

        A bounded number of them; True: there may be more, or one is pinned.
        """
        if self._purging:
            return True
        for _ in range(_FREES):
            at = self._head
            if not self.count or self.buffer[at + 6] != tag or kernels.read_seq(self.buffer, at) >= seq:
                return False
            if at == pinned:
                return True
            self.free()
        return True

    def free(self):
        """Forget the oldest chunk."""
        at = self._head
        length = self.buffer[at + 4] | self.buffer[at + 5] << 8
        self._bytes -= length
        at += _HEAD + length
        if self.sent:
            self.sent -= 1
        else:
            self.unsent -= length
            self._cursor = at
        self._head = at
        self.used -= _HEAD + length
        self.count -= 1
        if self.count == 0:
            self.clear()
        elif self._head >= self._wrap:
            self.used -= self.size - self._wrap
            self._head = 0
            if self._cursor >= self._wrap:
                self._cursor = 0
            self._wrap = self.size
