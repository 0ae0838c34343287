"""Who may speak for whom: keys and topics at real brokers, spoofed downlinks, topics and claims of every kind."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pixeltrail_bridge import config
from pixeltrail_bridge.app.links import tls_of
from pixeltrail_bridge.ingest import flapping
from pixeltrail_bridge.keys.authority import Authority
from pixeltrail_bridge.keys.brokers import nats_authorization, write_mosquitto
from pixeltrail_bridge.keys.files import is_open_to_others
from pixeltrail_bridge.keys.ring import BRIDGE_USER, KeyRing
from pixeltrail_bridge.sources.mqtt import MqttSource
from pixeltrail_bridge.sources.nats_server import Door, NatsServer
from pixeltrail_bridge.sources.tls import Tls, pinned
from pixeltrail_bridge.wire.limits import DEVICE_ID

from tests.bridge.sources.kit import Collector
from tests.security.kit import (
    LOOPBACK,
    Browser,
    MqttClient,
    bridge,
    chunk,
    is_serving,
    sync,
    wait_heard,
    wait_until,
)
from tests.support.requirements import require
from tests.support.services import Service, free_port

NOW_MS = 1_760_000_000_000


class Broker:
    """A broker that knows kitchen-01, hall-01 and the bridge; `reload` after their keys have changed."""

    def __init__(self, folder: Path) -> None:
        self.ring = KeyRing(folder / "keys")
        self.secrets = {one: self.ring.add(one, NOW_MS) for one in ("kitchen-01", "hall-01")}
        self.secrets[BRIDGE_USER] = self.ring.bridge_password()
        authority = Authority.make(self.ring.folder)
        authority.issue_server([LOOPBACK])
        self.trust = ssl.create_default_context(cafile=str(self.ring.folder / "ca.pem"))
        self.port = 0

    def client(self, user: str, password: str | None = None, **more: object) -> MqttClient:
        secret = self.secrets[user] if password is None else password
        return MqttClient(self.port, user, secret, tls=self.trust, **more)  # type: ignore[arg-type]

    def reload(self) -> None:
        raise NotImplementedError


class EmbeddedBroker(Broker):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = NatsServer(folder / "broker", port=0, door=self._door)
        self._server.start()
        self.port = self._server.port

    def _door(self) -> Door:
        keys = self.ring.folder
        return Door(
            nats_authorization(self.ring.devices(), self.ring.bridge_hash()),
            keys / "server.pem",
            keys / "server.key",
        )

    def reload(self) -> None:
        """It looks by itself."""

    def stop(self) -> None:
        self._server.stop()


class MosquittoBroker(Broker):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port, self._files = free_port(), folder / "mosquitto"
        self._files.mkdir()
        self._write()
        config = self._files / "mosquitto.conf"
        config.write_text(f"user root\npersistence false\ninclude_dir {self._files}/included\n")
        (self._files / "included").mkdir()
        (self._files / "included" / "pixeltrail.conf").symlink_to(self._files / "pixeltrail.conf")
        self._service = Service([require("mosquitto"), "-c", config], [self.port], self._files)
        self._service.start()

    def _write(self) -> None:
        write_mosquitto(
            self._files, self.ring.folder, self.ring.devices(), self.ring.bridge_password(), self.port
        )

    def reload(self) -> None:
        self._write()
        os.kill(self._service.pid, 1)

    def stop(self) -> None:
        self._service.stop()


@pytest.fixture(params=[EmbeddedBroker, MosquittoBroker], ids=["nats", "mosquitto"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    made = request.param(tmp_path)
    yield made
    made.stop()


def test_a_device_with_its_key_speaks_and_hears(broker: Broker) -> None:
    with (
        broker.client(BRIDGE_USER) as host,
        broker.client("kitchen-01", will=("pt/v1/kitchen-01/state", b"offline")) as own,
    ):
        assert host.word("connected") and own.word("connected")
        assert (
            host.subscribe("pt/v1/+/up")
            and host.subscribe("pt/v1/+/state")
            and host.subscribe("pt/v1/_bridge/+")
        )
        assert own.subscribe("pt/v1/kitchen-01/down")
        own.publish("pt/v1/kitchen-01/state", b"online")
        own.publish("pt/v1/kitchen-01/up", b"chunk")
        host.publish("pt/v1/kitchen-01/down", b"ack")
        assert {host.seen.get(timeout=30) for _ in range(2)} == {
            ("pt/v1/kitchen-01/state", b"online"),
            ("pt/v1/kitchen-01/up", b"chunk"),
        }
        assert own.seen.get(timeout=30) == ("pt/v1/kitchen-01/down", b"ack")


@pytest.mark.parametrize("who", ["nobody", "wrong key", "unknown device", "no key"])
def test_without_the_right_key_nobody_comes_in(broker: Broker, who: str) -> None:
    user, secret = {
        "nobody": ("", ""),
        "wrong key": ("kitchen-01", broker.secrets["hall-01"]),
        "unknown device": ("kitchen-09", broker.secrets["hall-01"]),
        "no key": ("kitchen-01", ""),
    }[who]
    with MqttClient(broker.port, user, secret, tls=broker.trust) as stranger:
        assert not stranger.entered()


def test_a_device_writes_no_topic_but_its_own(broker: Broker) -> None:
    """What it writes to others' topics is dropped; the last, to its own, shows that all before was looked at."""
    foreign = [
        "pt/v1/hall-01/up",
        "pt/v1/hall-01/state",
        "pt/v1/hall-01/down",
        "pt/v1/kitchen-01/down",
        "pt/v1/_bridge/0011223344556677",
        "pt/v1/kitchen-01/up/more",
        "other/topic",
    ]
    with (
        broker.client(BRIDGE_USER) as host,
        broker.client("hall-01") as other,
        broker.client("kitchen-01") as thief,
    ):
        assert host.word("connected") and other.word("connected") and thief.word("connected")
        for topic in ("pt/v1/+/up", "pt/v1/+/state", "pt/v1/_bridge/+"):
            assert host.subscribe(topic)
        assert other.subscribe("pt/v1/hall-01/down")
        for topic in foreign:
            thief.publish(topic, b"spoofed")
        thief.publish("pt/v1/kitchen-01/up", b"own")
        assert host.seen.get(timeout=30) == ("pt/v1/kitchen-01/up", b"own")
        host.publish("pt/v1/hall-01/down", b"ack")
        assert other.seen.get(timeout=30) == ("pt/v1/hall-01/down", b"ack"), (
            "a spoofed downlink would come first"
        )


