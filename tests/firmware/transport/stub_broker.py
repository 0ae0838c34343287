"""A broker of a few lines that does exactly what a test tells it, one packet at a time, and the clock it goes by."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

from pixeltrail.transport.mqtt import MQTT

CONNACK = b"\x20\x02\x00\x00"
SUBACK = b"\x90\x03\x00\x01\x00"
PINGRESP = b"\xd0\x00"
_WAIT_S = 5.0


def publish(payload: bytes, topic: bytes = b"pt/v1/dev-00001/down", qos: int = 0) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic + (b"\0\7" if qos else b"") + payload
    return bytes([0x30 | qos << 1]) + _length(len(body)) + body


def _length(size: int) -> bytes:
    out = bytearray()
    while True:
        size, digit = size >> 7, size & 127
        out.append(digit | (128 if size else 0))
        if not size:
            return bytes(out)


class Rig:
    """One client, one listening socket, one clock in ms that only `tick` moves."""

    def __init__(self, **settings: object) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(_WAIT_S)
        self.port = self.listener.getsockname()[1]
        self.client = MQTT("127.0.0.1", self.port, **settings)
        self.client.attach("dev-00001")
        self.now = 0
        self.peer: socket.socket | None = None

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.listener.close()
        if self.peer is not None:
            self.peer.close()

    def poll(self) -> None:
        self.client.poll(self.now)

    def tick(self, ms: int) -> None:
        self.now += ms
        self.poll()

    def until(self, is_so: Callable[[], bool]) -> None:
        """Poll, waiting for the client's socket in between, until something holds."""
        for _ in range(5000):
            if is_so():
                return
            self.poll()
            if self.client._dialer._socket is not None:
                select.select([self.client._dialer._socket], [], [], 0.001)
        raise AssertionError("it never came so")

    def accept(self) -> socket.socket:
        """Take the client's next connection."""
        self.until(lambda: bool(select.select([self.listener], [], [], 0)[0]))
        if self.peer is not None:
            self.peer.close()
        self.peer, _ = self.listener.accept()
        self.peer.settimeout(_WAIT_S)
        return self.peer

    def expect(self, expected: bytes) -> None:
        """Read exactly these bytes from the client."""
        got = bytearray()
        while len(got) < len(expected):
            self.poll()
            assert self.peer is not None
            if select.select([self.peer], [], [], 0.001)[0]:
                piece = self.peer.recv(len(expected) - len(got))
                assert piece, f"closed after {bytes(got)!r}"
                got += piece
        assert bytes(got) == expected

    def packet(self) -> bytes:
        """Read one packet of the client, whatever it is."""
        head = self._read(2)
        size, shift = head[1] & 127, 7
        while head[-1] & 128:
            head += self._read(1)
            size |= (head[-1] & 127) << shift
            shift += 7
        return head + self._read(size)

    def _read(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            self.poll()
            assert self.peer is not None
            if select.select([self.peer], [], [], 0.001)[0]:
                piece = self.peer.recv(size - len(got))
                assert piece, "closed"
                got += piece
        return got

    def connect(self) -> socket.socket:
        """Take a connection through login and subscription; return the broker's end."""
        peer = self.accept()
        self.packet()
        peer.sendall(CONNACK)
        self.packet()
        self.packet()
        peer.sendall(SUBACK)
        self.until(lambda: self.client.connected)
        return peer
