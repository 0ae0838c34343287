"""What may be reached from beyond this machine: only what is encrypted and asks who is there.

Checked before anything is opened. Each refusal says how to get what is missing, and names the setting that allows it
all the same where the network is the operator's own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from ..config import Config
from ..errors import ConfigError
from ..keys import FOLDER
from ..keys.brokers import nats_authorization
from ..keys.files import CA_CERT, SERVER_CERT, SERVER_KEY, is_open_to_others
from ..keys.ring import BRIDGE_PASSWORD, RING_NAME, KeyRing
from ..sources.nats_server import Door
from ..sources.tls import ServerTls, stamp
from ..web.users import Users

USERS_NAME: Final = "users.json"
_ENCRYPTED: Final = ("require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class Certificate:
    cert: Path
    key: Path | None


def is_local(host: str) -> bool:
    """Whether an address is reached from this machine alone. An unknown name counts as elsewhere."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check(config: Config) -> None:
    """ConfigError for the first thing that may not be as it is set, of what this role opens."""
    role = config.bridge.role
    check_outward(config)
    if config.mqtt.enabled and role != "viewer":
        check_broker(config)
    if config.web.enabled and role != "worker":
        check_page(config)
    if config.mobile.enabled:
        check_apps(config)


def check_outward(config: Config) -> None:
    """What we speak to: sinks, objects and the database."""
    addresses = {
        "segment.host": config.segment.host,
        "amplitude.host": config.amplitude.host,
        "amplitude_replay.host": config.amplitude_replay.host,
        "packing.endpoint": config.packing.endpoint,
    }
    for key, address in addresses.items():
        parts = urlsplit(address)
        if parts.scheme == "http" and not may_be_clear(config, parts.hostname or ""):
            raise ConfigError(
                f"{key} = {address}: keys and events would cross the network unencrypted. Write https://, or name the "
                f"host in bridge.insecure_hosts where the network is yours alone"
            )
    store = urlsplit(config.store.url)
    host, mode = store.hostname or "", parse_qs(store.query).get("sslmode", [""])[0]
    if host and mode not in _ENCRYPTED and not may_be_clear(config, host):
        raise ConfigError(
            f"store.url: recordings would cross the network unencrypted. Add ?sslmode=verify-full, or name "
            f"{host} in bridge.insecure_hosts where the network is yours alone"
        )


def may_be_clear(config: Config, host: str) -> bool:
    return is_local(host) or host in config.bridge.insecure_hosts


def check_broker(config: Config) -> None:
    mqtt = config.mqtt
    if mqtt.url:
        parts = urlsplit(mqtt.url)
        if parts.scheme == "mqtt" and not is_local(parts.hostname or "") and not mqtt.insecure:
            raise ConfigError(
                f"mqtt.url = {mqtt.url}: keys and recordings would cross the network unencrypted. Write mqtts://, and "
                "name the broker's authority in mqtt.ca_file if it is your own; or set mqtt.insecure = true where the "
                "network is yours alone"
            )
        return
    if mqtt.client_certificates and not (keys_folder(config) / CA_CERT).exists():
        raise ConfigError(
            "mqtt.client_certificates is on, and there is no authority that signs them; run: pixeltrail keys init HOST"
        )
    if is_local(mqtt.host):
        return
    what = f"mqtt.host = {mqtt.host}: the broker inside listens beyond this machine"
    if not KeyRing(keys_folder(config)).devices():
        raise ConfigError(
            f"{what} only when devices need a key, and there is none. Run: pixeltrail keys init HOST (the name or "
            "address under which devices reach it), then: pixeltrail keys add DEVICE"
        )
    if broker_certificate(config) is None and not mqtt.insecure:
        raise ConfigError(
            f"{what} only with TLS. Run: pixeltrail keys init HOST; or name a certificate in mqtt.server_cert_file; or "
            "set mqtt.insecure = true where the network is yours alone"
        )


def check_page(config: Config) -> None:
    web = config.web
    if web.cert_file is None and web.key_file is not None:
        raise ConfigError("web.key_file is the key of a certificate; name that in web.cert_file")
    if is_local(web.host):
        return
    what = f"web.host = {web.host}: the page is shown beyond this machine"
    if not has_login(config):
        raise ConfigError(
            f"{what} only to people who log in, and there is no user. Run: pixeltrail users add NAME --role admin; or "
            "name the header of a proxy of yours that lets people in, in web.proxy_header"
        )
    if page_certificate(config) is None and not web.insecure:
        raise ConfigError(
            f"{what} only with TLS. Run: pixeltrail keys init HOST; or name a certificate in web.cert_file; or put a "
            "proxy with TLS on this machine in front and leave web.host at 127.0.0.1; or set web.insecure = true where "
            "the network is yours alone"
        )


def check_apps(config: Config) -> None:
    mobile = config.mobile
    if mobile.cert_file is None and mobile.key_file is not None:
        raise ConfigError("mobile.key_file is the key of a certificate; name that in mobile.cert_file")
    if is_local(mobile.host) or apps_certificate(config) is not None or mobile.insecure:
        return
    raise ConfigError(
        f"mobile.host = {mobile.host}: apps post beyond this machine only with TLS. Put a proxy with TLS on this "
        "machine in front and leave mobile.host at 127.0.0.1; or name a certificate in mobile.cert_file; or set "
        "mobile.insecure = true where the network up to your proxy is yours alone"
    )


