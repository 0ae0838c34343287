"""Workers and viewers of one cluster, in this process: NATS, PostgreSQL, and a device of the wire's own encoder."""

from __future__ import annotations

import asyncio
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from nats import connect
from pixeltrail_bridge import config
from pixeltrail_bridge.app import Bridge, running
from pixeltrail_bridge.division import part_of
from pixeltrail_bridge.forgetting.finding import Subject
from pixeltrail_bridge.forgetting.forget import Place as Beside
from pixeltrail_bridge.forgetting.forget import forget
from pixeltrail_bridge.sources.jetstream import JetStreamSource
from pixeltrail_bridge.store.sharing import PARTS
from pixeltrail_bridge.web.live import Viewer
from pixeltrail_bridge.wire import messages as m

from tests.bridge.fake_device import HEIGHT, WIDTH, FakeDevice, fake_device, wait_for
from tests.support.bridge_process import bridge_process
from tests.support.services import NatsServer, Postgres, free_port, free_ports, nats, postgres
from tests.support.stores import PostgresPlace

DEVICE = "role-espresso"


@dataclass
class Site:
    """Where nodes of one cluster meet."""

    folder: Path
    server: NatsServer
    place: PostgresPlace

    def settings(self, name: str, role: str) -> dict[str, dict[str, Any]]:
        return {
            "bridge": {"data_dir": str(self.folder / name), "role": role},
            "store": {"url": self.place.url},
            "cluster": {"nats_urls": [self.server.url], "max_gb": 0.05, "ack_wait_s": 2.0},
            "web": {"enabled": True, "port": 0},
        }

    @contextmanager
    def node(self, name: str, role: str) -> Iterator[Bridge]:
        values = [
            f"{section}.{key}={','.join(value) if isinstance(value, list) else value}"
            for section, some in self.settings(name, role).items()
            for key, value in some.items()
        ]
        with running(config.load(overrides=values)) as bridge:
            wait_for(lambda: ready(bridge.web_port), f"{name} to be ready")
            yield bridge


@pytest.fixture
def site(tmp_path: Path, postgres_server: Postgres) -> Iterator[Site]:
    with nats() as server:
        yield Site(tmp_path, server, PostgresPlace(postgres_server.url))


@contextmanager
def device(site: Site) -> Iterator[FakeDevice]:
    with fake_device(site.server.port, DEVICE) as one:
        one.find_bridge()
        yield one