def test_a_device_reads_no_topic_but_its_own(broker: Broker) -> None:
    with broker.client("kitchen-01") as thief, broker.client(BRIDGE_USER) as host:
        assert thief.word("connected") and host.word("connected")
        for topic in ("pt/v1/hall-01/down", "pt/v1/+/down", "pt/v1/hall-01/up", "pt/v1/#", "#", "$SYS/#"):
            thief.subscribe(topic)  # some brokers grant it and send nothing, others refuse
        assert thief.subscribe("pt/v1/kitchen-01/down")
        host.publish("pt/v1/hall-01/down", b"for the hall")
        host.publish("pt/v1/kitchen-01/down", b"for the kitchen")
        assert thief.seen.get(timeout=30) == ("pt/v1/kitchen-01/down", b"for the kitchen")


def test_a_revoked_device_is_dropped_and_the_others_stay(broker: Broker) -> None:
    with (
        broker.client("hall-01") as other,
        broker.client("kitchen-01") as lost,
        broker.client(BRIDGE_USER) as host,
    ):
        assert other.word("connected") and lost.word("connected") and host.word("connected")
        assert other.subscribe("pt/v1/hall-01/down")
        broker.ring.revoke("kitchen-01")
        broker.reload()
        assert lost.word("disconnected")
        host.publish("pt/v1/hall-01/down", b"still here")
        assert other.seen.get(timeout=30) == ("pt/v1/hall-01/down", b"still here")
        assert other.words.empty() and host.words.empty()
    with broker.client("kitchen-01") as again:
        assert not again.entered()


def test_a_key_is_changed_without_a_gap(broker: Broker) -> None:
    user, secret = broker.ring.rotate("kitchen-01", NOW_MS)
    with broker.client("kitchen-01") as before:
        assert before.word("connected")
        broker.reload()
        wait_until(lambda: _enters(broker, user, secret))
        assert before.words.empty(), "the old key holds meanwhile"
        broker.ring.finish("kitchen-01")
        broker.reload()
        assert before.word("disconnected")
    assert _enters(broker, user, secret) and not _enters(broker, "kitchen-01", broker.secrets["kitchen-01"])


def _enters(broker: Broker, user: str, secret: str) -> bool:
    with MqttClient(broker.port, user, secret, tls=broker.trust) as one:
        return one.entered()


