"""The MQTT source against a real Mosquitto."""

from __future__ import annotations

import queue
import random
import time

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.sources.base import Presence
from pixeltrail_bridge.sources.herald import GRACE_S, Stand
from pixeltrail_bridge.sources.mqtt import MqttSource
from pixeltrail_bridge.wire.decode import decode_downlink
from pixeltrail_bridge.wire.messages import HostHello

from tests.bridge.sources.kit import WAIT_S, Collector
from tests.support.services import free_port, mosquitto

ID = b"bridge-1"


@pytest.fixture(scope="module")
def broker():
    with mosquitto() as broker:
        yield broker


class Peer:
    """Any other client of the broker; `got` holds (topic, payload, retained)."""

    def __init__(self, port: int, *topics: str) -> None:
        self.got: queue.Queue[tuple[str, bytes, bool]] = queue.Queue()
        ready = queue.Queue()
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.on_message = lambda c, d, m: self.got.put((m.topic, m.payload, bool(m.retain)))
        self.client.on_subscribe = lambda *_: ready.put(True)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        if topics:
            self.client.subscribe([(topic, 0) for topic in topics])
            ready.get(timeout=WAIT_S)

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        self.client.publish(topic, payload, retain=retain).wait_for_publish(WAIT_S)

    def get(self) -> tuple[str, bytes, bool]:
        return self.got.get(timeout=WAIT_S)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def serving(broker):
    collector, source = Collector(), MqttSource(f"mqtt://127.0.0.1:{broker.port}", ID)
    source.start(collector.receive, collector.state)
    collector.wait_up()
    yield source, collector
    source.stop()


def test_messages_both_ways(broker, serving) -> None:
    source, collector = serving
    peer = Peer(broker.port, "pt/v1/device-1/down")
    # SUBACK order is the broker's: this round trip shows that the source's own subscriptions are in place
    peer.publish("pt/v1/device-1/up", b"hello")
    collector.wait(lambda: collector.arrivals)
    arrival = collector.arrivals[0]
    assert (arrival.device_id, arrival.data) == ("device-1", b"hello") and arrival.received_ms > 1.6e12
    assert arrival.channel.send("device-1", b"answer")
    assert peer.get() == ("pt/v1/device-1/down", b"answer", False)
    peer.publish("pt/v1/device-1/up", bytes(10_000))
    collector.wait(lambda: len(collector.arrivals) == 2)
    assert len(collector.arrivals[1].data) == 4097
    peer.close()


@pytest.mark.parametrize("most", [10, 100, 300, 5_000])
def test_messages_that_come_together_keep_their_order_and_their_bytes(broker, serving, most: int) -> None:
    """Of several devices, of any size, between messages that are no device's."""
    source, collector = serving
    peer, dice = Peer(broker.port), random.Random(most)
    sent = []
    for number in range(300):
        device, payload = f"device-{dice.randrange(5)}", dice.randbytes(dice.randrange(most))
        sent.append((device, payload[:4097]))
        peer.client.publish(f"pt/v1/{device}/up", payload)
        if number % 20 == 0:
            peer.client.publish(f"pt/v1/{device}/state", b"online")
            peer.client.publish("pt/v1/-bad-/up", payload)
    collector.wait(lambda: len(collector.arrivals) == len(sent))
    assert [(one.device_id, one.data) for one in collector.arrivals] == sent
    peer.close()


def test_what_no_bridge_would_announce_is_only_counted(broker) -> None:
    peer = Peer(broker.port)
    names = ("x", "none of ours", "00112233445566", "0011223344556677/more")
    for name in names:
        peer.publish(f"pt/v1/_bridge/{name}", b"here I am", retain=True)
    collector, source = Collector(), MqttSource(f"mqtt://127.0.0.1:{broker.port}", ID)
    source.start(collector.receive, collector.state)
    collector.wait_up()
    assert source.bad_topics == 3, "the last is below the level that is listened to"
    for name in names:
        peer.publish(f"pt/v1/_bridge/{name}", b"", retain=True)
    source.stop()
    peer.close()


def test_the_herald_sleeps_while_nothing_is_due(broker) -> None:
    collector, source = Collector(), MqttSource(f"mqtt://127.0.0.1:{broker.port}", ID)
    ticks = []
    tick = source._herald.tick
    source._herald.tick = lambda now_s: ticks.append(now_s) or tick(now_s)
    source.start(collector.receive, collector.state)
    collector.wait_up()
    peer = Peer(broker.port, "pt/v1/device-1/down")
    for _ in range(50):
        peer.publish("pt/v1/device-1/up", b"x")
    collector.wait(lambda: len(collector.arrivals) >= 40)  # the first few may come before the subscription
    assert len(ticks) < 20
    source.stop()
    peer.close()


def test_presence_and_bad_topics(broker, serving) -> None:
    source, collector = serving
    peer = Peer(broker.port)
    for topic in ("pt/v1/a/up", "pt/v1/-dash-/up", "pt/v1/d\u00e9vice/up", "pt/v1/with space/up"):
        peer.publish(topic, b"x")
    peer.publish("pt/v1/device-1/state", b"online")
    collector.wait(lambda: Presence("device-1", True) in collector.events)
    assert source.bad_topics == 4 and not collector.arrivals
    peer.close()


