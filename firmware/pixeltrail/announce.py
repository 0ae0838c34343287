"""Records into chunks, and what a stream and a session must be told before any of them.

Hello, display, session start and end, opt-out and gaps are kept as the difference between what is and what was told,
not as a queue: `announce` writes what is missing, whole or later, and nothing else is admitted before it. So causal
order holds also when the outbox was full for hours. They have chunks of their own, as numbers are given at opening.
"""

from micropython import const

from . import message, wire
from .outbox import CALLS, CONTROL

# places in a gap's counts
REFUSED_FRAMES = const(0)
REFUSED_INPUTS = const(1)
REFUSED_CALLS = const(2)

_GAP_REASONS = (wire.GAP_OUTBOX_FULL, wire.GAP_ENCODER, wire.GAP_TOO_LARGE)


class Announcer:
    """`face`: what a display record says of the display; `blind`: rectangles that the tap cannot see."""

    def __init__(self, device, face, blind, settings, clock, chunk, link, session, capture, masks):
        self._device = device
        self._face = face
        self._encoder = None  # given by use()
        self._blind = blind
        self._masks = masks
        self._references = settings.references
        self._max_chunk = settings.max_chunk
        self._clock = clock
        self._chunk = chunk
        self._link = link
        self._session = session
        self._capture = capture
        self._open_index = -1  # session whose start was told and whose end was not
        self._refused = ([0, 0, 0], [0, 0, 0], [0, 0, 0])  # for each of _GAP_REASONS
        self._has_refused = False
        self.refused_calls = 0
        self.begin_stream()

    def begin_stream(self):
        """A stream that nobody was told anything of. What earlier ones did not tell of their holes, syncs tell."""
        self._hello_told = False
        self._display_told = False
        self._blind_left = len(self._blind)
        self._masks_told = -1  # the masks' `changes` that were told last
        self._masks_named = False
        self._told_index = -1
        self.told_opt_out = False
        self.lifted_at = -1  # number of the chunk that told of the end of an opt-out
        self._holes = []  # (first, end) of dropped chunks that no gap record has told of yet
        self.refused_calls = 0

    def use(self, encoder):
        """The display is another one, or has other colours; no frame is under way."""
        self._encoder = encoder
        self._display_told = False
        self._blind_left = len(self._blind)

    def has_holes(self):
        """True while a gap record about dropped chunks of this stream is still to be written."""
        return bool(self._holes)

    def note_hole(self, first, end):
        """Chunks first <= seq < end of this stream were dropped on opt-out."""
        self._holes.append((first, end))

    def refuse(self, counted_as, reason):
        """Something was not admitted: one REFUSED_*, for a reason of the wire's gap record."""
        self._refused[_GAP_REASONS.index(reason)][counted_as] += 1
        self._has_refused = True
        if counted_as == REFUSED_CALLS:
            self.refused_calls += 1

    def record(self, write, is_replay, counted_as, a, b, c):
        """Write one record behind all that must be told before it, or count it as refused."""
        reason = wire.GAP_OUTBOX_FULL
        if self.announce():
            reason = self.write(write, is_replay, CALLS, a, b, c)
        if reason:
            self.refuse(counted_as, reason)

    def write(self, write, is_replay, level, a, b, c):
        """One record into the open chunk or a new one, by a function of message.py.

        Returns 0, or the reason of a gap. Raises ValueError for what the wire cannot carry.
        """
        chunk = self._chunk
        now = self._clock.stream_ms
        while chunk.open(is_replay, level, now):
            is_fresh = chunk.records == 0
            w = chunk.begin_record(now)
            write(w, a, b, c)
            if chunk.end_record():
                return 0
            is_bad = w.bad
            is_whole = chunk.is_whole
            chunk.drop_record()
            if is_bad:
                raise ValueError("an argument that the wire cannot carry: %r" % (a,))
            if is_fresh and not chunk.may_grow:
                return wire.GAP_TOO_LARGE if is_whole else wire.GAP_OUTBOX_FULL
            chunk.close()
        return wire.GAP_OUTBOX_FULL

    def announce(self):
        """Tell what must be told first. Returns False when the outbox has no room for it."""
        while not self.is_told():
            if not self.announce_next():
                return False
        return True

    def announce_next(self):
        """Tell the first of what must be told, in a chunk of its own. Returns False when the outbox has no room for it.

        There must be something to tell.
        """
        self._chunk.close()
        is_told = self._tell_next()
        self._chunk.close()
        return is_told

    def is_told(self):
        session = self._session
        return (
            self._display_told
            and self._told_index == session.index
            and self.told_opt_out == session.opted_out
            and self._masks_told == self._masks.changes
            and not (self._holes or self._blind_left)
            and not (self._has_refused and self._may_tell_refusals())
        )

    def _may_tell_refusals(self):
        """One gap record tells of a whole time of refusals, once frames are admitted again.

        Never while a frame is under way: a gap would end it.
        """
        return not self._capture.is_open and self._capture.has_room()

    def _tell_next(self):
        session = self._session
        if not self._display_told:
            return self._tell_display() if self._hello_told else self._tell_hello()
        if self._blind_left:
            return self._tell_blind()
        if self._masks_told != self._masks.changes:
            return self._tell_masks()
        if self._told_index != session.index:
            return self._tell_session(session)
        if self.told_opt_out != session.opted_out:
            return self._tell_opt_out(session.opted_out)
        return self._tell_hole() if self._holes else self._tell_refusals()

    def _tell_hello(self):
        quality = wire.CLOCK_GOOD if self._clock.has_date else wire.CLOCK_NONE
        if self.write(message.hello, False, CALLS, self._device, quality, self._link.newest.previous):
            return False
        self._hello_told = True
        return True

    def _tell_display(self):
        if self.write(message.display, False, CALLS, self._face, self._encoder, self._references):
            return False
        self._display_told = True
        return True

    def _tell_blind(self):
        if self.write(message.unknown_area, False, CALLS, self._blind[-self._blind_left], None, None):
            return False
        self._blind_left -= 1
        return True

    def _tell_masks(self):
        """That there are none is told only where an earlier record named some."""
        masks = self._masks
        if masks.flat or self._masks_named:
            if self.write(message.masks, False, CALLS, masks.flat, None, None):
                return False
            self._masks_named = bool(masks.flat)
        self._masks_told = masks.changes
        return True

    def _tell_session(self, session):
        if self._open_index >= 0 and self._open_index != session.index:
            if self.write(message.session_end, False, CONTROL, self._open_index, None, None):
                return False
            self._open_index = -1
            return True
        if self.write(message.session_start, False, CALLS, session.index, session.sampled, session.epoch):
            return False
        self._told_index = self._open_index = session.index
        return True

    def _tell_opt_out(self, is_out):
        if self.write(message.opt_out, False, CONTROL, is_out, None, None):
            return False
        self.told_opt_out = is_out
        if not is_out:
            self.lifted_at = self._chunk.seq
        return True

    def _tell_hole(self):
        first, end = self._holes[0]
        if self.write(_opt_out_gap, False, CONTROL, first, end, None):
            return False
        self._holes.pop(0)
        return True

    def _tell_refusals(self):
        for i in range(len(_GAP_REASONS)):
            counts = self._refused[i]
            if counts[0] or counts[1] or counts[2]:
                if self.write(_refusal_gap, False, CONTROL, self._chunk, counts, _GAP_REASONS[i]):
                    return False
                counts[0] = counts[1] = counts[2] = 0
                return True
        self._has_refused = False
        return True


def _opt_out_gap(w, first, end, _c):
    message.gap(w, first, end, None, wire.GAP_OPT_OUT)


def _refusal_gap(w, chunk, counts, reason):
    message.gap(w, chunk.seq, chunk.seq, counts, reason)
