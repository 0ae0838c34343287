"""The recorder: puts together what the display shows, what the app calls and what the bridge says.

Nothing here blocks, and nothing raises into the application once the recorder is made: every public call is contained,
its errors counted. `poll` does one bounded step; the hook of the tap runs inside the display's refresh.

The parts know nothing of each other's timing, this module does: capture.py makes frames, announce.py writes records,
link.py talks to the bridge, session.py decides what may be recorded.
"""

# pyright: reportAttributeAccessIssue=false
# Settings get their attributes from a table.

import sys

from micropython import const

from . import message, wire
from .announce import REFUSED_CALLS, REFUSED_INPUTS, Announcer
from .capture import Capture
from .chunk import Chunk
from .clock import Clock, elapsed, new_stream_id, ticks_diff
from .codec.encoder import Encoder
from .config import Device, Settings
from .link import (
    ORDER_KEYFRAME,
    ORDER_NEW_STREAM,
    ORDER_OPT_IN,
    ORDER_OPT_OUT,
    ORDER_SESSION,
    Link,
)
from .outbox import CALLS, Outbox
from .pacing import Pacer
from .session import Session
from .vitals import Vitals

_RENEW = const(
    (1 << 30) - (1 << 22)
)  # a new stream begins when its clock or count gets here: 70 minutes early
_POLL_MS = const(5)
_LOUD_ZERO = (
    "pixeltrail: sample_rate was not given and is 0.0, so NO REPLAY IS RECORDED."
    " Recorder(..., sample_rate=1.0) records every session."
)


