"""What is sent on, and where to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .setting import setting
from .values import Secret


@dataclass(frozen=True, slots=True)
class EventsSettings:
    display_events: str = setting(
        "summary",
        "Events about changes of the display: one a window, with inline the recording as well, or none.",
        choices=("summary", "inline", "off"),
        live=True,
    )
    display_window_s: int = setting(10, "Time one Display Changed event covers.", unit="s", low=1, high=3_600)
    session_events: bool = setting(True, "Send Session Started and Session Ended.", live=True)
    device_events: bool = setting(
        False,
        "Send Device Connected when a device starts or is back, Device Disconnected when it is gone.",
        live=True,
    )
    device_id_from: str = setting(
        "device",
        "First half of the Replay ID. user_id takes the user's where there is one, as the old wrapper did; Amplitude "
        "then finds no replay for these events.",
        choices=("device", "user_id"),
        live=True,
    )
    replay_debug: bool = setting(
        False,
        "Name in events of a replay the Amplitude project it is in, by a hash of its API key, as debugMode does.",
        live=True,
    )
    gap_events: bool = setting(True, "Send Replay Gap when a part of a recording is missing.", live=True)


@dataclass(frozen=True, slots=True)
class SegmentSettings:
    write_key: Secret = setting(Secret(), "Write key of the Segment source.", live=True)
    write_key_file: Path | None = setting(None, "File that holds the write key, and nothing else.", live=True)
    zone: str = setting(
        "us",
        "Region of the Segment workspace, if bridge.server_zone does not say it.",
        choices=("us", "eu"),
        live=True,
    )
    host: str = setting("", "Address instead of the region's, for a proxy: https://...", live=True)
    batch_events: int = setting(
        100, "Most events of one request; Segment loses those beyond 2,500.", low=1, high=2_500, live=True
    )
    dry_run: bool = setting(
        False,
        "Make every request but send none: events are logged and kept as dead letters, to be sent with "
        "`pixeltrail dlq retry`.",
        live=True,
    )
    amplitude_classic: bool = setting(
        False, "Also address Amplitude's classic destination, in cloud mode.", live=True
    )


@dataclass(frozen=True, slots=True)
class AmplitudeSettings:
    api_key: Secret = setting(Secret(), "API key of the Amplitude project.", live=True)
    api_key_file: Path | None = setting(None, "File that holds the API key, and nothing else.", live=True)
    secret_key: Secret = setting(
        Secret(), "Secret key of the project; `pixeltrail check` uses it.", live=True
    )
    secret_key_file: Path | None = setting(
        None, "File that holds the secret key, and nothing else.", live=True
    )
    zone: str = setting(
        "",
        "Region of the Amplitude project, if bridge.server_zone does not say it.",
        choices=("", "us", "eu"),
        live=True,
    )
    host: str = setting("", "Address instead of the region's, for a proxy: https://...", live=True)
    use_batch_endpoint: bool = setting(
        False, "Send events to Amplitude's batch endpoint, which throttles less.", live=True
    )
    batch_events: int = setting(
        100, "Most events of one request; 10 for Amplitude's Starter plan.", low=1, high=2_000, live=True
    )
    device_events_per_s: int = setting(
        -1,
        "Events a second that one device may send; -1 is what the endpoint allows, 0 is without a limit.",
        low=-1,
        high=100_000,
        live=True,
    )
    min_id_length: int = setting(
        0,
        "Least length of user and device IDs; 0 leaves Amplitude's own, which is 5.",
        low=0,
        high=100,
        live=True,
    )
    insert_id_from_message_id: bool = setting(
        True, "Send the message ID as insert_id, so that Amplitude counts a repeated event once.", live=True
    )
    track_revenue_per_product: bool = setting(
        False, "Track the revenue of an order with each of its products instead of with the order.", live=True
    )
    group_type_trait: str = setting(
        "",
        "Trait of a group call that holds Amplitude's group type. Empty: group calls are not sent.",
        live=True,
    )
    group_value_trait: str = setting(
        "", "Trait of a group call that holds the group's value; empty takes the group ID.", live=True
    )
    groups_as_user_properties: bool = setting(
        True,
        "Also keep a user's groups as user properties, for projects without the Accounts add-on.",
        live=True,
    )
    increment_traits: tuple[str, ...] = setting(
        (),
        "Traits of identify calls that are added to what the user has; their values are numbers.",
        live=True,
    )
    session_tracking: bool = setting(
        False,
        "Give events that bring no session ID one, by the time between events of their device.",
        live=True,
    )
    session_length_ms: int = setting(
        1_800_000,
        "Silence after which session tracking begins a new session.",
        unit="ms",
        low=1_000,
        high=2_592_000_000,
        live=True,
    )
    dry_run: bool = setting(
        False,
        "Make every request but send none: events are logged and kept as dead letters, to be sent with "
        "`pixeltrail dlq retry`.",
        live=True,
    )


@dataclass(frozen=True, slots=True)
class AmplitudeReplaySettings:
    enabled: bool = setting(
        False, "Upload replays to Amplitude. Experimental: docs/replay-sinks.md says what is not known."
    )
    api_key: Secret = setting(Secret(), "API key of the Amplitude project, the one its events go to.")
    api_key_file: Path | None = setting(None, "File that holds the API key, and nothing else.")
    zone: str = setting(
        "", "Region of the Amplitude project; empty means segment.zone.", choices=("", "us", "eu")
    )
    host: str = setting("", "Address instead of the region's, for a proxy: https://...")
    piece_s: int = setting(
        30, "How long a recording gathers before it is uploaded.", unit="s", low=1, high=600
    )
    keyframe_s: int = setting(45, "How often the whole picture is sent again.", unit="s", low=5, high=300)
    scale: int = setting(0, "How much displays are enlarged; 0 chooses by their size.", low=0, high=32)
    without: tuple[str, ...] = setting(
        (), "What is left out beside the pictures: touch, key, log, vitals, event."
    )


@dataclass(frozen=True, slots=True)
class JsonlSettings:
    path: Path | None = setting(
        None,
        "File that gets every event, one JSON object a line; without a Segment key, events.jsonl in the data folder.",
    )