def test_no_file_of_a_broker_shows_a_key_or_is_open_to_others(broker: Broker, tmp_path: Path) -> None:
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        data = path.read_bytes()
        for user, secret in broker.secrets.items():
            if user != BRIDGE_USER:
                assert secret.encode() not in data, path
        if path.name in (
            "nats.conf",
            "passwords",
            "acl",
            "devices.json",
            "bridge.password",
            "ca.key",
            "server.key",
        ):
            assert not is_open_to_others(path), path


def test_mosquitto_is_told_to_gather_nothing(tmp_path: Path) -> None:
    """Else it holds an ack back until what it sent before is acknowledged, which may take 40 ms."""
    write_mosquitto(tmp_path, tmp_path / "keys", {}, "password", 8883)
    assert "set_tcp_nodelay true" in (tmp_path / "pixeltrail.conf").read_text().splitlines()


def test_the_bridge_serves_devices_with_keys_over_tls(tmp_path: Path) -> None:
    """Beyond loopback, with keys and TLS; a device that is added meanwhile comes in."""
    ring = KeyRing(tmp_path / "keys")
    secret = ring.add("kitchen-01", NOW_MS)
    Authority.make(ring.folder).issue_server([LOOPBACK])
    trust = ssl.create_default_context(cafile=str(ring.folder / "ca.pem"))
    stream = b"kitchen-"
    with bridge(tmp_path, "mqtt.host=0.0.0.0", "web.enabled=false") as one:
        assert one.mqtt_port is not None
        assert one.addresses()[0].startswith("Devices:  mqtts://")
        with MqttClient(one.mqtt_port, "kitchen-01", secret, tls=trust) as device:
            assert device.word("connected") and device.subscribe("pt/v1/kitchen-01/down")
            wait_heard(one, device, "kitchen-01")
            device.publish("pt/v1/kitchen-01/up", chunk(stream, 0))
            wait_until(lambda: [row.watermark for row in one.store.streams("kitchen-01")] == [1])
        for user, password in (("", ""), ("kitchen-01", "a wrong key"), ("hall-01", secret)):
            assert not _comes_in(one.mqtt_port, user, password, trust), "a stranger"
        later = ring.add("hall-01", NOW_MS)
        wait_until(lambda: _comes_in(one.mqtt_port, "hall-01", later, trust))


def _comes_in(port: int | None, user: str, secret: str, trust: ssl.SSLContext) -> bool:
    assert port is not None
    with MqttClient(port, user, secret, tls=trust) as device:
        return device.entered()


def test_with_client_certificates_a_key_alone_is_not_enough(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    secret = ring.add("kitchen-01", NOW_MS)
    authority = Authority.make(ring.folder)
    authority.issue_server([LOOPBACK])
    authority.issue_bridge()
    issued = authority.issue_device("kitchen-01")
    (tmp_path / "device.pem").write_bytes(issued.cert + issued.key)
    with bridge(tmp_path, "mqtt.host=0.0.0.0", "mqtt.client_certificates=true", "web.enabled=false") as one:
        wait_until(lambda: is_serving(one))
        bare = ssl.create_default_context(cafile=str(ring.folder / "ca.pem"))
        assert not _comes_in(one.mqtt_port, "kitchen-01", secret, bare)
        bare.load_cert_chain(tmp_path / "device.pem")
        assert _comes_in(one.mqtt_port, "kitchen-01", secret, bare)


def test_a_certificate_of_a_device_is_no_servers(tmp_path: Path) -> None:
    """Else a device could stand in for the broker towards all others."""
    authority = Authority.make(tmp_path)
    issued = authority.issue_device("kitchen-01")
    (tmp_path / "device.pem").write_bytes(issued.cert + issued.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "device.pem")
    client = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    client.check_hostname = False  # the name alone must not be what saves us
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        handshake(server, client)


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """In memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname=LOOPBACK),
    ]
    waiting = list(ends)
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                continue
    assert not waiting


def test_a_device_that_pushes_another_off_is_noticed_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its MQTT client ID, which NATS binds to no user."""
    monkeypatch.setattr(flapping, "MOST", 2)
    ring = KeyRing(tmp_path / "keys")
    secrets = {device: ring.add(device, NOW_MS) for device in ("kitchen-01", "hall-01")}
    stream = b"kitchen-"
    with bridge(tmp_path) as one:
        port = one.mqtt_port or 0
        for seq in range(2):
            with _connected(port, "kitchen-01", secrets["kitchen-01"]) as device:
                wait_heard(one, device, "kitchen-01")
                device.publish("pt/v1/kitchen-01/state", b"online")  # as the library does
                device.publish("pt/v1/kitchen-01/up", chunk(stream, seq))
                wait_until(
                    lambda end=seq + 1: [row.watermark for row in one.store.streams("kitchen-01")] == [end]
                )  # type: ignore[misc]
                with _connected(port, "hall-01", secrets["hall-01"]):
                    assert device.word("disconnected")
        wait_until(lambda: one.ingest.flapping.devices() == ["kitchen-01"])
        problems = Browser(one.web_port or 0).get("/api/health").json["problems"]
        assert any("kitchen-01" in words and "MQTT client ID" in words for words in problems)


def _connected(port: int, user: str, secret: str) -> MqttClient:
    """Under a client ID that both have; the broker lets those who push one another off wait a moment."""
    while True:
        client = MqttClient(port, user, secret, client_id="kitchen")
        if client.entered():
            return client
        client.close()


def test_the_bridge_trusts_the_broker_insides_certificate_alone(tmp_path: Path) -> None:
    """Not whatever else the same authority has signed."""
    authority = Authority.make(tmp_path / "keys")
    settings = config.load(None, {}, (f"bridge.data_dir={tmp_path}", "mqtt.host=0.0.0.0"), must_exist=False)
    tmp_path /= "keys"
    authority.issue_server([LOOPBACK])
    assert tls_of(settings) == Tls(pin=tmp_path / "server.pem")
    cert = (tmp_path / "server.pem").read_bytes()
    pin = tmp_path / "pin.pem"
    pin.write_bytes(cert + (tmp_path / "ca.pem").read_bytes())
    authority.issue_server([LOOPBACK])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, pinned(pin))
    handshake(server, Tls(pin=tmp_path / "server.pem").context())


