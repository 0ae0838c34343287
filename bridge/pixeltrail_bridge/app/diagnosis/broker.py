"""Who else serves a broker."""

from __future__ import annotations

import threading
import time
from typing import Any
from urllib.parse import urlsplit

from ...config import Config
from ...errors import ConfigError
from ...sources.tls import Tls
from ..links import login_of, tls_of
from .finding import Finding

_BROKER_S = 5.0
_RETAINED_S = 0.3  # a broker sends what is retained right after it grants a subscription


def check_bridges(url: str, own: str, config: Config) -> Finding:
    """Who serves a broker; `own` is this folder's bridge ID in hex."""
    what = "bridges"
    try:
        others = announced_bridges(url, config) - {own}
    except (OSError, ConfigError) as error:
        return Finding(
            "FAULT", what, f"{url} could not be asked ({error}); check mqtt.url, user and password"
        )
    if others:
        text = f"bridge {', '.join(sorted(others))} serves the devices of {url}, and this folder's is {own}"
        remedy = "stop one of the two, or give both the same database; only the one that began first confirms chunks"
        return Finding("FAULT", what, f"{text}: {remedy}")
    return Finding("ok", what, f"no other bridge serves {url}")


def announced_bridges(url: str, config: Config) -> set[str]:
    """IDs of the bridges that announce themselves on a broker. OSError or ConfigError: it cannot be asked."""
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    parts_ = urlsplit(url)
    is_secure = parts_.scheme == "mqtts"
    client = paho.Client(CallbackAPIVersion.VERSION2)
    user, password = login_of(config)
    if user:
        client.username_pw_set(user, password or None)
    if is_secure:
        client.tls_set_context((tls_of(config) or Tls()).context())
    found: set[str] = set()
    answered, refused = threading.Event(), list[str]()

    def on_connect(one: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            refused.append(str(reason))
            answered.set()
        else:
            one.subscribe("pt/v1/_bridge/+")

    def on_message(_one: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        if message.payload:
            found.add(message.topic.rpartition("/")[2])

    client.on_connect, client.on_message = on_connect, on_message
    client.on_subscribe = lambda *_: answered.set()
    client.connect(parts_.hostname or "", parts_.port or (8883 if is_secure else 1883), keepalive=10)
    client.loop_start()
    try:
        if not answered.wait(_BROKER_S) or refused:
            raise OSError(refused[0] if refused else "no answer")
        time.sleep(_RETAINED_S)
    finally:
        client.disconnect()
        client.loop_stop()
    return found