def ask(port: int | None, path: str) -> tuple[int, bytes]:
    """Status and body; 0 while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def ready(port: int | None) -> bool:
    return ask(port, "/readyz")[0] == 200


def health(bridge: Bridge) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(bridge.web_port, "/api/health")[1])
    return found


@contextmanager
def looking(bridge: Bridge, only: str | None) -> Iterator[None]:
    """As a page that is open, at one device or at all."""
    loop = asyncio.new_event_loop()
    viewer = Viewer(bridge.hub, loop, only)
    bridge.hub.attach(viewer)
    try:
        yield
    finally:
        bridge.hub.detach(viewer)
        loop.close()


def shown(bridge: Bridge) -> list[int] | None:
    """The picture on a page of this node: pixels, row by row."""
    found = next((one for one in bridge.hub.devices() if one["id"] == DEVICE), None)
    message = bridge.hub.encode(found["index"], None) if found else None
    return [message[at] // 255 for at in range(16 + 8, len(message), 4)] if message else None


def picture(sender: FakeDevice) -> list[int]:
    return [sender.picture[y // 8 * WIDTH + x] >> y % 8 & 1 for y in range(HEIGHT) for x in range(WIDTH)]


def paint(sender: FakeDevice, key: bool = False) -> None:
    sender.picture[:] = os.urandom(len(sender.picture))
    sender.send_picture(key)


def test_every_viewer_shows_the_same_live_picture_also_who_comes_late(site: Site) -> None:
    with ExitStack() as stack:
        workers = [stack.enter_context(site.node(f"worker-{number}", "worker")) for number in range(2)]
        viewers = [stack.enter_context(site.node(f"viewer-{number}", "viewer")) for number in range(2)]
        assert [bridge.worker is None for bridge in viewers] == [True, True]
        sender = stack.enter_context(device(site))
        stack.enter_context(looking(viewers[0], None))
        stack.enter_context(looking(viewers[1], DEVICE))
        sender.begin()
        paint(sender, key=True)
        for _ in range(3):
            paint(sender)
            for bridge in viewers:
                wait_for(lambda: shown(bridge) == picture(sender), "the picture")  # noqa: B023 - called at once
        assert all(shown(bridge) is None for bridge in workers), "a worker paints for nobody"

        late = stack.enter_context(site.node("viewer-late", "viewer"))
        stack.enter_context(looking(late, DEVICE))
        wait_for(lambda: shown(late) == picture(sender), "the picture as it stands")
        paint(sender)
        wait_for(lambda: shown(late) == picture(sender), "the next picture")

        (facts,) = json.loads(ask(late.web_port, "/api/devices")[1])["devices"]
        assert (facts["id"], facts["online"]) == (DEVICE, True)
        fleet = json.loads(ask(late.web_port, "/api/fleet")[1])["bridge"]
        assert (fleet["role"], fleet["ready"], fleet["online"]) == ("viewer", True, 1)
        assert [(one["name"], one["up"]) for one in fleet["sources"]] == [("nats", True)]
        assert {one["state"] for one in fleet["sinks"]} <= {"served by workers"}


def test_nobody_decodes_what_nobody_watches_and_a_viewer_catches_up_when_asked(site: Site) -> None:
    with site.node("worker", "worker"), site.node("viewer", "viewer") as viewer, device(site) as sender:
        sender.begin()
        paint(sender, key=True)
        with looking(viewer, DEVICE):
            wait_for(lambda: shown(viewer) == picture(sender), "the picture")
        before = shown(viewer)
        for _ in range(5):
            paint(sender)
        store = viewer.store
        wait_for(lambda: store.streams(DEVICE)[-1].watermark == sender._seq, "the commits")
        assert shown(viewer) == before
        with looking(viewer, None):
            wait_for(lambda: shown(viewer) == picture(sender), "the picture of now")


def pulled(bridge: Bridge) -> int:
    """Parts of the stream that a worker takes messages of."""
    assert bridge.worker is not None
    (source,) = bridge.worker.links._sources
    assert isinstance(source, JetStreamSource)
    return len(source._pulls)


@pytest.mark.parametrize("is_divided", [True, False])
def test_workers_share_devices_and_keep_each_message_once_and_its_events_in_order(
    site: Site, monkeypatch: pytest.MonkeyPatch, is_divided: bool
) -> None:
    """A device has a worker of its own; that all of them take its messages happens while it changes hands."""
    if not is_divided:
        everything = property(lambda division: frozenset(range(PARTS)))
        monkeypatch.setattr("pixeltrail_bridge.division.Division.parts", everything)
    with ExitStack() as stack:
        workers = [stack.enter_context(site.node(f"worker-{number}", "worker")) for number in range(3)]
        shares = [4, 6, 6] if is_divided else 3 * [PARTS]
        wait_for(lambda: sorted(map(pulled, workers)) == shares, "everybody's parts")
        sender = stack.enter_context(device(site))
        sender.begin()
        for number in range(300):
            sender.send(m.Track("Brewed", {"number": number}))
        store = workers[0].store
        wait_for(lambda: store.streams(DEVICE)[-1].watermark == sender._seq, "every commit")
        took = [bridge.ingest.health.messages for bridge in workers if bridge.ingest.health.messages]
        assert (len(took) == 1) is is_divided, took
        events = [row for row in store.events(DEVICE, limit=1_000) if row.event == "Brewed"]
        numbers = [json.loads(row.payload)["properties"]["number"] for row in events]
        assert numbers == list(range(300))
        assert len(site.place.query("SELECT 1 FROM chunks")) == sender._seq
        assert store.dead_letters() == []


def test_a_commit_slower_than_the_wait_makes_work_twice_and_nothing_double(site: Site) -> None:
    """Both workers wait for the device's row, until NATS has given the same messages out again."""
    with ExitStack() as stack:
        workers = [stack.enter_context(site.node(f"worker-{number}", "worker")) for number in range(2)]
        sender = stack.enter_context(device(site))
        sender.begin()
        store = workers[0].store
        wait_for(lambda: store.streams(DEVICE)[-1].watermark == sender._seq, "the device")
        lock = stack.enter_context(psycopg.connect(site.place.url))
        lock.execute("SELECT 1 FROM devices WHERE device_id = %s FOR UPDATE", (DEVICE,))
        for number in range(100):
            sender.send(m.Track("Brewed", {"number": number}))
        wait_for(lambda: asyncio.run(_consumer(site.server.url)).num_redelivered, "a second delivery")
        lock.rollback()
        wait_for(lambda: store.streams(DEVICE)[-1].watermark == sender._seq, "every commit")
        wait_for(lambda: waiting(site) == (0, 0), "every confirmation")
        assert len(site.place.query("SELECT 1 FROM chunks")) == sender._seq
        events = [row.event for row in store.events(DEVICE, limit=1_000)]
        assert events.count("Brewed") == 100
        assert store.dead_letters() == []


