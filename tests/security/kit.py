"""A bridge, and clients that try what they may not."""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from pixeltrail_bridge import config
from pixeltrail_bridge.app import Bridge, running
from pixeltrail_bridge.wire.encode import encode_uplink
from pixeltrail_bridge.wire.messages import Chunk, Record, Sync, Track

LOOPBACK = "127.0.0.1"
WAIT_S = 60.0


@contextlib.contextmanager
def bridge(folder: Path, *overrides: str) -> Iterator[Bridge]:
    free = ("mqtt.port=0", "web.port=0", "mobile.port=0", f"bridge.data_dir={folder}")
    with running(config.load(None, {}, (*free, *overrides), must_exist=False)) as one:
        yield one


def is_serving(one: Bridge) -> bool:
    """Whether messages of devices reach it: at QoS 0 what is sent before is gone."""
    return any(name.startswith("mqtt") and link.is_up for name, link in one.ingest.health.sources.items())


def wait_until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come to that"
        time.sleep(0.01)


def chunk(stream: bytes, seq: int, name: str = "Brewed") -> bytes:
    return encode_uplink(Chunk(stream, seq, 0, (Record(0, 0, Track(name, {})),)))


def sync(device_id: str, stream: bytes, next_seq: int = 0) -> bytes:
    return encode_uplink(Sync(stream, 0, next_seq, 0, None, 1, None, device_id))


def wait_heard(one: Bridge, client: MqttClient, device_id: str = "probe-01") -> None:
    """Until what a client sends reaches the bridge and is stored."""
    stream = device_id.encode()[:8]

    def is_heard() -> bool:
        client.publish(f"pt/v1/{device_id}/up", sync(device_id, stream))
        for _ in range(100):  # a message a second is above no quota, however long it takes
            if one.store.streams(device_id):
                return True
            time.sleep(0.01)
        return False

    wait_until(lambda: is_serving(one))
    wait_until(is_heard)


class MqttClient:
    """One client of a broker, whose word on everything is waited for. `seen`: (topic, payload) of what came."""

    def __init__(
        self,
        port: int,
        user: str = "",
        password: str = "",
        *,
        client_id: str = "",
        tls: ssl.SSLContext | None = None,
        will: tuple[str, bytes] | None = None,
    ) -> None:
        self.words: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.seen: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, reconnect_on_failure=False
        )
        if user:
            self.client.username_pw_set(user, password)
        if tls is not None:
            self.client.tls_set_context(tls)
        if will is not None:
            self.client.will_set(*will)
        self.client.on_connect = lambda _c, _d, _f, reason, _p: self.words.put(
            ("connected", not reason.is_failure)
        )
        self.client.on_disconnect = lambda *_: self.words.put(("disconnected", True))
        self.client.on_subscribe = lambda _c, _d, _m, codes, _p: self.words.put(
            ("granted", not codes[0].is_failure)
        )
        self.client.on_message = lambda _c, _d, message: self.seen.put(
            (message.topic, bytes(message.payload))
        )
        self.client.connect(LOOPBACK, port)
        self.client.loop_start()

    def word(self, kind: str) -> Any:
        while True:
            found, value = self.words.get(timeout=WAIT_S)
            if found == kind:
                return value

    def entered(self) -> bool:
        """Whether the broker took us; some close the connection without a word."""
        return self.words.get(timeout=WAIT_S) == ("connected", True)

    def subscribe(self, topic: str) -> bool:
        self.client.subscribe(topic)
        return bool(self.word("granted"))

    def publish(self, topic: str, payload: bytes) -> None:
        self.client.publish(topic, payload).wait_for_publish(WAIT_S)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def __enter__(self) -> MqttClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Browser:
    """As much of one as keeps cookies and sends what a page would."""

    port: int
    tls: ssl.SSLContext | None = None
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: str = "1"
    set_cookies: list[str] = field(default_factory=list)

    def ask(
        self, method: str, path: str, content: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        sent = {"Host": f"{LOOPBACK}:{self.port}", **(headers or {})}
        if self.cookies:
            sent.setdefault("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        body = None
        if content is not None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
        if self.tls is None:
            line = http.client.HTTPConnection(LOOPBACK, self.port, timeout=WAIT_S)
        else:
            line = http.client.HTTPSConnection(LOOPBACK, self.port, timeout=WAIT_S, context=self.tls)
        try:
            line.request(method, path, body, sent)
            answer = line.getresponse()
            data = answer.read()
        finally:
            line.close()
        for cookie in answer.headers.get_all("set-cookie") or ():
            self.set_cookies.append(cookie)
            name, _, rest = cookie.partition("=")
            self.cookies[name] = rest.partition(";")[0].strip('"')
        return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, data)

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=headers)

    def change(self, method: str, path: str, content: Any = None, **headers: str) -> Answer:
        return self.ask(method, path, content, {"x-pixeltrail": self.csrf, **headers})

    def log_in(self, user: str, password: str) -> Answer:
        answer = self.ask("POST", "/api/login", {"user": user, "password": password}, {"x-pixeltrail": "1"})
        if answer.status == 200:
            self.csrf = self.get("/api/me").json["csrf"]
        return answer
