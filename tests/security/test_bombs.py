"""What is small to send and large to take: refused before it costs anything.

Limits of a chunk are in tests/wire (test_vectors.py runs each), those of pictures in
tests/bridge/replay/test_refusals.py.
"""

from __future__ import annotations

import gzip
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from pixeltrail_bridge.errors import WireError
from pixeltrail_bridge.mobile.body import MAX_BODY_BYTES, BodyError, parse_batch, unpack
from pixeltrail_bridge.sources import mqtt
from pixeltrail_bridge.sources.bulk import BufferedSocket
from pixeltrail_bridge.wire import limits
from pixeltrail_bridge.wire.decode import decode_downlink, decode_uplink
from pixeltrail_bridge.wire.framing import Deframer

from tests.security.kit import Browser, MqttClient, bridge, chunk, sync, wait_heard, wait_until
from tests.support.services import tcp_pair

ROOM = 1 << 20  # what refusing a few KB may take of memory


def peak(work: Callable[[], object]) -> int:
    work()  # what is made once and kept
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


CBOR = {
    "arrays in arrays": b"\x81" * 4_000 + b"\x01",
    "maps in maps": b"\x85\x01\x48stream-1\x00\x00" + b"\xa1\x61a" * 1_000 + b"\x01",
    "open arrays": b"\x9f" * 4_096,
    "an array of 2^64 items": b"\x9b" + b"\xff" * 8 + b"\x00" * 100,
    "a map of 2^32 items": b"\x85\x01\x48stream-1\x00\x00\xba\xff\xff\xff\xff",
    "a text of 2^63 bytes": b"\x85\x01\x48stream-1\x00\x00\x7b" + b"\x7f" + b"\xff" * 7,
    "a byte string of 4 GB": b"\x85\x01\x5a\xff\xff\xff\xff",
    "many empty arrays": b"\x99\x0f\x9f" + b"\x80" * 3_999,
    "a number of 4 KB": b"\x82\x01\xc2\x59\x0f\x00" + b"\xff" * 3_840,
    "shared references": b"\xd8\x1c\x81\xd8\x1d\x00",
    "a decimal fraction": b"\x82\x01\xc4\x82\x1b" + b"\x7f" * 8 + b"\x01",
    "a message of 1 MB": b"\x86\x01\x48stream-1\x00\x00\x00\x5a\x00\x10\x00\x00" + b"\x37" * (1 << 20),
    "nothing": b"",
}


@pytest.mark.parametrize("kind", CBOR)
@pytest.mark.parametrize("decode", [decode_uplink, decode_downlink])
def test_a_message_that_is_a_bomb_is_refused_for_little(kind: str, decode: Callable[[bytes], object]) -> None:
    def work() -> None:
        with pytest.raises(WireError):
            decode(CBOR[kind])

    assert peak(work) < ROOM


