"""From one box to the cluster and back while devices report: they are told nothing, and each call arrives once.

One address for devices all the time: first the broker of the bridge listens there, then a NATS server with JetStream
from which a worker reads, then the broker of the bridge again.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import fleet, services
from tests.support.bridge_process import COMMAND, BridgeProcess, bridge_process, wait_until
from tests.support.services import LOOPBACK, Postgres, Service
from tests.support.stores import PostgresPlace
from tests.support.vendors import SEGMENT

from .hammer import Publisher
from .rig import bridge_settings
from .verdict import judge

_LONG_S = 200.0  # for faults: nothing is measured by it
DEVICES = [f"moving-{number}" for number in range(4)]


class Mover:
    """`pixeltrail migrate` as a process, with the settings of a bridge. What it says goes to a file."""

    def __init__(self, bridge: BridgeProcess, to: dict[str, str], *words: str) -> None:
        changes = [word for key, value in to.items() for word in ("--to", f"{key}={value}")]
        self._log = bridge.folder / "mover.log"
        command = [
            sys.executable,
            "-u",
            *COMMAND,
            "migrate",
            "--config",
            str(bridge.config),
            *changes,
            *words,
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=bridge.folder)

    @property
    def said(self) -> str:
        return self._log.read_text()

    def await_words(self, words: str) -> None:
        wait_until(lambda: words in self.said or self._process.poll() is not None, words, _LONG_S)
        assert words in self.said, self.said

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def finish(self) -> str:
        status = self._process.wait(_LONG_S)
        assert status == 0, self.said
        return self.said


@dataclass
class Site:
    """What stays while the bridge moves: devices, their address, and the server that events go to."""

    folder: Path
    port: int
    server: Service
    publisher: Publisher
    events: Path
    place: PostgresPlace
    journal: fleet.Journal
    one_box: BridgeProcess
    settings: dict[str, Any]

    def await_progress(self, bridge: BridgeProcess, chunks: int = 40) -> None:
        goal = self.journal.read().accepted + chunks
        done = lambda: self.journal.read().accepted >= goal  # noqa: E731
        bridge.wait_until(done, f"{chunks} chunks more were accepted", _LONG_S)

    def cluster(
        self, name: str, role: str, nats: services.NatsServer
    ) -> contextlib.AbstractContextManager[Any]:
        settings = {
            **self.settings,
            "bridge": {"role": role},
            "mqtt": {"enabled": False},
            "store": {"url": self.place.url},
            "cluster": {"nats_urls": [nats.url], "max_gb": 0.05, "ack_wait_s": 5.0},
        }
        return bridge_process(self.folder / name, settings)


@pytest.fixture
def site(tmp_path: Path, postgres_server: Postgres) -> Iterator[Site]:
    with ExitStack() as stack:
        events, ports = tmp_path / "events.jsonl", services.free_ports(2)
        (tmp_path / "server").mkdir()
        command = [sys.executable, *SEGMENT.command(events), "--port", str(ports[0])]
        server = Service(command, [ports[0]], tmp_path / "server")
        stack.callback(server.kill)
        server.start()
        settings = bridge_settings(tmp_path, f"http://{LOOPBACK}:{ports[0]}")
        box = {**settings, "mqtt": {"port": ports[1]}}
        one_box = stack.enter_context(bridge_process(tmp_path / "one-box", box))
        (tmp_path / "publisher").mkdir()
        publisher = Publisher(tmp_path / "publisher", ports[1], 20.0, DEVICES)
        stack.callback(publisher.kill)
        publisher.start()
        place, journal = PostgresPlace(postgres_server.url), fleet.Journal(tmp_path)
        yield Site(tmp_path, ports[1], server, publisher, events, place, journal, one_box, settings)


def move(bridge: BridgeProcess, to: dict[str, str], stop: list[BridgeProcess], kills: int) -> str:
    """Killed while it copies or waits for the bridges, which are stopped for the last one."""
    for number in range(kills):
        mover = Mover(bridge, to)
        mover.await_words(("From", "Pass 1", "Now stop the bridge")[number % 3])
        mover.kill()
    mover = Mover(bridge, to)
    mover.await_words("Now stop the bridge")
    for one in stop:
        one.stop()
    return mover.finish()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kills", [1, pytest.param(9, marks=pytest.mark.slow)])
def test_to_the_cluster_and_back_while_devices_report(site: Site, kills: int) -> None:
    box = site.one_box
    site.await_progress(box)
    said = move(box, {"store.url": site.place.url}, [box], kills)
    assert f'[store]\nurl = "{site.place.url}"' in said and "Both sides are the same" in said

    with ExitStack() as stack:
        nats = stack.enter_context(services.nats(port=site.port))
        worker = stack.enter_context(site.cluster("worker", "worker", nats))
        viewer = stack.enter_context(site.cluster("viewer", "viewer", nats))
        site.await_progress(worker)
        back = {"store.url": "", "bridge.data_dir": str(box.data), "bridge.role": "all"}
        said = move(worker, back, [worker, viewer], kills)
    assert 'url = ""' in said and f'data_dir = "{box.data}"' in said

    box.start()
    site.await_progress(box)
    site.publisher.end()
    box.wait_until(lambda: site.publisher.status is not None, "the publisher ended", _LONG_S)
    assert site.publisher.status == 0, site.publisher.log[-2_000:]
    box.wait_until(lambda: not box.count("deliveries", "state = 'waiting'"), "all was sent", _LONG_S)
    box.stop()
    with box.store() as store:
        verdict = judge(store, site.journal.read(), site.events)
    assert verdict.is_good, verdict
    _judge_order(site.events)


def _judge_order(events: Path) -> None:
    """Each once, not only under one ID, and in the order in which the device said it."""
    arrived: dict[str, list[tuple[int, int]]] = defaultdict(list)
    ids: Counter[str] = Counter()
    for line in events.read_text().splitlines():
        event = json.loads(line)
        ids[event["messageId"]] += 1
        if event.get("event") == fleet.EVENT:
            device, stream, seq, index = event["properties"]["place"].split("/")
            arrived[f"{device}/{stream}"].append((int(seq), int(index)))
    assert [one for one, count in ids.items() if count > 1] == []
    assert len(arrived) == len(DEVICES)
    for places in arrived.values():
        assert places == sorted(places)
