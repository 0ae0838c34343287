"""What a message costs that is refused: counted in calls and wake-ups, which no other work of the machine changes."""

from __future__ import annotations

import socket
import sys
from collections import Counter
from collections.abc import Iterator
from types import FrameType
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode
from pixeltrail_bridge.ingest import Ingest, IngestSettings
from pixeltrail_bridge.ingest.quotas import QuotaSettings
from pixeltrail_bridge.mapping.chunks import map_chunk, map_sync
from pixeltrail_bridge.sources import bulk
from pixeltrail_bridge.sources.bulk import BufferedSocket
from pixeltrail_bridge.sources.mqtt import MqttSource
from pixeltrail_bridge.store.sqlite import SqliteStore

from tests.bench.ingest_roles import mqtt_packet
from tests.bridge.sources.kit import Collector
from tests.support.services import tcp_pair

TOPIC = b"pt/v1/noisy-01/up"
MESSAGE = mqtt_packet(TOPIC, b"\xff" * 500)


class Reading:
    """A source that reads from a socket of ours, with an ingest behind it whose quota is used up."""

    def __init__(self, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        quotas = QuotaSettings(messages_per_s=0.001, burst_s=1_000)
        self.ingest = Ingest(
            SqliteStore(tmp_path / "store.db"),
            IngestSettings(quotas=quotas),
            map_chunk=map_chunk,
            map_sync=map_sync,
        )
        now_s = self.ingest.quotas._now_s()
        self.ingest.quotas._now_s = lambda: now_s
        self.rests: list[float] = []
        monkeypatch.setattr(bulk.time, "sleep", self.rests.append)
        self.source = MqttSource("mqtt://127.0.0.1:1", b"bridge-1")
        self.source._receive = self.ingest.receive
        self.source._devices[TOPIC] = "noisy-01"
        self.near, self.far = tcp_pair()
        self.near.setblocking(False)
        self.client = self.source._client
        self.client._sock = BufferedSocket(self.near)
        self.by_paho = 0
        real = paho.Client._packet_read

        def counted(client: paho.Client) -> Any:
            self.by_paho += 1
            return real(client)

        monkeypatch.setattr(paho.Client, "_packet_read", counted)
        self.read(MESSAGE)  # the one that the quota lets in

    def come(self, data: bytes) -> None:
        self.far.sendall(data)
        self.near.setblocking(True)
        self.near.recv(len(data), socket.MSG_PEEK | socket.MSG_WAITALL)
        self.near.setblocking(False)

    def read(self, data: bytes) -> Any:
        self.come(data)
        return self.client._packet_read()

    def close(self) -> None:
        self.far.close()
        self.near.close()


@pytest.fixture
def reading(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reading]:
    one = Reading(tmp_path, monkeypatch)
    yield one
    one.close()


def test_a_message_that_comes_alone_is_not_read_by_paho(reading: Reading) -> None:
    """paho takes each apart in some sixty calls, which a flood of refused messages would cost everybody."""
    for _ in range(20):
        assert reading.read(MESSAGE) == paho.MQTT_ERR_SUCCESS
    assert reading.by_paho == 0 and len(reading.ingest._queue) == 1
    assert reading.ingest.quotas.refused() == {"noisy-01": 20}


def test_no_packet_waits_for_the_kernel_to_gather_more(reading: Reading) -> None:
    """A broker that gathers small packets sends the next once we have acknowledged one: 40 ms later, if at leisure."""
    reading.read(MESSAGE)
    assert reading.near.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    for _ in range(20):
        reading.near.send(b"\xc0\0")  # answering is what makes the kernel wait
        reading.read(MESSAGE)
        assert reading.near.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK)


def test_a_refused_message_costs_few_calls(reading: Reading) -> None:
    calls = Counter[str]()

    def note(_frame: FrameType, event: str, _argument: Any) -> None:
        calls[event] += 1

    many = 100
    reading.come(MESSAGE * many)
    sys.setprofile(note)
    try:
        reading.client._packet_read()
    finally:
        sys.setprofile(None)
    assert reading.ingest.quotas.refused() == {"noisy-01": many}
    assert calls["call"] < 12 * many, "functions of ours"
    assert calls["c_call"] < 20 * many, "and built-in ones"


def test_a_flood_wakes_the_reader_at_most_500_times_a_second(reading: Reading) -> None:
    """It rests after each look that met a refused message, and not after others."""
    for number in range(1, 6):
        reading.read(MESSAGE * number)
        assert len(reading.rests) == number and min(reading.rests) >= 0.002
    reading.source._devices[b"pt/v1/quiet-01/up"] = "quiet-01"
    reading.read(mqtt_packet(b"pt/v1/quiet-01/up", b"x"))
    assert len(reading.rests) == 5


def test_the_end_and_a_piece_of_a_packet_are_left_to_paho(reading: Reading) -> None:
    reading.read(MESSAGE[:100])
    assert reading.by_paho == 1
    reading.come(MESSAGE[100:])
    while reading.client._in_packet["command"]:
        reading.client._packet_read()
    assert reading.ingest.quotas.refused() == {"noisy-01": 1}
    reading.far.shutdown(socket.SHUT_RDWR)
    assert reading.client._packet_read() == paho.MQTT_ERR_CONN_LOST


def test_a_bridge_serves_once_its_broker_has_granted_it() -> None:
    source, heard = MqttSource("mqtt://127.0.0.1:1", b"bridge-1"), Collector()
    source._state, source._serving = heard.state, 7
    granted, refused = (ReasonCode(PacketTypes.SUBACK, identifier=code) for code in (0, 128))
    source._on_subscribe(None, None, 6, [granted], None)
    assert heard.links == []
    source._on_subscribe(None, None, 7, [granted, refused], None)
    assert not heard.is_up and "pt/v1/+/up" in heard.links[-1].detail
    source._on_subscribe(None, None, 7, [granted, granted], None)
    assert heard.is_up
