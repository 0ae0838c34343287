"""All parts of a cluster as processes of one machine, and the links between them.

with cluster(folder, devices=1_000, boards=20) as world:
    world.fleet.await_settled()
    world.workers[0].kill()
    ...

    devices -> link -> 3 NATS servers -> links -> 3 workers -> links -> PostgreSQL, objects (moto), Segment's stand-in
                                           +----> 2 viewers -> links -> PostgreSQL, objects

Every worker and viewer has links of its own to every server it talks to, so that each can be cut from each.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pixeltrail_bridge.config.table import BridgeSettings
from pixeltrail_bridge.simulate import SimulatedBoard, spawn_board
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.store.figures import projection_lag
from pixeltrail_bridge.store.opening import open_objects, open_store

from tests.e2e.rig import PLAYER, bridge_settings, last_json
from tests.support import corpus, services
from tests.support.bridge_process import BridgeProcess, bridge_process, wait_until
from tests.support.services import LOOPBACK, Postgres, Service
from tests.support.stores import PostgresPlace
from tests.support.vendors import SEGMENT

from .links import Cable, Link, Links
from .nodes import Nodes, nodes

WORKERS, VIEWERS = 3, 2
_TOLD = 2_000  # characters of each log
BUCKET, _SECRET = "recordings", "secret"
# A picture a second: twenty boards are twenty encoders beside a thousand devices. The other one is over sooner.
SEQUENCE, SHORT_SEQUENCE = "gs4_aclock", "mono_invaders"
_START_S, _PROGRESS_S, _END_S = 200.0, 300.0, 300.0  # for faults: nothing is measured by them
_WINDOW_S, _REST_S = 2, 8.0  # of Display Changed, and until it surely closed
# After a worker's death what it held goes to another one, if no device has sent it again by then.
_ACK_WAIT_S = 10


class Fleet(Service):
    """The process of devices.py. `looks` are when it looked, `settled` when all made until then was confirmed."""

    def __init__(self, folder: Path, port: int, devices: int, idle: float, seed: int) -> None:
        folder.mkdir()
        self.account = folder / "account.json"
        words = [str(port), str(devices), str(idle), str(seed), str(self.account)]
        super().__init__([sys.executable, "-m", "tests.cluster.devices", *words], [], folder)
        self.looks: list[dict[str, float]] = []
        self.settled: dict[float, float] = {}
        self._read = 0

    def start(self) -> None:
        root = Path(__file__).parents[2]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=root
            )

    def read(self) -> Fleet:
        with (self.folder / "log").open("rb") as file:
            file.seek(self._read)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            assert line.startswith(b"{"), f"the fleet says {line!r}"
            one = json.loads(line)
            if "at" in one:
                self.looks.append(one)
            else:
                self.settled[one["settled"]] = one["took_s"]
        return self

    def await_all(self, devices: int) -> None:
        """Until each device is there and what it began with is confirmed."""
        wait_until(
            lambda: self.read().looks and self.looks[-1]["devices"] == devices, "all began", _PROGRESS_S
        )
        self.await_settled()

    def settled_since(self, at_s: float) -> float | None:
        """When all that had been made by then was confirmed; None: not yet."""
        self.read()
        return min((look + took for look, took in self.settled.items() if look >= at_s), default=None)

    def await_settled(self, at_s: float | None = None) -> float:
        since = time.monotonic() if at_s is None else at_s
        found: float = wait_until(lambda: self.settled_since(since), "all was confirmed", _PROGRESS_S)
        return found

    def finish(self) -> dict[str, Any]:
        """Let every device deliver what it holds; its account."""
        assert self._process is not None
        self._process.terminate()
        status = self._process.wait(_END_S)
        self._process = None
        assert status == 0, f"the fleet ended with {status}: {self.log[-2_000:]}"
        account: dict[str, Any] = json.loads(self.account.read_text())
        return account


@dataclass
class Cluster:
    folder: Path
    nodes: Nodes
    database: Postgres
    store_url: str
    server: Service
    events: Path
    workers: list[BridgeProcess]
    viewers: list[BridgeProcess]
    cables: list[Cable]
    objects: dict[str, Any]
    fleet: Fleet
    viewer_ports: list[int]
    boards: list[SimulatedBoard] = field(default_factory=list)

    @property
    def bridges(self) -> list[BridgeProcess]:
        return [*self.workers, *self.viewers]

    @contextmanager
    def opened(self) -> Iterator[SqlStore]:
        """The store, past all links."""
        with closing(open_store(BridgeSettings().database, self.store_url)) as store:
            store.packs.objects = open_objects(self.folder, secret=_SECRET, **self.objects)
            yield store

    def finish(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Until devices and boards have delivered all they hold, and workers all they have: their accounts."""
        account = self.fleet.finish()
        counters = []
        for board in self.boards:
            wait_until(lambda: not board.running, f"{board.device_id} ended", _END_S)  # noqa: B023 called here
            output = (self.folder / f"{board.device_id}.out").read_text(errors="replace")
            assert board.wait() == 0, f"{board.device_id} failed: {output[-1_000:]}"
            counters.append({"device_id": board.device_id, **last_json(output)})
        self._await_rest()
        return account, counters

    def _await_rest(self) -> None:
        """Nothing waits, and went on not to while every window of Display Changed closed."""
        quiet_since, waiting = time.monotonic(), ""

        def is_at_rest() -> bool:
            nonlocal quiet_since, waiting
            waiting = self._waiting()
            if waiting:
                quiet_since = time.monotonic()
            return time.monotonic() > quiet_since + _REST_S

        try:
            wait_until(is_at_rest, "all was decoded and sent", _END_S)
        except AssertionError as error:
            raise AssertionError(f"{error}: {waiting}") from None

    def _waiting(self) -> str:
        with self.opened() as store:
            calls, (chunks, streams) = store.pending(SEGMENT.name), projection_lag(store)
        left = f"{calls} calls to be sent, {chunks} chunks of {streams} streams to be decoded"
        return left if calls or streams else ""

    def tell(self) -> str:
        """What a person wants to see when a run fails."""
        return "\n".join(f"=== {one.folder.name}\n{one.tail[-_TOLD:]}" for one in self.bridges)


