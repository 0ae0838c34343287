"""A hundred thousand messages, topics and answers that nobody should send leave everything as it was."""

from __future__ import annotations

import asyncio
import itertools
import json
import queue
import random
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from pixeltrail_bridge import config
from pixeltrail_bridge.app import Bridge, running
from pixeltrail_bridge.sources.base import Arrival, host_ms
from pixeltrail_bridge.sources.mqtt import MqttSource
from pixeltrail_bridge.wire.decode import decode_downlink

from tests.support import fleet, services
from tests.support.bridge_process import wait_until

from . import fuzz

HEALTHY = "healthy-1"
MESSAGES, TOPICS, ANSWERS = 85_000, 17_000, 3_000
_MORE_MB = 60.0  # than at a fifth of the way: caches that fill are no leak
_QUEUED = 4_000


class Healthy:
    """A device of the fleet beside the noise, in this process. `work` gives it a turn."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._heard: queue.Queue[bytes] = queue.Queue()
        self.device = fleet.Device(HEALTHY, 1, self._up, lambda line: None, random.Random(1))
        self.device.connected()

    def _up(self, data: bytes) -> None:
        self._bridge.ingest.receive(Arrival(HEALTHY, data, host_ms(), self))

    def send(self, _device_id: str, data: bytes) -> bool:
        self._heard.put(data)
        return True

    def work(self, produce: bool) -> None:
        while not self._heard.empty():
            self.device.take(decode_downlink(self._heard.get()))
        if produce and len(self.device.outbox) < fleet.WINDOW:
            self.device.produce()
        self.device.step()

    def finish(self) -> None:
        wait_until(
            lambda: self.work(False) or not self.device.outbox, "the healthy device had delivered all", 60
        )

    def judge(self, bridge: Bridge) -> int:
        """Its chunks are all there, and each call once; nothing of it is a dead letter but what it meant to be one."""
        store, device = bridge.store, self.device
        assert [chunk.seq for chunk in store.chunks(HEALTHY, device.stream)] == list(range(device.acked))
        places = [
            json.loads(event.payload)["properties"]["place"]
            for event in store.events(HEALTHY, limit=1_000_000)
            if event.event == fleet.EVENT
        ]
        assert len(places) == len(set(places)) > device.acked // 3
        letters = [letter for letter in store.dead_letters(limit=100_000) if letter.device_id == HEALTHY]
        assert {letter.kind for letter in letters} <= {"record"}, letters
        assert not store.gaps(HEALTHY)
        return len(places)


class Deaf:
    """The way back to those who send noise."""

    def send(self, device_id: str, data: bytes) -> bool:
        assert device_id != HEALTHY, "an answer to the healthy device went to somebody else"
        return True


def started(folder: Path, broker: services.Service) -> Any:
    url = f"mqtt.url=mqtt://127.0.0.1:{broker.port}"
    return running(config.load(overrides=[f"bridge.data_dir={folder}", url, "web.enabled=false"]))


def is_well(bridge: Bridge) -> bool:
    health = bridge.ingest.health
    assert health.error is None, health.error
    return health.state == "running"


def throw_messages(folder: Path, count: int, seed: int) -> dict[str, Any]:
    with services.mosquitto() as broker, started(folder, broker) as bridge:
        healthy, deaf = Healthy(bridge), Deaf()
        noise = iter(fuzz.Messages(seed, healthy.device.stream))
        resident_mb = []  # at each tenth of the way
        for number, (device, data) in enumerate(itertools.islice(noise, count)):
            bridge.ingest.receive(Arrival(device, data, host_ms(), deaf))
            if number % 50 == 0:
                healthy.work(True)
                wait_until(lambda: bridge.ingest.health.queued_messages < _QUEUED, "the queue is short", 60)
            if number % (count // 10) == 0:
                resident_mb.append(round(fuzz.resident_mb(), 1))
        healthy.finish()
        wait_until(lambda: not bridge.ingest.health.queued_messages, "all was taken", 60)
        more_mb = fuzz.resident_mb() - resident_mb[2]
        assert is_well(bridge)
        assert more_mb < _MORE_MB, f"memory grew by {more_mb:.0f} MB"
        calls = healthy.judge(bridge)
        counters = bridge.store.counters()
        letters = sum(found.get("dead_letters", 0) for found in counters.values())
        assert letters > count // 10, "the noise was not noise"
        return {
            "messages": count,
            "dead_letters": letters,
            "healthy_calls": calls,
            "resident_mb": resident_mb,
            "more_mb": round(more_mb, 1),
        }


def throw_topics(folder: Path, count: int, seed: int) -> dict[str, Any]:
    with services.mosquitto() as broker, started(folder, broker) as bridge:
        wait_until(lambda: any(one.is_up for one in bridge.ingest.health.sources.values()), "it serves")
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.max_queued_messages_set(0)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        healthy, dice = Healthy(bridge), random.Random(seed)
        for number, topic in enumerate(itertools.islice(fuzz.topics(seed), count)):
            last = client.publish(topic, dice.randbytes(dice.randrange(40)), retain=number % 100 == 0)
            if number % 500 == 0:
                healthy.work(True)
                last.wait_for_publish(60)
        (source,) = bridge.worker.links._sources
        assert isinstance(source, MqttSource)
        wait_until(lambda: source.bad_topics > count // 4, "they had come through the broker", 60)
        healthy.finish()
        client.disconnect()
        client.loop_stop()
        assert is_well(bridge)
        return {"topics": count, "bad_topics": source.bad_topics, "healthy_calls": healthy.judge(bridge)}


@pytest.mark.timeout(300)
def test_messages_that_nobody_should_send(tmp_path: Path) -> None:
    assert throw_messages(tmp_path, MESSAGES, seed=1)["healthy_calls"] > 200


@pytest.mark.timeout(300)
def test_topics_that_nobody_should_use(tmp_path: Path) -> None:
    assert throw_topics(tmp_path, TOPICS, seed=1)["healthy_calls"]


@pytest.mark.timeout(300)
def test_answers_that_nobody_should_give() -> None:
    answered = asyncio.run(fuzz.answer_a_sink(ANSWERS, seed=1))
    assert not answered.wrong
    assert answered.sent and answered.dead and answered.retried > ANSWERS // 2