class Given:
    """A message as paho hands it over."""

    retain = False

    def __init__(self, topic: str, payload: bytes = b"x") -> None:
        self.topic, self.payload = topic, payload


TOPIC = st.text("ab01-_/+#$.\\ \0\u00e9\u202e\U0001f600", max_size=80) | st.text(max_size=80)


@given(middle=TOPIC, last=st.sampled_from(["up", "state", "down", "../up"]))
@example("../../etc", "up")
@example("%2e%2e%2f", "up")
@example("a\0bcdef", "up")
@example("con-1", "up")
@example("+", "up")
@example("#", "up")
@example("$SYS/x", "up")
@example("kitchen-01/..", "up")
@example("kitchen-0\u0661", "up")
def test_a_topic_names_a_device_or_goes_no_further(middle: str, last: str) -> None:
    source, collector = MqttSource("mqtt://127.0.0.1:1", b"bridge-1"), Collector()
    source._receive, source._state = collector.receive, collector.state
    source._client.publish = lambda *_a, **_k: None  # type: ignore[assignment,method-assign,return-value]
    source._on_message(None, None, Given(f"pt/v1/{middle}/{last}"))  # type: ignore[arg-type]
    names = [arrival.device_id for arrival in collector.arrivals]
    names += [event.device_id for event in collector.events]  # type: ignore[union-attr]
    assert names in ([], [middle])
    assert not names or (DEVICE_ID.fullmatch(middle) and last in ("up", "state"))


def test_the_topic_stands_above_what_the_message_says(tmp_path: Path) -> None:
    """A sync that names another device, and a chunk of another's stream, are kept as dead letters of their sender."""
    with bridge(tmp_path, "web.enabled=false") as one, MqttClient(one.mqtt_port or 0) as client:
        assert client.word("connected")
        wait_heard(one, client)
        client.publish("pt/v1/hall-01/up", sync("hall-01", b"of-hall1", 1))
        client.publish("pt/v1/hall-01/up", chunk(b"of-hall1", 0))
        wait_until(lambda: [row.watermark for row in one.store.streams("hall-01")] == [1])
        client.publish("pt/v1/kitchen-01/up", sync("hall-01", b"kitchen1", 1))
        client.publish("pt/v1/kitchen-01/up", chunk(b"of-hall1", 1, "Forged"))
        wait_until(lambda: len(one.store.dead_letters()) == 2)
        assert {(letter.device_id, letter.kind) for letter in one.store.dead_letters()} == {
            ("kitchen-01", "mismatch")
        }
        assert [row.watermark for row in one.store.streams("hall-01")] == [1]
        assert "Forged" not in {event.event for event in one.store.events()}
