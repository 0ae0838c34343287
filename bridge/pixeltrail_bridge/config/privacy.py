"""How long things are kept, of whom nothing is taken, and who is asked to delete as well."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .setting import setting
from .values import Secret

_LONGEST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    recordings_days: float = setting(
        0.0,
        "How long after its end a session's recording is kept; 0 is for ever, and so is a starred one.",
        unit="days",
        low=0,
        high=_LONGEST_DAYS,
        live=True,
    )
    sessions_days: float = setting(
        0.0,
        "The same for the session itself: its place in lists, its links, and its recording.",
        unit="days",
        low=0,
        high=_LONGEST_DAYS,
        live=True,
    )
    events_days: float = setting(
        0.0,
        "How long an event is kept once every sink has taken it; 0 is for ever.",
        unit="days",
        low=0,
        high=_LONGEST_DAYS,
        live=True,
    )
    dead_letters_days: float = setting(
        0.0,
        "How long what was given up on is kept; 0 is for ever.",
        unit="days",
        low=0,
        high=_LONGEST_DAYS,
        live=True,
    )
    uploads_days: float = setting(
        0.0,
        "How long it is known which pieces of recordings went to replay sinks; 0 is for ever.",
        unit="days",
        low=0,
        high=_LONGEST_DAYS,
        live=True,
    )
    devices_days: float = setting(
        0.0,
        "After this silence a device or app of which nothing else is kept goes, too; 0 is never.",
        unit="days",
        low=0,
        high=_LONGEST_DAYS,
        live=True,
    )
    close_after_h: float = setting(
        24.0,
        "A session of which nothing was heard for this long has ended; 0 waits for its end.",
        unit="h",
        low=0,
        high=100_000,
        live=True,
    )


@dataclass(frozen=True, slots=True)
class PrivacySettings:
    block_devices: tuple[str, ...] = setting(
        (), "Devices of which nothing is stored, with * and ?; what they send is confirmed.", live=True
    )
    block_users: tuple[str, ...] = setting(
        (), "Users of whom nothing is stored from the moment a device names them, with * and ?.", live=True
    )
    log_ids: str = setting(
        "hash",
        "How log lines name devices: by a keyed hash, which `pixeltrail devices --json` shows, or as they are.",
        choices=("hash", "plain"),
        live=True,
    )
    segment_token: Secret = setting(
        Secret(), "Token of Segment's Public API: `forget --user` then asks Segment to delete as well."
    )
    segment_token_file: Path | None = setting(None, "File that holds the token, and nothing else.")
    segment_source: str = setting(
        "", "ID of the Segment source to delete in. Empty deletes in the whole workspace."
    )
    segment_regulation: str = setting(
        "suppress_with_delete",
        "What Segment is asked: to delete, or to refuse what comes later as well.",
        choices=("suppress_with_delete", "delete_only"),
    )
    segment_host: str = setting("", "Address instead of the region's, for a proxy: https://...")
    amplitude_deletion: bool = setting(
        False,
        "`forget --user` asks Amplitude to delete as well, with amplitude.api_key and amplitude.secret_key.",
    )
    amplitude_requester: str = setting("", "Who Amplitude is told has asked.")
    amplitude_host: str = setting("", "Address instead of the region's, for a proxy: https://...")