class Recorder:
    """Records what `tap` shows over `transport`; `settings` are those of config.SETTINGS.

    Raises ValueError for a setting that cannot be meant, and nothing afterwards.
    """

    def __init__(self, tap, transport, **settings):
        self._settings = s = Settings(settings)
        s.fit(len(tap.buffer), tap.palette)
        self._tap = tap
        self._transport = transport
        self._clock = s.clock if s.clock is not None else Clock()
        self._device = Device(s)
        encoder = Encoder(
            tap.buffer, tap.width, tap.height, tap.format, pitch=tap.pitch, references=s.references
        )
        self._encoder = encoder
        self._outbox = Outbox(s.outbox_bytes)
        self._chunk = Chunk(self._outbox, s.max_chunk)
        self._capture = Capture(encoder, self._chunk, self._outbox, s.max_chunk)
        transport.attach(self._device.device_id, s.max_chunk)
        self._link = Link(
            self._outbox, self._chunk, transport, self._device.device_id, self._device.boot, self._clock.date
        )
        self._session = Session(s.sample_rate, s.session_timeout_ms, s.enabled, s.opt_out)
        self._announcer = Announcer(
            self._device,
            tap,
            encoder,
            s,
            self._clock,
            self._chunk,
            self._link,
            self._session,
            self._capture,
        )
        self._pacer = Pacer(s, self._clock, self._capture, self._announcer, self._outbox, transport)
        self._vitals = Vitals()
        self._vitals_ms = s.vitals_interval_s * 1000
        self._pause = Pause(self)
        self._paused = 0
        self._is_started = False
        self._is_purging = False
        self._has_complained = False
        self._vitals_at = 0
        self.errors = 0
        self._begin_stream()
        self._session.begin(self._clock)
        if s.sample_rate == 0 and "sample_rate" not in settings:
            print(_LOUD_ZERO)
        tap.attach(self.capture)
        if s.auto_start:
            self.start()

    # --- what is recorded ---

    def start(self):
        """Record the replay again after `stop`, or begin when auto_start is False."""
        if not self._is_started:
            self._is_started = True
            self._pacer.needs_key = True

    def stop(self):
        """Record no replay until `start`; calls go on, and so does the session."""
        try:
            self._pacer.halt()
            self._is_started = False
            self._pacer.needs_key = True
        except Exception as error:
            self._contain(error)

    def paused(self):
        """A context in which nothing of the replay is recorded: `with rec.paused(): ...`"""
        return self._pause

    def new_session(self):
        try:
            self._clock.update()
            self._begin_session()
        except Exception as error:
            self._contain(error)

    def opt_out(self, is_out=True):
        """The user's choice: True ends recording for good and drops the replay data that the bridge has not got."""
        try:
            self._session.opt_out(bool(is_out))
            self._apply_opt_out()
            if self._settings.on_opt_out is not None:
                self._settings.on_opt_out(bool(is_out))
        except Exception as error:
            self._contain(error)

    def session_id(self):
        """The session's ID, -1 while nobody knows it."""
        return self._session.id

    def replay_id(self):
        """`<device ID>/<session ID>`, None unless the session is being recorded and its ID is known."""
        if not self._is_recording() or not self._session.has_id:
            return None
        return "%s/%d" % (self._device.device_id, self._session.id)

    def _is_recording(self):
        return self._may_record() and self._session.sampled is True

    def _may_record(self):
        """True unless replay data is known to be unwanted."""
        return (
            self._is_started
            and not self._paused
            and not self._is_purging
            and self._session.sampled is not False
            and not self._session.opted_out
        )

    # --- calls of the application ---

    def track(self, event, properties=None):
        self._call(message.track, event, properties)

    def screen(self, name, properties=None):
        self._call(message.screen, name, properties)

    def identify(self, user, traits=None):
        self._call(message.identify, user, traits)

    def group(self, group_id, traits=None):
        self._call(message.group, group_id, traits)

    def alias(self, user, previous=None):
        self._call(message.alias, user, previous)

    def touch(self, x, y, phase=wire.DOWN):
        """A touch at a pixel of the display, moved to its edge when outside; phase DOWN, MOVE, UP or CANCEL."""
        try:
            if self._notice() and self._is_recording():
                x = min(max(x, 0), self._tap.width - 1)
                y = min(max(y, 0), self._tap.height - 1)
                self._announcer.record(message.touch, True, REFUSED_INPUTS, x, y, phase)
        except Exception as error:
            self._contain(error)

    def key(self, name, phase=wire.DOWN, amount=0):
        """A key or knob; phase DOWN, UP or TURN, `amount` the signed steps of a turn."""
        try:
            if self._notice() and self._is_recording():
                self._announcer.record(message.key, True, REFUSED_INPUTS, name, phase, amount)
        except Exception as error:
            self._contain(error)

    def log(self, text, level=3):
        """A line for the timeline of the replay; level 1 error, 2 warn, 3 info, 4 debug."""
        try:
            self._clock.update()
            if self._is_recording():
                self._announcer.record(message.log, True, REFUSED_INPUTS, level, text, None)
        except Exception as error:
            self._contain(error)

    def vitals(self, rssi=None, battery_mv=None):
        """Numbers that only the application knows; they go out with the next record of vitals."""
        self._vitals.tell(rssi, battery_mv)

    def capture(self):
        """The display was refreshed just now. The tap calls this; so does an app whose display has no hook."""
        try:
            self._refreshed()
        except Exception as error:
            self._contain(error)

    def flush(self):
        """Hand the open chunk over without waiting for `linger_ms`."""
        try:
            self._clock.update()
            self._chunk.close()
            self._link.send(self._clock.now, self._clock.stream_ms)
        except Exception as error:
            self._contain(error)

    def _call(self, write, a, b):
        try:
            self._notice()
            self._announcer.record(write, False, REFUSED_CALLS, a, b, None)
        except Exception as error:
            self._contain(error)

    def _notice(self):
        """An input or call: the session goes on, or another begins."""
        clock = self._clock
        clock.update()
        if self._session.is_over(clock.now):
            self._begin_session()
        self._session.touch(clock.now)
        return True

    # --- steps ---

    def poll(self):
        """One bounded step: the line, what is due, parts of a frame. Call it often, from the main loop."""
        started_us = self._clock.microseconds()
        try:
            self._step(started_us)
        except Exception as error:
            self._contain(error)
        self._note_step(started_us)

    async def run(self):
        """Poll for ever, as an asyncio task."""
        import asyncio

        while True:
            self.poll()
            await asyncio.sleep(_POLL_MS / 1000)

    def _step(self, started_us):
        clock = self._clock
        clock.update()
        now = clock.now
        orders = self._link.step(now, clock.stream_ms)
        if orders:
            self._follow(orders, now)
        if self._is_purging and not self._link.is_pinned:
            self._link.purge(self._announcer.note_hole)
            self._is_purging = False
        if (clock.stream_ms >= _RENEW or self._chunk.seq >= _RENEW) and self._link.can_begin_stream:
            self._renew_stream()
        self._announcer.announce()
        if self._vitals_ms and elapsed(now, self._vitals_at) >= self._vitals_ms:
            self._send_vitals(now)
        if self._is_recording():
            self._pacer.step(started_us, False)
        if self._chunk.is_open and clock.stream_ms - self._chunk.opened_ms >= self._settings.linger_ms:
            self._chunk.close()
        self._link.send(now, clock.stream_ms)

    def _follow(self, orders, now):
        """Do what the bridge asked for."""
        session = self._session
        if orders & ORDER_SESSION:
            was = session.sampled
            down = self._link.downlink
            if session.settle(down.index, down.session_id, down.sampled) and session.sampled and not was:
                self._pacer.needs_key = True
        if orders & (ORDER_OPT_OUT | ORDER_OPT_IN):
            self._follow_opt_out(bool(orders & ORDER_OPT_OUT))
        if orders & ORDER_KEYFRAME:
            self._pacer.is_key_requested = True
        if orders & ORDER_NEW_STREAM and self._link.can_begin_stream:
            self._renew_stream()

    def _follow_opt_out(self, is_out):
        """The bridge repeats what it knows; until it has heard that the app lifted an opt-out, that is old news."""
        if is_out and self._link.newest.acked <= self._announcer.lifted_at:
            return
        self._session.opted_out_by_bridge = is_out
        self._apply_opt_out()

    def _send_vitals(self, now):
        self._vitals_at = now
        self._vitals.collect(self._capture, self._link, self._announcer, self.errors)
        if self._announcer.announce():
            self._announcer.write(message.vitals, False, CALLS, self._vitals.numbers, None, None)

    def _note_step(self, started_us):
        self._vitals.note_step(ticks_diff(self._clock.microseconds(), started_us))

    # --- frames ---

    def _refreshed(self):
        if not self._may_record():
            self._capture.missed()
            return
        clock = self._clock
        started_us = clock.microseconds()
        clock.update()
        self._capture.refreshed(clock.stream_ms)
        if self._settings.exact and self._is_recording() and self._announcer.announce():
            self._pacer.step(started_us, True)
        self._note_step(started_us)

    # --- sessions and streams ---

    def _begin_session(self):
        self._pacer.halt()
        self._pacer.needs_key = True
        self._session.begin(self._clock)
        self._announcer.announce()

    def _begin_stream(self):
        streams = self._link.streams
        name = new_stream_id(streams[-1].name if streams else b"")
        self._link.begin_stream(name, self._clock.stream_ms)
        self._clock.begin_stream()

    def _renew_stream(self):
        self._pacer.halt()
        self._chunk.close()
        self._begin_stream()
        self._announcer.begin_stream()
        self._pacer.begin_stream()
        self._capture.begin_counting()
        self._link.begin_counting()
        self._vitals.begin_counting()
        self._announcer.announce()

    def _apply_opt_out(self):
        """Follow the opt-out state where it differs from what was told."""
        if self._session.opted_out == self._announcer.told_opt_out:
            return
        self._clock.update()
        self._capture.give_up()
        self._pacer.needs_key = True
        if self._session.opted_out:
            if self._chunk.is_open and self._chunk.is_replay:
                self._chunk.discard()
            self._chunk.close()
            self._is_purging = True
            self._capture.missed()
        self._announcer.announce()

    # --- what a person or a player asks ---

    @property
    def idle(self):
        """True when the newest refresh is wholly in chunks, or there is nothing to record."""
        return not self._is_recording() or self._pacer.idle

    @property
    def drained(self):
        """True when the bridge has everything."""
        return self._announcer.is_told() and self._link.drained

    def stats(self):
        """Counts since the stream began, as a dict; `errors` since the recorder was made."""
        capture, link = self._capture, self._link
        return {
            "frames": capture.frames,
            "skipped": capture.skipped,
            "refused": capture.refused,
            "mixed": capture.mixed,
            "refused_calls": self._announcer.refused_calls,
            "errors": self.errors,
            "bytes": link.bytes_sent,
            "chunks": link.chunks_sent,
            "resent": link.resent,
            "acks": link.acks,
            "acks_ignored": link.acks_ignored,
            "unknown": link.unknown,
            "malformed": link.malformed,
            "line_errors": self._transport.errors,
            "outbox_bytes": self._outbox.used,
            "longest_step_us": self._vitals.longest_step_us,
        }

    # --- errors ---

    def _contain(self, error):
        """Count an error that the application must not see, and put the open chunk in order."""
        self.errors += 1
        if self._chunk.is_writing:
            self._chunk.drop_record()
        self._pacer.contain()
        if self._settings.debug_mode:
            _print_exception(error)
        elif not self._has_complained and self._settings.log_level >= 1:
            self._has_complained = True
            print("pixeltrail: contained %s: %s" % (type(error).__name__, error))


class Pause:
    def __init__(self, recorder):
        self._recorder = recorder

    def __enter__(self):
        recorder = self._recorder
        recorder._pacer.halt()
        recorder._capture.missed()  # what is drawn from here on may be what nobody should see
        recorder._paused += 1
        return self

    def __exit__(self, *_):
        self._recorder._paused -= 1


def _print_exception(error):
    if sys.implementation.name == "micropython":
        sys.print_exception(error)
    else:
        import traceback

        traceback.print_exception(error)