def test_devices_that_were_online_before_are_greeted(broker) -> None:
    peer = Peer(broker.port, "pt/v1/device-7/down", "pt/v1/device-8/down")
    peer.publish("pt/v1/device-8/state", b"offline", retain=True)
    peer.publish("pt/v1/device-7/state", b"online", retain=True)
    collector, source = Collector(), MqttSource(f"mqtt://127.0.0.1:{broker.port}", ID)
    source.start(collector.receive, collector.state)
    topic, payload, _ = peer.get()
    assert (topic, decode_downlink(payload)) == ("pt/v1/device-7/down", HostHello(ID, 1, 1))
    collector.wait(lambda: Presence("device-8", False) in collector.events)
    # It connects, and begins with a sync by itself
    peer.publish("pt/v1/device-8/state", b"online", retain=True)
    collector.wait(lambda: Presence("device-8", True) in collector.events)
    source.stop()
    assert peer.got.empty()
    for device in ("device-7", "device-8"):
        peer.publish(f"pt/v1/{device}/state", b"", retain=True)
    peer.close()


def test_it_announces_itself_and_takes_it_back(broker) -> None:
    collector, source = Collector(), MqttSource(f"mqtt://127.0.0.1:{broker.port}", ID)
    peer = Peer(broker.port, "pt/v1/_bridge/+")
    source.start(collector.receive, collector.state)
    topic, payload, _ = peer.get()
    assert topic == f"pt/v1/_bridge/{ID.hex()}" and decode_downlink(payload) == HostHello(ID, 1, 1)
    source.stop()
    assert peer.get()[1] == b""
    peer.close()


def test_bridges_of_one_store_share_messages_and_all_hear_of_states(broker) -> None:
    collectors, sources = [Collector(), Collector()], []
    for collector in collectors:
        source = MqttSource(f"mqtt://127.0.0.1:{broker.port}", ID, share="workers")
        source.start(collector.receive, collector.state)
        sources.append(source)
        collector.wait_up()
    peer = Peer(broker.port)
    sent = [b"message %d" % number for number in range(40)]
    for text in sent:
        peer.publish("pt/v1/device-1/up", text)
    peer.publish("pt/v1/device-1/state", b"online")
    for collector in collectors:
        collector.wait(lambda: Presence("device-1", True) in collector.events)  # noqa: B023 - called at once
    shares = [[one.data for one in collector.arrivals] for collector in collectors]
    assert all(shares), "each gets some"
    assert sorted(shares[0] + shares[1]) == sorted(sent)
    for source in sources:
        source.stop()
    peer.close()


def test_a_second_bridge_refuses(broker, serving) -> None:
    collector, second = Collector(), MqttSource(f"mqtt://127.0.0.1:{broker.port}", b"bridge-2")
    second.start(collector.receive, collector.state)
    peer = Peer(broker.port)
    # The sign of life that the first repeats every 10 s; it counts once the second listens
    while not collector.links:
        peer.publish(f"pt/v1/_bridge/{ID.hex()}", b"alive")
    collector.wait_down("another database")
    peer.publish("pt/v1/device-1/up", b"for the first")
    serving[1].wait(lambda: serving[1].arrivals)
    assert not collector.arrivals
    second.stop()
    peer.close()


def test_a_second_bridge_that_is_slow_refuses_too(broker, serving, monkeypatch) -> None:
    """It served when it looked at what the broker retains later than a fixed time after it had asked for it."""
    hear = MqttSource._on_message

    def hear_late(*arguments) -> None:
        time.sleep(3 * GRACE_S)
        hear(*arguments)

    monkeypatch.setattr(MqttSource, "_on_message", hear_late)
    collector, second = Collector(), MqttSource(f"mqtt://127.0.0.1:{broker.port}", b"bridge-2")
    second.start(collector.receive, collector.state)
    peer = Peer(broker.port)
    while second._herald.stand is Stand.ASKING:
        time.sleep(0.01)
    peer.publish(f"pt/v1/_bridge/{ID.hex()}", b"alive")
    collector.wait_down("another database")
    second.stop()
    peer.close()


def test_a_lost_broker_is_found_again() -> None:
    with mosquitto() as broker:
        collector, source = Collector(), MqttSource(f"mqtt://127.0.0.1:{broker.port}", ID)
        source.start(collector.receive, collector.state)
        collector.wait_up()
        broker.restart()
        collector.wait_down()
        collector.wait_up()
        source.stop()


def test_an_unreachable_broker_is_said() -> None:
    collector, source = Collector(), MqttSource(f"mqtt://127.0.0.1:{free_port()}", ID)
    source.start(collector.receive, collector.state)
    collector.wait_down("check mqtt.url")
    assert not source.send("device-1", b"x")
    source.stop()


@pytest.mark.parametrize(
    "url", ["http://host", "mqtt://", "broker:1883", "mqtt://host:port", "mqtt://u:secret@:1"]
)
def test_wrong_urls(url: str) -> None:
    with pytest.raises(ConfigError, match="mqtt.url") as error:
        MqttSource(url, ID)
    assert "secret" not in str(error.value)


def test_who_may_serve_a_connection_that_is_lost_asks_again_on_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between the decision to serve and the subscription: another bridge may serve by the time we are back."""
    source, topics = MqttSource("mqtt://127.0.0.1:1", ID), list[object]()
    monkeypatch.setattr(source._client, "subscribe", lambda wanted: (topics.append(wanted), (0, 1))[1])
    source._herald.subscribed(0)
    actions = source._herald.tick(1_000)
    source._on_disconnect(None, None, None, None, None)  # type: ignore[arg-type]
    source._do(actions)
    assert not topics
    source._herald.subscribed(2_000)
    source._do(source._herald.tick(3_000))
    assert len(topics) == 1
