"""Settings of a recorder: one table with every name, default and check, and what a device says of itself.

Names and defaults follow the session-replay SDKs where those have the setting. A value that cannot be meant is an
error that names the setting, the value and what would do; it is raised while the recorder is made, and never later.

This module is needed once, when a recorder is made: what is asked for later is handed on as a plain
object (`kept`), so that a board can forget all else and have its heap back.
"""

# pyright: reportAttributeAccessIssue=false
# Settings get their attributes from the table below.

import sys

from . import wire
from .remote import LEVELS, RANGES
from .sight import check_palette

_SMALL_DISPLAY = 8192  # bytes of a frame up to which the small outbox does
_MAX_OWN_NAME = 64  # so that a hello with all its names fits the smallest chunk
_COMPUTERS = ("linux", "darwin", "win32")
_TINY_FRAME = 1024  # bytes of a frame up to which a capture is so short that it runs inside the refresh


def _number(low, high):
    def check(value):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            return "a number from %s to %s" % (low, high)

    return check


def _integer(low, high):
    def check(value):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            return "an integer from %d to %d" % (low, high)

    return check


def _optional(check):
    return lambda value: None if value is None else check(value)


def _flag(value):
    if not isinstance(value, bool):
        return "True or False"


def _name(value):
    if not isinstance(value, str) or len(value.encode()) > _MAX_OWN_NAME:
        return "text of at most %d bytes" % _MAX_OWN_NAME


def _callable(value):
    if value is not None and not callable(value):
        return "a function"


def _level(value):
    if value not in LEVELS and value not in (0, 1, 2, 3, 4):
        return "0 to 4, or one of %s" % ", ".join(LEVELS)


def _device_id(value):
    if value is None:
        return None
    if not isinstance(value, str) or not 5 <= len(value) <= 64 or value[0] in "_-":
        return "5 to 64 letters, digits, _ and -, the first a letter or digit"
    for c in value:
        if not ("a" <= c <= "z" or "A" <= c <= "Z" or "0" <= c <= "9" or c in "_-"):
            return "5 to 64 letters, digits, _ and -, the first a letter or digit"


def _rectangles(value):
    wanted = "a list of rectangles (x, y, width, height) in pixels"
    if not isinstance(value, (list, tuple)):
        return wanted
    for rectangle in value:
        if not isinstance(rectangle, (list, tuple)) or len(rectangle) != 4:
            return wanted
        for number in rectangle:
            if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 1024:
                return wanted


def _all_or_rectangles(value):
    if not isinstance(value, bool) and _rectangles(value):
        return "True, False or a list of the rectangles (x, y, width, height) that stay visible"


def _path(value):
    if not isinstance(value, str):
        return 'the path of a file, or "" to keep nothing'


def _spool(value):
    if value != 0 and _integer(8192, 1 << 28)(value):
        return "0, or an integer from 8192"


def _clock(value):
    for name in ("update", "read_date", "begin_stream"):
        if value is not None and not hasattr(value, name):
            return "a pixeltrail.clock.Clock"


# name, default, check. A check returns None for a good value, else what is wanted. docs/device.md explains each.
SETTINGS = (
    # who this is
    ("device_id", None, _device_id),  # default: a hash of the chip's ID
    ("app", "", _name),
    ("app_version", "", _name),
    ("board", None, _optional(_name)),  # default: as MicroPython names the machine
    # what is recorded
    ("sample_rate", 0.0, _number(*RANGES["sample_rate"])),  # share of sessions whose replay is recorded
    ("auto_start", True, _flag),
    ("enabled", None, _callable),  # asked at each session's start
    ("session_timeout_ms", 1_800_000, _integer(0, 1 << 29)),  # 0: a session never ends by itself
    ("lifecycle_events", False, _flag),
    ("enable_remote_config", True, _flag),
    # privacy
    ("opt_out", False, _flag),
    ("on_opt_out", None, _callable),  # called with True or False, for an app that keeps it by itself
    ("masks", (), _rectangles),
    ("mask_all", False, _all_or_rectangles),
    ("mask_keys", False, _flag),
    ("blind", (), _rectangles),  # areas whose pixels the tap cannot see
    # pace
    ("max_fps", 15, _number(*RANGES["max_fps"])),
    ("max_step_ms", 5, _integer(1, 1000)),
    ("keyframe_interval_s", 60, _integer(*RANGES["keyframe_interval_s"])),
    ("exact", None, _optional(_flag)),  # whole capture inside the refresh; default: True up to 1 KB a frame
    ("references", 128, _integer(0, 1024)),  # rectangles the coder can refer back to
    # sending and keeping
    ("max_chunk", wire.DEFAULT_CHUNK, _integer(512, wire.MAX_CHUNK)),
    ("linger_ms", 50, _integer(0, 10_000)),
    ("outbox_bytes", None, _optional(_integer(1024, 1 << 24))),  # default: 16,384; frames up to 8 KB: 4,096
    ("flash_spool_bytes", 0, _spool),  # flash for chunks that do not fit the outbox; 0: none
    ("flash_spool_folder", "pixeltrail-spool", _path),
    ("vitals_interval_s", 60, _integer(0, 86_400)),  # 0: never
    ("on_busy", None, _callable),  # called with True before a TLS key exchange, with False after it
    (
        "state_file",
        None,
        _optional(_path),
    ),  # default: "pixeltrail" in a board's own folder, none on a computer
    # what is said on the console
    ("log_level", 2, _level),
    ("debug_mode", False, _flag),  # print every contained error with its traceback
    # for tests and players
    ("clock", None, _clock),
)


