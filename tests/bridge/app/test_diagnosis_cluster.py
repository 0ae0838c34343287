"""What `doctor` says of a cluster: of answers as JetStream gives them, and of three servers that fail one by one."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import nats
import pytest
from pixeltrail_bridge.app.diagnosis import check_cluster, cluster, jetstream
from pixeltrail_bridge.app.diagnosis.jetstream import (
    ClusterState,
    ConsumerState,
    Copies,
    Replica,
    StreamState,
)
from pixeltrail_bridge.config import Config
from pixeltrail_bridge.config.clustering import ClusterSettings
from pixeltrail_bridge.division import part_of
from pixeltrail_bridge.sources.nats_link import Login
from pixeltrail_bridge.sources.stream import SUBJECTS, UP, StreamSettings, prepare
from pixeltrail_bridge.store import workers
from pixeltrail_bridge.store.sharing import PARTS
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.store.workers import Member, Team

from tests.cluster.links import Links
from tests.cluster.nodes import Nodes, nodes
from tests.support.bridge_process import wait_until
from tests.support.services import postgres
from tests.support.stores import PostgresPlace

SETTINGS = StreamSettings(replicas=3, max_bytes=1 << 26, parts=PARTS)
NOW_MS = 1_700_000_000_000
COPIES = Copies("nats-0", (Replica("nats-1", True), Replica("nats-2", True)))
AWAY = Copies("nats-0", (Replica("nats-1", False), Replica("nats-2", False)))
STREAM = StreamState(COPIES, 3, (cluster.UPLINK,), 1_000, 4 << 20, 100 << 20)
CONSUMER = ConsumerState(COPIES, 0, 0, 16, 0)
UNREAD = replace(CONSUMER, fetching=14, unread=("bridge-3", "bridge-7"))
IDLE = replace(CONSUMER, fetching=0, unread=tuple(SETTINGS.consumers))
TEAM = Team((Member("1.0", "a"), Member("1.0", "b")), frozenset(range(PARTS)))
WELL = ClusterState(3, {}, STREAM, CONSUMER, {"NATS": 12, "PostgreSQL": -3})


def judged(state: ClusterState, workers: int | None = 3) -> dict[str, tuple[str, str]]:
    """What it is about: the level and the text of the worst that is said of it."""
    found: dict[str, tuple[str, str]] = {}
    for one in cluster.judge(state, SETTINGS, NOW_MS, workers):
        if one.what not in found or found[one.what][0] != "FAULT":
            found[one.what] = (one.level, one.text)
    return found


def copies(lag: int = 0, silent_ms: int = 0) -> Copies:
    return Copies("nats-0", (Replica("nats-1", True), Replica("nats-1", True, lag, silent_ms)))


def waiting(state: ConsumerState, oldest_ms: int) -> ClusterState:
    return replace(WELL, stream=replace(STREAM, oldest_ms=NOW_MS - oldest_ms), consumer=state)


def test_a_cluster_that_is_well() -> None:
    found = judged(WELL)
    assert {what: level for what, (level, _) in found.items()} == dict.fromkeys(
        ("nats", "stream", "replication", "consumer", "lag", "clocks"), "ok"
    )
    assert found["replication"][1] == "nats-0 leads, 2 others are up to date"


@pytest.mark.parametrize(
    ("state", "what", "level", "words"),
    [
        (replace(WELL, away={"nats://b": "refused"}), "nats", "FAULT", "nats://b cannot be reached (refused)"),
        (replace(WELL, stream="stream not found"), "stream", "FAULT", "there is no stream pixeltrail; start a worker"),
        (replace(WELL, stream="JetStream did not answer"), "stream", "FAULT", "more than half of its replicas"),
        (replace(WELL, stream=replace(STREAM, subjects=("orders.>",))), "stream", "FAULT", "and not pt.v1.*.up"),
        (replace(WELL, stream=replace(STREAM, size_bytes=90 << 20)), "stream", "note", "raise cluster.max_gb"),
        (replace(WELL, stream=replace(STREAM, copies=Copies())), "replication", "FAULT", "none of 3 replicas"),
        (replace(WELL, stream=replace(STREAM, copies=AWAY)), "replication", "FAULT", "1 of 3 replicas can"),
        (replace(WELL, consumer="temporarily unavailable"), "consumer", "FAULT", "more than half of its replicas"),
        (
            replace(WELL, stream=replace(STREAM, copies=Copies("nats-0", COPIES.others[:1]))),
            *("replication", "FAULT", "2 of 3 replicas exist; start more servers"),
        ),
        (
            replace(WELL, stream=replace(STREAM, copies=copies(silent_ms=40_000))),
            *("replication", "FAULT", "nats-1 is not up to date, silent for 40 s"),
        ),
        (
            replace(WELL, stream=replace(STREAM, copies=copies(lag=20_000))),
            *("replication", "note", "nats-1 lacks 20,000 messages"),
        ),
        (replace(WELL, stream=replace(STREAM, copies=Copies("nats-0"), replicas=1)), "replication", "note", "only"),
        (replace(WELL, consumer="consumer not found"), "consumer", "FAULT", "lacks consumers bridge-*, so nobody"),
        (
            replace(WELL, consumer=replace(CONSUMER, missing=("bridge-3", "bridge-7"))),
            *("consumer", "FAULT", "stream pixeltrail lacks bridge-3, bridge-7 of 16 consumers"),
        ),
        (
            replace(WELL, consumer=replace(CONSUMER, copies=AWAY, worst="bridge-5")),
            *("consumer", "FAULT", "1 of 3 replicas of bridge-5 can be led"),
        ),
        (
            replace(WELL, consumer=replace(CONSUMER, copies=copies(silent_ms=40_000), worst="bridge-5")),
            *("consumer", "FAULT", "the replica of bridge-5 at nats-1 is not up to date"),
        ),
        (replace(WELL, stream=replace(STREAM, strange="not ours")), "stream", "FAULT", "not ours"),
        (
            replace(WELL, stream=replace(STREAM, differs=("max_age is 1, and ...",))),
            *("stream", "FAULT", "pixeltrail: max_age is 1, and ...; start a worker again that has these settings"),
        ),
        (replace(WELL, consumer=replace(CONSUMER, strange="it pushes")), "consumer", "FAULT", "it pushes"),
        (replace(WELL, consumer=replace(CONSUMER, differs=("b",))), "consumer", "FAULT", "b; start a worker again"),
        (replace(WELL, consumer=IDLE), "lag", "note", "no worker fetches from any part; is one running?"),
        (replace(WELL, consumer=UNREAD), "lag", "note", "no worker fetches from bridge-3, bridge-7"),
        (waiting(replace(CONSUMER, pending=9), 2_000), "lag", "ok", "9 messages wait and 0 are not confirmed"),
        (
            waiting(replace(UNREAD, pending=9), 120_000),
            *("lag", "FAULT", "for 2 min; no worker fetches from bridge-3, bridge-7: see their logs"),
        ),
        (waiting(replace(CONSUMER, pending=9), 120_000), "lag", "FAULT", "workers are behind"),
        (waiting(replace(UNREAD, unconfirmed=2_000), 120_000), "lag", "FAULT", "what was taken is not committed"),
        (replace(WELL, skew_ms={"NATS": 900}), "clocks", "note", "the clock of NATS is 0.9 s ahead of this machine's"),
        (replace(WELL, skew_ms={"PostgreSQL": -240_000}), "clocks", "FAULT", "PostgreSQL is 4 min behind this"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_a_remedy(state: ClusterState, what: str, level: str, words: str) -> None:
    found = judged(state)
    assert found[what][0] == level
    assert words in found[what][1]


def test_what_is_late_is_explained_by_the_workers_that_there_are() -> None:
    late = waiting(replace(IDLE, pending=9), 120_000)
    assert "no worker is running: start one" in judged(late, 0)["lag"][1]
    assert "the database does not answer" in judged(late, None)["lag"][1]


@pytest.mark.parametrize(
    ("team", "level", "words"),
    [
        (TEAM, "ok", "2 at a, b, of version 1.0, have all 16 parts"),
        (
            Team((), frozenset()),
            "FAULT",
            "none is connected to the database, so nothing is committed; start one",
        ),
        (
            replace(TEAM, members=(*TEAM.members, Member("1.0", "a"), Member("1.1", "c"))),
            *("FAULT", "different versions: 1.0 at a (2), b; 1.1 at c; update the older ones"),
        ),
        (replace(TEAM, parts=TEAM.parts - {3, 7}), "note", "nobody has parts 3, 7"),
    ],
)
def test_workers_are_named_by_machine_and_version(team: Team, level: str, words: str) -> None:
    (found,) = cluster.judge_team(team, PARTS)
    assert (found.what, found.level) == ("workers", level) and words in found.text


def test_the_subject_is_that_of_the_source() -> None:
    assert cluster.UPLINK == UP


def test_nothing_more_is_said_when_no_server_answers() -> None:
    assert list(judged(ClusterState(1, {"nats://a": "refused"}))) == ["nats"]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with Links() as links, nodes(tmp_path_factory.mktemp("doctor"), links) as found:
        yield found


def ask(servers: Nodes) -> ClusterState:
    return jetstream.ask(Login([one.url for one in servers.servers]), SETTINGS)


def ask_until(servers: Nodes, is_so: Callable[[StreamState, ConsumerState], bool]) -> ClusterState:
    """The server asked may not have heard yet what the leader of a stream or consumer has confirmed."""

    def look() -> ClusterState | None:
        found = ask(servers)
        is_known = isinstance(found.stream, StreamState) and isinstance(found.consumer, ConsumerState)
        return found if is_known and is_so(found.stream, found.consumer) else None

    return wait_until(look, "the servers agree", 60)


async def _make(url: str) -> None:
    client = await nats.connect(url)
    await client.jetstream(timeout=60).add_stream(name="pixeltrail", subjects=list(SUBJECTS), num_replicas=3)
    await client.close()


async def _read(url: str, count: int) -> None:
    """Publish, and take half without confirming it."""
    client = await nats.connect(url)
    while True:
        try:
            await prepare(client, SETTINGS)
            break
        except nats.errors.TimeoutError:
            pass  # sixteen consumers of three copies each were not all made yet: a worker tries again, too
    stream = client.jetstream(timeout=60)
    consumer = SETTINGS.consumers[part_of("oven-01")]
    for number in range(count):
        await stream.publish("pt.v1.oven-01.up", b"%d" % number)
    reader = await stream.pull_subscribe_bind(consumer, stream="pixeltrail")
    await reader.fetch(count // 2, timeout=20)
    await client.close()


async def _change(url: str, replicas: int = 1) -> None:
    """As somebody does with NATS' own tool, or a worker with other settings."""
    client = await nats.connect(url)
    stream = client.jetstream(timeout=60)
    config = (await stream.stream_info("pixeltrail")).config
    await stream.update_stream(config.evolve(num_replicas=replicas, max_age=3_600))
    if replicas == 1:
        await stream.delete_consumer("pixeltrail", "bridge-3")
        config = (await stream.consumer_info("pixeltrail", "bridge-2")).config
        await stream.add_consumer("pixeltrail", config.evolve(ack_wait=5))
    await client.close()


