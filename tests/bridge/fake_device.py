"""A device made of the wire's encoder and an MQTT client: it says what a test tells it to, in one stream."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from pixeltrail.codec.encoder import Encoder
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_uplink

WIDTH, HEIGHT = 64, 32
_WAIT_S = 60.0  # for faults: a busy machine takes its time
_SYNC_S = 0.2


class FakeDevice:
    """`picture` is what its display shows, MONO_VLSB; `send_picture` captures it."""

    def __init__(self, client: paho.Client, device_id: str) -> None:
        self.device_id = device_id
        self.picture = bytearray(WIDTH * HEIGHT // 8)
        self.stream = hashlib.blake2b(device_id.encode(), digest_size=8).digest()
        self._heard = threading.Event()
        self._client = client
        self._seq = 0
        self._now_ms = 0
        self._encoder = Encoder(self.picture, WIDTH, HEIGHT, m.PixelFormat.MONO_VLSB)
        client.on_message = lambda *_: self._heard.set()

    def is_connected(self) -> bool:
        """To its broker; a connection that was lost comes back by itself."""
        return self._client.is_connected()

    def begin(self) -> None:
        """Sync, hello, display and the start of a recorded session."""
        encoder = self._encoder
        self.sync()
        hello = m.Hello(self.device_id, 1, 1, "sim", "0.1.0", "coffee", "1.2", 0, None, "micropython 1.28")
        rows = encoder.strip_rows
        display = m.Display(WIDTH, HEIGHT, m.PixelFormat.MONO_VLSB, encoder.strip_width, rows, 128, None, 0)
        self.send(hello, display, m.SessionStart(0, True, None))

    def sync(self) -> None:
        sync = m.Sync(self.stream, 0, self._seq, self._now_ms, None, 1, None, self.device_id)
        self.publish(encode_uplink(sync))

    def send(self, *bodies: m.Body) -> None:
        """One chunk with these records."""
        self._now_ms += 50
        records = tuple(m.Record(index, self._now_ms, body) for index, body in enumerate(bodies))
        self.publish(encode_uplink(m.Chunk(self.stream, self._seq, self._now_ms, records)))
        self._seq += 1

    def send_picture(self, key: bool = False) -> None:
        """A frame in one part."""
        encoder = self._encoder
        encoder.refresh()
        encoder.begin(key)
        out = bytearray(4_000)
        end = encoder.encode_into(out, 0, len(out) - 4, 1 << 20)
        assert encoder.finished
        flags = m.FrameFlag.FIRST | m.FrameFlag.LAST | encoder.payload_type << 5
        if key:
            encoder.checksum_into(out, end)
            flags, end = flags | m.FrameFlag.KEY | m.FrameFlag.RESET, end + 4
        self.send(m.Frame(int(flags), bytes(out[:end])))

    def find_bridge(self) -> None:
        """A bridge takes a moment to see that it is alone on a broker, so a sync is repeated, as devices do."""
        for _ in range(int(_WAIT_S / _SYNC_S)):
            self.sync()
            if self._heard.wait(_SYNC_S):
                return
        raise AssertionError("the bridge did not answer")

    def publish(self, data: bytes) -> None:
        self._client.publish(f"pt/v1/{self.device_id}/up", data).wait_for_publish(_WAIT_S)


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """Until `condition()` is true, which it returns."""
    deadline = time.monotonic() + _WAIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)
    return found


@contextmanager
def fake_device(port: int, device_id: str) -> Iterator[FakeDevice]:
    """Connected to a broker on loopback, and subscribed to what the bridge has to say."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    device = FakeDevice(client, device_id)
    subscribed = threading.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        client.subscribe(f"pt/v1/{device_id}/down")
        assert subscribed.wait(_WAIT_S)
        client.publish(f"pt/v1/{device_id}/state", b"online", retain=True).wait_for_publish(_WAIT_S)
        yield device
    finally:
        client.disconnect()
        client.loop_stop()
