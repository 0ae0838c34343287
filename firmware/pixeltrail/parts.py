"""The parts of a recorder, put together; what may be recorded, what is displayed, and what becomes of an error.

The parts know nothing of each other's timing, engine.py does: capture.py makes frames, announce.py writes records,
link.py talks to the bridge, session.py and remote.py decide what may be recorded. What raises is contained by the calls
of recorder.py; `faults.at` says which part was at work.
"""

# pyright: reportAttributeAccessIssue=false
# Settings get their attributes from a table.

import sys

from . import message
from .announce import Announcer
from .capture import Capture
from .chunk import Chunk
from .clock import Clock
from .faults import APP, ENCODER, NAMES, TAP, TRANSPORT, Faults, print_error
from .lifecycle import Lifecycle
from .link import Link
from .masks import Masks
from .outbox import Outbox
from .pacing import Pacer
from .remote import Remote
from .session import Session
from .sight import Sight
from .state import State
from .vitals import Vitals


class _Plain:
    """What is kept of the settings and what the device says of itself, without the module that found them."""


def _forget_config():
    """On a board, have the heap back that checking took; another recorder loads it again."""
    if sys.implementation.name == "micropython":
        del sys.modules[__name__.rpartition(".")[0] + ".config"]
        del sys.modules[__name__.rpartition(".")[0]].config


def _link_class(s):
    if not s.flash_spool_bytes:
        return Link
    try:
        from .flash import FlashLink
    except ImportError:
        raise ValueError("flash_spool_bytes must be 0 here, since this library has no flash.py") from None
    return FlashLink


def settings_for(tap, given):
    """All settings; `given` are those of config.SETTINGS that differ from the defaults. Raises ValueError."""
    from .config import checked

    return checked(given, 0 if tap.buffer is None else len(tap.buffer), tap.palette)


class Parts:
    """`s`: all settings, which only those who are made here see: `_settings` keeps what is asked for later. Raises
    ValueError, and nothing afterwards.
    """

    def __init__(self, tap, transport, s):
        from .config import kept

        self._clock = s.clock if s.clock is not None else Clock()
        self._state = state = State(s.state_file)
        boot = (state.get("boot", 0) + 1) & (1 << 29) - 1 if state.is_kept else 0
        self._settings = own = kept(_Plain(), s, boot)
        _forget_config()
        self._faults = Faults()
        self._net = _Net(self)
        self._outbox = Outbox(s.outbox_bytes)
        self._chunk = Chunk(self._outbox, s.max_chunk)
        self._capture = Capture(None, self._chunk, self._outbox, s.max_chunk)
        transport.attach(own.device_id, s.max_chunk)
        self._link = _link_class(s)(
            self._outbox, self._chunk, transport, own.device_id, own.boot, self._clock.date
        )
        self._remote = Remote(own, state)
        self._session = Session(s.sample_rate, s.session_timeout_ms, s.enabled, s.opt_out)
        self._masks = Masks(s.masks, s.mask_all, s.mask_keys)
        blind = tuple(s.blind)
        if tap.buffer is None:
            blind = ((0, 0, tap.width, tap.height),)
        self._sight = Sight(tap, own)
        self._announcer = Announcer(
            own,
            self._sight,
            blind,
            self._clock,
            self._chunk,
            self._link,
            self._session,
            self._capture,
            self._masks,
        )
        self._pacer = Pacer(s, self._clock, self._capture, self._announcer, transport)
        self._vitals = Vitals(s.vitals_interval_s * 1000, self._clock.microseconds)
        self._lifecycle = Lifecycle(s.lifecycle_events, own, state)
        self._is_started = False
        self._is_purging = False
        self._may_record = self._is_recording = self._is_seeing = False  # see _review

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
            and not self._pause.depth
            and not self._is_purging
            and session.sampled is not False
            and not session.opted_out
            and self._remote.capture_enabled
        )
        self._is_recording = self._may_record and session.sampled is True
        off = self._faults.off
        self._is_seeing = not (off[ENCODER] or off[TAP] or self._masks.is_blocking or self._sight.is_blind)

    # --- the display ---

    def _use_display(self):
        sight = self._sight
        self._is_seeing = False  # should this fail
        self._announcer.use_display()
        if sight.needs_encoder():
            self._capture.use(sight.encoder)  # nobody holds the old one: its memory is for the new
        sight.take()
        self._capture.use(sight.encoder)
        self._masks.use(sight.encoder, sight.width, sight.height)
        self._review()

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
        elif not self._faults.off[APP]:
            self._faults.off[APP] = 1
            self._say(1, "contained %s: %s" % (type(error).__name__, error))
        if part:
            self._turn_off(part, error)

    def _turn_off(self, part, error):
        text = "%s turned off after three times %s: %s" % (NAMES[part], type(error).__name__, error)
        self._capture.missed()
        self._review()
        if part == TRANSPORT:
            self._link.release()
        self._say(1, text)
        self._log(1, text)

    def _say(self, level, text):
        if self._remote.log_level >= level:
            print("pixeltrail: " + text)

    def _log(self, level, text):
        if self._is_recording:
            self._announcer.give(level, text, None)
            self._announcer.record(message.log, True)


class _Net:
    """A context that lets no error of ours out. `except ... as` would do too, but takes nine slots more."""

    def __init__(self, recorder):
        self._recorder = recorder

    def __enter__(self):
        pass

    def __exit__(self, kind, error, _trace):
        if kind is None:
            return False
        if not issubclass(kind, Exception):  # such as Ctrl-C
            return False
        self._recorder._contain(error)
        return True