async def _push(url: str) -> None:
    client = await nats.connect(url)
    await client.jetstream(timeout=60).add_consumer(
        "pixeltrail", durable_name="bridge-3", deliver_subject="elsewhere", filter_subject="pt.v1.*.*.3"
    )
    await client.close()


def test_three_servers_tell_what_they_lack(servers: Nodes) -> None:
    assert "not found" in str(ask(servers).stream)
    first = servers.servers[0]
    asyncio.run(_make(first.url))
    assert "not found" in str(ask(servers).consumer)
    asyncio.run(_read(first.url, 10))
    found = ask_until(servers, lambda _, consumer: (consumer.pending, consumer.unconfirmed) == (5, 5))
    assert isinstance(found.stream, StreamState) and isinstance(found.consumer, ConsumerState)
    assert (found.stream.messages, found.stream.replicas, len(found.stream.copies.others)) == (10, 3, 2)
    assert found.consumer.fetching == 0
    assert list(found.consumer.unread) == SETTINGS.consumers
    assert found.stream.differs == found.consumer.differs == found.consumer.missing == ()
    assert found.stream.oldest_ms is not None and list(found.skew_ms) == ["NATS"]
    assert not found.away
    config = Config(cluster=ClusterSettings(nats_urls=tuple(one.url for one in servers.servers)))
    said = {one.what: one.text for one in check_cluster(config, None)}
    assert said["nats"] == "3 of 3 servers answer" and "5 messages wait and 5 are not" in said["lag"]

    asyncio.run(_change(first.url))
    found = ask_until(servers, lambda stream, consumer: len(stream.differs) == 2 and bool(consumer.missing))
    assert isinstance(found.stream, StreamState) and isinstance(found.consumer, ConsumerState)
    assert found.stream.differs == (
        "max_age is 1, and cluster.max_age_h asks for 24",
        "num_replicas is 1, and cluster.replicas asks for 3",
    )
    assert found.consumer.missing == ("bridge-3",)
    assert found.consumer.differs == ("bridge-2: ack_wait is 5, and cluster.ack_wait_s asks for 30",)
    asyncio.run(_push(first.url))
    found = ask_until(servers, lambda _, consumer: not consumer.missing)
    assert isinstance(found.consumer, ConsumerState) and found.consumer.missing == ()
    assert "there is a consumer bridge-3 that is not ours" in found.consumer.strange
    asyncio.run(_change(first.url, replicas=3))
    wait_until(lambda: "replication" in judged(ask(servers)), "it has three copies again", 60)

    *_, last = servers.servers
    last.kill()

    def lacks_one() -> bool:
        state = ask(servers)
        return isinstance(state.stream, StreamState) and judged(state).get("replication", "")[0] == "FAULT"

    wait_until(lacks_one, "the others miss the server that died", 60)
    assert list(ask(servers).away) == [last.url]


