"""What PostgreSQL alone has to show: several workers on one store, a server that dies, and settings that lose data."""

from __future__ import annotations

import threading

import pytest
from pixeltrail_bridge.errors import ConfigError, StoreError
from pixeltrail_bridge.ingest import Arrival
from pixeltrail_bridge.mapping.calls import Call
from pixeltrail_bridge.store import postgres as module
from pixeltrail_bridge.store.postgres import PostgresStore
from pixeltrail_bridge.wire import messages as m

from tests.support.bridge_process import wait_until
from tests.support.ingest import DEVICE, Bench, sync, track_chunk
from tests.support.services import Postgres, postgres
from tests.support.stores import PostgresPlace


@pytest.fixture
def place(postgres_server: Postgres) -> PostgresPlace:
    return PostgresPlace(postgres_server.url)


@pytest.fixture
def two(place: PostgresPlace):
    """Two workers of one store."""
    workers = Bench(place), Bench(place)
    yield workers
    for worker in workers:
        worker.close()


def call(name: str, device_id: str = DEVICE) -> Call:
    return Call(f"px-{name}", device_id, 5, "track", name, {"name": name}, 1)


# ---- several workers ---------------------------------------------------------------


def test_workers_take_turns_with_a_device(two) -> None:
    for seq in range(0, 20, 2):
        two[0].feed(track_chunk(seq))
        two[1].feed(track_chunk(seq + 1), track_chunk(seq))
    assert two[0].stored() == list(range(20)) and two[1].channel.watermark == 20
    numbers = [payload for _, payload in two[0].events()]
    assert len(numbers) == 20 and numbers[-1].startswith(b'{"number":20,'), "the state went from hand to hand"
    assert two[0].store.counters()[DEVICE] == {"duplicates": 10}


def test_a_hole_that_another_worker_closes(two) -> None:
    two[0].feed(track_chunk(0), track_chunk(2))
    two[1].feed(track_chunk(1), sync(0, 3))
    assert two[1].channel.watermark == 3
    two[0].feed(sync(0, 3))
    assert two[0].channel.watermark == 3 and [name for name, _ in two[0].events()] == [
        "Event 0",
        "Event 1",
        "Event 2",
    ]


def test_workers_that_write_at_once(two) -> None:
    """Every worker gets every chunk of every device, in another order of devices."""
    devices = [f"device-{n}" for n in range(6)]
    streams = {device: f"stream{n:02}".encode() for n, device in enumerate(devices)}

    def work(worker: Bench, order: list[str]) -> None:
        for seq in range(10):
            for device in order:
                worker.ingest.receive(_arrival(worker, device, track_chunk(seq, stream=streams[device])))
            worker.ingest.commit_queued()

    threads = [
        threading.Thread(target=work, args=(worker, order))
        for worker, order in zip(two, (devices, devices[::-1]), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = two[0].store
    assert len(store.events(limit=1000)) == 60 and store.pending("sink") == 60
    for device in devices:
        assert [chunk.seq for chunk in store.chunks(device, streams[device])] == list(range(10))
        events = store.events(device, limit=100)
        assert [event.event for event in events] == [f"Event {seq}" for seq in range(10)], "in order"


def _arrival(worker: Bench, device: str, data: bytes):
    return Arrival(device, data, 10_000, worker.channel)


def test_opt_out_ordered_at_one_worker_comes_from_the_other(two) -> None:
    two[1].feed(sync(0, 0))
    two[0].feed(sync(0, 0))
    two[0].ingest.order_opt_out(DEVICE, True)
    two[0].ingest.commit_queued()
    two[1].feed(sync(0, 0))
    assert two[1].channel.of(m.OptOutOrder) == [m.OptOutOrder(True)]


def test_a_duty_is_one_workers_until_it_ends(place: PostgresPlace) -> None:
    first, second = place.open(), place.open()
    assert first.hold("packing") and not second.hold("packing") and second.hold("backups")
    assert (first.duties, second.duties) == ({"packing": True}, {"packing": False, "backups": True})
    first.let_go("packing")
    assert second.hold("packing") and not first.hold("packing")
    second.let_go("packing")
    assert first.hold("packing") and first.hold("packing"), "however often it is asked for"
    assert first._writer is not None
    first._writer.raw.pgconn.finish()  # the connection breaks, and the other gets it
    assert wait_until(lambda: second.hold("packing"), "it is free")
    assert not first.hold("packing") and first.connection_no == 2
    second.close()
    assert wait_until(lambda: first.hold("packing") and first.hold("backups"), "both are free")
    first.close()


def test_stores_of_one_database_do_not_share_duties(place: PostgresPlace, postgres_server: Postgres) -> None:
    one, other = place.open(), PostgresPlace(postgres_server.url).open()
    assert one.hold("packing") and other.hold("packing")
    one.close()
    other.close()


# ---- the server --------------------------------------------------------------------


def test_a_server_that_is_killed_loses_nothing_acked() -> None:
    with postgres() as server:
        bench = Bench(PostgresPlace(server.url))
        bench.feed(*(track_chunk(seq) for seq in range(5)))
        server.kill()
        with pytest.raises(StoreError, match="tries again"):
            bench.store.commit_batch(lambda tx: tx.count("", "x"))
        with pytest.raises(StoreError, match="cannot be read"):
            bench.store.devices()
        server.restart()
        assert bench.stored() == list(range(5))
        bench.feed(track_chunk(5))
        assert bench.channel.watermark == 6 and len(bench.events()) == 6
        bench.close()


def test_a_server_that_could_forget_is_refused() -> None:
    with postgres(["fsync=off"]) as server, pytest.raises(StoreError, match="fsync is off"):
        PostgresStore(server.url)


def test_commits_are_synchronous(place: PostgresPlace) -> None:
    store = PostgresStore(place.url.replace("-csearch", "-csynchronous_commit%3Doff%20-csearch"))
    assert store._all("SHOW synchronous_commit") == [("on",)]
    assert store._writer.execute("SHOW synchronous_commit").fetchone() == ("on",)
    store.close()


# ---- addresses ---------------------------------------------------------------------


def test_a_password_is_never_shown(postgres_server: Postgres) -> None:
    url = "postgresql://pixeltrail@127.0.0.1:1/none"
    with pytest.raises(StoreError) as caught:
        PostgresStore(url, password="very-secret")
    assert "very-secret" not in str(caught.value) and "postgresql://127.0.0.1:1/none" in str(caught.value)
    assert module.describe(url) == "postgresql://127.0.0.1:1/none"
    assert module._parameters(url, "very-secret")["password"] == "very-secret"


def test_an_address_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"store\.url"):
        PostgresStore("postgresql://[")