def test_limits_stand_before_the_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what cbor2 would make of it, but what we let come to it: at most the number of a chunk that is refused."""
    import cbor2

    real = cbor2.loads

    def bounded(data: bytes) -> object:
        assert len(data) <= 9, "the decoder was asked"
        return real(data)

    monkeypatch.setattr(cbor2, "loads", bounded)
    for data in CBOR.values():
        with pytest.raises(WireError):
            decode_uplink(data)


GZIP = {
    "zeros": gzip.compress(b"\0" * (200 << 20)),
    "a bomb in a bomb": gzip.compress(gzip.compress(b"\0" * (64 << 20)) * 50),
    "members": b"".join(gzip.compress(b"x") for _ in range(5_000)),
    "no gzip": zlib.compress(b"{}"),
    "cut": gzip.compress(b"{}" * 1_000)[:-4],
}


@pytest.mark.parametrize("kind", GZIP)
def test_a_post_is_unpacked_no_further_than_it_may_be_large(kind: str) -> None:
    def work() -> None:
        try:
            unpacked = unpack(GZIP[kind], "gzip")
        except BodyError as error:
            assert error.status == 400
        else:
            assert len(unpacked) <= MAX_BODY_BYTES

    assert peak(work) < 4 * MAX_BODY_BYTES


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"batch":' * 20_000,
        b'{"batch":[' + b"{}," * 100_000 + b"{}]",
        b'{"batch":[{"a":' + b"9" * 400_000 + b"}]}",
        b'{"batch":[{"a":1e' + b"9" * 400_000 + b"}]}",
    ],
    ids=["arrays", "objects", "many", "a long number", "a long exponent"],
)
def test_json_that_is_a_bomb_is_refused(body: bytes) -> None:
    try:
        parse_batch(body, None, 0)
    except BodyError as error:
        assert error.status == 400


def test_a_serial_line_without_end_is_bounded() -> None:
    def work() -> None:
        deframer = Deframer()
        for _ in range(2_000):
            list(deframer.feed(b"\x55" * 4_096))

    assert peak(work) < ROOM


def test_a_page_takes_no_body_without_end(tmp_path: Path) -> None:
    from pixeltrail_bridge.web.users import Users

    Users(tmp_path / "users.json").add("ada", "admin", "the password of ada")
    with bridge(tmp_path, "mqtt.port=0") as one:
        browser = Browser(one.web_port or 0)
        assert browser.ask("POST", "/api/login", b"x" * 100_000, {"x-pixeltrail": "1"}).status == 413
        assert browser.ask("POST", "/api/login", b"[" * 60_000, {"x-pixeltrail": "1"}).status == 400


def packet(topic: bytes, payload: bytes) -> bytes:
    rest = struct.pack(">H", len(topic)) + topic + payload
    size, length = len(rest), b""
    while True:
        size, low = divmod(size, 128)
        length += bytes([low | (128 if size else 0)])
        if not size:
            return b"\x30" + length + rest


def test_a_huge_message_at_a_broker_of_ones_own_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 MB in one MQTT packet: its beginning is kept, the rest forgotten, and the next message comes in whole."""
    near, far = tcp_pair()
    source = mqtt.MqttSource("mqtt://127.0.0.1:1", b"bridge-1")
    seen: list[int] = []
    source._receive = lambda arrival: bool(seen.append(len(arrival.data))) or True
    client = source._client
    near.setblocking(False)
    client._sock = BufferedSocket(near)
    client._state = 2  # connected, as far as reading is concerned
    monkeypatch.setattr(client, "loop_misc", lambda: 0)

    def feed(data: bytes, heard: int) -> None:
        view = memoryview(data)
        far.setblocking(False)
        while view:
            try:
                view = view[far.send(view) :]
            except BlockingIOError:
                client._packet_read()
        while len(seen) < heard:
            client._packet_read()

    huge = packet(b"pt/v1/kitchen-01/up", b"\0" * (40 << 20))
    tracemalloc.start()
    feed(huge, 1)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    feed(packet(b"pt/v1/kitchen-01/up", b"hello"), 2)
    assert seen == [limits.MAX_MESSAGE_BYTES + 1, 5]
    assert taken < 8 << 20
    near.close()
    far.close()


def test_the_broker_inside_refuses_what_no_device_sends(tmp_path: Path) -> None:
    with bridge(tmp_path, "web.enabled=false") as one, MqttClient(one.mqtt_port or 0) as client:
        assert client.entered()
        client.client.publish("pt/v1/kitchen-01/up", b"\0" * 100_000)
        assert client.word("disconnected")
        assert one.store.dead_letters() == []


def test_bombs_among_good_messages_cost_only_themselves(tmp_path: Path) -> None:
    with bridge(tmp_path, "web.enabled=false") as one, MqttClient(one.mqtt_port or 0) as client:
        assert client.entered()
        wait_heard(one, client)
        client.publish("pt/v1/kitchen-01/up", sync("kitchen-01", b"stream-1", 3))
        for seq, data in enumerate([b"\x81" * 4_000, b"\x9f" * 4_096, b"\xff"]):
            client.publish("pt/v1/kitchen-01/up", data)
            client.publish("pt/v1/kitchen-01/up", chunk(b"stream-1", seq))
        wait_until(lambda: [row.watermark for row in one.store.streams("kitchen-01")] == [3])
        assert {letter.kind for letter in one.store.dead_letters()} == {"undecodable"}


def test_the_broker_inside_keeps_nothing_that_waits_to_be_released(tmp_path: Path) -> None:
    """At QoS 2 one device put 60 KB on the disk of the recordings with each message, as fast as it could send."""
    with bridge(tmp_path, "web.enabled=false") as one, MqttClient(one.mqtt_port or 0) as client:
        assert client.entered()
        client.client.publish("pt/v1/kitchen-01/up", b"\0" * 60_000, qos=2)
        assert client.word("disconnected")
        kept = next(tmp_path.rglob("jetstream"))
        assert sum(path.stat().st_size for path in kept.rglob("*") if path.is_file()) < 60_000
        assert "max_file_store: 268435456" in next(tmp_path.rglob("nats.conf")).read_text()