def warnings(config: Config) -> list[str]:
    """What is allowed and should be known."""
    found = []
    web, mqtt = config.web, config.mqtt
    host = urlsplit(web.public_url).hostname or ""
    if web.enabled and host and not is_local(host) and not has_login(config):
        found.append(
            f"web.public_url = {web.public_url}, and the page has no login: whoever your proxy lets in sees every "
            "device. Run: pixeltrail users add NAME --role admin"
        )
    beyond = {
        "mqtt.insecure": mqtt.enabled
        and mqtt.insecure
        and not is_local(urlsplit(mqtt.url).hostname or mqtt.host),
        "web.insecure": web.enabled and web.insecure and not is_local(web.host),
        "mobile.insecure": config.mobile.enabled
        and config.mobile.insecure
        and not is_local(config.mobile.host),
    }
    found += [
        f"{key} is on: what crosses the network there can be read and changed on its way"
        for key, is_so in beyond.items()
        if is_so
    ]
    return found


# ---- what there is ------------------------------------------------------------------


def keys_folder(config: Config) -> Path:
    return config.bridge.data_dir / FOLDER


def users_file(config: Config) -> Path:
    return config.web.users_file or config.bridge.data_dir / USERS_NAME


def has_login(config: Config) -> bool:
    return bool(config.web.proxy_header) or bool(Users(users_file(config)).all())


def broker_certificate(config: Config) -> Certificate | None:
    mqtt = config.mqtt
    return _certificate(config, mqtt.host, mqtt.server_cert_file, mqtt.server_key_file, mqtt.insecure)


def page_certificate(config: Config) -> Certificate | None:
    web = config.web
    return _certificate(config, web.host, web.cert_file, web.key_file, web.insecure)


def page_tls(config: Config) -> ServerTls | None:
    """ConfigError: the files are no certificate and its key."""
    found = page_certificate(config)
    return ServerTls(found.cert, found.key, "web") if found else None


def apps_tls(config: Config) -> ServerTls | None:
    """As page_tls."""
    found = apps_certificate(config)
    return ServerTls(found.cert, found.key, "mobile") if found else None


def apps_certificate(config: Config) -> Certificate | None:
    """Phones trust no authority of one's own, so only one that is named."""
    mobile = config.mobile
    return Certificate(mobile.cert_file, mobile.key_file) if mobile.cert_file else None


def _certificate(
    config: Config, host: str, cert: Path | None, key: Path | None, is_insecure: bool
) -> Certificate | None:
    if cert is not None:
        return Certificate(cert, key)
    own = keys_folder(config) / SERVER_CERT
    if is_local(host) or is_insecure or not own.exists():
        return None
    return Certificate(own, keys_folder(config) / SERVER_KEY)


class Doorkeeper:
    """Says who may enter the broker inside, as the files are now. LocalError: one cannot be read.

    `kept_out` names devices that may not for a while, whatever the files say.
    """

    def __init__(self, config: Config, kept_out: Callable[[], frozenset[str]] = frozenset) -> None:
        self._config, self._kept_out = config, kept_out
        self._seen: tuple[Any, ...] | None = None
        self._door = Door()
        self._asks = not is_local(config.mqtt.host)

    def __call__(self) -> Door:
        folder, found = keys_folder(self._config), broker_certificate(self._config)
        cert, key = (found.cert, found.key) if found is not None else (None, None)
        ca = folder / CA_CERT if self._config.mqtt.client_certificates else None
        certificates = tuple(stamp(path) for path in (cert, key, ca) if path is not None)
        kept_out = self._kept_out()
        seen = (
            certificates,
            found,
            kept_out,
            *(stamp(folder / name) for name in (RING_NAME, BRIDGE_PASSWORD)),
        )
        if seen != self._seen:
            authorization = self._authorization(KeyRing(folder), kept_out)
            self._door = Door(authorization, cert, key, ca, hash(certificates))
            self._seen = seen
        return self._door

    def _authorization(self, ring: KeyRing, kept_out: frozenset[str]) -> str:
        """Once there are keys they stay asked for: the last one's end, or that of their file, lets nobody in."""
        self._asks = self._asks or ring.path.exists()
        if not self._asks:
            return ""
        devices = {device_id: one for device_id, one in ring.devices().items() if device_id not in kept_out}
        return nats_authorization(devices, ring.bridge_hash())


def open_secrets(config: Config) -> list[Path]:
    """Files with secrets that others than their owner may read."""
    named = [
        getattr(section, name)
        for section in (getattr(config, item) for item in config.__slots__ if item not in ("lists", "file"))
        for name in section.__slots__
        if name.endswith("_file") and not name.endswith(("cert_file", "ca_file"))
    ]
    named += [rule.write_key_file for rule in config.lists.keys]
    folder = keys_folder(config)
    if folder.is_dir():
        named += [path for path in folder.iterdir() if path.suffix in (".key", ".json", ".password")]
    named.append(users_file(config))
    return sorted({path for path in named if path is not None and is_open_to_others(path)})
