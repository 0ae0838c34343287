"""What operators are told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .setting import setting
from .values import Secret


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    enabled: bool = setting(True, "Answer /metrics on the page's port, for Prometheus.")
    devices: int = setting(
        100, "How many devices get figures of their own, those known longest.", low=0, high=10_000
    )


@dataclass(frozen=True, slots=True)
class AlertSettings:
    url: Secret = setting(
        Secret(), "Address that alerts are posted to, as JSON; Slack's and others' webhooks fit."
    )
    url_file: Path | None = setting(None, "File that holds the address, and nothing else.")
    every_s: float = setting(15.0, "How often is looked.", unit="s", low=0.1, high=3_600)
    lasts_s: float = setting(
        60.0,
        "How long nothing is accepted, or a source is down, until it is told.",
        unit="s",
        low=0,
        high=86_400,
    )
    repeat_h: float = setting(
        24.0, "When an alert that lasts is told again; 0 never.", unit="h", low=0, high=1_000
    )
    device_silent_min: float = setting(
        0.0, "Tell of devices not heard for so long; 0 tells of none.", unit="min", low=0, high=1_000_000
    )
    backlog_min: float = setting(
        30.0, "Tell when an event waits for its sink for so long; 0 never.", unit="min", low=0, high=1_000_000
    )
    disk_mb: int = setting(
        256, "Tell when less is free beside the database; 0 never.", unit="MB", low=0, high=100_000_000
    )
    dead_letters: bool = setting(True, "Tell when something was given up on.")
    clock: bool = setting(True, "Tell when this machine's clock is wrong or was set.")
