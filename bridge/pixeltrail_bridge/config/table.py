"""The table of settings: a field's name, type and default, with unit, limits and help beside it.

Validation, `pixeltrail init` and the documentation are made from it, so a setting is written once. Imports only
the standard library: `pixeltrail --help` pays for it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from .lists import EXAMPLES, Lists
from .values import Secret, as_toml

FILE_NAME = "pixeltrail.toml"
DATABASE_NAME = "pixeltrail.db"
ENVIRONMENT_PREFIX = "PIXELTRAIL_"


def _setting(
    default: Any,
    help: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] = (),
    live: bool = False,
) -> Any:
    about = {"help": help, "unit": unit, "low": low, "high": high, "choices": choices, "live": live}
    return field(default=default, metadata=about)


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    data_dir: Path = _setting(Path("pixeltrail-data"), "Folder of the database and of the broker's files.")
    server_zone: str = _setting(
        "us",
        "Region of your workspaces at all vendors: sets every host at once.",
        choices=("us", "eu"),
        live=True,
    )
    log_level: str = _setting(
        "info",
        "Least severe message that is logged.",
        choices=("debug", "info", "warning", "error"),
        live=True,
    )
    log_format: str = _setting(
        "auto",
        "auto writes for people on a terminal, else JSON.",
        choices=("auto", "console", "json"),
        live=True,
    )

    @property
    def database(self) -> Path:
        return self.data_dir / DATABASE_NAME


@dataclass(frozen=True, slots=True)
class StoreSettings:
    url: str = _setting(
        "",
        "PostgreSQL database, postgresql://user@host/name. Empty keeps a file in the data folder.",
    )
    password: Secret = _setting(Secret(), "Password at the database.")
    password_file: Path | None = _setting(None, "File that holds the password, and nothing else.")
    min_free_mb: int = _setting(
        64, "Nothing is accepted while the disk has less room than this.", unit="MB", low=1, high=1_000_000
    )
    ballast_mb: int = _setting(
        16,
        "Size of a file that is deleted when the disk is full all the same.",
        unit="MB",
        low=0,
        high=10_000,
    )


@dataclass(frozen=True, slots=True)
class PackingSettings:
    enabled: bool = _setting(
        False, "Move the recordings of closed sessions out of the database, one object each."
    )
    after_h: float = _setting(
        24.0, "How long after its end a session is packed.", unit="h", low=0, high=100_000
    )
    url: str = _setting(
        "", "Where objects lie: s3://bucket/prefix. Empty keeps files in the data folder, under objects."
    )
    endpoint: str = _setting("", "Address of an S3-compatible service other than Amazon's, https://...")
    region: str = _setting("", "Region of the bucket.")
    key_id: str = _setting("", "Access key at the service. Empty takes what the machine has.")
    secret: Secret = _setting(Secret(), "Secret of the access key.")
    secret_file: Path | None = _setting(None, "File that holds the secret, and nothing else.")


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    max_events: int = _setting(
        1_000_000,
        "Events that may wait for a sink; beyond, devices keep what they have.",
        low=1,
        high=1_000_000_000,
    )
    max_mb: int = _setting(
        2_048, "The same in megabytes of their payloads.", unit="MB", low=1, high=1_000_000
    )


@dataclass(frozen=True, slots=True)
class MqttSettings:
    enabled: bool = _setting(True, "Listen to devices over MQTT.")
    url: str = _setting("", "Your own broker, mqtt://host:1883 or mqtts://host:8883. Empty runs one inside.")
    user: str = _setting("", "User name at your own broker.")
    password: Secret = _setting(Secret(), "Password at your own broker.")
    password_file: Path | None = _setting(None, "File that holds the password, and nothing else.")
    ca_file: Path | None = _setting(
        None,
        "Certificate of the authority that signed your broker's, where your system does not know it (mqtts).",
    )
    cert_file: Path | None = _setting(
        None, "Certificate of this bridge, where your broker asks for one (mqtts)."
    )
    key_file: Path | None = _setting(None, "Key of that certificate, where it is not in the same file.")
    host: str = _setting("127.0.0.1", "Address the broker inside listens on.")
    port: int = _setting(1883, "Port the broker inside listens on; 0 takes any free one.", low=0, high=65_535)


@dataclass(frozen=True, slots=True)
class SerialSettings:
    ports: tuple[str, ...] = _setting(
        (), "Serial ports with a device: a path such as /dev/ttyACM0, or usb:2e8a:0005."
    )
    baud: int = _setting(
        115_200, "Speed of the ports; USB ignores it.", unit="bit/s", low=1_200, high=12_000_000
    )


@dataclass(frozen=True, slots=True)
class SegmentSettings:
    write_key: Secret = _setting(Secret(), "Write key of the Segment source.", live=True)
    write_key_file: Path | None = _setting(
        None, "File that holds the write key, and nothing else.", live=True
    )
    zone: str = _setting(
        "us",
        "Region of the Segment workspace, if bridge.server_zone does not say it.",
        choices=("us", "eu"),
        live=True,
    )
    host: str = _setting("", "Address instead of the region's, for a proxy: https://...", live=True)
    batch_events: int = _setting(
        100, "Most events of one request; Segment loses those beyond 2,500.", low=1, high=2_500, live=True
    )
    dry_run: bool = _setting(
        False,
        "Make every request but send none: events are logged and kept as dead letters, to be sent with "
        "`pixeltrail dlq retry`.",
        live=True,
    )
    amplitude_classic: bool = _setting(
        False, "Also address Amplitude's classic destination, in cloud mode.", live=True
    )


@dataclass(frozen=True, slots=True)
class AmplitudeSettings:
    api_key: Secret = _setting(Secret(), "API key of the Amplitude project.", live=True)
    api_key_file: Path | None = _setting(None, "File that holds the API key, and nothing else.", live=True)
    secret_key: Secret = _setting(
        Secret(), "Secret key of the project; `pixeltrail check` uses it.", live=True
    )
    secret_key_file: Path | None = _setting(
        None, "File that holds the secret key, and nothing else.", live=True
    )
    zone: str = _setting(
        "",
        "Region of the Amplitude project, if bridge.server_zone does not say it.",
        choices=("", "us", "eu"),
        live=True,
    )
    host: str = _setting("", "Address instead of the region's, for a proxy: https://...", live=True)
    use_batch_endpoint: bool = _setting(
        False, "Send events to Amplitude's batch endpoint, which throttles less.", live=True
    )
    batch_events: int = _setting(
        100, "Most events of one request; 10 for Amplitude's Starter plan.", low=1, high=2_000, live=True
    )
    device_events_per_s: int = _setting(
        -1,
        "Events a second that one device may send; -1 is what the endpoint allows, 0 is without a limit.",
        low=-1,
        high=100_000,
        live=True,
    )
    min_id_length: int = _setting(
        0,
        "Least length of user and device IDs; 0 leaves Amplitude's own, which is 5.",
        low=0,
        high=100,
        live=True,
    )
    insert_id_from_message_id: bool = _setting(
        True, "Send the message ID as insert_id, so that Amplitude counts a repeated event once.", live=True
    )
    track_revenue_per_product: bool = _setting(
        False, "Track the revenue of an order with each of its products instead of with the order.", live=True
    )
    group_type_trait: str = _setting(
        "",
        "Trait of a group call that holds Amplitude's group type. Empty: group calls are not sent.",
        live=True,
    )
    group_value_trait: str = _setting(
        "", "Trait of a group call that holds the group's value; empty takes the group ID.", live=True
    )
    groups_as_user_properties: bool = _setting(
        True,
        "Also keep a user's groups as user properties, for projects without the Accounts add-on.",
        live=True,
    )
    increment_traits: tuple[str, ...] = _setting(
        (),
        "Traits of identify calls that are added to what the user has; their values are numbers.",
        live=True,
    )
    session_tracking: bool = _setting(
        False,
        "Give events that bring no session ID one, by the time between events of their device.",
        live=True,
    )
    session_length_ms: int = _setting(
        1_800_000,
        "Silence after which session tracking begins a new session.",
        unit="ms",
        low=1_000,
        high=2_592_000_000,
        live=True,
    )
    dry_run: bool = _setting(
        False,
        "Make every request but send none: events are logged and kept as dead letters, to be sent with "
        "`pixeltrail dlq retry`.",
        live=True,
    )


@dataclass(frozen=True, slots=True)
class AmplitudeReplaySettings:
    enabled: bool = _setting(
        False, "Upload replays to Amplitude. Experimental: docs/replay-sinks.md says what is not known."
    )
    api_key: Secret = _setting(Secret(), "API key of the Amplitude project, the one its events go to.")
    api_key_file: Path | None = _setting(None, "File that holds the API key, and nothing else.")
    zone: str = _setting(
        "", "Region of the Amplitude project; empty means segment.zone.", choices=("", "us", "eu")
    )
    host: str = _setting("", "Address instead of the region's, for a proxy: https://...")
    piece_s: int = _setting(
        30, "How long a recording gathers before it is uploaded.", unit="s", low=1, high=600
    )
    keyframe_s: int = _setting(45, "How often the whole picture is sent again.", unit="s", low=5, high=300)
    scale: int = _setting(0, "How much displays are enlarged; 0 chooses by their size.", low=0, high=32)
    without: tuple[str, ...] = _setting(
        (), "What is left out beside the pictures: touch, key, log, vitals, event."
    )


@dataclass(frozen=True, slots=True)
class JsonlSettings:
    path: Path | None = _setting(
        None,
        "File that gets every event, one JSON object a line; without a Segment key, events.jsonl in the data folder.",
    )


@dataclass(frozen=True, slots=True)
class WebSettings:
    enabled: bool = _setting(True, "Serve the page with the live pictures.")
    host: str = _setting(
        "127.0.0.1", "Address the page listens on. It has no login: keep it to this machine."
    )
    port: int = _setting(8377, "Port the page listens on; 0 takes any free one.", low=0, high=65_535)
    public_url: str = _setting("", "Address people reach the page under. Events then carry a link to it.")
    allowed_hosts: tuple[str, ...] = _setting((), "Further host names the page may be asked for under.")


@dataclass(frozen=True, slots=True)
class MobileSettings:
    enabled: bool = _setting(False, "Take events of companion apps, as Segment's Tracking API does.")
    host: str = _setting("127.0.0.1", "Address that apps post to.")
    port: int = _setting(8378, "Port that apps post to; 0 takes any free one.", low=0, high=65_535)
    public_url: str = _setting("", "Address under which apps reach it; where nothing is set, as they asked.")
    write_key: Secret = _setting(Secret(), "Key that apps send, as the write key of their SDK.")
    write_key_file: Path | None = _setting(None, "File that holds the key, and nothing else.")
    origins: tuple[str, ...] = _setting(("*",), "Sites whose pages may post; * is every one.")
    proxies: int = _setting(
        0, "Proxies of yours in front of it, whose X-Forwarded-For is believed.", low=0, high=10
    )
    max_events_per_s: float = _setting(
        200.0, "Events that one address may send; bursts of ten seconds' worth pass.", low=0.1, high=1_000_000
    )
    sample_rate: float = _setting(
        0.0,
        "Share of the apps' own sessions whose events carry a Replay ID; those of a device follow the device.",
        low=0,
        high=1,
        live=True,
    )
    track_sessions: bool = _setting(True, "Keep sessions for apps that bring none.", live=True)
    session_events: bool = _setting(
        False, "Send session_start and session_end for those sessions.", live=True
    )
    app_timeout_s: int = _setting(
        300, "Pause after which an app begins a new session.", unit="s", low=1, high=86_400, live=True
    )
    browser_timeout_s: int = _setting(
        1_800, "The same in a browser.", unit="s", low=1, high=86_400, live=True
    )
    keep_ip: bool = _setting(True, "Send on the app's address as context.ip.", live=True)
    block_ips: tuple[str, ...] = _setting(
        (), "Addresses and networks whose events are counted and not kept.", live=True
    )
    block_user_agents: tuple[str, ...] = _setting((), "The same by user agent, with * and ?.", live=True)
    block_devices: tuple[str, ...] = _setting((), "The same by device or anonymous ID.", live=True)
    block_users: tuple[str, ...] = _setting((), "The same by user ID.", live=True)
    debug_key: Secret = _setting(
        Secret(), "Amplitude API key; its hash then goes out as the replay's debug property.", live=True
    )
    debug_key_file: Path | None = _setting(None, "File that holds that key, and nothing else.", live=True)


@dataclass(frozen=True, slots=True)
class EventsSettings:
    display_events: str = _setting(
        "summary",
        "Events about changes of the display: one a window, or none.",
        choices=("summary", "off"),
        live=True,
    )
    display_window_s: int = _setting(
        10, "Time one Display Changed event covers.", unit="s", low=1, high=3_600
    )
    session_events: bool = _setting(True, "Send Session Started and Session Ended.", live=True)
    device_events: bool = _setting(
        False,
        "Send Device Connected when a device starts or is back, Device Disconnected when it is gone.",
        live=True,
    )
    device_id_from: str = _setting(
        "device",
        "First half of the Replay ID. user_id takes the user's where there is one, as the old wrapper did; Amplitude "
        "then finds no replay for these events.",
        choices=("device", "user_id"),
        live=True,
    )
    gap_events: bool = _setting(True, "Send Replay Gap when a part of a recording is missing.", live=True)


@dataclass(frozen=True, slots=True)
class RecordingSettings:
    sample_rate: float = _setting(
        1.0,
        "Share of sessions recorded where the device leaves the choice to the bridge.",
        low=0,
        high=1,
        live=True,
    )


@dataclass(frozen=True, slots=True)
class Config:
    """All settings, checked. `file` is where they were read from, None when there was no file."""

    bridge: BridgeSettings = field(default_factory=BridgeSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    packing: PackingSettings = field(default_factory=PackingSettings)
    outbox: OutboxSettings = field(default_factory=OutboxSettings)
    mqtt: MqttSettings = field(default_factory=MqttSettings)
    serial: SerialSettings = field(default_factory=SerialSettings)
    segment: SegmentSettings = field(default_factory=SegmentSettings)
    amplitude: AmplitudeSettings = field(default_factory=AmplitudeSettings)
    amplitude_replay: AmplitudeReplaySettings = field(default_factory=AmplitudeReplaySettings)
    jsonl: JsonlSettings = field(default_factory=JsonlSettings)
    web: WebSettings = field(default_factory=WebSettings)
    mobile: MobileSettings = field(default_factory=MobileSettings)
    events: EventsSettings = field(default_factory=EventsSettings)
    recording: RecordingSettings = field(default_factory=RecordingSettings)
    lists: Lists = Lists()
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table, as `rows()` gives it."""

    section: str
    name: str
    type: Any
    default: Any
    unit: str
    help: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    live: bool  # read again on SIGHUP; others need a restart

    @property
    def key(self) -> str:
        return f"{self.section}.{self.name}"

    @property
    def environment(self) -> str:
        return f"{ENVIRONMENT_PREFIX}{self.section}__{self.name}".upper()

    @property
    def is_secret(self) -> bool:
        return self.type is Secret


