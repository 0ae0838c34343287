"""Three NATS servers that are one cluster: JetStream with replicas, an MQTT listener each, routes that can be cut.

Each server calls each other one through a link of its own. What a server tells the others as its address is one
where nobody listens: else they would find ways around the links, which one cluster in one rack has and a test has not.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

from tests.support.bridge_process import wait_until
from tests.support.requirements import require
from tests.support.services import LOOPBACK, NatsServer, free_ports

from .links import Cable, Link, Links

NODES = 3
_NOWHERE = f"{LOOPBACK}:9"
_ELECTED_S = 120.0


class Node(NatsServer):
    """`port` speaks MQTT, `nats_port` NATS; `monitor_port` tells its state."""

    name: str
    monitor_port: int

    def ask(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self.monitor_port}/{path}", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


@dataclass(frozen=True)
class Nodes:
    """`routes` are between two servers each; `devices` is where devices connect."""

    servers: list[Node]
    routes: list[Cable]
    devices: Link


@contextmanager
def nodes(folder: Path, links: Links) -> Iterator[Nodes]:
    ports = free_ports(4 * NODES)
    ways = {(a, b): links.add(ports[4 * b + 3]) for a, b in permutations(range(NODES), 2)}
    with servers(folder, ports, {pair: link.port for pair, link in ways.items()}) as started:
        cables = [
            Cable(f"{started[a].name} and {started[b].name}", (ways[a, b], ways[b, a]))
            for a, b in combinations(range(NODES), 2)
        ]
        yield Nodes(started, cables, links.add(*(one.port for one in started)))


@contextmanager
def direct_nodes(folder: Path) -> Iterator[list[Node]]:
    """The servers without links between them, whose price would be measured as well."""
    ports = free_ports(4 * NODES)
    with servers(
        folder, ports, {(a, b): ports[4 * b + 3] for a, b in permutations(range(NODES), 2)}
    ) as found:
        yield found


@contextmanager
def servers(folder: Path, ports: list[int], ways: dict[tuple[int, int], int]) -> Iterator[list[Node]]:
    """`ports`: four for each, of MQTT, NATS, its state and routes; `ways`: where one finds the other's routes."""
    with ExitStack() as stack:
        found = []
        for number in range(NODES):
            routes = [port for (start, _), port in ways.items() if start == number]
            found.append(
                _build(folder / f"nats-{number}", number, ports[4 * number : 4 * number + 4], routes)
            )
            stack.callback(found[-1].kill)
        with ThreadPoolExecutor(NODES) as pool:  # none serves before it has found another
            list(pool.map(Node.start, found))
        wait_until(lambda: _have_leader(found), "the servers choose a leader", _ELECTED_S)
        yield found


def _have_leader(servers: list[Node]) -> bool:
    """Whether the servers agree on who leads, and know of each other."""
    try:
        found = [one.ask("jsz").get("meta_cluster", {}) for one in servers]
    except OSError:
        return False
    leaders = {one.get("leader") for one in found}
    return len(leaders) == 1 and leaders != {None} and all(one.get("cluster_size") == NODES for one in found)


def _build(folder: Path, number: int, ports: list[int], routes: list[int]) -> Node:
    folder.mkdir(parents=True)
    mqtt, client, monitor, route = ports
    urls = ", ".join(f'"nats-route://{LOOPBACK}:{port}"' for port in routes)
    config = folder / "nats.conf"
    config.write_text(
        f"server_name: nats-{number}\nhost: {LOOPBACK}\nport: {client}\nhttp: {LOOPBACK}:{monitor}\n"
        f'jetstream {{ store_dir: "{folder / "jetstream"}" }}\n'
        f"mqtt {{ host: {LOOPBACK}, port: {mqtt} }}\n"
        f"cluster {{ name: pixeltrail, host: {LOOPBACK}, port: {route}, routes: [{urls}]\n"
        f'  no_advertise: true, cluster_advertise: "{_NOWHERE}", pool_size: -1 }}\n'
    )
    node = Node([require("nats-server"), "-c", config], [mqtt, client], folder)
    node.name, node.monitor_port = f"nats-{number}", monitor
    return node
