"""Devices over an MQTT broker, with paho on its own thread. QoS 0: the custody protocol does the rest.

Topics: `pt/v1/<device>/up` and `/state` in, `/down` out, `pt/v1/_bridge/<id>` for the announcements of bridges. The
device ID in the topic is the authority; one that breaks the rule for IDs is counted and goes no further.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import ssl
import threading
import time
from collections.abc import Callable
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
from .herald import Action, Alarm, Announce, Herald, Refuse, Serve
from .tls import Tls

log = structlog.get_logger(__name__)

PREFIX: Final = "pt/v1"
_KEEPALIVE_S: Final = 30
_MAX_DELAY_S: Final = 30
_REPEAT_LOG_S: Final = 60.0
_STOP_S: Final = 2.0
_READ_BYTES: Final = 1 << 20  # more than lies there: each read gives the interpreter away, for up to 5 ms
_MAX_PACKET_BYTES: Final = 1 << 18  # MQTT allows 256 MB, which paho would gather in memory
_MAX_TOPICS: Final = 10_000  # remembered, so that a topic is taken apart once
_PUBLISH: Final = (0x30, 0x31)  # at QoS 0, not retained and retained
_BRIDGE: Final = re.compile(f"[0-9a-f]{{{2 * BRIDGE_ID_BYTES}}}")
_REFUSED: Final = {134, 135, 5, 4}  # bad user name or password, not authorised: MQTT 5 and 3.1.1


class _BufferedSocket:
    """A socket that paho reads in small pieces (three for each packet), filled by large ones.

    Each read of the real socket gives the interpreter up to the committer's thread, for milliseconds when that is
    busy. paho asks `pending` before it waits, as it must for TLS, so what lies here is not overlooked.
    """

    def __init__(self, real: Any) -> None:
        self._real, self._data, self._at = real, b"", 0

    def recv(self, size: int) -> bytes:
        if self._at >= len(self._data):
            self._data, self._at = self._real.recv(_READ_BYTES), 0
        piece: bytes = self._data[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def take_publishes(self, take: Callable[[bytes, bytes], bool]) -> None:
        """Hand over what lies here, up to the first packet that is no PUBLISH at QoS 0, not whole, or not taken."""
        data, at = self._data, self._at
        while len(data) - at > 4 and data[at] in _PUBLISH:
            size, begin = data[at + 1] & 0x7F, at + 2
            if data[at + 1] > 0x7F:  # two bytes are enough for any message of ours
                size, begin = size | data[at + 2] << 7, at + 3
            topic = begin + 2
            payload = topic + (data[begin] << 8 | data[begin + 1])
            end = begin + size
            if data[begin - 1] > 0x7F or payload > end or end > len(data):
                break
            if not take(data[topic:payload], data[payload:end]):
                break
            at = end
        self._at = at

    def pending(self) -> int:
        beyond = self._real.pending() if hasattr(self._real, "pending") else 0
        return len(self._data) - self._at + int(beyond)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class _Capped(bytearray):
    """What is kept of a packet: its topic and beginning, however long it says it is.

    The rest is read and forgotten: to close the connection instead would let whoever retains such a message keep us
    from all others.
    """

    def __iadd__(self, data: Any) -> Any:  # type: ignore[misc]
        return super().__iadd__(data[: max(0, _MAX_PACKET_BYTES - len(self))])


class _Client(paho.Client):
    """Takes messages of known devices out of the buffer, where they lie whole, before paho sees them one by one.

    paho spends as long on a message as we do on decoding, mapping and storing it. `take` is given topic and payload,
    and says whether it knew the topic.
    """

    take: Callable[[bytes, bytes], bool]
    tls_fault = ""  # why the last handshake failed
    trust: Callable[[], ssl.SSLContext] | None = None  # asked at each connection: certificates are renewed

    def _create_socket(self) -> Any:
        self.tls_fault = ""
        try:
            if self.trust is not None:
                self._ssl_context = self.trust()
        except ConfigError as error:
            self.tls_fault = str(error)
            raise OSError(str(error)) from None
        try:
            return _BufferedSocket(super()._create_socket())
        except ssl.SSLError as error:
            self.tls_fault = getattr(error, "verify_message", "") or error.reason or str(error)
            raise

    def _packet_read(self) -> Any:
        if self._in_packet["command"] == 0 and isinstance(self._sock, _BufferedSocket):
            self._sock.take_publishes(self.take)
        if not self._in_packet["packet"]:
            self._in_packet["packet"] = _Capped()
        return super()._packet_read()


class MqttSource:
    """One broker. `url` is mqtt://host:1883 or mqtts://host:8883; user and password stand there or apart."""

    def __init__(
        self, url: str, bridge_id: bytes, *, user: str = "", password: str = "", tls: Tls | None = None
    ) -> None:
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
        self._client = _Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv311)
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
        _, self._announcements = client.subscribe(self._topic("_bridge", "+"))

    def _on_subscribe(self, _client: Any, _data: Any, message: int, _codes: Any, _properties: Any) -> None:
        if message == self._announcements:
            with self._lock:
                self._herald.subscribed(time.monotonic())
            self._wake.set()

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
        self._receive(Arrival(device_id, payload[: MAX_MESSAGE_BYTES + 1], host_ms(), self))
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
            if (
                self.bad_topics.bit_count() == 1
            ):  # the 1st, 2nd, 4th ...: whoever floods us does not fill the log
                log.warning("topic of no device", topic=topic[:100], count=self.bad_topics)
        elif last == "up":
            if len(self._devices) >= _MAX_TOPICS:
                self._devices.clear()
            self._devices[topic.encode()] = middle
            self._take(topic.encode(), bytes(message.payload))
        elif last == "state":
            is_online = message.payload == b"online"
            if (
                is_online and message.retain
            ):  # it was there before us: what it sent meanwhile it need not wait to repeat
                self.send(middle, self._hello)
            self._tell(Presence(middle, is_online))

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
                self._client.subscribe([(self._topic("+", "up"), 0), (self._topic("+", "state"), 0)])
                self._say(True, f"serving the devices of {self.name}")
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
