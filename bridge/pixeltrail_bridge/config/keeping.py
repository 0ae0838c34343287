"""Where the bridge keeps what it accepted, and how it logs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .setting import setting
from .values import Secret

DATABASE_NAME = "pixeltrail.db"


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    data_dir: Path = setting(Path("pixeltrail-data"), "Folder of the database and of the broker's files.")
    role: str = setting(
        "all",
        "What this one does where several are one: worker takes and delivers, viewer serves the page.",
        choices=("all", "worker", "viewer"),
    )
    server_zone: str = setting(
        "us",
        "Region of your workspaces at all vendors: sets every host at once.",
        choices=("us", "eu"),
        live=True,
    )
    log_level: str = setting(
        "info",
        "Least severe message that is logged.",
        choices=("debug", "info", "warning", "error"),
        live=True,
    )
    log_format: str = setting(
        "auto",
        "auto writes for people on a terminal, else JSON.",
        choices=("auto", "console", "json"),
        live=True,
    )

    insecure_hosts: tuple[str, ...] = setting(
        (), "Hosts of sinks, objects and the database that may be spoken to without encryption."
    )

    @property
    def database(self) -> Path:
        return self.data_dir / DATABASE_NAME


@dataclass(frozen=True, slots=True)
class StoreSettings:
    url: str = setting(
        "",
        "PostgreSQL database, postgresql://user@host/name. Empty keeps a file in the data folder.",
    )
    password: Secret = setting(Secret(), "Password at the database.")
    password_file: Path | None = setting(None, "File that holds the password, and nothing else.")
    min_free_mb: int = setting(
        64, "Nothing is accepted while the disk has less room than this.", unit="MB", low=1, high=1_000_000
    )
    ballast_mb: int = setting(
        16,
        "Size of a file that is deleted when the disk is full all the same.",
        unit="MB",
        low=0,
        high=10_000,
    )


@dataclass(frozen=True, slots=True)
class PackingSettings:
    enabled: bool = setting(
        False, "Move the recordings of closed sessions out of the database, one object each."
    )
    after_h: float = setting(
        24.0, "How long after its end a session is packed.", unit="h", low=0, high=100_000
    )
    url: str = setting(
        "", "Where objects lie: s3://bucket/prefix. Empty keeps files in the data folder, under objects."
    )
    endpoint: str = setting("", "Address of an S3-compatible service other than Amazon's, https://...")
    region: str = setting("", "Region of the bucket.")
    key_id: str = setting("", "Access key at the service. Empty takes what the machine has.")
    secret: Secret = setting(Secret(), "Secret of the access key.")
    secret_file: Path | None = setting(None, "File that holds the secret, and nothing else.")


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    max_events: int = setting(
        1_000_000,
        "Events that may wait for a sink; beyond, devices keep what they have.",
        low=1,
        high=1_000_000_000,
    )
    max_mb: int = setting(2_048, "The same in megabytes of their payloads.", unit="MB", low=1, high=1_000_000)


@dataclass(frozen=True, slots=True)
class BackupSettings:
    every_h: float = setting(
        0.0, "How often a backup is made while the bridge runs; 0 never.", unit="h", low=0, high=10_000
    )
    folder: Path | None = setting(
        None, "Where they are written: another disk, best of all. Empty: backups in the data folder."
    )
    keep: int = setting(7, "How many of them stay.", low=1, high=10_000)