def test_the_database_tells_its_clock_and_who_works_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cluster.database_skew_ms(SqliteStore(tmp_path / "store.db")) == {}
    with postgres() as server:
        place = PostgresPlace(server.url)
        store = place.open()
        assert list(cluster.database_skew_ms(store)) == ["PostgreSQL"]
        assert store.team() == Team((), frozenset()), "who only looks is no worker"
        monkeypatch.setattr(socket, "gethostname", lambda: "oven-host")
        first = place.open()
        assert len(first.take_parts()[0]) == PARTS
        monkeypatch.setattr(socket, "gethostname", lambda: "w" * 80)
        monkeypatch.setattr(workers, "_now_ms", lambda: time.time_ns() // 1_000_000 + 90_000)
        second = place.open()
        second.take_parts()
        team = store.team()
        assert team is not None and team.parts == frozenset(range(PARTS))
        near, far = team.members
        assert (near.host, near.version, near.skew_ms) == ("oven-host", version("pixeltrail"), 0)
        assert set(far.host) == {"w"} and far.version == near.version and far.skew_ms > 80_000
        skew = cluster.database_skew_ms(store, team)
        assert (
            list(skew) == ["PostgreSQL", f"the worker at {far.host}"]
            and skew[f"the worker at {far.host}"] > 80_000
        )
        for one in (first, second, store):
            one.close()
