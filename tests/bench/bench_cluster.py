"""Messages a second of one, two and three workers, against a client that pulls the same stream and only confirms.

Three NATS servers keep every message three times. Workers wait at an empty stream of an empty database; then all
messages are published as fast as the servers take them, and the time counts until the last one is committed. The
peer, in the same run, is one process of the same NATS library that does nothing with them. Everything shares one
machine, so what two workers gain over one is bounded by the processors that are left; the parts' own shares are told.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
import psycopg
from pixeltrail_bridge.sources.stream import StreamSettings, prepare
from pixeltrail_bridge.store.sharing import PARTS
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_uplink

from tests.cluster.nodes import Node, direct_nodes
from tests.support.bridge_process import bridge_process, descendants, wait_until
from tests.support.services import Postgres, postgres
from tests.support.stores import PostgresPlace

_ROOT = Path(__file__).resolve().parents[2]
_STREAM = "pixeltrail"
_PEER = "one client that pulls and confirms"
_BATCH = 500
_END_S = 600.0
_DIVIDED_S = 5.0  # after the last worker's start: by then each has its share of the devices
_BUSY = 0.85  # of what there is: such a part limits the rest
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """`cpu_s` by part; `others_s` is what the machine did beside all of them."""

    seconds: float
    messages: int
    workers: int
    cpu_s: dict[str, float]
    others_s: float

    @property
    def per_s(self) -> float:
        return self.messages / self.seconds

    def limit(self) -> str:
        cores = os.cpu_count() or 1
        shares = {name: spent / self.seconds for name, spent in self.cpu_s.items()}
        busy = (sum(shares.values()) + self.others_s / self.seconds) / cores
        if busy > _BUSY:
            most = max(shares, key=lambda name: shares[name])
            return f"the machine's {cores} cores, most of them in {most}"
        if shares["workers"] / self.workers > _BUSY:
            return "the one core that a worker's interpreter uses"
        if shares["PostgreSQL"] > _BUSY:
            return "PostgreSQL's processor"
        return "waiting for commits"


def main(argv: list[str]) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser(prog="./dev bench cluster", allow_abbrev=False)
    parser.add_argument("--messages", type=int, default=20_000, help="of about 500 B, in each run")
    parser.add_argument("--devices", type=int, default=200, help="that sent them")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args(argv)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pixeltrail-bench-")))
        servers = stack.enter_context(direct_nodes(folder))
        database = stack.enter_context(postgres())
        asyncio.run(_prepare(servers[0].url))
        peer = _count(servers, options.devices, options.messages)
        runs = [
            _work(folder, servers, database, number, options.devices, options.messages)
            for number in options.workers
        ]
    return [_figure(run, peer, runs[0]) for run in runs]


def _figure(run: Run, peer: float, first: Run) -> dict[str, Any]:
    per_message = {name: round(spent / run.messages * 1e6) for name, spent in run.cpu_s.items()}
    detail = {
        "per_s": round(run.per_s),
        "peer_per_s": round(peer),
        "times_the_first": round(run.per_s / first.per_s, 2),
        "cpu_us_a_message": per_message,
        "cores_used": {name: round(spent / run.seconds, 2) for name, spent in run.cpu_s.items()},
        "cores_used_by_others": round(run.others_s / run.seconds, 2),
        "limited_by": run.limit(),
        "machine": f"{os.cpu_count()} cores shared by all parts, load {os.getloadavg()[0]:.1f}",
    }
    print(
        f"{run.workers} workers: {run.per_s:,.0f} messages/s, limited by {detail['limited_by']}",
        file=sys.stderr,
    )
    return {
        "name": f"cluster.workers_{run.workers}",
        "value": run.per_s / peer,
        "unit": "ratio",
        "against": _PEER,
        "detail": detail,
    }


# ---- messages -----------------------------------------------------------------------


async def _prepare(url: str) -> None:
    client = await nats.connect(url)
    await prepare(client, StreamSettings(stream=_STREAM, replicas=3, parts=PARTS))
    await client.close()


async def _purge(url: str) -> None:
    client = await nats.connect(url)
    await client.jetstream().purge_stream(_STREAM)
    await client.close()


def _chunks(devices: int, count: int, dice: random.Random) -> list[tuple[str, bytes]]:
    """Subject and chunk, the devices in turn."""
    streams = [dice.randbytes(8) for _ in range(devices)]
    found = []
    for number in range(count):
        seq, device = divmod(number, devices)
        track = m.Track("Kettle Started", {"mode": "boil", "text": "x" * 440})
        chunk = m.Chunk(streams[device], seq, seq, (m.Record(0, seq, track),))
        found.append((f"pt.v1.bench-{device:05}.up", encode_uplink(chunk)))
    return found


async def _publish(url: str, messages: list[tuple[str, bytes]]) -> None:
    client = await nats.connect(url)
    for number, (subject, data) in enumerate(messages):
        await client.publish(subject, data)
        if number % 1_000 == 999:
            await client.flush()
    await client.flush()
    await client.close()


# ---- runs ---------------------------------------------------------------------------


def _count(servers: list[Node], devices: int, count: int) -> float:
    """Messages a second of the peer."""
    command = [sys.executable, "-m", "tests.bench.bench_cluster", servers[1].url, str(count)]
    asyncio.run(_purge(servers[0].url))
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as peer:
        assert peer.stdout is not None and peer.stdout.readline().strip() == "ready"
        began_s = time.monotonic()
        asyncio.run(_publish(servers[0].url, _chunks(devices, count, random.Random(0))))
        answer = json.loads(peer.stdout.readline())
    assert answer["got"] == count, f"the peer got {answer['got']} of {count} messages"
    return count / (time.monotonic() - began_s)


async def _pull(url: str, count: int) -> None:
    client = await nats.connect(url)
    reader = await client.jetstream().pull_subscribe("pt.v1.*.up.*", durable="peer", stream=_STREAM)
    print("ready", flush=True)
    got = 0
    while got < count:
        for message in await reader.fetch(_BATCH, timeout=60):
            await message.ack()
            got += 1
    await client.flush()
    print(json.dumps({"got": got}), flush=True)
    await client.close()


def _work(
    folder: Path, servers: list[Node], database: Postgres, workers: int, devices: int, count: int
) -> Run:
    place = PostgresPlace(database.url)
    asyncio.run(_purge(servers[0].url))
    messages = _chunks(devices, count, random.Random(workers))
    settings = {
        "bridge": {"role": "worker"},
        "cluster": {"nats_urls": [one.url for one in servers], "stream": _STREAM},
        "mqtt": {"enabled": False},
        "store": {"url": place.url},
        "quotas": {"messages_per_s": 0, "kb_per_s": 0},
    }
    with ExitStack() as stack:
        started = [
            stack.enter_context(bridge_process(folder / f"worker-{workers}-{number}", settings))
            for number in range(workers)
        ]
        for one in started:
            one.wait_until(lambda: "taking messages" in one.log, "it reads the stream", _END_S)  # noqa: B023
        time.sleep(_DIVIDED_S)
        pids = {
            "workers": [one.pid for one in started],
            "PostgreSQL": [database.pid],
            "NATS": [one.pid for one in servers],
        }
        before, machine = {name: _cpu_s(some) for name, some in pids.items()}, _machine_s()
        began_s = time.monotonic()
        asyncio.run(_publish(servers[0].url, messages))
        wait_until(lambda: _committed(place) >= count, "all was committed", _END_S)
        seconds = time.monotonic() - began_s
        spent = {name: _cpu_s(some) - before[name] for name, some in pids.items()}
        others = _machine_s() - machine - sum(spent.values())
    return Run(seconds, count, workers, spent, others)


def _committed(place: PostgresPlace) -> int:
    with psycopg.connect(place.url) as db:
        return int(db.execute("SELECT coalesce(sum(watermark), 0) FROM streams").fetchall()[0][0])


def _cpu_s(pids: list[int]) -> float:
    """Of processes, and of those that they started and that live."""
    every = {*pids, *(child.pid for pid in pids for child in descendants(pid))}
    return sum(_spent_s(pid) for pid in every)


def _spent_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _machine_s() -> float:
    """What all processors together have worked."""
    user, nice, system = Path("/proc/stat").read_text().split("\n")[0].split()[1:4]
    return (int(user) + int(nice) + int(system)) / _TICKS


if __name__ == "__main__":
    asyncio.run(_pull(sys.argv[1], int(sys.argv[2])))
