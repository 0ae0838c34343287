"""paho, made to take in bulk what devices send: what each message costs here decides how much a flood costs the others.

One device that sends without end wakes this thread with every packet, and each wake-up takes the interpreter from the
thread that commits. So whatever has come is read at once, paho sees only what is no message of a known device, and
while messages are refused for being too many, the thread rests a moment between two looks: 500 wake-ups a second are
the most that any number of them can cause.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, Final

import paho.mqtt.client as paho

from ..errors import ConfigError

_READ_BYTES: Final = 1 << 20  # more than lies there: each read gives the interpreter away, for up to 5 ms
_MAX_PACKET_BYTES: Final = 1 << 18  # MQTT allows 256 MB, which paho would gather in memory
_PUBLISH: Final = (0x30, 0x31)  # at QoS 0, not retained and retained
_QUICK_ACK: Final = getattr(socket, "TCP_QUICKACK", None)  # Linux has it
_REST_S: Final = (
    0.002  # well below what a commit takes: nobody notices that what came meanwhile waited for it
)


class BufferedSocket:
    """A socket that paho reads in small pieces (three for each packet), filled by large ones.

    Each read of the real socket gives the interpreter up to the committer's thread, for milliseconds when that is
    busy. paho asks `pending` before it waits, as it must for TLS, so what lies here is not overlooked.

    What is read is acknowledged at once, and what is sent leaves at once. Left to themselves, the kernel waits up to
    40 ms for something to send with an acknowledgement (RFC 1122, 4.2.3.2), and a broker whose own sockets gather
    small packets, as Mosquitto's do unless told otherwise, sends us the next one only then (4.2.3.4).
    """

    def __init__(self, real: Any) -> None:
        self._real, self._data, self._at = real, b"", 0
        real.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def recv(self, size: int) -> bytes:
        if self._at >= len(self._data):
            self._fill()
        piece: bytes = self._data[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def take_publishes(self, take: Callable[[bytes, bytes], bool]) -> bool:
        """Hand over what has come, up to the first packet that is no PUBLISH at QoS 0, not whole, or not taken.

        True: it was all that had come, and something was. Packets that come one by one are read here as well: paho
        needs ten times as long for one, which is what somebody who floods us would cost everybody else.
        """
        if self._at >= len(self._data):
            # Nothing there, or the end: paho meets it again and knows what to do
            with contextlib.suppress(OSError):
                self._fill()
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
        return 0 < at == len(data)

    def _fill(self) -> None:
        self._data, self._at = self._real.recv(_READ_BYTES), 0
        if _QUICK_ACK is not None:
            self._real.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)  # holds for a while only: tcp(7)

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


class BulkClient(paho.Client):
    """Takes messages of known devices out of the buffer, where they lie whole, before paho sees them one by one.

    paho spends as long on a message as we do on decoding, mapping and storing it. `take` is given topic and payload,
    and says whether it knew the topic. Whoever refuses a message sets `is_flooded`.
    """

    take: Callable[[bytes, bytes], bool]
    is_flooded = False
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
            return BufferedSocket(super()._create_socket())
        except ssl.SSLError as error:
            self.tls_fault = getattr(error, "verify_message", "") or error.reason or str(error)
            raise

    def _packet_read(self) -> Any:
        sock = self._sock
        if self._in_packet["command"] == 0 and isinstance(sock, BufferedSocket) and self._take_all(sock):
            return paho.MQTT_ERR_SUCCESS
        if not self._in_packet["packet"]:
            self._in_packet["packet"] = _Capped()
        return super()._packet_read()

    def _take_all(self, sock: BufferedSocket) -> bool:
        self.is_flooded = False
        was_all = sock.take_publishes(self.take)
        if was_all and self.is_flooded:
            time.sleep(_REST_S)
        return was_all
