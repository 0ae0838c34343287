"""The engine of a recorder: its parts, put together, and the step that moves them on.

The parts know nothing of each other's timing, this module does: capture.py makes frames, announce.py writes records,
link.py talks to the bridge, session.py and remote.py decide what may be recorded. Nothing here blocks. What raises is
contained by the calls of recorder.py; `faults.at` says which part was at work.
"""

# pyright: reportAttributeAccessIssue=false
# Settings get their attributes from a table.

import sys

from micropython import const

from . import message
from .announce import Announcer
from .capture import Capture
from .chunk import Chunk
from .clock import Clock, new_stream_id, ticks_diff
from .faults import APP, ENCODER, NAMES, TAP, TRANSPORT, Faults, print_error
from .lifecycle import Lifecycle
from .link import (
    ORDER_CONFIG,
    ORDER_KEYFRAME,
    ORDER_NEW_STREAM,
    ORDER_OPT_IN,
    ORDER_OPT_OUT,
    ORDER_SESSION,
    Link,
)
from .masks import Masks
from .outbox import CALLS, Outbox
from .pacing import MOST_WAITS, Pacer
from .remote import Remote
from .session import Session
from .sight import Sight
from .state import State
from .vitals import Vitals

_RENEW = const(
    (1 << 30) - (1 << 22)
)  # a new stream begins when its clock or count gets here: 70 minutes early
_HOUSEKEEPING_MS = const(100)
_SENDS_A_STEP = const(4)
_MASK = const((1 << 30) - 1)
# opt-out as it is kept: a bit for each source
_BY_APP = const(1)
_BY_BRIDGE = const(2)


class _Plain:
    """The settings, and what the device says of itself, without the module that found them."""


def _forget_config():
    """On a board, have the heap back that checking took; another recorder loads it again."""
    if sys.implementation.name == "micropython":
        del sys.modules[__name__.rpartition(".")[0] + ".config"]
        del sys.modules[__name__.rpartition(".")[0]].config


