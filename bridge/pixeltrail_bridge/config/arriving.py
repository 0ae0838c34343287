"""Where recordings come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .setting import setting
from .values import Secret


@dataclass(frozen=True, slots=True)
class MqttSettings:
    enabled: bool = setting(True, "Listen to devices over MQTT.")
    url: str = setting("", "Your own broker, mqtt://host:1883 or mqtts://host:8883. Empty runs one inside.")
    user: str = setting("", "User name at your own broker.")
    password: Secret = setting(Secret(), "Password at your own broker.")
    password_file: Path | None = setting(None, "File that holds the password, and nothing else.")
    ca_file: Path | None = setting(
        None,
        "Certificate of the authority that signed your broker's, where your system does not know it (mqtts).",
    )
    cert_file: Path | None = setting(
        None, "Certificate of this bridge, where your broker asks for one (mqtts)."
    )
    key_file: Path | None = setting(None, "Key of that certificate, where it is not in the same file.")
    share: str = setting(
        "",
        "Name under which several bridges on one database share your own broker's messages. See docs/cluster.md.",
    )
    host: str = setting("127.0.0.1", "Address the broker inside listens on.")
    port: int = setting(1883, "Port the broker inside listens on; 0 takes any free one.", low=0, high=65_535)
    server_cert_file: Path | None = setting(
        None,
        "Certificate of the broker inside; beyond this machine the one of `pixeltrail keys init` unless set.",
    )
    server_key_file: Path | None = setting(None, "Key of that certificate, where it is not in the same file.")
    client_certificates: bool = setting(
        False, "The broker inside takes only devices with a certificate of `pixeltrail keys`."
    )
    insecure: bool = setting(
        False, "Let keys and recordings cross the network unencrypted. Only where the network is yours alone."
    )


@dataclass(frozen=True, slots=True)
class QuotasSettings:
    """What one device may send; it keeps what is refused, and sends it again."""

    messages_per_s: float = setting(
        500.0, "Messages of one device, valid or not; 0 is without a limit.", low=0, high=1_000_000
    )
    kb_per_s: float = setting(
        1_000.0, "Their size; 0 is without a limit.", unit="kB/s", low=0, high=1_000_000
    )
    burst_s: float = setting(
        20.0, "How many seconds' worth of both may come at once.", unit="s", low=1, high=3_600
    )
    streams_per_h: float = setting(
        600.0, "Starts of one device; 0 is without a limit.", unit="1/h", low=0, high=1_000_000
    )
    disk_share: float = setting(
        0.5,
        "While the disk is nearly full, a device that holds more than this share of what is kept adds nothing.",
        low=0.01,
        high=1,
    )


@dataclass(frozen=True, slots=True)
class SerialSettings:
    ports: tuple[str, ...] = setting(
        (), "Serial ports with a device: a path such as /dev/ttyACM0, or usb:2e8a:0005."
    )
    baud: int = setting(
        115_200, "Speed of the ports; USB ignores it.", unit="bit/s", low=1_200, high=12_000_000
    )


@dataclass(frozen=True, slots=True)
class RecordingSettings:
    sample_rate: float = setting(
        1.0,
        "Share of sessions recorded where the device leaves the choice to the bridge.",
        low=0,
        high=1,
        live=True,
    )
