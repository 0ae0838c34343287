"""When a frame begins, of which kind, and how much of it one step codes.

A keyframe is due at the start of recording, of a session and of a stream; every `keyframe_interval_s` if something
changed since the last one; and when the bridge asks, at most once in five seconds. A delta is due when a refresh
changed something. Neither begins more often than `max_fps`, nor without room in the outbox, and a delta waits while the
line is behind: then the newest picture goes out and those between are counted as skipped.
"""

from micropython import const

from . import wire
from .announce import REFUSED_FRAMES
from .clock import elapsed, ticks_diff

_REQUEST_MS = const(5_000)
MOST_WAITS = const(1)  # more would only make a picture later


class Pacer:
    def __init__(self, settings, clock, capture, announcer, transport):
        self._clock = clock
        self._capture = capture
        self._announcer = announcer
        self._transport = transport
        self.tune(settings)
        step_us = settings.max_step_ms * 1000
        self.third_us = step_us // 3
        self._parts_us = step_us - (step_us >> 3)  # the rest is for what comes behind a part
        self._part_us = step_us >> 1  # what the next part may take: as long as the longest of late
        self._at_us = 0  # when the part under way began
        self.needs_key = True  # the next frame must be a keyframe
        self.is_key_requested = False
        self._is_coding = False
        self._begun_at = -self.frame_ms
        self._key_at = 0
        self._answered_at = -_REQUEST_MS
        self.waits = 0  # steps in a row whose time went to other things

    def tune(self, settings):
        """Follow other settings, the recorder's own or those of the bridge."""
        self.frame_ms = int(1000 / settings.max_fps)
        self._keyframe_ms = settings.keyframe_interval_s * 1000

    def begin_stream(self):
        self.needs_key = True

    def halt(self):
        """End the frame under way."""
        if self._capture.halt(self._clock.stream_ms):
            self.needs_key = True

    def contain(self):
        """An error came up; when it was the encoder's, its frame is lost."""
        if self._is_coding:
            self._is_coding = False
            self._capture.give_up()
            self.needs_key = True

    def may_need_key(self):
        """True while a keyframe may be due though nothing changed."""
        return self.needs_key or self.is_key_requested

    def is_idle(self):
        """True when the newest refresh is wholly in chunks."""
        capture = self._capture
        return not (capture.is_open or capture.is_waiting or (self.needs_key and capture.has_picture))

    def step(self, started_us, is_unbounded):
        """Begin a frame if one is due, and code parts of it as long as another one fits into the step's time.

        `started_us`: when the step began. With `is_unbounded` the whole frame is coded, if the outbox has room. A step
        in which no part as long as those of late would fit codes nothing, and adds to `waits`; after MOST_WAITS of them
        the engine keeps a step free of everything else.
        """
        capture = self._capture
        is_begun = capture.is_open
        if not is_begun and not self._begin(self._clock.now):
            return
        self._at_us = self._clock.microseconds()
        if not (is_unbounded or self._has_time(ticks_diff(self._at_us, started_us), is_begun)):
            return
        self.waits = 0
        self._is_coding = True
        while self._code(is_unbounded):
            if not is_unbounded and ticks_diff(self._at_us, started_us) >= self.third_us:
                break  # the next part may take longer than the last
        self._is_coding = False
        if capture.has_failed:
            capture.has_failed = False
            self.needs_key = True
            self._announcer.refuse(REFUSED_FRAMES, wire.GAP_ENCODER)

    def _has_time(self, spent_us, is_begun):
        """True when a part is to be coded in a step of which so much has passed."""
        if not is_begun and spent_us >= self.third_us:
            return False  # a keyframe's beginning takes as long as a part
        if spent_us <= self._parts_us - self._part_us or self.waits >= MOST_WAITS:
            return True
        self.waits += 1
        return False

    def _code(self, is_unbounded):
        """Code one part, from `_at_us` on; returns True when another can follow at once."""
        clock = self._clock
        is_going_on = self._capture.step(clock.stream_ms, is_unbounded)
        now_us = clock.microseconds()
        took_us = ticks_diff(now_us, self._at_us)
        self._at_us = now_us
        if is_unbounded:
            return is_going_on
        if is_going_on:  # else it may be a small rest
            self._capture.pace(took_us, self.third_us)
        most_us = self._part_us - (self._part_us >> 6)
        self._part_us = took_us if took_us > most_us else most_us
        return is_going_on

    def _begin(self, now):
        capture = self._capture
        is_key = self._is_key_due(now)
        if not capture.has_picture or not (is_key or capture.is_waiting):
            return False
        if elapsed(now, self._begun_at) < self.frame_ms or not self._announcer.is_told():
            return False
        if not capture.has_room():
            if capture.refuse():
                self._announcer.refuse(REFUSED_FRAMES, wire.GAP_OUTBOX_FULL)
            return False
        if not is_key and self._is_line_behind():
            return False
        capture.begin(is_key, self._clock.stream_ms)
        self._begun_at = now
        if is_key:
            if self.is_key_requested:
                self._answered_at = now
            self.needs_key = self.is_key_requested = False
            self._key_at = now
        return True

    def _is_line_behind(self):
        outbox = self._capture.outbox
        return self._transport.connected and outbox.unsent > outbox.size >> 2

    def _is_key_due(self, now):
        if self.needs_key:
            return True
        if self.is_key_requested and elapsed(now, self._answered_at) >= _REQUEST_MS:
            return True
        return self._capture.has_changed and elapsed(now, self._key_at) >= self._keyframe_ms
