"""The JetStream source with a real server and an MQTT client for a device: what is confirmed, when, and by whom."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import nats
import pytest
from nats.js import api
from pixeltrail_bridge.division import part_of
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.sources.base import Presence
from pixeltrail_bridge.sources.jetstream import JetStreamSource
from pixeltrail_bridge.sources.nats_link import Login, NatsLink
from pixeltrail_bridge.sources.stream import SUBJECTS, StreamSettings, prepare
from pixeltrail_bridge.store.sharing import PARTS

from tests.bridge.fake_device import FakeDevice, fake_device, wait_for
from tests.support.services import NatsServer
from tests.support.services import nats as nats_server

from .kit import Collector

DEVICE, STORE, OTHER_STORE = "stream-device", b"one-db-1", b"other-db"
SETTINGS = StreamSettings(max_bytes=1 << 26)
QUICK = StreamSettings(max_bytes=1 << 26, ack_wait_s=1)


@pytest.fixture
def server() -> Iterator[NatsServer]:
    with nats_server() as server:
        yield server


class Worker(Collector):
    """A source, and what it brought. `settle` says that all of it is durable."""

    def __init__(
        self,
        url: str,
        store: bytes = STORE,
        settings: StreamSettings = SETTINGS,
        parts: Callable[[], frozenset[int]] | None = None,
    ) -> None:
        super().__init__()
        self.link = NatsLink(Login([url]))
        self.source = JetStreamSource(self.link, store, settings, parts)
        self.source.start(self.receive, self.state)
        self.link.start()
        self._settled = self._told = 0

    @property
    def texts(self) -> list[bytes]:
        return [one.data for one in self.arrivals]

    @property
    def states(self) -> list[Presence]:
        return [event for event in self.events if isinstance(event, Presence)]

    def settle(self) -> None:
        arrivals, states = self.arrivals[self._settled :], self.states[self._told :]
        self._settled, self._told = self._settled + len(arrivals), self._told + len(states)
        for one in (*arrivals, *states):
            assert one.settled is not None
            one.settled()

    def die(self) -> None:
        """Without a word to anybody."""
        self.link.stop()

    def leave(self) -> None:
        self.source.stop()
        self.link.stop()


@contextmanager
def worker(url: str, *more: Any) -> Iterator[Worker]:
    one = Worker(url, *more)
    try:
        yield one
    finally:
        one.settle()
        one.leave()


@contextmanager
def device(server: NatsServer) -> Iterator[FakeDevice]:
    with fake_device(server.port, DEVICE) as one:
        yield one


def ask(server: NatsServer, what: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    """`what` asked of JetStream."""

    async def work() -> Any:
        client = await nats.connect(server.url)
        try:
            return await what(client.jetstream())
        finally:
            await client.close()

    return asyncio.run(work())


def unconfirmed(server: NatsServer) -> int:
    """Messages of devices that no worker has confirmed yet."""
    found = ask(server, lambda js: js.consumer_info("pixeltrail", "bridge-0"))
    return int(found.num_pending + found.num_ack_pending)


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [b"message %d" % number for number in range(first, first + count)]


def test_messages_come_in_order_and_are_confirmed_once_they_are_settled(server: NatsServer) -> None:
    with worker(server.url) as one, device(server) as sender:
        one.wait_up()
        for text in numbered(50):
            sender.publish(text)
        one.wait(lambda: len(one.arrivals) == 50)
        assert one.texts == numbered(50)
        assert {arrival.device_id for arrival in one.arrivals} == {DEVICE}
        assert unconfirmed(server) >= 50
        one.settle()
        wait_for(lambda: unconfirmed(server) == 0, "all confirmations")


def test_what_came_while_nobody_was_there_waits(server: NatsServer) -> None:
    with worker(server.url) as one:
        one.wait_up()
    with device(server) as sender:
        for text in numbered(20):
            sender.publish(text)
    with worker(server.url) as late:
        late.wait(lambda: len(late.arrivals) == 20)
        assert late.texts == numbered(20)
        assert late.states == [Presence(DEVICE, True)]


def test_what_a_worker_held_when_it_died_goes_to_another(server: NatsServer) -> None:
    doomed = Worker(server.url, STORE, QUICK)
    doomed.wait_up()
    with device(server) as sender:
        for text in numbered(30):
            sender.publish(text)
        doomed.wait(lambda: len(doomed.arrivals) == 30)
        doomed.die()
        with worker(server.url, STORE, QUICK) as other:
            other.wait(lambda: len(other.arrivals) == 30)
            assert sorted(other.texts) == sorted(numbered(30))


def test_a_commit_that_takes_longer_than_the_wait_makes_messages_come_twice_and_none_is_lost(
    server: NatsServer,
) -> None:
    with worker(server.url, STORE, QUICK) as slow, device(server) as sender:
        slow.wait_up()
        for text in numbered(10):
            sender.publish(text)
        slow.wait(lambda: len(slow.arrivals) >= 20)
        assert set(slow.texts) == set(numbered(10))
        slow.settle()
        wait_for(lambda: unconfirmed(server) == 0, "confirmations, late as they are")


def test_workers_of_one_store_share_and_a_bridge_of_another_is_refused(server: NatsServer) -> None:
    with worker(server.url) as one, worker(server.url) as two, device(server) as sender:
        one.wait_up()
        two.wait_up()
        for text in numbered(400):
            sender.publish(text)
        wait_for(lambda: len(one.arrivals) + len(two.arrivals) == 400, "every message")
        assert sorted(one.texts + two.texts) == sorted(numbered(400))
        with worker(server.url, OTHER_STORE) as stranger:
            stranger.wait_down("another database")
            sender.publish(b"one more")
            wait_for(lambda: len(one.arrivals) + len(two.arrivals) == 401, "the message")
            assert stranger.arrivals == []


def test_each_worker_takes_its_own_devices_and_those_of_one_that_left(server: NatsServer) -> None:
    parts = {"one": frozenset(range(8)), "two": frozenset(range(8, PARTS))}
    divided = replace(SETTINGS, parts=PARTS)
    names = [f"device-{number}" for number in range(40)]
    with (
        worker(server.url, STORE, divided, lambda: parts["one"]) as one,
        worker(server.url, STORE, divided, lambda: parts["two"]) as two,
        fake_device(server.port, DEVICE) as sender,
    ):
        one.wait_up()
        two.wait_up()

        def say(text: bytes) -> None:
            for name in names:
                sender._client.publish(f"pt/v1/{name}/up", text)

        say(b"first")
        firsts = {one: set[str](), two: set[str]()}
        for each, part in ((one, parts["one"]), (two, parts["two"])):
            firsts[each] = {name for name in names if part_of(name) in part}
            each.wait(lambda: len(each.arrivals) == len(firsts[each]))  # noqa: B023 - called at once
            assert {arrival.device_id for arrival in each.arrivals} == firsts[each]
        assert all(firsts.values())
        parts |= {"one": frozenset(range(PARTS)), "two": frozenset()}
        wait_for(lambda: not two.source._pulls, "the other to let go")
        say(b"second")
        one.wait(lambda: len(one.arrivals) == len(firsts[one]) + len(names))
        assert len(two.arrivals) == len(firsts[two])


def test_what_is_told_reaches_the_device_from_any_worker(server: NatsServer) -> None:
    with worker(server.url) as one, device(server) as sender:
        one.wait_up()
        assert one.source.send(DEVICE, b"\x01\x02")
        wait_for(sender.is_connected, "the connection")
        assert sender._heard.wait(20)


def test_a_device_that_is_lost_is_told_by_its_will(server: NatsServer) -> None:
    with worker(server.url) as one:
        one.wait_up()
        with device(server) as sender:
            sender._client.publish(f"pt/v1/{DEVICE}/state", b"offline", retain=True).wait_for_publish(20)
            one.wait(lambda: one.states == [Presence(DEVICE, True), Presence(DEVICE, False)])


def test_no_more_is_held_than_there_is_room_for(server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixeltrail_bridge.sources.jetstream.MOST_HELD", 40)
    with worker(server.url) as one, device(server) as sender:
        one.wait_up()
        for text in numbered(200):
            sender.publish(text)
        seen = 0
        while seen < 200:
            one.wait(lambda: len(one.arrivals) > seen)  # noqa: B023 - called at once
            assert len(one.arrivals) - seen <= 40
            seen = len(one.arrivals)
            one.settle()
        assert one.texts == numbered(200)


def test_a_server_that_is_away_is_waited_for_and_said_once(server: NatsServer) -> None:
    server.kill()
    with worker(server.url) as one:
        one.wait_down("cannot be reached")
        server.start()
        one.wait_up()
        server.restart()
        one.wait_down()
        one.wait_up()
        with device(server) as sender:
            sender.publish(b"after all that")
            one.wait(lambda: b"after all that" in one.texts)
    assert len(one.links) <= 6, one.links


def test_a_consumer_that_somebody_deleted_is_made_anew(server: NatsServer) -> None:
    with worker(server.url) as one, device(server) as sender:
        one.wait_up()
        ask(server, lambda js: js.delete_stream("pixeltrail"))
        one.wait_down("cannot be read")
        one.wait_up()
        sender.publish(b"in a new stream")
        one.wait(lambda: b"in a new stream" in one.texts)


def prepared(server: NatsServer, settings: StreamSettings) -> None:
    async def work() -> None:
        client = await nats.connect(server.url)
        try:
            await prepare(client, settings)
        finally:
            await client.close()

    asyncio.run(work())


def test_stream_and_consumer_are_made_and_brought_to_the_settings(server: NatsServer) -> None:
    prepared(server, SETTINGS)
    changed = StreamSettings(max_bytes=1 << 25, max_age_s=3_600, ack_wait_s=12, max_ack_pending=500)
    prepared(server, changed)
    prepared(server, changed)
    stream = ask(server, lambda js: js.stream_info("pixeltrail")).config
    assert (stream.max_bytes, stream.max_age, stream.num_replicas) == (1 << 25, 3_600, 1)
    assert tuple(stream.subjects) == SUBJECTS
    consumer = ask(server, lambda js: js.consumer_info("pixeltrail", "bridge-0")).config
    assert (consumer.ack_wait, consumer.max_ack_pending, consumer.max_deliver) == (12, 500, -1)


@pytest.mark.parametrize(
    ("stream", "settings", "words"),
    [
        ({"name": "pixeltrail", "subjects": ["orders.*"]}, SETTINGS, "for something else"),
        ({"name": "other", "subjects": ["pt.v1.>"]}, SETTINGS, "stream other takes"),
        (
            {"name": "pixeltrail", "subjects": list(SUBJECTS), "retention": api.RetentionPolicy.WORK_QUEUE},
            SETTINGS,
            "nats stream rm pixeltrail",
        ),
        (None, StreamSettings(max_bytes=1 << 26, replicas=3), "cluster.replicas"),
        (None, StreamSettings(max_bytes=1 << 50), "cluster.max_gb"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_do(
    server: NatsServer, stream: dict[str, Any] | None, settings: StreamSettings, words: str
) -> None:
    if stream is not None:
        ask(server, lambda js: js.add_stream(**stream))
    with pytest.raises(ConfigError, match=words):
        prepared(server, settings)


def test_a_consumer_that_is_not_ours_is_refused(server: NatsServer) -> None:
    prepared(server, SETTINGS)
    ask(server, lambda js: js.delete_consumer("pixeltrail", "bridge-0"))
    strange = api.ConsumerConfig(durable_name="bridge-0", ack_policy=api.AckPolicy.NONE)
    ask(server, lambda js: js.add_consumer("pixeltrail", strange))
    with pytest.raises(ConfigError, match="nats consumer rm pixeltrail bridge-0"):
        prepared(server, SETTINGS)


@pytest.mark.parametrize("url", ["http://host:4222", "host:4222", "nats://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"cluster\.nats_urls"):
        NatsLink(Login([url]))
