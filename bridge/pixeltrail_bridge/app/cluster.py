"""From the [cluster] settings to the connection and the stream that workers and viewers share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..config import Config
from ..errors import ConfigError
from ..sources.tls import Tls
from ..store.sharing import PARTS
from .exposure import may_be_clear

if TYPE_CHECKING:
    from ..sources.nats_link import Login, NatsLink
    from ..sources.stream import StreamSettings

_NAME = re.compile("[A-Za-z0-9_-]{1,64}")


def check(config: Config) -> None:
    """ConfigError: the role needs a cluster, or the cluster a database that several can write to."""
    at, role = config.cluster, config.bridge.role
    _check_share(config)
    if not at.nats_urls:
        if role != "all":
            raise ConfigError(
                f"bridge.role = {role}: workers and viewers find each other over NATS; set cluster.nats_urls, or leave "
                "the role out, and this bridge does both"
            )
        return
    if not config.store.url:
        raise ConfigError(
            "cluster.nats_urls is set, and the database is a file, which one bridge alone can use; set store.url to a "
            "PostgreSQL database, postgresql://user@host/name"
        )
    if config.packing.enabled and not config.packing.url:
        raise ConfigError(
            "packing.enabled is on, and recordings would be packed into the folder of one node, where no other finds "
            "them; set packing.url to s3://bucket/prefix"
        )
    if at.credentials_file is not None and at.user:
        raise ConfigError("cluster.user and cluster.credentials_file are both set; leave one of them out")
    if role == "viewer" and not config.web.enabled:
        raise ConfigError(
            "bridge.role = viewer: nothing is left to do with web.enabled = false; leave one out"
        )
    for key, name in (("stream", at.stream), ("consumer", at.consumer)):
        if not _NAME.fullmatch(name):
            raise ConfigError(f"cluster.{key} = {name!r}: expected letters, digits, - and _")
    for url in at.nats_urls:
        if "@" in url:
            raise ConfigError(
                "cluster.nats_urls holds a user name or password; put those into cluster.user and "
                "cluster.password_file, where no log and no process list shows them"
            )
        _check_encrypted(config, url)


def _check_share(config: Config) -> None:
    mqtt = config.mqtt
    if not mqtt.share:
        return
    if not mqtt.url:
        raise ConfigError(
            "mqtt.share is set, and the broker inside serves this bridge alone; set mqtt.url, or leave it out"
        )
    if any(sign in mqtt.share for sign in "/+#"):
        raise ConfigError(f"mqtt.share = {mqtt.share}: expected a name without /, + and #")
    if not config.store.url:
        raise ConfigError(
            "mqtt.share is set, and the database is a file: each bridge would keep its share alone, and confirm what "
            "the others never saw; set store.url to a PostgreSQL database"
        )


def _check_encrypted(config: Config, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "nats" and not may_be_clear(config, parts.hostname or ""):
        raise ConfigError(
            f"cluster.nats_urls: recordings would cross the network to {parts.hostname} unencrypted. Write tls://, and "
            "name the authority in cluster.ca_file if it is your own; or name the host in bridge.insecure_hosts where "
            "the network is yours alone"
        )


def make_link(config: Config) -> NatsLink | None:
    """None without a cluster. ConfigError: an address or a file is wrong."""
    if not config.cluster.nats_urls:
        return None
    from ..sources.nats_link import NatsLink

    return NatsLink(login_of(config), f"pixeltrail-{config.bridge.role}")


def login_of(config: Config) -> Login:
    """Where the servers are, and who we are there. ConfigError: what is set contradicts itself."""
    from ..sources.nats_link import Login

    at = config.cluster
    files = (at.ca_file, at.cert_file, at.key_file)
    is_tls = any(url.startswith("tls://") for url in at.nats_urls)
    if any(files) and not is_tls:
        raise ConfigError(
            "cluster.nats_urls: no server is spoken to with TLS; with certificates write tls://"
        )
    tls = Tls(*files, section="cluster") if is_tls else None
    return Login(at.nats_urls, at.user, at.password.reveal(), at.credentials_file, tls)


def stream_settings(config: Config) -> StreamSettings:
    from ..sources.stream import StreamSettings

    at = config.cluster
    return StreamSettings(
        stream=at.stream,
        consumer=at.consumer,
        replicas=at.replicas,
        max_age_s=at.max_age_h * 3_600,
        max_bytes=round(at.max_gb * (1 << 30)),
        ack_wait_s=at.ack_wait_s,
        max_ack_pending=at.max_ack_pending,
        parts=PARTS,
    )
