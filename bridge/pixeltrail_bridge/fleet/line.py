"""A device's own connection to the broker: one of hundreds on the same event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

KEEPALIVE_S = 60


@dataclass(frozen=True, slots=True)
class Broker:
    host: str
    port: int = 1883
    user: str = ""
    password: str = ""


class Line:
    """Connects when told to. `on_up` and `on_message` are called on the loop, the latter with a message's bytes."""

    def __init__(
        self, broker: Broker, device_id: str, on_up: Callable[[], None], on_message: Callable[[bytes], None]
    ) -> None:
        self._broker, self._device_id = broker, device_id
        self._on_up = on_up
        self._loop = asyncio.get_running_loop()
        self._client = client = paho.Client(CallbackAPIVersion.VERSION2, f"sim-{device_id}"[:23])
        if broker.user:
            client.username_pw_set(broker.user, broker.password)
        client.will_set(self._topic("state"), b"offline", retain=True)
        client.on_socket_open = self._opened
        client.on_socket_close = self._closed
        client.on_socket_register_write = self._writing
        client.on_socket_unregister_write = self._written
        client.on_connect = self._connected
        client.on_subscribe = lambda *_: self._subscribed()
        client.on_disconnect = lambda *_: self._lost()
        client.on_message = lambda _client, _data, message: on_message(bytes(message.payload))
        self.is_up = False

    def _topic(self, name: str) -> str:
        return f"pt/v1/{self._device_id}/{name}"

    def _opened(self, _client: Any, _data: Any, sock: Any) -> None:
        self._loop.add_reader(sock, self._client.loop_read)

    def _closed(self, _client: Any, _data: Any, sock: Any) -> None:
        self._loop.remove_reader(sock)

    def _writing(self, _client: Any, _data: Any, sock: Any) -> None:
        self._loop.add_writer(sock, self._client.loop_write)

    def _written(self, _client: Any, _data: Any, sock: Any) -> None:
        self._loop.remove_writer(sock)

    def connect(self) -> bool:
        """Begin to connect; False when the broker cannot be reached now."""
        try:
            self._client.connect(self._broker.host, self._broker.port, KEEPALIVE_S)
        except OSError:
            return False
        return True

    def _connected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not reason.is_failure:
            self._client.subscribe(self._topic("down"))

    def _subscribed(self) -> None:
        self.is_up = True
        self._client.publish(self._topic("state"), b"online", retain=True)
        self._on_up()

    def _lost(self) -> None:
        self.is_up = False

    @property
    def is_open(self) -> bool:
        return self._client.socket() is not None

    def send(self, data: bytes) -> None:
        if self.is_up:
            self._client.publish(self._topic("up"), data)

    def keep_alive(self) -> None:
        self._client.loop_misc()

    def close(self, politely: bool = True) -> None:
        """Politely says that the device leaves; else the line is cut, and the broker tells it by the will."""
        self.is_up = False
        if politely and self.is_open:
            self._client.publish(self._topic("state"), b"offline", retain=True)
            self._client.disconnect()
        sock: Any = self._client.socket()
        if sock is not None and not politely:
            with contextlib.suppress(OSError):  # it is cut already
                sock.shutdown(socket.SHUT_RDWR)
