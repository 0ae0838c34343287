"""The recorder: puts together what the display shows, what the app calls and what the bridge says.

Nothing here blocks, and nothing raises into the application once the recorder is made: every public call is contained,
its errors counted. `poll` does one bounded step; the hook of the tap runs inside the display's refresh.

What a stream and a session must be told before anything else (hello, display, session start and end, opt-out, gaps) is
kept as the difference between what is and what was told, not as a queue: `_announce` writes what is missing, whole or
later, and nothing else is admitted before it. So causal order holds also when the outbox was full for hours.
"""

import sys

from micropython import const

from . import message, wire
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
from .outbox import CALLS, CONTROL, FRAMES, Outbox
from .session import Session
from .vitals import Vitals

_FRAMES = const(0)  # places in a gap's counts
_INPUTS = const(1)
_CALLS = const(2)
_REQUEST_MS = const(5_000)  # at most one requested keyframe in this time
_RENEW = const((1 << 30) - (1 << 22))  # a new stream begins when its clock or count gets here: 70 minutes early
_GAP_REASONS = (wire.GAP_OUTBOX_FULL, wire.GAP_ENCODER, wire.GAP_TOO_LARGE)
_GAP_ROOM = const(64)
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
        self._vitals = Vitals()
        self._frame_ms = int(1000 / s.max_fps)
        self._keyframe_ms = s.keyframe_interval_s * 1000
        self._vitals_ms = s.vitals_interval_s * 1000
        self._step_us = s.max_step_ms * 1000
        self._pause = Pause(self)
        self._paused = 0
        self._is_started = False
        self._is_purging = False
        self._is_coding = False  # the encoder is at work
        self._lifted_at = -1  # number of the chunk that told of the end of an opt-out
        self._has_complained = False
        self._refused = ([0, 0, 0], [0, 0, 0], [0, 0, 0])  # for each of _GAP_REASONS
        self._has_refused = False
        self._holes = []  # (first, end) of dropped chunks that no gap record has told of yet
        self._open_index = -1  # session whose start was told and whose end was not
        self._key_due = True
        self._key_requested = False
        self._begun_at = -self._frame_ms
        self._key_at = 0
        self._answered_at = -_REQUEST_MS
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
            self._key_due = True

    def stop(self):
        """Record no replay until `start`; calls go on, and so does the session."""
        try:
            self._halt()
            self._is_started = False
            self._key_due = True
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
                self._record(message.touch, True, _INPUTS, x, y, phase)
        except Exception as error:
            self._contain(error)

    def key(self, name, phase=wire.DOWN, amount=0):
        """A key or knob; phase DOWN, UP or TURN, `amount` the signed steps of a turn."""
        try:
            if self._notice() and self._is_recording():
                self._record(message.key, True, _INPUTS, name, phase, amount)
        except Exception as error:
            self._contain(error)

    def log(self, text, level=3):
        """A line for the timeline of the replay; level 1 error, 2 warn, 3 info, 4 debug."""
        try:
            self._clock.update()
            if self._is_recording():
                self._record(message.log, True, _INPUTS, level, text, None)
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
            self._record(write, False, _CALLS, a, b, None)
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

    # --- records ---

    def _record(self, write, is_replay, counted_as, a, b, c):
        """Write one record, behind all that must be told before it; False when it was refused."""
        if self._announce():
            result = self._write(write, is_replay, CALLS, a, b, c)
            if result != wire.GAP_OUTBOX_FULL:
                if result:
                    self._refuse(counted_as, result)
                return not result
        self._refuse(counted_as, wire.GAP_OUTBOX_FULL)
        return False

    def _write(self, write, is_replay, level, a, b, c):
        """One record into the open chunk or a new one. Returns 0, or the reason of a gap."""
        chunk = self._chunk
        now = self._clock.stream_ms
        while chunk.open(is_replay, level, now):
            is_fresh = chunk.records == 0
            w = chunk.begin_record(now)
            write(w, a, b, c)
            if chunk.end_record():
                return 0
            is_bad = w.bad
            is_whole = w.end >= self._settings.max_chunk - 1
            chunk.drop_record()
            if is_bad:
                raise ValueError("an argument that the wire cannot carry: %r" % (a,))
            if is_fresh:
                return wire.GAP_TOO_LARGE if is_whole else wire.GAP_OUTBOX_FULL
            chunk.close()
        return wire.GAP_OUTBOX_FULL

    def _refuse(self, counted_as, reason):
        self._refused[_GAP_REASONS.index(reason)][counted_as] += 1
        self._has_refused = True
        self._vitals.refused_calls += counted_as == _CALLS

    def _announce(self):
        """Tell what must be told first. Returns False when the outbox has no room for it."""
        if self._is_told():
            return True
        self._chunk.close()
        told = self._tell_stream() and self._tell_session() and self._tell_opt_out() and self._tell_gaps()
        self._chunk.close()
        return told

    def _is_told(self):
        session = self._session
        return (
            self._display_told
            and self._told_index == session.index
            and self._told_opt_out == session.opted_out
            and not self._holes
            and not self._may_tell_refusals()
        )

    def _may_tell_refusals(self):
        """One gap record tells of a whole time of refusals, once that is over; a gap would end an unfinished frame."""
        return self._has_refused and not self._capture.is_open and self._outbox.room(FRAMES) >= _GAP_ROOM

    def _tell_stream(self):
        if not self._hello_told:
            quality = wire.CLOCK_GOOD if self._clock.has_date else wire.CLOCK_NONE
            if self._write(message.hello, False, CALLS, self._device, quality, self._link.newest.previous):
                return False
            self._hello_told = True
        if not self._display_told:
            references = self._settings.references
            if self._write(message.display, False, CALLS, self._tap, self._encoder, references):
                return False
            self._display_told = True
            self._key_due = True
        return True

    def _tell_session(self):
        session = self._session
        if self._open_index >= 0 and self._open_index != session.index:
            if self._write(message.session_end, False, CONTROL, self._open_index, None, None):
                return False
            self._open_index = -1
        if self._told_index != session.index:
            if self._write(message.session_start, False, CALLS, session.index, session.sampled, session.epoch):
                return False
            self._told_index = self._open_index = session.index
        return True

    def _tell_opt_out(self):
        is_out = self._session.opted_out
        if self._told_opt_out != is_out:
            if self._write(message.opt_out, False, CONTROL, is_out, None, None):
                return False
            self._told_opt_out = is_out
            if not is_out:
                self._lifted_at = self._chunk.seq
        return True

    def _tell_gaps(self):
        while self._holes:
            first, end = self._holes[0]
            if self._write(_opt_out_gap, False, CONTROL, first, end, None):
                return False
            self._holes.pop(0)
        if self._may_tell_refusals():
            for i in range(len(_GAP_REASONS)):
                counts = self._refused[i]
                if not (counts[0] or counts[1] or counts[2]):
                    continue
                if self._write(_refusal_gap, False, CONTROL, self._chunk, counts, _GAP_REASONS[i]):
                    return False
                counts[0] = counts[1] = counts[2] = 0
            self._has_refused = False
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
            self._link.purge(self._note_hole)
            self._is_purging = False
        if (clock.stream_ms >= _RENEW or self._chunk.seq >= _RENEW) and self._link.can_begin_stream:
            self._renew_stream()
        self._announce()
        if self._vitals_ms and elapsed(now, self._vitals_at) >= self._vitals_ms:
            self._send_vitals(now)
        if self._is_recording():
            self._capture_frame(now, started_us, False)
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
                self._key_due = True
        if orders & (ORDER_OPT_OUT | ORDER_OPT_IN):
            self._follow_opt_out(bool(orders & ORDER_OPT_OUT))
        if orders & ORDER_KEYFRAME:
            self._key_requested = True
        if orders & ORDER_NEW_STREAM and self._link.can_begin_stream:
            self._renew_stream()

    def _follow_opt_out(self, is_out):
        """The bridge repeats what it knows; until it has heard that the app lifted an opt-out, that is old news."""
        if is_out and self._link.newest.acked <= self._lifted_at:
            return
        self._session.opted_out_by_bridge = is_out
        self._apply_opt_out()

    def _send_vitals(self, now):
        self._vitals_at = now
        self._vitals.collect(self._capture, self._link, self.errors)
        if self._announce():
            self._write(message.vitals, False, CALLS, self._vitals.numbers, None, None)

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
        if self._settings.exact and self._is_recording() and self._announce():
            self._capture_frame(clock.now, started_us, True)
        self._note_step(started_us)

    def _capture_frame(self, now, started_us, is_unbounded):
        """Begin a frame if one is due, and code parts of it until the step's time is up."""
        capture = self._capture
        if not capture.is_open and not self._begin_frame(now):
            return
        clock = self._clock
        self._is_coding = True
        part_us = clock.microseconds()
        stream_ms = clock.stream_ms
        while capture.is_open and capture.step(stream_ms, is_unbounded):
            after_us = clock.microseconds()
            capture.pace(ticks_diff(after_us, part_us), self._step_us >> 1)
            part_us = after_us
            if not is_unbounded and ticks_diff(after_us, started_us) >= self._step_us:
                break
        self._is_coding = False
        if capture.faults > self._faults:
            self._faults = capture.faults
            self._key_due = True
            self._refuse(_FRAMES, wire.GAP_ENCODER)

    def _begin_frame(self, now):
        capture = self._capture
        is_key = self._is_key_due(now)
        if not capture.has_picture or not (is_key or capture.is_waiting):
            return False
        if elapsed(now, self._begun_at) < self._frame_ms or not self._is_told():
            return False
        if not capture.has_room():
            if capture.refuse():
                self._refuse(_FRAMES, wire.GAP_OUTBOX_FULL)
            return False
        if not is_key and self._transport.connected and self._outbox.unsent > self._outbox.size >> 2:
            return False  # the line is behind: the newest picture goes out when it has caught up
        capture.begin(is_key, self._clock.stream_ms)
        self._begun_at = now
        if is_key:
            if self._key_requested:
                self._answered_at = now
            self._key_due = self._key_requested = False
            self._key_at = now
        return True

    def _is_key_due(self, now):
        if self._key_due:
            return True
        if self._key_requested and elapsed(now, self._answered_at) >= _REQUEST_MS:
            return True
        return self._capture.has_changed and elapsed(now, self._key_at) >= self._keyframe_ms

    def _halt(self):
        """End the frame under way."""
        if self._capture.halt(self._clock.stream_ms):
            self._key_due = True

    # --- sessions and streams ---

    def _begin_session(self):
        self._halt()
        self._key_due = True
        self._session.begin(self._clock)
        self._announce()

    def _begin_stream(self):
        self._hello_told = False
        self._display_told = False
        self._told_index = -1
        self._told_opt_out = False
        self._lifted_at = -1
        self._faults = 0
        streams = self._link.streams
        name = new_stream_id(streams[-1].name if streams else b"")
        self._link.begin_stream(name, self._clock.stream_ms)
        self._clock.begin_stream()

    def _renew_stream(self):
        self._halt()
        self._chunk.close()
        self._begin_stream()
        self._holes.clear()
        self._capture.begin_counting()
        self._link.begin_counting()
        self._vitals.begin_counting()
        self._announce()

    def _apply_opt_out(self):
        """Follow the opt-out state where it differs from what was told."""
        if self._session.opted_out == self._told_opt_out:
            return
        self._clock.update()
        self._capture.give_up()
        self._key_due = True
        if self._session.opted_out:
            if self._chunk.is_open and self._chunk.is_replay:
                self._chunk.discard()
            self._chunk.close()
            self._is_purging = True
            self._capture.missed()
        self._announce()

    def _note_hole(self, first, end):
        self._holes.append((first, end))

    # --- what a person or a player asks ---

    @property
    def idle(self):
        """True when the newest refresh is wholly in chunks, or there is nothing to record."""
        if not self._is_recording():
            return True
        capture = self._capture
        if capture.is_open or capture.is_waiting:
            return False
        return not (self._key_due and capture.has_picture)

    @property
    def drained(self):
        """True when the bridge has everything."""
        return self._link.drained

    def stats(self):
        """Counts since the stream began, as a dict; `errors` since the recorder was made."""
        capture, link = self._capture, self._link
        return {
            "frames": capture.frames,
            "skipped": capture.skipped,
            "refused": capture.refused,
            "mixed": capture.mixed,
            "refused_calls": self._vitals.refused_calls,
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
        if self._is_coding:
            self._is_coding = False
            self._capture.give_up()
            self._key_due = True
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
        recorder._halt()
        recorder._capture.missed()  # what is drawn from here on may be what nobody should see
        recorder._paused += 1
        return self

    def __exit__(self, *_):
        self._recorder._paused -= 1


def _opt_out_gap(w, first, end, _c):
    message.gap(w, first, end, None, wire.GAP_OPT_OUT)


def _refusal_gap(w, chunk, counts, reason):
    message.gap(w, chunk.seq, chunk.seq, counts, reason)


def _print_exception(error):
    if sys.implementation.name == "micropython":
        sys.print_exception(error)
    else:
        import traceback

        traceback.print_exception(error)
