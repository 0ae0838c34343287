"""Two bridges with databases of their own on one broker: only the one that began first confirms chunks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from pixeltrail_bridge import config
from pixeltrail_bridge.app import Bridge, diagnosis, running
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_downlink

from tests.bridge.fake_device import FakeDevice, fake_device, wait_for
from tests.support.services import Service, mosquitto

DEVICE = "test-espresso"


def settings(folder: Path, broker: Service) -> config.Config:
    url = f"mqtt.url=mqtt://127.0.0.1:{broker.port}"
    return config.load(overrides=[f"bridge.data_dir={folder}", url, "web.enabled=false"])


class Acks:
    """Every ack that goes to the device: by which bridge, up to where."""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, int]] = []

    def take(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        down = decode_downlink(message.payload)
        if isinstance(down, m.Ack):
            self.seen.append((down.bridge_id, down.next))

    def by(self, bridge: Bridge) -> list[int]:
        return [following for bridge_id, following in self.seen if bridge_id == bridge.store.bridge_id]


@contextmanager
def listening(port: int) -> Iterator[Acks]:
    acks, subscribed = Acks(), threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message, client.on_subscribe = acks.take, lambda *_: subscribed.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        client.subscribe(f"pt/v1/{DEVICE}/down")
        assert subscribed.wait(20)
        yield acks
    finally:
        client.disconnect()
        client.loop_stop()


def send(device: FakeDevice, name: str, acks: Acks, bridge: Bridge) -> None:
    """A chunk, repeated by syncs until the bridge has confirmed all that came."""
    device.send(m.Track(name, {}))
    following = device._seq
    wait_for(
        lambda: device.sync() or following in acks.by(bridge),
        f"the ack of {name} by {bridge.store.bridge_id.hex()}",
    )


def names(bridge: Bridge) -> list[str]:
    return [row.event for row in bridge.store.events(DEVICE, limit=1_000) if row.type == "track"]


def test_the_second_takes_nothing_until_the_first_has_ended(tmp_path: Path) -> None:
    with mosquitto() as broker, listening(broker.port) as acks, ExitStack() as stack:
        first = stack.enter_context(running(settings(tmp_path / "first", broker)))
        device = stack.enter_context(fake_device(broker.port, DEVICE))
        device.find_bridge()
        device.begin()
        with running(settings(tmp_path / "second", broker)) as second:
            for number in range(5):
                send(device, f"Event {number}", acks, first)
            assert acks.by(second) == [] and second.store.devices() == []
            assert second.ingest.health.messages == 0
            stack.close()  # the first ends, and takes its announcement back
            with fake_device(broker.port, DEVICE) as again:
                again._seq = device._seq
                wait_for(lambda: again.sync() or acks.by(second), "the second bridge")
            assert [row.device_id for row in second.store.devices()] == [DEVICE]
        with running(settings(tmp_path / "first", broker)) as first:
            assert [name for name in names(first) if name.startswith("Event")] == [
                f"Event {n}" for n in range(5)
            ]


@pytest.mark.slow
def test_the_second_says_why_and_goes_on_when_the_first_dies(tmp_path: Path) -> None:
    """Slow, because a bridge repeats its announcement every 10 s."""
    with mosquitto() as broker, listening(broker.port) as acks, ExitStack() as stack:
        first = stack.enter_context(running(settings(tmp_path / "first", broker)))
        own = first.store.bridge_id.hex()
        device = stack.enter_context(fake_device(broker.port, DEVICE))
        device.find_bridge()
        device.begin()
        with running(settings(tmp_path / "second", broker)) as second:
            wait_for(
                lambda: [one for one in second.ingest.health.sources.values() if not one.is_up], "its refusal"
            )
            (link,) = second.ingest.health.sources.values()
            assert own in link.detail and "stop one of the two" in link.detail
            asked = settings(tmp_path / "second", broker)
            found = diagnosis.check_bridges(asked.mqtt.url, second.store.bridge_id.hex(), asked)
            assert found.level == "FAULT" and own in found.text
            send(device, "While Refused", acks, first)
            assert acks.by(second) == []
            stack.close()
            with fake_device(broker.port, DEVICE) as again:
                wait_for(lambda: again.sync() or acks.by(second), "the second bridge")
            wait_for(lambda: next(iter(second.ingest.health.sources.values())).is_up, "word that it serves")
