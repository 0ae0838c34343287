"""Settings of the bridge: `load()` reads and checks them, `table.py` lists them."""

from __future__ import annotations

from ..errors import ConfigError
from .arriving import MqttSettings, RecordingSettings, SerialSettings
from .keeping import DATABASE_NAME, BridgeSettings, PackingSettings
from .lists import AmplitudeMapping, CustomSink, KeyRule, Lists, RemoteRule
from .load import ENVIRONMENT_FILE, load
from .rules import EventRule
from .sending import AmplitudeSettings, EventsSettings, JsonlSettings, SegmentSettings
from .serving import WebSettings
from .table import ENVIRONMENT_PREFIX, FILE_NAME, Config, Setting, render_template, rows
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
    "EventRule",
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
