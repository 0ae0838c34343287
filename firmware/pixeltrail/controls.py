"""What is recorded: what the application says about it, what the bridge does, and which session and stream it is in.

The calls of an application contain their errors, as those of recorder.py do.
"""

# pyright: reportAttributeAccessIssue=false
# Settings get their attributes from a table.

from micropython import const

from . import message
from .clock import new_stream_id
from .faults import SPOOL
from .link import (
    ORDER_CONFIG,
    ORDER_KEYFRAME,
    ORDER_NEW_STREAM,
    ORDER_OPT_IN,
    ORDER_OPT_OUT,
    ORDER_SESSION,
    ORDER_SPOOL_OFF,
)
from .masks import outward
from .outbox import CALLS
from .parts import Parts
from .streams import SYNCS_TELL

# opt-out as it is kept: a bit for each source
_BY_APP = const(1)
_BY_BRIDGE = const(2)
_UNKEPT = "an opt-out is not kept over restarts: give state_file, or keep it with on_opt_out"
_UNMASKED = "this encoder cannot mask, so no picture is recorded while a mask is in force"


class Controls(Parts):
    def __init__(self, tap, transport, s):
        Parts.__init__(self, tap, transport, s)
        self._pause = _Paused(self)
        self._quiet = _Quiet(transport)
        if hasattr(transport, "on_busy"):
            transport.on_busy = s.on_busy
        self._has_told_end = False  # the session that is over has told its numbers
        self._begin(s)
        if self._masks.is_blocking:
            self._say(1, _UNMASKED)

    def _begin(self, s):
        self._use_display()
        kept = self._state.get("opt_out", 0)
        self._session.set_opt_out(
            self._session.opted_out_by_app or bool(kept & _BY_APP), bool(kept & _BY_BRIDGE)
        )
        self._is_out = self._session.opted_out  # the state that was followed last
        if s.enable_remote_config:
            self._remote.load(self._clock)
            self._use_remote()
        self._begin_stream()
        if s.flash_spool_bytes:
            self._use_flash(s)
        self._session.begin(self._clock)
        self._review()

    def _use_flash(self, s):
        self._link.open(s.flash_spool_folder, s.flash_spool_bytes, s.max_chunk, self._faults)
        if self._session.opted_out:  # before anything is sent: an earlier start may not have come to it
            self._link.purge(self._announcer.note_hole)

    # --- what the application says ---

    def start(self):
        """Record the replay again after `stop`, or for the first time. Parts turned off get another chance."""
        with self._net:
            if not self._is_started:
                self._is_started = True
                self._pacer.needs_key = True
            self._faults.restore()
            self._review()

    def stop(self):
        """Record no replay until `start`; calls go on, and so does the session."""
        self._is_started = self._may_record = self._is_recording = False  # whatever fails below
        try:
            self._interrupt()
            self._review()
            self._pacer.needs_key = True
            self._clock.update()
            self._send_vitals()
        except Exception as error:
            self._contain(error)

    def paused(self):
        """A context in which nothing of the replay is recorded: `with rec.paused(): ...`"""
        return self._pause

    def quiet(self):
        """A context in which no TLS key exchange begins, for an app that must not be kept waiting now."""
        return self._quiet

    def new_session(self):
        try:
            self._clock.update()
            self._begin_session()
        except Exception as error:
            self._contain(error)

    def opt_out(self, is_out=True):
        """The user's choice: True ends recording for good and drops the replay data that the bridge has not got."""
        session = self._session
        if is_out:  # whatever fails below; steps make up for it
            session.opted_out_by_app = session.opted_out = True
            self._may_record = self._is_recording = False
        try:
            if session.opted_out_by_bridge and not is_out:
                self._announcer.tell_of_lifting()
            session.opt_out(bool(is_out))
            self._apply_opt_out()
            if self._settings.on_opt_out is not None:
                self._settings.on_opt_out(bool(is_out))
            elif is_out and not self._state.is_saved:
                self._say(2, _UNKEPT)
        except Exception as error:
            self._contain(error)

    def mask(self, x, y, width, height):
        """Record no pixel of a rectangle from the next refresh on, and no place of a touch in it."""
        try:
            rectangle = outward(x, y, width, height)
            self._is_seeing = False  # should this fail
            self._masks.add(rectangle)
            self._mask_changed()
        except Exception as error:
            self._contain(error)

    def unmask(self, x, y, width, height):
        """Take back a mask, given as it was. A bridge's masks stay."""
        try:
            if self._masks.remove(outward(x, y, width, height)):
                self._mask_changed()
        except Exception as error:
            self._contain(error)

    def mark_dirty(self):
        """Send the whole picture with the next frame, changed or not."""
        try:
            self._clock.update()
            if self._is_seeing:
                self._capture.mark(self._clock.stream_ms)
        except Exception as error:
            self._contain(error)

    def session_id(self):
        """The session's ID, -1 while nobody knows it."""
        try:
            return self._session.known_id()
        except Exception as error:
            self._contain(error)
            return -1

    def replay_id(self):
        """`<device ID>/<session ID>`, None unless the session is being recorded and its ID is known."""
        try:
            if self._is_recording and self._session.has_id:
                return "%s/%d" % (self._settings.device_id, self._session.known_id())
        except Exception as error:
            self._contain(error)
        return None

    def _interrupt(self):
        """End the frame under way, whatever fails: what is drawn from here on may be what nobody should see."""
        with self._net:
            self._pacer.halt()
        if self._capture.is_open:  # that failed
            self._capture.give_up()
            self._pacer.needs_key = True
        self._capture.missed()

    def _mask_changed(self):
        self._review()
        self._interrupt()
        if self._masks.is_blocking:
            self._say(1, _UNMASKED)

    def _begin_pause(self):
        self._may_record = self._is_recording = False  # whatever fails below
        with self._net:
            self._interrupt()
            self._review()

    def _end_pause(self):
        with self._net:
            self._review()

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
        if orders & ORDER_SPOOL_OFF:
            self._turn_off(SPOOL, self._link.fault)
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
            self._interrupt()

    def _apply_opt_out(self):
        """Follow the opt-out state where it is another one, and keep it over reboots.

        What was told of it does not count here: while the outbox is full, that may be several changes behind.
        """
        session = self._session
        try:
            if session.opted_out != self._is_out:
                self._is_out = session.opted_out
                self._opt_out_changed(session.opted_out)
        finally:
            kept = (_BY_APP if session.opted_out_by_app else 0) | (
                _BY_BRIDGE if session.opted_out_by_bridge else 0
            )
            self._state.put("opt_out", kept or None)

    def _opt_out_changed(self, is_out):
        if is_out:  # whatever fails below
            self._is_purging = self._link.is_purging = True
            self._may_record = self._is_recording = False
        self._clock.update()
        self._capture.give_up()
        self._pacer.needs_key = True
        if is_out:
            if self._chunk.is_open and self._chunk.is_replay:
                self._chunk.discard()
            self._chunk.close()
            self._capture.missed()
        self._review()
        self._announcer.announce()

    # --- sessions and streams ---

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
            self._link.newest.holes = SYNCS_TELL  # its gap records come too late: a sync will tell
        is_lifted = self._announcer.has_news_of_lifting()
        self._pacer.begin_stream()  # first: behind a display record comes a keyframe
        self._announcer.begin_stream()  # before there is one: were it not to succeed, the old one would be told again
        if is_lifted:
            self._announcer.tell_of_lifting()
        self._capture.begin_stream()
        self._link.begin_counting()
        self._vitals.begin_counting(self._clock.now)
        self._begin_stream()
        self._announcer.announce()

    def _send_vitals(self):
        if not self._vitals.is_wanted():
            return
        self._vitals.note_told(self._clock.now)
        self._vitals.collect(self._capture, self._link, self._announcer, self._faults.errors)
        if self._announcer.announce():
            self._announcer.give(self._vitals.numbers, None, None)
            self._announcer.write(message.vitals, False, CALLS)


class _Paused:
    """A context that may be entered more than once, in which nothing of the replay is recorded."""

    def __init__(self, recorder):
        self._recorder = recorder
        self.depth = 0

    def __enter__(self):
        self.depth += 1
        self._recorder._begin_pause()
        return self

    def __exit__(self, _kind, _error, _trace):
        self.depth -= 1
        self._recorder._end_pause()


class _Quiet:
    """The same for TLS: no key exchange begins inside."""

    def __init__(self, transport):
        self._transport = transport
        self._depth = 0

    def __enter__(self):
        self._enter(1)
        return self

    def __exit__(self, _kind, _error, _trace):
        self._enter(-1)

    def _enter(self, step):
        self._depth += step
        if hasattr(self._transport, "is_quiet"):
            self._transport.is_quiet = self._depth > 0
