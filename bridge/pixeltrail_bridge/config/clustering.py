"""Several bridges as one: where they meet, and what NATS keeps for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .setting import setting
from .values import Secret


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    nats_urls: tuple[str, ...] = setting(
        (),
        "Servers of your NATS cluster, nats://host:4222 or tls://host:4222. Empty: this bridge is the only one.",
    )
    user: str = setting("", "User name at those servers.")
    password: Secret = setting(Secret(), "Password at those servers.")
    password_file: Path | None = setting(None, "File that holds the password, and nothing else.")
    credentials_file: Path | None = setting(None, "Credentials in NATS' own form (.creds), in place of both.")
    ca_file: Path | None = setting(
        None, "Certificate of the authority that signed theirs, where your system does not know it (tls)."
    )
    cert_file: Path | None = setting(None, "Certificate of this bridge, where they ask for one (tls).")
    key_file: Path | None = setting(None, "Key of that certificate, where it is not in the same file.")
    stream: str = setting("pixeltrail", "Name of the stream that keeps what devices send.")
    consumer: str = setting("bridge", "Name under which workers read it, before the number of a part.")
    replicas: int = setting(
        0, "Servers that keep each message; 0 takes 3 where there are as many, else 1.", low=0, high=5
    )
    max_age_h: float = setting(
        24.0,
        "How long a message may wait for a worker; devices keep what is not confirmed.",
        unit="h",
        low=0.1,
        high=8_760,
    )
    max_gb: float = setting(
        4.0, "How much may wait; beyond, the oldest make room.", unit="GB", low=0.01, high=100_000
    )
    ack_wait_s: float = setting(
        30.0,
        "After how long without a commit another worker gets a message.",
        unit="s",
        low=1,
        high=3_600,
    )
    max_ack_pending: int = setting(
        20_000, "Messages that all workers together may hold uncommitted.", low=100, high=1_000_000
    )
