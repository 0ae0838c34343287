"""The engine of a recorder: the steps that move its parts on.

Nothing here blocks. parts.py has the parts, controls.py says what is recorded, recorder.py contains what raises.
"""

# pyright: reportAttributeAccessIssue=false
# Settings get their attributes from a table.

from micropython import const

from .clock import ticks_diff
from .controls import Controls
from .faults import APP, ENCODER, TAP, TRANSPORT
from .pacing import MOST_WAITS

# A new stream begins when its clock or count gets here: 70 minutes early.
_RENEW = const((1 << 30) - (1 << 22))
_HOUSEKEEPING_MS = const(100)
_SENDS_A_STEP = const(4)
_MASK = const((1 << 30) - 1)


class Engine(Controls):
    def __init__(self, tap, transport, s):
        Controls.__init__(self, tap, transport, s)
        self._is_live = hasattr(tap, "is_changed")
        self._looked_at = 0
        self._is_exact = s.exact
        self._linger_ms = s.linger_ms
        self._kept_at = -_HOUSEKEEPING_MS

    # --- steps ---

    def _step(self, started_us):
        # Calls are what bytecode is slow at: what can wait does so in _housekeep, and nothing is asked twice. One
        # thing at a time: what must be told goes before frames, a record a step.
        clock = self._clock
        now = clock.now
        faults = self._faults
        chunk = self._chunk
        is_free = faults.off[TRANSPORT] or self._attend_line(now, started_us)
        if is_free and (self._is_purging or now - self._kept_at & _MASK >= _HOUSEKEEPING_MS):
            is_free = not self._housekeep(now)
        if not is_free:
            pass
        elif not self._announcer.is_told():
            self._announcer.announce_next()
        elif self._is_recording and self._is_seeing:
            self._picture(now, started_us)
        if chunk.is_open and clock.stream_ms - chunk.opened_ms >= self._linger_ms:
            chunk.close()
        if is_free and self._outbox.unsent and not faults.off[TRANSPORT]:
            self._send(now, started_us)

    def _attend_line(self, now, started_us):
        """One step of the line. False when it took so long that all else waits; after some of these the line waits."""
        pacer = self._pacer
        if pacer.waits == MOST_WAITS:
            pacer.waits += 1
            return True
        if pacer.waits > MOST_WAITS:
            pacer.waits = 0
        self._step_line(now)
        if ticks_diff(self._clock.microseconds(), started_us) < self._pacer.third_us:
            return True
        pacer.waits += 1
        return False

    def _step_line(self, now):
        faults = self._faults
        faults.at = TRANSPORT
        orders = self._link.step(now, self._clock.stream_ms)
        faults.at = APP
        if faults.is_counting:
            faults.passed(TRANSPORT)
        if orders:
            self._follow(orders)

    def _send(self, now, started_us):
        """Send on, as long as a third of the step's time is not over."""
        clock = self._clock
        self._faults.at = TRANSPORT
        for _ in range(_SENDS_A_STEP):
            if ticks_diff(clock.microseconds(), started_us) > self._pacer.third_us:
                break
            if not self._link.send(now, clock.stream_ms):
                break
        self._faults.at = APP

    def _housekeep(self, now):
        """What is due now and then, one thing in each step. True: there was something that took long."""
        link = self._link
        if self._is_purging and not (link.is_pinned() and not self._faults.off[TRANSPORT]):
            self._chunk.close()
            if link.purge(self._announcer.note_hole, self._announcer.note_holes):
                self._is_purging = False
                self._review()
            return True
        if (self._clock.stream_ms >= _RENEW or self._chunk.seq >= _RENEW) and link.can_begin_stream():
            self._renew_stream()
            return True
        if self._vitals.is_due(now):
            self._send_vitals()
            return True
        if not self._has_told_end and self._session.is_over(now):
            self._has_told_end = True  # so that the call that begins another one has less to do
            self._send_vitals()
            return True
        if self._masks.is_behind:
            self._masks.settle()
            self._capture.missed()
            self._review()
            return True
        self._kept_at = now
        if self._session.opted_out != self._is_out:
            self._apply_opt_out()  # which failed
        if self._remote.left_s and self._remote.tick(now):
            self._use_remote()
        if self._lifecycle.line is not None or self._lifecycle.is_pending:
            self._tell_last_run()
        return False

    def _tell_last_run(self):
        line = self._lifecycle.line
        if line is not None and self._is_recording:
            self._lifecycle.line = None
            self._log(1, line)
        link = self._link
        if link.streams[0] is link.newest:  # and none of an earlier start
            self._lifecycle.acked(link.newest.acked)

    def _picture(self, now, started_us):
        """Look at a display that has no refresh of its own, and code what is due."""
        if (
            self._is_live
            and self._sight.tap.is_changed
            and now - self._looked_at & _MASK >= self._pacer.frame_ms
        ):
            self._looked_at = now
            self._sight.tap.is_changed = False
            self._refreshed(started_us)
        capture = self._capture
        if capture.is_open or capture.is_waiting or capture.has_changed or self._pacer.may_need_key():
            self._code(started_us, False)

    def _code(self, started_us, is_unbounded):
        faults = self._faults
        frames = self._capture.frames
        faults.at = ENCODER
        self._pacer.step(started_us, is_unbounded)
        faults.at = APP
        if faults.is_counting and self._capture.frames != frames:
            faults.passed(ENCODER)

    def _refreshed(self, started_us):
        """The display shows what its buffer holds."""
        faults = self._faults
        sight = self._sight
        if sight.is_versioned and not faults.off[TAP]:
            faults.at = TAP
            sight.tap.look()
            if faults.is_counting or sight.tap.version != sight.version:
                self._look()
        capture = self._capture
        if not self._is_seeing:
            capture.missed()
            return
        faults.at = ENCODER
        if capture.look():
            self._clock.update()
            capture.note(self._clock.stream_ms)
        faults.at = APP
        if self._is_exact and (capture.is_waiting or self._pacer.needs_key) and self._is_recording:
            if self._announcer.announce():
                self._code(started_us, True)

    def _look(self):
        """Follow a tap that has another buffer, size, orientation or palette."""
        if self._sight.is_another():
            self._pacer.halt()
            self._use_display()
            self._pacer.needs_key = True
        self._faults.at = APP
        self._faults.passed(TAP)

    def _note_step(self, started_us):
        step_us = ticks_diff(self._clock.microseconds(), started_us)
        if step_us > self._vitals.longest_step_us:
            self._vitals.longest_step_us = step_us
