"""Frames: from a refresh of the display to records in the open chunk.

Inside every refresh the encoder hashes the buffer and marks what changed; coding is spread over later steps, a part at
a time, each part one record. What was not coded stays marked, so a frame that is skipped, refused or cut short needs no
bookkeeping: a later one covers it, and still exactly.

    rest --begin--> open --last part--> rest
    open, delta --refresh that changes something--> closing --empty last part, mixed--> rest, waiting
    open, key   --refresh that changes something--> open, mixed: a keyframe runs to its end

`is_waiting`: a refresh changed something that no frame has taken up yet. `has_picture`: the hashes are those of what
the display shows. Without it no frame may begin, because the buffer may hold what was never shown.
"""

from micropython import const

from . import wire
from .cbor import BYTES
from .outbox import CALLS, FRAMES

try:
    from .kernels import copy
except (ImportError, SyntaxError):  # CPython, or a port that cannot emit native code
    from .kernels_plain import copy

_HEAD = const(4)  # of a frame: three bytes of CBOR head, one of flags
_UNBOUNDED_PX = const(1 << 24)
_FIRST_BUDGET_PX = const(512)
_LEAST_BUDGET_PX = const(64)
_MOST_BUDGET_PX = const(1 << 20)
# Bytes of a part bound it where pixels do not: noise takes 2,000 instructions a byte. No fewer than a rectangle needs.
_FIRST_EFFORT = const(96)
_LEAST_EFFORT = const(64)
_MOST_EFFORT = const(1 << 13)


