"""The table of settings: a field's name, type and default, with unit, limits and help beside it.

The sections stand in `keeping`, `arriving`, `clustering`, `sending`, `serving` and `watching`, by what their settings
are about. Validation, `pixeltrail init` and the documentation are made from it, so a setting is written once. Imports
only the standard library: `pixeltrail --help` pays for it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from .arriving import MqttSettings, QuotasSettings, RecordingSettings, SerialSettings
from .clustering import ClusterSettings
from .keeping import BackupSettings, BridgeSettings, OutboxSettings, PackingSettings, StoreSettings
from .lists import EXAMPLES, Lists
from .privacy import PrivacySettings, RetentionSettings
from .sending import (
    AmplitudeReplaySettings,
    AmplitudeSettings,
    EventsSettings,
    JsonlSettings,
    SegmentSettings,
)
from .serving import MobileSettings, WebSettings
from .values import Secret, as_toml
from .watching import AlertSettings, MetricsSettings

FILE_NAME = "pixeltrail.toml"
ENVIRONMENT_PREFIX = "PIXELTRAIL_"


@dataclass(frozen=True, slots=True)
class Config:
    """All settings, checked. `file` is where they were read from, None when there was no file."""

    bridge: BridgeSettings = field(default_factory=BridgeSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    packing: PackingSettings = field(default_factory=PackingSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)
    outbox: OutboxSettings = field(default_factory=OutboxSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    mqtt: MqttSettings = field(default_factory=MqttSettings)
    serial: SerialSettings = field(default_factory=SerialSettings)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    quotas: QuotasSettings = field(default_factory=QuotasSettings)
    segment: SegmentSettings = field(default_factory=SegmentSettings)
    amplitude: AmplitudeSettings = field(default_factory=AmplitudeSettings)
    amplitude_replay: AmplitudeReplaySettings = field(default_factory=AmplitudeReplaySettings)
    jsonl: JsonlSettings = field(default_factory=JsonlSettings)
    web: WebSettings = field(default_factory=WebSettings)
    mobile: MobileSettings = field(default_factory=MobileSettings)
    events: EventsSettings = field(default_factory=EventsSettings)
    recording: RecordingSettings = field(default_factory=RecordingSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)
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