def test_poison_is_a_dead_letter_of_ours_and_is_not_delivered_again(site: Site) -> None:
    with site.node("worker", "worker") as worker, device(site) as sender:
        sender.publish(b"\xff\xff\xff no message of anybody")
        wait_for(lambda: len(worker.store.dead_letters()) == 1, "the dead letter")
        sender.begin()
        wait_for(lambda: worker.store.streams(DEVICE)[-1].watermark == sender._seq, "what came after it")
        wait_for(lambda: waiting(site) == (0, 0), "every confirmation")
        assert [letter.count for letter in worker.store.dead_letters()] == [1]


def waiting(site: Site) -> tuple[int, int]:
    """Messages that no worker has taken, and that none has confirmed."""
    found = asyncio.run(_consumer(site.server.url))
    return int(found.num_pending or 0), int(found.num_ack_pending or 0)


async def _consumer(url: str) -> Any:
    """Of the part that the device is in."""
    client = await connect(url)
    try:
        return await client.jetstream().consumer_info("pixeltrail", f"bridge-{part_of(DEVICE)}")
    finally:
        await client.close()


def test_without_nats_a_worker_is_not_ready_and_a_viewer_goes_on(site: Site) -> None:
    with site.node("worker", "worker") as worker, site.node("viewer", "viewer") as viewer:
        with device(site) as sender, looking(viewer, DEVICE):
            sender.begin()
            paint(sender, key=True)
            wait_for(lambda: shown(viewer) == picture(sender), "the picture")
            site.server.kill()
            wait_for(lambda: not ready(worker.web_port), "the worker to say so")
            wait_for(lambda: "NATS" in " ".join(health(worker)["problems"]), "the worker to say why")
            wait_for(lambda: "NATS" in " ".join(health(viewer)["problems"]), "the viewer to say so")
            assert ready(viewer.web_port)
            site.server.start()
            wait_for(lambda: ready(worker.web_port), "the worker to be back")
            wait_for(sender.is_connected, "the device's own connection")
            paint(sender)
            wait_for(lambda: shown(viewer) == picture(sender), "the next picture")
        wait_for(lambda: health(viewer)["problems"] == [], "no problem any more")


def test_what_is_forgotten_leaves_every_viewer(site: Site) -> None:
    with site.node("worker", "worker") as worker, site.node("viewer", "viewer") as viewer:
        with device(site) as sender, looking(viewer, None):
            sender.begin()
            paint(sender, key=True)
            wait_for(lambda: shown(viewer) == picture(sender), "the picture")
            sender.send(m.SessionEnd(0))
        place = Beside(worker.config.bridge.data_dir)
        forget(worker.store, Subject("device", DEVICE), place, now_ms=lambda: time.time_ns() // 1_000_000)
        wait_for(lambda: viewer.hub.devices() == [], "no trace of it")


def test_a_node_without_a_database_lives_and_is_not_ready(tmp_path: Path) -> None:
    port, nobody = free_ports(2)
    values = ["cluster.nats_urls=nats://127.0.0.1:9", f"bridge.data_dir={tmp_path}", f"web.port={port}"]
    settings = config.load(overrides=[*values, f"store.url=postgresql://nobody@127.0.0.1:{nobody}/none"])

    async def wait() -> tuple[int, int]:
        ended = asyncio.Event()
        starting = asyncio.ensure_future(Bridge(settings, ended).start())
        while (await asyncio.to_thread(ask, port, "/livez"))[0] != 200:
            assert not starting.done()
        status = (await asyncio.to_thread(ask, port, "/readyz"))[0]
        ended.set()
        (outcome,) = await asyncio.gather(starting, return_exceptions=True)
        assert isinstance(outcome, asyncio.CancelledError)
        return status, (await asyncio.to_thread(ask, port, "/livez"))[0]

    assert asyncio.run(wait()) == (503, 0)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_node_waits_for_its_database_and_says_so_once(tmp_path: Path) -> None:
    port = free_port()
    with nats() as server, postgres() as database:
        site = Site(tmp_path, server, PostgresPlace(database.url))
        database.stop()
        settings = site.settings("data", "all") | {"web": {"enabled": True, "port": port}}
        with bridge_process(tmp_path / "node", settings) as node:
            wait_for(lambda: ask(port, "/livez")[0] == 200, "signs of life")
            assert ask(port, "/readyz")[0] == 503
            database.start()
            wait_for(lambda: ready(port), "the node to be ready")
            assert node.log.count("waiting for the database") <= 2, node.log
            database.stop()
            wait_for(lambda: not ready(port), "the node to see that its database has gone")
            database.start()
            wait_for(lambda: ready(port), "the node to be ready again")