class Settings:
    """Every setting as an attribute; `given` are the ones that differ from the defaults."""

    def __init__(self, given):
        rest = dict(given)
        for name, default, check in SETTINGS:
            value = rest.pop(name, default)
            wanted = None if value is default else check(value)
            if wanted:
                raise ValueError("%s must be %s, got %r" % (name, wanted, value))
            setattr(self, name, value)
        for name in rest:
            known = ", ".join([row[0] for row in SETTINGS])
            raise ValueError("unknown setting %r; the settings are %s" % (name, known))
        if not isinstance(self.log_level, int):
            self.log_level = LEVELS.index(self.log_level)
        if self.state_file is None:
            self.state_file = "" if sys.platform in _COMPUTERS else "pixeltrail"

    def fit(self, frame_bytes, palette):
        """Fill in the defaults that depend on the display, and check what has to fit it."""
        check_palette(self, palette)
        if self.exact is None:
            self.exact = frame_bytes <= _TINY_FRAME
        if self.outbox_bytes is None:
            self.outbox_bytes = 4096 if frame_bytes <= _SMALL_DISPLAY else 16_384
            if self.outbox_bytes < 4 * self.max_chunk:
                self.outbox_bytes = 4 * self.max_chunk
        if self.outbox_bytes < 2 * self.max_chunk:
            raise ValueError(
                "outbox_bytes must be at least twice max_chunk (%d), got %d"
                % (self.max_chunk, self.outbox_bytes)
            )


def checked(given, frame_bytes, palette):
    """Every setting, for as long as a recorder is made. Raises ValueError."""
    settings = Settings(given)
    settings.fit(frame_bytes, palette)
    return settings


# What a recorder asks for later on: all else is worked out while it is made.
_KEPT = (
    "sample_rate",
    "max_fps",
    "keyframe_interval_s",
    "log_level",
    "references",
    "max_chunk",
    "debug_mode",
    "on_opt_out",
    "enable_remote_config",
)
_DESCRIBED = ("device_id", "library", "board", "app", "app_version", "os", "boot", "boot_reason")


def kept(plain, settings, boot):
    """Write to an object what is asked for later, and what the hello record says of this device; give it back.

    Raises ValueError.
    """
    device = Device(settings, boot)
    for name in _KEPT:
        setattr(plain, name, getattr(settings, name))
    for name in _DESCRIBED:
        setattr(plain, name, getattr(device, name))
    return plain


class Device:
    """What the hello record says of this device."""

    library = "pixeltrail/0.1.0"

    def __init__(self, settings, boot=0):
        self.device_id = settings.device_id or _own_id()
        self.board = settings.board if settings.board is not None else _machine()
        self.app = settings.app
        self.app_version = settings.app_version
        self.os = _system()
        self.boot = boot  # counted over reboots where the board can, else 0
        self.boot_reason = _boot_reason()


def _own_id():
    try:
        import machine

        unique = machine.unique_id()
    except (ImportError, AttributeError):
        raise ValueError("device_id must be given: this machine has no unique ID of its own") from None
    import hashlib

    return "px-" + "".join(["%02x" % b for b in hashlib.sha256(unique).digest()[:10]])


def _machine():
    name = getattr(sys.implementation, "_machine", None)
    if name is None:
        name = sys.platform
    return name[:_MAX_OWN_NAME]


def _system():
    return "%s %d.%d.%d" % ((sys.implementation.name,) + tuple(sys.implementation.version[:3]))


def _boot_reason():
    try:
        import machine

        cause = machine.reset_cause()
    except (ImportError, AttributeError):
        return wire.BOOT_UNKNOWN
    for name, reason in (
        ("PWRON_RESET", wire.BOOT_POWER_ON),
        ("HARD_RESET", wire.BOOT_RESET),
        ("WDT_RESET", wire.BOOT_WATCHDOG),
        ("DEEPSLEEP_RESET", wire.BOOT_DEEP_SLEEP),
        ("SOFT_RESET", wire.BOOT_SOFT_RESET),
    ):
        if getattr(machine, name, None) == cause:
            return reason
    return wire.BOOT_UNKNOWN
