"""Records into chunks, and what a stream and a session must be told before any of them.

Hello, display, session start and end, opt-out and gaps are kept as the difference between what is and what was told,
not as a queue: `announce` writes what is missing, whole or later, and nothing else is admitted before it. So causal
order holds also when the outbox was full for hours. They have chunks of their own, as numbers are given at opening.
"""

from array import array

from micropython import const

from . import message, wire
from .outbox import CALLS, CONTROL

# places in a gap's counts
REFUSED_FRAMES = const(0)
REFUSED_INPUTS = const(1)
REFUSED_CALLS = const(2)
# and what is behind those of the gap being told, and those for each of _GAP_REASONS
_REFUSED = const(3)
_CALLS_REFUSED = const(12)  # of this stream, for whatever reason
_HAS_REFUSED = const(13)  # 1 while some were not told of

# what a stream was told of its device
_NOTHING = const(0)
_HELLO = const(1)
_DISPLAY = const(2)

_GAP_REASONS = (wire.GAP_OUTBOX_FULL, wire.GAP_ENCODER, wire.GAP_TOO_LARGE)


class Announcer:
    """`settings`: what config.py keeps, with what the device says of itself. `face`: what a display record says of the
    display; `blind`: rectangles that the tap cannot see.
    """

    def __init__(self, settings, face, blind, clock, chunk, link, session, capture, masks):
        self._settings = settings
        self._face = face
        self._blind = blind
        self._masks = masks
        self._clock = clock
        self._chunk = chunk
        self._link = link
        self._session = session
        self._capture = capture
        self._open_index = -1  # session whose start was told and whose end was not
        self._refused = array("i", bytes(4 * (_HAS_REFUSED + 1)))
        self._a = self._b = self._c = None
        self.begin_stream()

    def begin_stream(self):
        """A stream that nobody was told anything of. What earlier ones did not tell of their holes, syncs tell."""
        self._told = _NOTHING
        self._blind_left = len(self._blind)
        self._masks_told = -1  # the masks' `changes` that were told last
        self._masks_named = False
        self._told_index = -1
        self.told_opt_out = False
        self.lifted_at = -1  # number of the chunk that told of the end of an opt-out
        self._holes: tuple = ()  # (first, end) of dropped chunks that no gap record has told of yet
        # The same in arrays, each with how many numbers count; the first number is that of those told of.
        self._runs: tuple = ()
        self._refused[_CALLS_REFUSED] = 0

    def use_display(self):
        """The display is another one, or has other colours; no frame is under way."""
        self._told = min(self._told, _HELLO)
        self._blind_left = len(self._blind)

    def has_news_of_lifting(self):
        """True when an opt-out was lifted and the bridge has not heard of it."""
        return not self._session.opted_out and (
            self.told_opt_out or self._link.newest.acked <= self.lifted_at
        )

    def tell_of_lifting(self):
        """Tell that there is no opt-out, also if this stream told of none: the bridge may know of one."""
        self.told_opt_out = True

    def has_holes(self):
        """True while a gap record about dropped chunks of this stream is still to be written."""
        return bool(self._holes or self._runs)

    def note_hole(self, first, end):
        """Chunks first <= seq < end of this stream were dropped on opt-out."""
        self._holes += ((first, end),)

    def note_holes(self, runs, count):
        """The same for many of them: a tag, first, end ... in an array that is ours from now on."""
        if count:
            runs[0] = 0
            self._runs += ((runs, count),)

    def refuse(self, counted_as, reason):
        """Something was not admitted: one REFUSED_*, for a reason of the wire's gap record."""
        refused = self._refused
        refused[_REFUSED + _GAP_REASONS.index(reason) * _REFUSED + counted_as] += 1
        refused[_HAS_REFUSED] = 1
        if counted_as == REFUSED_CALLS:
            refused[_CALLS_REFUSED] += 1

    def refused_calls(self):
        """How many calls of this stream were not admitted."""
        return self._refused[_CALLS_REFUSED]

    def give(self, a, b, c):
        """What the next record tells: the arguments of a function of message.py behind the writer."""
        self._a = a
        self._b = b
        self._c = c

    def record(self, write, is_replay):
        """Write one record behind all that must be told before it, or count it as refused."""
        reason = wire.GAP_OUTBOX_FULL
        if self.is_told() or self._announce_before():
            reason = self.write(write, is_replay, CALLS)
        if reason:
            self.refuse(REFUSED_INPUTS if is_replay else REFUSED_CALLS, reason)

    def _announce_before(self):
        a = self._a
        b = self._b
        c = self._c
        is_told = self._announce()
        self._a = a
        self._b = b
        self._c = c
        return is_told

    def write(self, write, is_replay, level):
        """One record of what was given into the open chunk or a new one, by a function of message.py.

        Returns 0, or the reason of a gap. Raises ValueError for what the wire cannot carry.
        """
        chunk = self._chunk
        while chunk.open(is_replay, level, self._clock.stream_ms):
            is_fresh = chunk.records == 0
            if self._put(write):
                return 0
            if self._is_refused_for_good(is_fresh):
                return wire.GAP_TOO_LARGE if chunk.is_whole() else wire.GAP_OUTBOX_FULL
            chunk.close()
        return wire.GAP_OUTBOX_FULL

    def _put(self, write):
        chunk = self._chunk
        write(chunk.begin_record(self._clock.stream_ms), self._a, self._b, self._c)
        return chunk.end_record()

    def _is_refused_for_good(self, is_fresh):
        """Drop the record that did not fit; False when another chunk may take it."""
        chunk = self._chunk
        is_bad = chunk.writer.bad
        chunk.drop_record()
        if is_bad:
            raise ValueError("an argument that the wire cannot carry: %r" % (self._a,))
        return is_fresh and not chunk.may_grow

    def _say(self, write, level, a, b=None, c=None):
        self._a = a
        self._b = b
        self._c = c
        return self.write(write, False, level)

    def announce(self):
        """Tell what must be told first. Returns False when the outbox has no room for it."""
        return self.is_told() or self._announce()

    def _announce(self):
        """The same where something is known to be missing."""
        self._chunk.close()
        is_told = False
        while not is_told and self._tell_next():
            is_told = self.is_told()
        self._chunk.close()
        return is_told

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
            self._told == _DISPLAY
            and self._told_index == session.index
            and self.told_opt_out == session.opted_out
            and self._masks_told == self._masks.changes
            and not (self._holes or self._blind_left or self._runs)
            and not (self._refused[_HAS_REFUSED] and self._may_tell_refusals())
        )

    def _may_tell_refusals(self):
        """One gap record tells of a whole time of refusals, once frames are admitted again.

        Never while a frame is under way: a gap would end it.
        """
        return not self._capture.is_open and self._capture.has_room()

    def _tell_next(self):
        session = self._session
        if self._told != _DISPLAY:
            return self._tell_display() if self._told else self._tell_hello()
        if self._blind_left:
            return self._tell_blind()
        if self._masks_told != self._masks.changes:
            return self._tell_masks()
        if self._told_index != session.index:
            return self._tell_session(session)
        if self.told_opt_out != session.opted_out:
            return self._tell_opt_out(session.opted_out)
        if self._holes:
            return self._tell_hole()
        return self._tell_run() if self._runs else self._tell_refusals()

    def _tell_hello(self):
        quality = wire.CLOCK_GOOD if self._clock.has_date else wire.CLOCK_NONE
        if self._say(message.hello, CALLS, self._settings, quality, self._link.newest.previous):
            return False
        self._told = _HELLO
        return True

    def _tell_display(self):
        if self._say(message.display, CALLS, self._face, self._face.encoder, self._settings.references):
            return False
        self._told = _DISPLAY
        return True

    def _tell_blind(self):
        if self._say(message.unknown_area, CALLS, self._blind[-self._blind_left]):
            return False
        self._blind_left -= 1
        return True

    def _tell_masks(self):
        """That there are none is told only where an earlier record named some."""
        masks = self._masks
        if masks.flat or self._masks_named:
            if self._say(message.masks, CALLS, masks.flat):
                return False
            self._masks_named = bool(masks.flat)
        self._masks_told = masks.changes
        return True

    def _tell_session(self, session):
        if self._open_index >= 0 and self._open_index != session.index:
            if self._say(message.session_end, CONTROL, self._open_index):
                return False
            self._open_index = -1
            return True
        if self._say(message.session_start, CALLS, session.index, session.sampled, session.epoch):
            return False
        self._told_index = self._open_index = session.index
        return True

    def _tell_opt_out(self, is_out):
        if self._say(message.opt_out, CONTROL, is_out):
            return False
        self.told_opt_out = is_out
        if not is_out:
            self.lifted_at = self._chunk.seq
        return True

    def _tell_hole(self):
        first, end = self._holes[0]
        if self._say(_opt_out_gap, CONTROL, first, end):
            return False
        self._holes = self._holes[1:]
        return True

    def _tell_run(self):
        runs = self._runs[0]
        i = runs[0][0]
        if self._say(_opt_out_gap, CONTROL, runs[0][i + 1], runs[0][i + 2]):
            return False
        runs[0][0] = i + 3
        if i + 3 == runs[1]:
            self._runs = self._runs[1:]
        return True

    def _tell_refusals(self):
        refused = self._refused
        for i in range(len(_GAP_REASONS)):
            at = _REFUSED + i * _REFUSED
            if refused[at] or refused[at + 1] or refused[at + 2]:
                for j in range(_REFUSED):
                    refused[j] = refused[at + j]
                if self._say(_refusal_gap, CONTROL, self._chunk, refused, _GAP_REASONS[i]):
                    return False
                refused[at] = refused[at + 1] = refused[at + 2] = 0
                return True
        refused[_HAS_REFUSED] = 0
        return True


def _opt_out_gap(w, first, end, _c):
    message.gap(w, first, end, None, wire.GAP_OPT_OUT)


def _refusal_gap(w, chunk, refused, reason):
    message.gap(w, chunk.seq, chunk.seq, refused, reason)
