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
from .parts import settings_for
from .taps.framebuf import find

_POLL_MS = const(5)
_REST_MS = const(10)  # between two looks at the line while there is nothing to do
_MASK = const((1 << 30) - 1)
_LOUD_ZERO = (
    "pixeltrail: sample_rate was not given and is 0.0, so NO REPLAY IS RECORDED."
    " Recorder(..., sample_rate=1.0) records every session."
)


class Recorder(Engine):
    """Records what `display` shows over `transport`; `settings` are those of config.SETTINGS.

    `display` is a display object of a known driver, or the tap of any other. Raises ValueError for a setting that
    cannot be meant, and nothing afterwards.
    """

    def __init__(self, display, transport, **settings):
        tap = display if hasattr(display, "attach") else find(display)
        s = settings_for(tap, settings)
        Engine.__init__(self, tap, transport, s)
        self._write = self._first = self._second = self._third = None  # of the call under way
        self._ticks = self._clock.ticks
        self._stepped_at = self._ticks() - _REST_MS
        if s.sample_rate == 0 and "sample_rate" not in settings:
            print(_LOUD_ZERO)
        if s.auto_start:
            self._is_started = True
            self._review()
        if self._state.is_kept:
            self._state.put("boot", self._settings.boot)
        try:
            self._announcer.announce()
            self._lifecycle.started(self.track, self._chunk.seq)
        except Exception as error:
            self._contain(error)
        tap.attach(self.capture)

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

    def capture(self):
        """The display was refreshed just now. The tap calls this; so does an app whose display has no hook."""
        if self._may_record or self._capture.has_picture:  # else this call is all that it costs
            with self._net:
                self._captured()

    def _captured(self):
        if self._may_record:
            clock = self._clock
            started_us = clock.microseconds()
            self._refreshed(started_us)
            if ticks_diff(clock.microseconds(), started_us) > self._vitals.longest_step_us:
                self._note_step(started_us)
        else:
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
            return self._pacer.is_idle() and not (self._is_live and self._sight.tap.is_changed)
        if name == "drained":
            return self._announcer.is_told() and self._link.is_drained()
        raise AttributeError(name)

    def stats(self):
        """Counts since the stream began, as a dict; `errors` and what is turned off since the recorder was made."""
        try:
            from .stats import stats

            return stats(self)
        except Exception as error:  # no memory, mostly
            self._contain(error)
            return {}
