"""The MQTT client against a broker that misbehaves as told, and against real ones."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from pixeltrail.transport.mqtt import MQTT

from tests.support import micropython, ports
from tests.support.services import free_port, mosquitto, nats

from .stub_broker import CONNACK, PINGRESP, SUBACK, Rig, publish

DEVICE = Path(__file__).parent / "device"
_WAIT_S = 30.0


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig() as rig:
        yield rig


def up(payload: bytes) -> bytes:
    return publish(payload, b"pt/v1/dev-00001/up")


# --- connecting ---


def test_login_subscription_and_state_are_as_the_contract_says(rig: Rig) -> None:
    peer = rig.accept()
    rig.expect(b"\x10\x38\0\x04MQTT\x04\x26\0\x1e\0\x0cpt-dev-00001\0\x15pt/v1/dev-00001/state\0\x07offline")
    peer.sendall(CONNACK)
    rig.expect(b"\x82\x19\0\x01\0\x14pt/v1/dev-00001/down\0")
    rig.expect(b"\x31\x1d\0\x15pt/v1/dev-00001/stateonline")
    assert not rig.client.connected and not rig.client.send(b"x", 0, 1)
    peer.sendall(SUBACK)
    rig.until(lambda: rig.client.connected)
    assert rig.client.generation == 1
    assert rig.client.errors == 0


def test_login_carries_user_and_password() -> None:
    with Rig(user="kitchen", password="s3cret") as rig:
        rig.accept()
        packet = rig.packet()
    assert packet[9] == 0xE6
    assert packet.endswith(b"\0\x07kitchen\0\x06s3cret")


@pytest.mark.parametrize("host", ["", "1.2.3", "1.2.3.256", "::1", "a..b", "x" * 64, "mqtt://broker"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="MQTT host: .* got"):
        MQTT(host)


@pytest.mark.parametrize(
    "settings",
    [{"port": 0}, {"keepalive_s": 1}, {"password": "x"}],
    ids=lambda settings: next(iter(settings)),
)
def test_a_bad_setting_is_named(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        MQTT("127.0.0.1", **settings)


@pytest.mark.parametrize(
    "answer", [b"\x20\x02\0\x05", b"\xd0\0\x20\x02\0\x01"], ids=["credentials", "after noise"]
)
def test_a_refused_login_is_tried_again_later(rig: Rig, answer: bytes) -> None:
    peer = rig.accept()
    rig.packet()
    peer.sendall(answer)
    rig.until(lambda: rig.client.errors == 1)
    assert peer.recv(1) == b""
    rig.tick(250)
    rig.connect()


def test_a_refused_subscription_is_a_failed_connection(rig: Rig) -> None:
    peer = rig.accept()
    rig.packet()
    peer.sendall(CONNACK)
    rig.packet()
    rig.packet()
    peer.sendall(b"\x90\x03\0\x01\x80")
    rig.until(lambda: rig.client.errors == 1)
    assert not rig.client.connected


def test_a_broker_that_never_answers_is_given_up(rig: Rig) -> None:
    peer = rig.accept()
    rig.packet()
    rig.tick(10_000)
    assert rig.client.errors == 0
    rig.tick(1)
    assert rig.client.errors == 1
    assert peer.recv(1) == b""


def waits_of(device_id: str) -> list[int]:
    """How long a board waits before each try; its random numbers begin as those of every board."""
    random.seed(1)
    client = MQTT("127.0.0.1", free_port())
    client.attach(device_id)
    waits = []
    now = last = 0
    while len(waits) < 12:
        errors = client.errors
        client.poll(now)  # dials
        while client.errors == errors and client._state:
            client.poll(now)  # is refused
        if client.errors > errors:
            waits.append(now - last)
            last = now
        now += 10
    return waits


def test_retries_start_soon_and_slow_down_to_a_minute() -> None:
    waits = waits_of("dev-00001")
    for number, wait in enumerate(waits[1:]):
        longest = min(250 << number, 60_000)
        assert longest // 2 <= wait <= longest + 10, waits


def test_boards_that_start_alike_do_not_retry_together() -> None:
    one, other = waits_of("dev-00001"), waits_of("dev-00002")
    assert sum(a != b for a, b in zip(one, other)) > 8


def test_a_lasting_connection_makes_the_next_retry_quick_again(rig: Rig) -> None:
    for _ in range(4):
        rig.connect().close()
        rig.until(lambda: not rig.client.connected)
        rig.tick(60_000)
    peer = rig.connect()
    rig.tick(10_000)
    peer.close()
    rig.until(lambda: not rig.client.connected)
    rig.tick(250)
    rig.connect()
    assert rig.client.generation == 6


def test_close_says_offline_and_a_later_poll_connects_again(rig: Rig) -> None:
    rig.connect()
    rig.client.close()
    assert rig.packet() == b"\x31\x1e" + b"\0\x15pt/v1/dev-00001/stateoffline"
    assert rig.packet() == b"\xe0\0"
    assert not rig.client.connected and rig.client.errors == 0
    rig.connect()


def test_a_clock_that_starts_anew_does_no_harm(rig: Rig) -> None:
    rig.now = 1 << 29
    rig.connect()
    rig.now = 0
    rig.poll()
    assert rig.client.connected
    rig.tick(15_000)
    assert rig.packet() == b"\xc0\0"


# --- up ---


@pytest.mark.parametrize("size", [1, 105, 106, 107, 108, 1024, 4096])
def test_a_message_goes_out_from_the_callers_buffer(rig: Rig, size: int) -> None:
    rig.connect()
    payload = random.Random(size).randbytes(size)
    assert rig.client.send(bytearray(b"abc" + payload + b"def"), 3, size)
    rig.expect(up(payload))
    assert rig.client.can_send()


def test_a_full_socket_is_continued_where_it_stopped(rig: Rig) -> None:
    peer = rig.connect()
    rig.client._dialer._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
    expected = bytearray()
    payload = random.Random(1).randbytes(4096)
    while rig.client.can_send():
        assert rig.client.send(payload, 0, len(payload))
        expected += up(payload)
    assert not rig.client.send(payload, 0, 1), "one message at a time"
    got = bytearray()
    while len(got) < len(expected):
        got += peer.recv(3000)
        rig.poll()
    assert got == expected
    assert rig.client.can_send()


# --- down ---


def test_messages_arrive_however_they_are_split(rig: Rig) -> None:
    peer = rig.connect()
    dice = random.Random(2)
    payloads = [dice.randbytes(dice.choice([1, 30, 60, 107, 300, 512])) for _ in range(40)]
    packets = [publish(payload, qos=dice.choice([0, 0, 1])) for payload in payloads]
    packets[10:10] = [PINGRESP]
    stream = b"".join(packets)
    got = []
    at = 0
    while len(got) < len(payloads):
        if at < len(stream):
            step = dice.choice([1, 2, 50, 700])
            peer.sendall(stream[at : at + step])
            at += step
        rig.poll()
        while length := rig.client.receive():
            got.append(bytes(rig.client.rx[:length]))
    assert got == payloads
    assert rig.client.skipped == 0


def test_a_message_stays_until_it_was_received(rig: Rig) -> None:
    peer = rig.connect()
    peer.sendall(publish(b"first") + publish(b"second"))
    for _ in range(20):
        rig.poll()
    rig.until(lambda: rig.client._ready > 0)
    assert rig.client.receive() == 5 and rig.client.rx[:5] == b"first"
    assert rig.client.receive() == 6 and rig.client.rx[:6] == b"second"
    assert rig.client.receive() == 0


def test_a_message_too_long_for_us_is_skipped_and_counted(rig: Rig) -> None:
    peer = rig.connect()
    peer.sendall(publish(b"x" * 513) + publish(b"next"))
    rig.until(lambda: rig.client.receive() == 4)
    assert rig.client.rx[:4] == b"next"
    assert rig.client.skipped == 1


@pytest.mark.parametrize("noise", [b"\x30\xff\xff\xff\xff\x7f", b"\x30\xff\xff\xff\xff"])
def test_an_impossible_length_ends_the_connection(rig: Rig, noise: bytes) -> None:
    peer = rig.connect()
    peer.sendall(noise)
    rig.until(lambda: rig.client.errors == 1)
    assert not rig.client.connected
    rig.tick(250)
    rig.connect()


@pytest.mark.parametrize("seed", range(20))
def test_noise_does_no_more_than_drop_the_connection(rig: Rig, seed: int) -> None:
    peer = rig.connect()
    peer.sendall(random.Random(seed).randbytes(600))
    peer.shutdown(socket.SHUT_WR)
    for _ in range(5000):
        rig.poll()
        rig.client.receive()
        if not rig.client.connected:
            break
    assert rig.client.errors == 1


# --- half-open connections ---


def test_silence_is_asked_about_and_an_answer_keeps_the_connection(rig: Rig) -> None:
    peer = rig.connect()
    for _ in range(5):
        rig.tick(15_000)
        assert rig.packet() == b"\xc0\0"
        peer.sendall(PINGRESP)
        rig.until(lambda: not rig.client._pinged)
    assert rig.client.errors == 0


def test_a_broker_that_only_listens_is_dropped(rig: Rig) -> None:
    """Our own messages must not hide that nothing comes back."""
    peer = rig.connect()
    for _ in range(30):
        rig.tick(1000)
        rig.client.send(b"chunk", 0, 5)
    assert rig.client.connected
    rig.tick(1000)
    assert not rig.client.connected and rig.client.errors == 1
    while peer.recv(4096):
        pass


def test_an_app_that_pauses_finds_its_connection_again(rig: Rig) -> None:
    rig.connect()
    rig.tick(300_000)
    assert rig.packet() == b"\xc0\0"
    assert rig.client.connected


def test_a_socket_that_takes_nothing_is_dropped(rig: Rig) -> None:
    rig.connect()
    payload = bytes(4096)
    while rig.client.can_send():
        rig.client.send(payload, 0, 4096)
    for _ in range(31):
        rig.tick(1000)
    assert not rig.client.connected
    assert rig.client.can_send(), "the caller has its buffer back"


# --- real brokers ---


class Listener:
    """A paho client that keeps what is published, and answers each uplink message with a downlink one."""

    def __init__(self, port: int, answer: bytes | None = None) -> None:
        self.seen: list[tuple[str, bytes]] = []
        self._new = threading.Condition()
        self._answer = answer
        self._subscribed = threading.Event()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self.client.on_message = self._on_message
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_connect = lambda client, *_: client.subscribe("pt/v1/#")
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self._subscribed.wait(_WAIT_S)

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _on_message(self, client: paho.Client, _: object, message: paho.MQTTMessage) -> None:
        with self._new:
            self.seen.append((message.topic, message.payload))
            self._new.notify_all()
        if self._answer is not None and message.topic.endswith("/up"):
            client.publish(message.topic[:-2] + "down", self._answer + message.payload[:2])

    def wait_for(self, topic: str, payload: bytes) -> None:
        with self._new:
            assert self._new.wait_for(lambda: (topic, payload) in self.seen, _WAIT_S), self.seen[-5:]

    def payloads(self, topic: str) -> list[bytes]:
        return [payload for where, payload in self.seen if where == topic]


@pytest.mark.parametrize("port", ports.SOURCE, ids=str)
def test_heap_stays_locked_over_frames_acks_and_pings_on_microcontrollers(port: ports.Port) -> None:
    with mosquitto() as broker, Listener(broker.port, answer=b"ack") as listener:
        printed = port.run(DEVICE / "mqtt_steady.py", str(broker.port), "300", heap="1m")
        sent = listener.payloads("pt/v1/dev-00001/up")
        listener.wait_for("pt/v1/dev-00001/state", b"offline")
    assert printed.split() == [
        "sent",
        "300",
        "received",
        "300",
        "wrong",
        "0",
        "errors",
        "0",
        "generation",
        "1",
    ]
    assert [message[:2] for message in sent] == [number.to_bytes(2, "big") for number in range(300)]
    assert all(len(message) == 2 + number % 900 for number, message in enumerate(sent))


def test_a_killed_client_is_announced_by_its_will() -> None:
    with mosquitto() as broker, Listener(broker.port) as listener:
        micropython.run(DEVICE / "mqtt_steady.py", str(broker.port), "0", "crash", heap="1m")
        listener.wait_for("pt/v1/dev-00001/state", b"online")
        listener.wait_for("pt/v1/dev-00001/state", b"offline")


@pytest.mark.parametrize("serve", [mosquitto, nats])
def test_a_broker_that_restarts_is_found_again(serve: object) -> None:
    with serve() as broker:
        client = MQTT("127.0.0.1", broker.port)
        client.attach("dev-00001")
        now = _poll_until(client, 0, lambda: client.connected)
        broker.restart()
        now = _poll_until(client, now, lambda: not client.connected)
        _poll_until(client, now, lambda: client.connected)
        assert client.generation == 2
        with Listener(broker.port) as listener:
            client.send(b"hello", 0, 5)
            _poll_until(client, now, client.can_send)
            listener.wait_for("pt/v1/dev-00001/up", b"hello")
        client.close()


def _poll_until(client: MQTT, now: int, is_so: object) -> int:
    """Poll in a clock that runs ahead, so that waits between retries pass at once."""
    pause = threading.Event()
    for _ in range(3000):
        if is_so():
            return now
        client.poll(now)
        pause.wait(0.002)
        now += 20
    raise AssertionError("it never came so")
