"""Settings of the bridge: `load()` reads and checks them, `table.py` lists them."""

from __future__ import annotations

from ..errors import ConfigError
from .lists import AmplitudeMapping, CustomSink, KeyRule, Lists, RemoteRule
from .load import ENVIRONMENT_FILE, load
from .table import (
    DATABASE_NAME,
    ENVIRONMENT_PREFIX,
    FILE_NAME,
    AmplitudeSettings,
    BridgeSettings,
    Config,
    EventsSettings,
    JsonlSettings,
    MqttSettings,
    PackingSettings,
    RecordingSettings,
    SegmentSettings,
    SerialSettings,
    Setting,
    WebSettings,
    render_template,
    rows,
)
from .values import Secret

__all__ = [
    "DATABASE_NAME",
    "ENVIRONMENT_FILE",
    "ENVIRONMENT_PREFIX",
    "FILE_NAME",
    "AmplitudeMapping",
    "AmplitudeSettings",
    "BridgeSettings",
    "Config",
    "ConfigError",
    "CustomSink",
    "EventsSettings",
    "JsonlSettings",
    "KeyRule",
    "Lists",
    "MqttSettings",
    "PackingSettings",
    "RecordingSettings",
    "RemoteRule",
    "Secret",
    "SegmentSettings",
    "SerialSettings",
    "Setting",
    "WebSettings",
    "load",
    "render_template",
    "rows",
]
