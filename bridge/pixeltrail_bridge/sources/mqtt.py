"""Devices over an MQTT broker, with paho on its own thread. QoS 0: the custody protocol does the rest.

Topics: `pt/v1/<device>/up` and `/state` in, `/down` out, `pt/v1/_bridge/<id>` for the announcements of bridges. The
device ID in the topic is the authority; one that breaks the rule for IDs is counted and goes no further.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import threading
import time
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from ..errors import ConfigError
from ..wire.encode import encode_downlink
from ..wire.limits import BRIDGE_ID_BYTES, DEVICE_ID, MAX_MESSAGE_BYTES, VERSION
from ..wire.messages import HostHello
from .base import Arrival, LinkState, Presence, Receive, State, StateEvent, host_ms
from .bulk import BulkClient
from .herald import Action, Alarm, Announce, Herald, Refuse, Serve, Stand
from .tls import Tls

log = structlog.get_logger(__name__)

PREFIX: Final = "pt/v1"
_KEEPALIVE_S: Final = 30
_MAX_DELAY_S: Final = 30
_REPEAT_LOG_S: Final = 60.0
_STOP_S: Final = 2.0
_MAX_TOPICS: Final = 10_000  # remembered, so that a topic is taken apart once
_BRIDGE: Final = re.compile(f"[0-9a-f]{{{2 * BRIDGE_ID_BYTES}}}")
_REFUSED: Final = {134, 135, 5, 4}  # bad user name or password, not authorised: MQTT 5 and 3.1.1


class MqttSource:
    """One broker. `url` is mqtt://host:1883 or mqtts://host:8883; user and password stand there or apart.

    With `share`, a name, the broker gives each message to one of those who share under it. States of devices go to all:
    what is retained is told to no shared subscription (MQTT 5, section 4.8.2).
    """

    def __init__(
        self,
        url: str,
        bridge_id: bytes,
        *,
        user: str = "",
        password: str = "",
        tls: Tls | None = None,
        share: str = "",
    ) -> None:
        self._share = f"$share/{share}/" if share else ""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or port == -1:
            raise ConfigError(
                f"mqtt.url: {_public(url)!r} is no broker; write mqtt://host:1883 or mqtts://host:8883"
            )
        self.name = f"{parts.scheme}://{parts.hostname}:{port or (8883 if parts.scheme == 'mqtts' else 1883)}"
        self._address = (parts.hostname, port or (8883 if parts.scheme == "mqtts" else 1883))
        self._bridge = bridge_id.hex()
        self._hello = encode_downlink(HostHello(bridge_id, VERSION, VERSION))
        self._herald, self._lock = Herald(self._bridge), threading.Lock()
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._devices: dict[bytes, str] = {}
        self.bad_topics = 0
        self._said: tuple[bool, str] = (False, "")
        self._said_s = float("-inf")
        client_id = f"pixeltrail-{self._bridge}-{os.urandom(3).hex()}"
        self._client = BulkClient(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv311)
        user, password = user or unquote(parts.username or ""), password or unquote(parts.password or "")
        if user:
            self._client.username_pw_set(user, password or None)
        if parts.scheme == "mqtts":
            trusted = tls or Tls()
            self._client.tls_set_context(trusted.context())
            self._client.trust = trusted.context
        elif tls is not None and tls != Tls():
            raise ConfigError(
                f"mqtt.url: {_public(url)!r} is not encrypted; with certificates write mqtts://"
            )
        self._client.will_set(self._topic("_bridge", self._bridge), b"", retain=True)
        self._client.reconnect_delay_set(random.randint(1, 3), _MAX_DELAY_S)  # bridges of one site differ
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.take = self._take
        self._announcements: int | None = None
        self._serving: int | None = (
            None  # the subscription to what devices send, until the broker's word on it
        )
        self._thread: threading.Thread | None = None

    def start(self, receive: Receive, state: State) -> None:
        self._receive, self._state = receive, state
        self._client.connect_async(*self._address, keepalive=_KEEPALIVE_S)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run, name="mqtt herald", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        with contextlib.suppress(ValueError, RuntimeError):
            gone = self._client.publish(self._topic("_bridge", self._bridge), b"", retain=True)
            if gone.rc == paho.MQTT_ERR_SUCCESS:
                gone.wait_for_publish(_STOP_S)
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, device_id: str, data: bytes) -> bool:
        return self._client.publish(self._topic(device_id, "down"), data).rc == paho.MQTT_ERR_SUCCESS

    # ---- paho's thread --------------------------------------------------------

    def _on_connect(
        self, client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            hint = "check mqtt.user and mqtt.password" if reason.value in _REFUSED else "see the broker's log"
            self._say(False, f"broker {self.name} refused the connection ({reason}); {hint}")
            return
        # What the broker retains for the first comes before it grants the second, however late this thread looks
        client.subscribe(self._topic("_bridge", "+"))
        _, self._announcements = client.subscribe(self._topic("_bridge", self._bridge))

    def _on_subscribe(
        self, _client: Any, _data: Any, message: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        with self._lock:
            is_serving = message == self._serving
            if message == self._announcements:
                self._herald.subscribed(time.monotonic())
                self._wake.set()
        if is_serving and any(code.is_failure for code in codes):
            allowed = f"{self._topic('+', 'up')} and {self._topic('+', 'state')}"
            self._say(False, f"broker {self.name} does not let us hear devices; allow {allowed} to mqtt.user")
        elif is_serving:  # what devices sent before this moment is gone, so nobody is told earlier
            self._say(True, f"serving the devices of {self.name}")

    def _on_connect_fail(self, _client: Any, _data: Any) -> None:
        if self._client.tls_fault:
            hint = "see mqtt.ca_file, mqtt.cert_file and the host in mqtt.url"
            self._say(False, f"no trust between broker {self.name} and us: {self._client.tls_fault}; {hint}")
            return
        self._say(False, f"broker {self.name} cannot be reached; check mqtt.url and that the broker runs")

    def _on_disconnect(
        self, _client: Any, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        with self._lock:
            self._herald.disconnected()
        if not self._stopping.is_set() and self._said[0]:
            self._say(False, f"broker {self.name} closed the connection ({reason}); trying again")

    def _take(self, topic: bytes, payload: bytes) -> bool:
        """A message of a device whose topic is known."""
        device_id = self._devices.get(topic)
        if device_id is None:
            return False
        # One byte above the limit is enough to be refused as too large, and bounds what a dead letter keeps.
        if not self._receive(Arrival(device_id, payload[: MAX_MESSAGE_BYTES + 1], host_ms(), self)):
            self._client.is_flooded = True
        return True

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        topic = message.topic
        if self._take(topic.encode(), bytes(message.payload)):
            return
        middle, _, last = topic.removeprefix(f"{PREFIX}/").rpartition("/")
        if middle == "_bridge" and _BRIDGE.fullmatch(last):
            with self._lock:
                actions = self._herald.heard(last, not message.payload, message.retain, time.monotonic())
            self._do(actions)
            self._wake.set()  # the next thing due may be due sooner
        elif not DEVICE_ID.fullmatch(middle):
            self.bad_topics += 1
            # The 1st, 2nd, 4th ...: whoever floods us does not fill the log
            if self.bad_topics.bit_count() == 1:
                log.warning("topic of no device", topic=topic[:100], count=self.bad_topics)
        elif last == "up":
            if len(self._devices) >= _MAX_TOPICS:
                self._devices.clear()
            self._devices[topic.encode()] = middle
            self._take(topic.encode(), bytes(message.payload))
        elif last == "state":
            is_online = message.payload == b"online"
            # It was there before us: what it sent meanwhile it need not wait to repeat
            if is_online and message.retain:
                self.send(middle, self._hello)
            self._tell(Presence(middle, is_online, was_kept=bool(message.retain)))

    # ---- who serves -------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            with self._lock:
                actions = self._herald.tick(time.monotonic())
                wait_s = self._herald.next_s - time.monotonic()
            self._do(actions)
            self._wake.wait(min(max(wait_s, 0.01), 60.0))
            self._wake.clear()

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Serve):
                for bridge in action.stale:
                    self._client.publish(self._topic("_bridge", bridge), b"", retain=True)
                topics = [(self._share + self._topic("+", "up"), 0), (self._topic("+", "state"), 0)]
                with self._lock:  # the answer may come at once, on the other thread
                    # Otherwise that connection is gone, and the next one asks
                    if self._herald.stand is Stand.SERVING:
                        _, self._serving = self._client.subscribe(topics)
            elif isinstance(action, Announce):
                self._client.publish(self._topic("_bridge", self._bridge), self._hello, retain=True)
            elif isinstance(action, Refuse):
                self._say(
                    False,
                    f"bridge {action.rival} serves the devices of {self.name} already, and this one ({self._bridge}) "
                    "has another database; stop one of the two, or give this one the other's database",
                )
            elif isinstance(action, Alarm):
                log.error("a second bridge began on this broker", broker=self.name, rival=action.rival)

    def _say(self, is_up: bool, detail: str) -> None:
        """Tell the state, and log it when it is news or an old trouble that still lasts."""
        now_s = time.monotonic()
        if (is_up, detail) != self._said or now_s - self._said_s > _REPEAT_LOG_S:
            (log.info if is_up else log.error)(detail)
            self._said, self._said_s = (is_up, detail), now_s
        self._tell(LinkState(self.name, is_up, detail))

    def _tell(self, event: StateEvent) -> None:
        self._state(event)

    @staticmethod
    def _topic(*parts: str) -> str:
        return "/".join((PREFIX, *parts))


def _public(url: str) -> str:
    """A URL without what may be a password."""
    return url.rpartition("@")[2] if "@" in url else url