def rows() -> Iterator[Setting]:
    """Every setting, in the order of the file."""
    for section, settings in sections().items():
        types = get_type_hints(settings)
        for item in dataclasses.fields(settings):
            about = dict(item.metadata)
            about["choices"] = tuple(about["choices"])
            yield Setting(section, item.name, types[item.name], item.default, **about)


def sections() -> dict[str, Any]:
    """The class of each section, by its name."""
    types = get_type_hints(Config)
    return {item.name: types[item.name] for item in dataclasses.fields(Config) if item.default is MISSING}


def render_template() -> str:
    """A settings file in which every setting stands, commented out, with its default and help."""
    lines = ["# Settings of the Pixeltrail bridge. What is commented out shows the default."]
    section = ""
    for row in rows():
        if row.section != section:
            section = row.section
            lines += ["", f"[{section}]"]
        unit = f" [{row.unit}]" if row.unit else ""
        choices = f" One of: {', '.join(row.choices)}." if row.choices else ""
        live = " Read again on SIGHUP." if row.live else ""
        lines.append(f"# {row.help}{unit}{choices}{live}")
        if row.is_secret:
            lines.append(f"# Not here: {row.name}_file, or {row.environment} in the environment.")
        else:
            lines.append(f"#{row.name} = {as_toml(row.default)}")
    return "\n".join(lines) + "\n" + EXAMPLES