class Engine:
    """`given`: settings of config.SETTINGS that differ from the defaults. Raises ValueError, and nothing afterwards."""

    def __init__(self, tap, transport, given):
        from .config import checked, described

        frame_bytes = 0 if tap.buffer is None else len(tap.buffer)
        self._settings = s = checked(_Plain(), given, frame_bytes, tap.palette)
        self._tap = tap
        self._transport = transport
        self._clock = s.clock if s.clock is not None else Clock()
        self._state = state = State(s.state_file)
        boot = (state.get("boot", 0) + 1) & (1 << 29) - 1 if state.is_kept else 0
        self._device = described(_Plain(), s, boot)
        _forget_config()
        self._faults = Faults()
        self._outbox = Outbox(s.outbox_bytes)
        self._chunk = Chunk(self._outbox, s.max_chunk)
        self._capture = Capture(None, self._chunk, self._outbox, s.max_chunk)
        transport.attach(self._device.device_id, s.max_chunk)
        self._link = Link(
            self._outbox, self._chunk, transport, self._device.device_id, self._device.boot, self._clock.date
        )
        self._remote = Remote(s, state)
        self._session = Session(s.sample_rate, s.session_timeout_ms, s.enabled, s.opt_out)
        self._masks = Masks(s.masks, s.mask_all, s.mask_keys)
        blind = tuple(s.blind)
        if tap.buffer is None:
            blind = ((0, 0, tap.width, tap.height),)
        self._sight = Sight(tap, s)
        self._announcer = Announcer(
            self._device,
            self._sight,
            blind,
            s,
            self._clock,
            self._chunk,
            self._link,
            self._session,
            self._capture,
            self._masks,
        )
        self._pacer = Pacer(s, self._clock, self._capture, self._announcer, self._outbox, transport)
        self._vitals = Vitals(s.vitals_interval_s * 1000, self._clock.microseconds)
        self._lifecycle = Lifecycle(s, self._device, state)
        self._paused = 0
        self._is_started = False
        self._is_purging = False
        self._has_complained = False
        self._has_told_end = False  # the session that is over has told its numbers
        self._may_record = self._is_recording = self._is_seeing = False  # see _review
        self._is_exact = s.exact
        self._linger_ms = s.linger_ms
        self._third_us = s.max_step_ms * 1000 // 3
        self._kept_at = -_HOUSEKEEPING_MS
        self._begin(tap)

    def _begin(self, tap):
        self._is_live = hasattr(tap, "is_changed")
        self._is_versioned = hasattr(tap, "version")
        self._looked_at = 0
        self._use_display()
        kept = self._state.get("opt_out", 0)
        self._session.set_opt_out(
            self._session.opted_out_by_app or bool(kept & _BY_APP), bool(kept & _BY_BRIDGE)
        )
        self._is_out = self._session.opted_out  # the state that was followed last
        if self._settings.enable_remote_config:
            self._remote.load(self._clock)
            self._use_remote()
        self._begin_stream()
        if self._settings.flash_spool_bytes:
            self._use_flash()
        self._session.begin(self._clock)
        self._review()

    def _use_flash(self):
        from .backlog import Backlog
        from .spool import Spool

        s = self._settings
        spool = Spool(s.flash_spool_folder, s.flash_spool_bytes, s.max_chunk)
        self._link.use_backlog(Backlog(spool, self._outbox))
        if self._session.opted_out:  # before anything is sent: an earlier start may not have come to it
            self._link.purge(self._announcer.note_hole)

    # --- what may be recorded ---

    def _review(self):
        """Work out what may be recorded, after a change of anything that this rests on; steps and refreshes ask for
        the answer alone.

        `_may_record`: replay data is not known to be unwanted. `_is_recording`: it is known to be wanted.
        `_is_seeing`: pictures can be taken, and masked where they must be.
        """
        session = self._session
        self._may_record = (
            self._is_started
            and not self._paused
            and not self._is_purging
            and session.sampled is not False
            and not session.opted_out
            and self._remote.capture_enabled
        )
        self._is_recording = self._may_record and session.sampled is True
        off = self._faults.off
        self._is_seeing = not (off[ENCODER] or off[TAP] or self._masks.is_blocking or self._sight.is_blind)

    # --- steps ---

    def _step(self, started_us):
        # Calls are what bytecode is slow at: what can wait does so in _housekeep, and nothing is asked twice. One
        # thing at a time: what must be told goes before frames, a record a step.
        clock = self._clock
        now = clock.now
        faults = self._faults
        chunk = self._chunk
        is_free = faults.off[TRANSPORT] or self._attend_line(now, started_us)
        if is_free and now - self._kept_at & _MASK >= _HOUSEKEEPING_MS:
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
        if ticks_diff(self._clock.microseconds(), started_us) < self._third_us:
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
            if ticks_diff(clock.microseconds(), started_us) > self._third_us:
                break
            if not self._link.send(now, clock.stream_ms):
                break
        self._faults.at = APP

    def _housekeep(self, now):
        """What is due now and then, one thing in each step. True: there was something that took long."""
        link = self._link
        if self._is_purging and not (link.is_pinned() and not self._faults.off[TRANSPORT]):
            self._chunk.close()
            link.purge(self._announcer.note_hole, self._announcer.note_holes)
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
        self._lifecycle.acked(self._link.streams[0].acked)

    def _picture(self, now, started_us):
        """Look at a display that has no refresh of its own, and code what is due."""
        if self._is_live and self._tap.is_changed and now - self._looked_at & _MASK >= self._pacer.frame_ms:
            self._looked_at = now
            self._tap.is_changed = False
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
        if self._is_versioned and not faults.off[TAP]:
            faults.at = TAP
            self._tap.look()
            if faults.is_counting or self._tap.version != self._sight.version:
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

    def _note_step(self, started_us):
        step_us = ticks_diff(self._clock.microseconds(), started_us)
        if step_us > self._vitals.longest_step_us:
            self._vitals.longest_step_us = step_us

    def _send_vitals(self):
        if not self._vitals.is_wanted():
            return
        self._vitals.note_told(self._clock.now)
        self._vitals.collect(self._capture, self._link, self._announcer, self._faults.errors)
        if self._announcer.announce():
            self._announcer.give(self._vitals.numbers, None, None)
            self._announcer.write(message.vitals, False, CALLS)

    # --- what the bridge asks for ---

    def _follow(self, orders):
        session = self._session
        down = self._link.downlink
        if orders & ORDER_SESSION:
            was = session.sampled
            if session.settle(down.index, down.session_id, down.sampled) and session.sampled and not was:
                self._pacer.needs_key = True
            self._review()
        if orders & (ORDER_OPT_OUT | ORDER_OPT_IN):
            self._follow_opt_out(bool(orders & ORDER_OPT_OUT))
        if orders & ORDER_CONFIG and self._settings.enable_remote_config:
            self._remote.take(down.settings, down.ttl_s, self._clock)
            self._use_remote()
        if orders & ORDER_KEYFRAME:
            self._pacer.is_key_requested = True
        if orders & ORDER_NEW_STREAM and self._link.can_begin_stream():
            self._renew_stream()

    def _follow_opt_out(self, is_out):
        """The bridge repeats what it knows; until it has heard that the app lifted an opt-out, that is old news."""
        if is_out and self._announcer.has_news_of_lifting():
            return
        self._session.set_opt_out(self._session.opted_out_by_app, is_out)
        self._apply_opt_out()

    def _use_remote(self):
        """Follow the settings in force. A rate counts from the next session on."""
        remote = self._remote
        self._session.rate = remote.sample_rate
        self._pacer.tune(remote)
        self._is_seeing = False  # should this fail
        self._masks.set_remote(remote.masks)
        self._review()
        if not remote.capture_enabled:
            self._pacer.halt()
            self._capture.missed()

    def _apply_opt_out(self):
        """Follow the opt-out state where it is another one, and keep it over reboots.

        What was told of it does not count here: while the outbox is full, that may be several changes behind.
        """
        session = self._session
        kept = (_BY_APP if session.opted_out_by_app else 0) | (
            _BY_BRIDGE if session.opted_out_by_bridge else 0
        )
        self._state.put("opt_out", kept or None)
        if session.opted_out == self._is_out:
            return
        self._is_out = session.opted_out
        self._clock.update()
        self._capture.give_up()
        self._pacer.needs_key = True
        if session.opted_out:
            if self._chunk.is_open and self._chunk.is_replay:
                self._chunk.discard()
            self._chunk.close()
            self._is_purging = self._link.is_purging = True
            self._capture.missed()
            self._kept_at = (self._clock.now - _HOUSEKEEPING_MS) & _MASK
        self._review()
        self._announcer.announce()

    # --- sessions, streams and displays ---

    def _begin_session(self):
        self._pacer.halt()
        self._pacer.needs_key = True
        if not self._has_told_end:
            self._send_vitals()
        self._has_told_end = False
        self._session.begin(self._clock)
        self._review()

    def _begin_stream(self):
        streams = self._link.streams
        name = new_stream_id(streams[-1].name if streams else b"")
        self._link.begin_stream(name, self._clock.stream_ms)
        self._clock.begin_stream()

    def _renew_stream(self):
        self._pacer.halt()
        self._chunk.close()
        if self._announcer.has_holes():
            self._link.newest.has_holes = True  # its gap records come too late: a sync will tell
        is_lifted = self._announcer.has_news_of_lifting()
        self._begin_stream()
        self._announcer.begin_stream()
        if is_lifted:
            self._announcer.tell_of_lifting()
        self._pacer.begin_stream()
        self._capture.begin_counting()
        self._link.begin_counting()
        self._vitals.begin_counting(self._clock.now)
        self._announcer.announce()

    def _look(self):
        """Follow a tap that has another buffer, size, orientation or palette."""
        if self._sight.is_another():
            self._pacer.halt()
            self._use_display()
            self._pacer.needs_key = True
        self._faults.at = APP
        self._faults.passed(TAP)

    def _use_display(self):
        sight = self._sight
        self._is_seeing = False  # should this fail
        if sight.needs_encoder():
            self._hand_out(sight.encoder)  # nobody holds the old one: its memory is for the new
        sight.take()
        self._hand_out(sight.encoder)
        self._masks.use(sight.encoder, sight.width, sight.height)
        self._review()

    def _hand_out(self, encoder):
        self._encoder = encoder
        self._capture.use(encoder)
        self._announcer.use(encoder)

    # --- errors ---

    def _contain(self, error):
        """Count an error that the application must not see, put the open chunk in order, and say it once."""
        try:
            self._recover(error)
        except Exception:  # no memory to say it, or a console that is gone
            self._faults.errors += 1

    def _recover(self, error):
        part = self._faults.note(error)
        if self._chunk.is_writing:
            self._chunk.drop_record()
        self._pacer.contain()
        if self._settings.debug_mode:
            print_error(error)
        elif not self._has_complained:
            self._has_complained = True
            self._say(1, "contained %s: %s" % (type(error).__name__, error))
        if part:
            self._turn_off(part, error)

    def _turn_off(self, part, error):
        text = "%s turned off after three times %s: %s" % (NAMES[part], type(error).__name__, error)
        self._capture.missed()
        self._review()
        self._say(1, text)
        self._log(1, text)

    def _say(self, level, text):
        if self._remote.log_level >= level:
            print("pixeltrail: " + text)

    def _log(self, level, text):
        raise NotImplementedError  # recorder.py