class Capture:
    def __init__(self, encoder, chunk, outbox, max_chunk):
        self._encoder = encoder
        self._chunk = chunk
        self.outbox = outbox
        # Less room than this would make more heads than frames; a whole chunk is much of a small outbox.
        chunk.least_for_frames = min(max_chunk, outbox.size >> 3)
        self.has_picture = False
        self.is_waiting = False
        self.is_open = False
        self.is_key = False
        self.has_changed = False  # since the last keyframe began
        self._is_closing = False
        self._is_mixed = False
        self._is_refused = False  # the waiting refresh was counted as refused
        self.has_failed = False  # its frame was given up: who asks takes this back
        self._owes_exact = (
            False  # the last frame was mixed: whatever is left to send, an exact one must follow
        )
        self._parts = 0
        self._starved = 0  # times in a row that nothing fitted
        self._frame_ms = 0
        self._budget_px = _FIRST_BUDGET_PX
        self._effort = _FIRST_EFFORT
        self.begin_stream()

    def begin_stream(self):
        """Count anew. A refresh that waits was before the stream's time began; no frame is under way."""
        self._refresh_ms = 0
        self.frames = 0
        self.skipped = 0
        self.refused = 0
        self.mixed = 0

    def use(self, encoder):
        """Go on with the encoder of another buffer or size; no frame is under way."""
        self._encoder = encoder
        self.missed()

    # --- what the display does ---

    def refreshed(self, stream_ms):
        """The display was refreshed; its buffer holds what it shows."""
        if self.look():
            self.note(stream_ms)

    def look(self):
        """The same, without a time; True when there is something to `note`."""
        changed = self._encoder.refresh()
        self.has_picture = True
        return changed or not (self.is_open or self.is_waiting or not self._encoder.dirty)

    def note(self, stream_ms):
        self._refresh_ms = stream_ms
        self.has_changed = True
        if self.is_open:
            if not (self._parts or self.is_key or self._is_closing):
                self.skipped += 1  # its frame ends before the first part
            self._is_mixed = True
            self._is_closing = not self.is_key
        if self.is_waiting:
            self.skipped += 1
        self.is_waiting = True
        self._is_refused = False

    def mark(self, stream_ms):
        """Send everything anew with the next frame, changed or not."""
        if self.has_picture:
            self._encoder.mark_all()
            self._refresh_ms = stream_ms
            self.is_waiting = self.has_changed = True

    def missed(self):
        """The display was refreshed, and nobody looked."""
        self.has_picture = False
        self.is_waiting = False

    def refuse(self):
        """The outbox is too full for the frame that waits; returns True when that is news."""
        if self._is_refused or not self.is_waiting:
            return False
        self._is_refused = True
        self.refused += 1
        return True

    # --- a frame ---

    def begin(self, is_key, stream_ms):
        self._encoder.begin(is_key)
        self._frame_ms = self._refresh_ms if self.is_waiting else stream_ms
        self.is_open = True
        self.is_key = is_key
        self.is_waiting = False
        self._is_closing = False
        self._is_mixed = False
        self._parts = 0
        if is_key:
            self.has_changed = False

    def halt(self, stream_ms):
        """End the frame under way. Returns True when the next one must be a keyframe."""
        if not self.is_open:
            return False
        if not self.is_key:
            self._close(stream_ms)
        needs_key = self.is_open
        self.give_up()
        return needs_key

    def give_up(self):
        """Forget the frame under way; what it had coded is lost, so a keyframe must follow."""
        self.is_waiting = self.is_waiting or (self.is_open and self.has_picture)
        self.is_open = False
        self._is_closing = False

    def has_room(self):
        """True when the outbox takes another chunk of frames."""
        return self.outbox.room(FRAMES) >= self._chunk.least_for_frames

    def step(self, stream_ms, is_unbounded):
        """Code one part. Returns True when another can follow at once."""
        if self._is_closing:
            return self._close(stream_ms)
        chunk = self._chunk
        if not chunk.is_open or not chunk.is_replay:
            chunk.close()
            if not chunk.open(True, FRAMES, stream_ms):
                return False
        size = self._encode(chunk.begin_record(self._frame_ms), is_unbounded)
        is_last = self._encoder.finished
        if size == 0 and not is_last:
            return self._does_not_fit()
        if size == 0 and self._parts == 0 and not (self.is_key or self._owes_exact):  # all is as it was
            chunk.drop_record()
            self.is_open = False
            self.skipped += 1
            return False
        self._write_part(chunk.writer, size, is_last)
        return self.is_open

    def _encode(self, w, is_unbounded):
        """Code a part behind room for its head; returns its bytes."""
        end = w.end - wire.FRAME_CHECKSUM_BYTES if self.is_key else w.end
        if w.at + _HEAD >= end:
            return 0
        self._encoder.limit(_UNBOUNDED_PX if is_unbounded else self._effort)
        budget = _UNBOUNDED_PX if is_unbounded else self._budget_px
        return self._encoder.encode_into(w.buffer, w.at + _HEAD, end, budget)

    def _does_not_fit(self):
        """Go on in another chunk. The encoder may ask for more room once before it splits a row."""
        chunk = self._chunk
        is_fresh = chunk.records == 0
        chunk.drop_record()
        if is_fresh and not chunk.is_whole():
            return chunk.may_grow  # else the outbox is nearly full: the next one will be larger
        self._starved += 1
        if is_fresh and self._starved > 2:
            self._starved = 0
            self.has_failed = True
            self.give_up()
            return False
        chunk.close()
        return True

    def _write_part(self, w, size, is_last):
        self._starved = 0
        flags = 0
        if self.is_key:
            flags |= wire.FRAME_KEY
            if is_last:
                self._encoder.checksum_into(w.buffer, w.at + _HEAD + size)
                size += wire.FRAME_CHECKSUM_BYTES
        if is_last and (self._is_mixed or not self._encoder.exact):
            flags |= wire.FRAME_MIXED
        self._write_frame(w, size, flags, is_last)

    def _write_frame(self, w, size, flags, is_last):
        """Put head and flags before the payload, which lies _HEAD behind w.at, where the record's body begins."""
        if self._parts == 0:
            flags |= wire.FRAME_FIRST
            if self.is_key:
                flags |= wire.FRAME_RESET
        if is_last:
            flags |= wire.FRAME_LAST
        flags |= self._encoder.payload_type << wire.FRAME_TYPE_SHIFT
        self._place(w, w.at + _HEAD, size, flags)
        if w.at > w.end or not self._chunk.end_record():
            raise RuntimeError("the encoder wrote %d bytes, more than it was given" % size)
        self._parts += 1
        if is_last:
            self._end(flags & wire.FRAME_MIXED)

    def _place(self, w, payload, size, flags):
        w.head(BYTES, size + 1)
        w.byte(flags)
        if w.at < payload:  # the head is shorter than the room kept for it
            copy(w.buffer, w.at, w.buffer, payload, size)
        w.at += size

    def _end(self, is_mixed):
        self.is_open = False
        self._is_closing = False
        self.frames += 1
        self._owes_exact = bool(is_mixed)
        if is_mixed:
            self.mixed += 1
            self.has_changed = True

    def _close(self, stream_ms):
        """End a delta whose refresh is over, without payload."""
        if self._parts == 0:
            self.give_up()
            return False
        left = 2
        while left:
            left -= 1
            if not self._chunk.open(True, CALLS, stream_ms):
                return False
            w = self._chunk.begin_record(self._frame_ms)
            if w.at + _HEAD <= w.end:
                self._write_frame(w, 0, wire.FRAME_MIXED, True)
                return False
            self._chunk.drop_record()
            self._chunk.close()
        return False

    def pace(self, step_us, target_us):
        """Choose the next part's size so that it takes about the target: what bounded the last one, bytes or pixels."""
        if self._encoder.spent() << 1 > self._effort:
            self._effort = _paced(self._effort, step_us, target_us, _LEAST_EFFORT, _MOST_EFFORT)
            if step_us >= target_us:
                return
        self._budget_px = _paced(self._budget_px, step_us, target_us, _LEAST_BUDGET_PX, _MOST_BUDGET_PX)


def _paced(amount, step_us, target_us, least, most):
    if step_us > target_us:
        return max(amount >> 1, least)
    if step_us < target_us >> 2:
        return min(amount << 1, most)
    return amount
