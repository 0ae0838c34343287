"""The recorder as an application sees it: calls that never block, and never raise once it is made.

Every call is contained: what goes wrong inside is counted and said once, and the application goes on. `poll` does one
bounded step of the engine; the hook of the tap runs inside the display's refresh.
"""

# pyright: reportAttributeAccessIssue=false
# Settings get their attributes from a table.

from micropython import const

from . import message, wire
from .clock import ticks_diff
from .engine import Engine
from .faults import TRANSPORT

_POLL_MS = const(5)
_REST_MS = const(10)  # between two looks at the line while there is nothing to do
_MASK = const((1 << 30) - 1)
_LOUD_ZERO = (
    "pixeltrail: sample_rate was not given and is 0.0, so NO REPLAY IS RECORDED."
    " Recorder(..., sample_rate=1.0) records every session."
)
_UNKEPT = "an opt-out is not kept over restarts: give state_file, or keep it with on_opt_out"
_UNMASKED = "this encoder cannot mask, so no picture is recorded while a mask is in force"


class Recorder(Engine):
    """Records what `tap` shows over `transport`; `settings` are those of config.SETTINGS.

    Raises ValueError for a setting that cannot be meant, and nothing afterwards.
    """

    def __init__(self, tap, transport, **settings):
        super().__init__(tap, transport, settings)
        s = self._settings
        self._write = self._first = self._second = self._third = None  # of the call under way
        self._net = _Net(self._contain)
        self._pause = _Within(self._begin_pause, self._end_pause)
        self._quiet = _Within(self._begin_quiet, self._end_quiet)
        self._quiets = 0
        self._ticks = self._clock.ticks
        self._stepped_at = self._ticks() - _REST_MS
        self._may_be_busy = hasattr(transport, "is_quiet")
        if hasattr(transport, "on_busy"):
            transport.on_busy = s.on_busy
        if s.sample_rate == 0 and "sample_rate" not in settings:
            print(_LOUD_ZERO)
        if self._masks.is_blocking:
            self._say(1, _UNMASKED)
        if s.auto_start:
            self._is_started = True
            self._review()
        if self._state.is_kept:
            self._state.put("boot", self._device.boot)
        try:
            self._announcer.announce()
            self._lifecycle.started(self.track, self._chunk.seq)
        except Exception as error:
            self._contain(error)
        tap.attach(self.capture)

    # --- what is recorded ---

    def start(self):
        """Record the replay again after `stop`, or for the first time. Parts turned off get another chance."""
        if not self._is_started:
            self._is_started = True
            self._pacer.needs_key = True
        self._faults.restore()
        self._review()

    def stop(self):
        """Record no replay until `start`; calls go on, and so does the session."""
        try:
            self._pacer.halt()
            self._is_started = False
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

    def background(self, is_background=True):
        """The app's word that nobody uses the device now, before it sleeps; False when somebody does again."""
        try:
            self._clock.update()
            if is_background:
                self._send_vitals()
            self._lifecycle.moved(self.track, is_background)
            if is_background:
                self.flush()
        except Exception as error:
            self._contain(error)

    def new_session(self):
        try:
            self._clock.update()
            self._begin_session()
        except Exception as error:
            self._contain(error)

    def opt_out(self, is_out=True):
        """The user's choice: True ends recording for good and drops the replay data that the bridge has not got."""
        try:
            if self._session.opted_out_by_bridge and not is_out:
                self._announcer.tell_of_lifting()
            self._session.opt_out(bool(is_out))
            self._apply_opt_out()
            if self._settings.on_opt_out is not None:
                self._settings.on_opt_out(bool(is_out))
            elif is_out and not self._state.is_kept:
                self._say(2, _UNKEPT)
        except Exception as error:
            self._contain(error)

    def mask(self, x, y, width, height):
        """Record no pixel of a rectangle from the next refresh on, and no place of a touch in it."""
        try:
            self._is_seeing = False  # should this fail
            self._masks.add(x, y, width, height)
            self._mask_changed()
        except Exception as error:
            self._contain(error)

    def unmask(self, x, y, width, height):
        """Take back a mask, given as it was. A bridge's masks stay."""
        try:
            if self._masks.remove(x, y, width, height):
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
        return self._session.known_id()

    def replay_id(self):
        """`<device ID>/<session ID>`, None unless the session is being recorded and its ID is known."""
        if not self._is_recording or not self._session.has_id:
            return None
        return "%s/%d" % (self._device.device_id, self._session.known_id())

    def _mask_changed(self):
        self._review()
        self._pacer.halt()
        self._capture.missed()  # a picture taken under other masks begins no frame
        if self._masks.is_blocking:
            self._say(1, _UNMASKED)

    def _begin_pause(self):
        self._pacer.halt()
        self._capture.missed()  # what is drawn from here on may be what nobody should see
        self._paused += 1
        self._review()

    def _end_pause(self):
        self._paused -= 1
        self._review()

    def _begin_quiet(self):
        self._quiets += 1
        if self._may_be_busy:
            self._transport.is_quiet = True

    def _end_quiet(self):
        self._quiets -= 1
        if self._may_be_busy:
            self._transport.is_quiet = self._quiets > 0

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
        self._call(message.touch, x, y, phase)

    def _touch(self, x, y):
        """The place of a touch as it is recorded, as the call's arguments."""
        x = min(max(x, 0), self._sight.width - 1)
        y = min(max(y, 0), self._sight.height - 1)
        is_masked = self._masks.covers(x, y)
        self._first = None if is_masked else x
        self._second = None if is_masked else y

    def key(self, name, phase=wire.DOWN, amount=0):
        """A key or knob; phase DOWN, UP or TURN, `amount` the signed steps of a turn."""
        self._call(message.key, name, phase, amount)

    def log(self, text, level=3):
        """A line for the timeline of the replay; level 1 error, 2 warn, 3 info, 4 debug."""
        self._call(message.log, level, text)

    def crash(self, error):
        """Keep what ended the app, and tell it after the restart: `except Exception as error: rec.crash(error)`."""
        try:
            if not self._lifecycle.crashed(error):
                self._say(1, "a crash could not be kept: %s" % type(error).__name__)
        except Exception as fault:
            self._contain(fault)

    def vitals(self, rssi=None, battery_mv=None):
        """Numbers that only the application knows; they go out with the next record of vitals."""
        self._vitals.tell(rssi, battery_mv)

    def capture(self):
        """The display was refreshed just now. The tap calls this; so does an app whose display has no hook."""
        with self._net:
            self._captured()

    def _captured(self):
        if self._may_record:
            clock = self._clock
            started_us = clock.microseconds()
            self._refreshed(started_us)
            if ticks_diff(clock.microseconds(), started_us) > self._vitals.longest_step_us:
                self._note_step(started_us)
        elif self._capture.has_picture:
            self._capture.missed()

    def flush(self):
        """Hand the open chunk over without waiting for `linger_ms`."""
        try:
            self._clock.update()
            self._chunk.close()
            if not self._faults.off[TRANSPORT]:
                self._send(self._clock.now, self._clock.microseconds())
        except Exception as error:
            self._contain(error)

    def _call(self, write, a, b, c=None):
        """Keep what a call was given and take it up inside the net: with arguments of its own that function would
        need more than 11 slots, and get its frame from the heap.
        """
        self._write = write
        self._first = a
        self._second = b
        self._third = c
        self._take_up()

    def _take_up(self):
        with self._net:
            self._called()

    def _called(self):
        write = self._write
        if write is message.log:
            self._clock.update()
        else:
            self._notice()
        if write is message.log or write is message.touch or write is message.key:
            if not self._is_recording or (write is message.key and self._masks.hides_keys):
                return
            if write is message.touch:
                self._touch(self._first, self._second)
            self._record(write, True)
        else:
            self._record(write, False)

    def _record(self, write, is_replay):
        announcer = self._announcer
        announcer.give(self._first, self._second, self._third)
        announcer.record(write, is_replay)

    def _log(self, level, text):
        if self._is_recording:
            self._announcer.give(level, text, None)
            self._announcer.record(message.log, True)

    def _notice(self):
        """An input or call: the session goes on, or another begins."""
        clock = self._clock
        clock.update()
        if self._session.is_over(clock.now):
            self._begin_session()
        self._session.touch(clock.now)

    # --- steps ---

    def poll(self):
        """One bounded step: the line, what is due, parts of a frame. Call it often, from the main loop."""
        if (
            self._link.rests
            and (self._ticks() - self._stepped_at) & _MASK < _REST_MS
            and not (self._chunk.is_open or self._outbox.unsent)
            and not (self._capture.is_waiting or self._capture.is_open)
        ):
            return
        with self._net:
            self._poll()

    def _poll(self):
        clock = self._clock
        clock.update()
        self._stepped_at = self._ticks()
        started_us = clock.microseconds()
        self._step(started_us)
        self._note_step(started_us)

    async def run(self):
        """Poll for ever, as an asyncio task."""
        import asyncio

        while True:
            self.poll()
            await asyncio.sleep(_POLL_MS / 1000)

    # --- what a person or a player asks ---

    def __getattr__(self, name):
        """`errors`: errors contained since the recorder was made. `idle`: the newest refresh is wholly in chunks, or
        there is nothing to record. `drained`: the bridge has everything.

        No properties: beside one, MicroPython looks for a setter at each store to any attribute.
        """
        if name == "errors":
            return self._faults.errors
        if name == "idle":
            if not (self._is_recording and self._is_seeing):
                return True
            return self._pacer.is_idle() and not (self._is_live and self._tap.is_changed)
        if name == "drained":
            return self._announcer.is_told() and self._link.is_drained()
        raise AttributeError(name)

    def stats(self):
        """Counts since the stream began, as a dict; `errors` and what is turned off since the recorder was made."""
        capture, link = self._capture, self._link
        return {
            "frames": capture.frames,
            "skipped": capture.skipped,
            "refused": capture.refused,
            "mixed": capture.mixed,
            "refused_calls": self._announcer.refused_calls,
            "errors": self._faults.errors,
            "off": self._faults.names(),
            "state_errors": self._state.errors,
            "config_unknown": self._remote.unknown,
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


class _Within:
    """A context that may be entered more than once."""

    def __init__(self, begin, end):
        self._begin = begin
        self._end = end

    def __enter__(self):
        self._begin()
        return self

    def __exit__(self, _kind, _error, _trace):
        self._end()


class _Net:
    """A context that lets no error of ours out. `except ... as` would do too, but takes nine slots more."""

    def __init__(self, contain):
        self._contain = contain

    def __enter__(self):
        pass

    def __exit__(self, kind, error, _trace):
        if kind is None:
            return False
        if not issubclass(kind, Exception):  # such as Ctrl-C
            return False
        self._contain(error)
        return True