@contextmanager
def cluster(
    folder: Path, *, devices: int, boards: int, idle: float, board_s: float, seed: int = 1
) -> Iterator[Cluster]:
    """Everything started, devices at work. `board_s`: how long each board plays before it ends by itself."""
    with ExitStack() as stack:
        links = stack.enter_context(Links())
        servers = stack.enter_context(nodes(folder, links))
        database = stack.enter_context(services.postgres())
        store_url = PostgresPlace(database.url).url
        events = folder / "events.jsonl"
        server = _start(stack, folder / "segment", [sys.executable, *SEGMENT.command(events), "--port"])
        moto = _start(stack, folder / "moto", [sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p"])
        _make_bucket(moto.port)
        cables = list(servers.routes)
        secret = folder / "secret"
        secret.write_text(_SECRET)
        secret.chmod(0o600)
        ends = _Ends(links, servers, database, moto, store_url, cables, secret)
        shared = bridge_settings(folder, f"http://{LOOPBACK}:{server.port}")
        workers, viewers, ports = [], [], services.free_ports(VIEWERS)
        for number in range(WORKERS):
            settings = shared | ends.settings(f"worker-{number}", "worker")
            workers.append(stack.enter_context(bridge_process(folder / f"worker-{number}", settings)))
        for number, port in enumerate(ports):
            settings = shared | ends.settings(f"viewer-{number}", "viewer")
            settings |= {"web": {"enabled": True, "port": port}}
            viewers.append(stack.enter_context(bridge_process(folder / f"viewer-{number}", settings)))
        fleet = Fleet(folder / "fleet", servers.devices.port, devices, idle, seed)
        stack.callback(fleet.kill)
        world = Cluster(
            *(folder, servers, database, store_url, server, events, workers, viewers, cables),
            *(_bucket(moto.port), fleet, ports),
        )
        try:
            _await_start(world)
            fleet.start()
            play = _write_play(folder, board_s)
            for number in range(boards):
                world.boards.append(_board(folder, servers.devices, f"board-{number:02}", play))
                stack.callback(world.boards[-1].stop)
            yield world
        except AssertionError as error:
            raise AssertionError(f"{error}\n{world.tell()}") from None


class _Ends:
    """Settings of a worker or viewer, whose servers are all behind links of its own."""

    def __init__(
        self,
        links: Links,
        nodes: Nodes,
        database: Postgres,
        moto: Service,
        url: str,
        cables: list[Cable],
        secret: Path,
    ) -> None:
        self._links, self._nodes, self._database, self._moto = links, nodes, database, moto
        self._url, self._cables, self._secret = url, cables, secret

    def _link(self, name: str, other: str, port: int) -> Link:
        link = self._links.add(port)
        self._cables.append(Cable(f"{name} and {other}", (link,)))
        return link

    def settings(self, name: str, role: str) -> dict[str, dict[str, Any]]:
        nats = [self._link(name, one.name, one.nats_port) for one in self._nodes.servers]
        database = self._link(name, "PostgreSQL", self._database.port)
        objects = self._link(name, "objects", self._moto.port)
        url = urlsplit(self._url)
        through = url._replace(netloc=url.netloc.replace(f":{self._database.port}", f":{database.port}"))
        return {
            "bridge": {"role": role},
            "cluster": {
                "nats_urls": [f"nats://{LOOPBACK}:{one.port}" for one in nats],
                "ack_wait_s": _ACK_WAIT_S,
            },
            "mqtt": {"enabled": False},
            "store": {"url": through.geturl()},
            "packing": {
                "enabled": True,
                "after_h": 0.005,
                **_bucket(objects.port),
                "secret_file": self._secret,
            },
            "events": {"display_window_s": _WINDOW_S},
        }


def _bucket(port: int) -> dict[str, str]:
    place = {"url": f"s3://{BUCKET}/fleet", "endpoint": f"http://{LOOPBACK}:{port}"}
    return {**place, "region": "us-east-1", "key_id": "key"}


def _start(stack: ExitStack, folder: Path, command: list[Any]) -> Service:
    """A service whose command ends with its port."""
    folder.mkdir()
    port = services.free_port()
    service = Service([*(str(word) for word in command), str(port)], [port], folder)
    stack.callback(service.kill)
    service.start()
    return service


def _make_bucket(port: int) -> None:
    request = urllib.request.Request(f"http://{LOOPBACK}:{port}/{BUCKET}", method="PUT")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def _await_start(world: Cluster) -> None:
    for one in world.bridges:
        one.wait_until(lambda: "bridge started" in one.log, f"{one.folder.name} starts", _START_S)  # noqa: B023


def sequence_of_boards(seconds: float) -> corpus.Sequence:
    return corpus.load(SEQUENCE if seconds >= 60 else SHORT_SEQUENCE)


def pictures_of_boards(seconds: float) -> tuple[list[bytes], list[int]]:
    """What each board shows, and when: a recorded sequence, again and again for at least so long."""
    sequence = sequence_of_boards(seconds)
    length_ms = sequence.t_ms[-1] + 1_000
    rounds = max(1, round(seconds * 1000 / length_ms))
    times = [number * length_ms + at for number in range(rounds) for at in sequence.t_ms]
    return list(sequence.frames) * rounds, times


def _write_play(folder: Path, seconds: float) -> Path:
    """The same in the form of the recorded sequences; the path of its description."""
    pictures, times = pictures_of_boards(seconds)
    about = sequence_of_boards(seconds).meta | {"t_ms": times}
    with gzip.open(folder / "play.bin.gz", "wb", 1) as file:
        before = 0
        for picture in pictures:
            now = int.from_bytes(picture, "big")
            file.write((now ^ before).to_bytes(len(picture), "big"))
            before = now
    path = folder / "play.json"
    path.write_text(json.dumps(about))
    return path


def _board(folder: Path, devices: Link, device_id: str, play: Path) -> SimulatedBoard:
    """The real encoder: the device library under MicroPython, at the recorded pace."""
    url, output = f"mqtt://{LOOPBACK}:{devices.port}", folder / f"{device_id}.out"
    return spawn_board(str(PLAYER), url, device_id, play=play, pace=True, output=output)
