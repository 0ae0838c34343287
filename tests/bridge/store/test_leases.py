"""Several workers send what waits in one PostgreSQL: no device is with two, and the dead are followed."""

from __future__ import annotations

import random
import threading
from collections import defaultdict

import psycopg
import pytest
from pixeltrail_bridge.mapping.calls import Call, OutboxRow, Settled
from pixeltrail_bridge.store import leases
from pixeltrail_bridge.store.postgres import PostgresStore

from tests.support.bridge_process import wait_until
from tests.support.services import Postgres
from tests.support.stores import PostgresPlace

SINK = "sink"
FAR_MS = 1_000_000  # no lease of these tests runs out


@pytest.fixture
def place(postgres_server: Postgres) -> PostgresPlace:
    return PostgresPlace(postgres_server.url)


def workers(place: PostgresPlace, count: int) -> list[PostgresStore]:
    stores = [place.open((SINK,)) for _ in range(count)]
    for store in stores:
        store.release_leases(SINK)
    return stores


def queue(store: PostgresStore, devices: int, calls: int) -> None:
    """`calls` of each device, named by device and number."""

    def work(tx) -> None:
        for number in range(devices):
            if tx.load_device(f"device-{number}") is None:
                tx.add_device(f"device-{number}", b"{}", 1)
        tx.enqueue_calls(
            Call(f"px-{d}-{n}", f"device-{d}", 1, "track", f"{n}", {"n": n}, n)
            for n in range(calls)
            for d in range(devices)
        )

    store.commit_batch(work)


def settle(store: PostgresStore, rows: list[OutboxRow], state: str = "sent") -> None:
    store.settle(SINK, [Settled(row.id, state, 200) for row in rows], 0)


def kill(store: PostgresStore) -> None:
    """As the server sees it when a worker dies."""
    store._writer.raw.pgconn.finish()


def test_workers_share_what_waits_and_no_device_is_with_two(place: PostgresPlace) -> None:
    first, second, third = stores = workers(place, 3)
    queue(first, devices=60, calls=2)
    held = [{row.device_id for row in store.lease(SINK, 500, 0, FAR_MS)} for store in (first, second, third)]
    assert all(held) and len(held[0] | held[1] | held[2]) == sum(map(len, held)), "no device is with two"
    queue(first, devices=60, calls=3)
    taken = {row.device_id for row in second.lease(SINK, 500, 0, FAR_MS)}
    assert not taken & (held[0] | held[1] | held[2]), "what came since waits for what is under way"
    assert len(held[0]) in range(10, 31), "each leaves the others their share"
    for store in stores:
        store.close()


def test_a_device_stays_with_its_worker_whatever_else_waits_of_it(place: PostgresPlace) -> None:
    """An older call that comes back, as one that a person tries again, does not go to somebody else meanwhile."""
    first, second = stores = workers(place, 2)
    queue(first, devices=1, calls=3)
    oldest = first.lease(SINK, 1, 0, FAR_MS)
    first.settle(SINK, [Settled(oldest[0].id, "dead", 400, "wrong")], 0)
    under_way = first.lease(SINK, 1, 0, FAR_MS)
    first.requeue_dead(SINK)
    assert second.lease(SINK, 10, 0, FAR_MS) == []
    settle(first, under_way)
    assert [row.message_id for row in second.lease(SINK, 10, 0, FAR_MS)] == ["px-0-0", "px-0-2"]
    for store in stores:
        store.close()


def test_a_lease_is_given_back_once_all_of_it_is_settled(place: PostgresPlace) -> None:
    first, second = stores = workers(place, 2)
    queue(first, devices=1, calls=4)
    rows = first.lease(SINK, 2, 0, FAR_MS)
    settle(first, rows[:1])
    assert second.lease(SINK, 10, 0, FAR_MS) == [] == first.lease(SINK, 10, 0, FAR_MS)
    settle(first, rows[1:], "retry")
    again = second.lease(SINK, 10, 0, FAR_MS)
    assert [row.message_id for row in again] == ["px-0-1", "px-0-2", "px-0-3"] and again[0].attempts == 1
    for store in stores:
        store.close()


def test_what_a_dead_worker_held_goes_on_at_another_that_runs(place: PostgresPlace) -> None:
    first, second = workers(place, 2)
    queue(first, devices=8, calls=2)
    while first.lease(SINK, 500, 0, FAR_MS):
        pass
    assert second.lease(SINK, 500, 0, FAR_MS) == []
    kill(first)
    taken: list[OutboxRow] = []
    wait_until(lambda: taken.extend(second.lease(SINK, 500, 0, FAR_MS)) or len(taken) == 16, "taken over")
    settle(second, taken)
    assert second.pending(SINK) == 0
    first.close()
    second.close()


def test_a_worker_whose_clock_is_wrong_leaves_the_others_what_they_have(place: PostgresPlace) -> None:
    """Whichever way its clock is off: what a worker that lives has leased is its own until it is settled."""
    right, wrong = stores = workers(place, 2)
    queue(right, devices=1, calls=2)
    for now_ms, holder, other in ((0, right, wrong), (FAR_MS, wrong, right)):
        rows = holder.lease(SINK, 1, now_ms, 1)
        assert len(rows) == 1 and other.lease(SINK, 10, 2 * FAR_MS, 1) == []
        assert holder.lease(SINK, 1, now_ms + 2, 1) == rows, "but its own runs out"
        settle(holder, rows)
    for store in stores:
        store.close()


def test_a_lease_whose_commit_went_unheard_is_no_loss(place: PostgresPlace, monkeypatch) -> None:
    (store,) = workers(place, 1)
    queue(store, devices=3, calls=1)
    monkeypatch.setattr(store._leases, "note", lambda sink, rows: None)
    assert len(store.lease(SINK, 10, 0, FAR_MS)) == 3
    monkeypatch.undo()
    assert len(store.lease(SINK, 10, 0, FAR_MS)) == 3
    store.close()


def test_a_device_with_much_to_say_leaves_room_for_the_others(place: PostgresPlace) -> None:
    (store,) = workers(place, 1)
    queue(store, devices=1, calls=1000)
    queue(store, devices=20, calls=3)
    rows = store.lease(SINK, 100, 0, FAR_MS)
    quiet = [row for row in rows if row.device_id != "device-0"]
    assert len(rows) == 100 and len(quiet) == 57, "all that the other nineteen had"
    loud = [row.message_id for row in rows if row.device_id == "device-0"]
    assert loud == [f"px-0-{n}" for n in range(43)]
    store.close()


def test_a_device_whose_turn_is_over_has_another_while_others_are_busy(place: PostgresPlace) -> None:
    (store,) = workers(place, 1)
    queue(store, devices=1, calls=1)
    settle(store, store.lease(SINK, 500, 0, FAR_MS))
    queue(store, devices=2, calls=2)
    assert {row.device_id for row in store.lease(SINK, 500, 0, FAR_MS)} == {"device-0", "device-1"}
    store.close()


def test_three_workers_send_everything_once_and_in_order(place: PostgresPlace) -> None:
    """With retries, and one worker that dies with calls in its hands."""
    stores = workers(place, 3)
    queue(stores[0], devices=24, calls=10)
    sent: dict[str, list[str]] = defaultdict(list)
    busy: set[str] = set()
    lock = threading.Lock()

    def deliver(store: PostgresStore, dice: random.Random, leases_left: int) -> None:
        while store.pending(SINK):
            rows = store.lease(SINK, 20, 0, FAR_MS)
            devices = {row.device_id for row in rows}
            with lock:
                assert not devices & busy, "two workers with one device"
                busy.update(devices)
            leases_left -= 1
            if leases_left == 0:
                with lock:  # nothing of it was sent
                    busy.difference_update(devices)
                return kill(store)
            failing = {device for device in devices if dice.random() < 0.3}
            with lock:
                for row in rows:
                    if row.device_id not in failing:
                        sent[row.device_id].append(row.message_id)
                busy.difference_update(devices)
            states = ["retry" if row.device_id in failing else "sent" for row in rows]
            store.settle(SINK, [Settled(row.id, state) for row, state in zip(rows, states, strict=True)], 0)
        return None

    problems: list[Exception] = []

    def work(*arguments) -> None:
        try:
            deliver(*arguments)
        except Exception as error:  # noqa: BLE001 the test's own thread tells it
            problems.append(error)

    threads = [
        threading.Thread(target=work, args=(store, random.Random(n), 2 if n == 0 else 10**6))
        for n, store in enumerate(stores)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    for number in range(24):
        assert sent[f"device-{number}"] == [f"px-{number}-{n}" for n in range(10)]
    for store in stores:
        store.close()


@pytest.mark.parametrize(
    ("devices", "is_analysed"),
    [
        pytest.param(100_000, False),  # nothing is known of the table: the easiest to get wrong
        pytest.param(10, False, marks=pytest.mark.slow),
        pytest.param(10, True, marks=pytest.mark.slow),
        pytest.param(100_000, True, marks=pytest.mark.slow),
    ],
)
def test_a_long_queue_is_not_scanned(place: PostgresPlace, devices: int, is_analysed: bool) -> None:
    """100,000 waiting calls: every part of the queries goes through the index, to the few rows that it needs."""
    (store,) = workers(place, 1)
    with psycopg.connect(place.url, autocommit=True) as db:
        db.execute("ALTER TABLE deliveries SET (autovacuum_enabled = off)")
        db.execute(
            "INSERT INTO devices (device_id, state, first_seen_ms, last_seen_ms)"
            f" SELECT 'device-' || n, '', 1, 1 FROM generate_series(1, {devices}) AS n"
        )
        db.execute(
            "INSERT INTO events (message_id, device, session_id, type, event, time_ms, payload)"
            f" SELECT 'px-' || n, 1 + n % {devices}, 1, 'track', 'e', 1, '{{}}' FROM generate_series(1, 100000) AS n"
        )
        db.execute("INSERT INTO deliveries (event, sink, device) SELECT id, 'sink', device FROM events")
        if is_analysed:
            db.execute("VACUUM ANALYZE")
        plans = Plans(db)
        due = leases.due_slots(plans, SINK, 0)
        rows, _ = store._leases.take(plans, SINK, due, 500, 0, FAR_MS, "false", 1)
    assert len(rows) == 500
    assert plans.scanned("deliveries") == [], plans.text
    assert plans.rows("deliveries") < 5_000, plans.text
    store.close()


class Plans:
    """A connection that explains what it is asked, and does it."""

    def __init__(self, db: psycopg.Connection) -> None:
        self._db, self.nodes, self.text = db, list[dict](), ""

    def execute(self, query: str, values=()):
        query = query.replace("?", "%b")
        if query.lstrip().startswith(("SELECT", "WITH")):
            explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {query}"
            ((found,),) = self._db.execute(explain, values, binary=False).fetchall()
            self.text += f"\n{query}\n{found}"
            self._gather(found[0]["Plan"])
        return self._db.execute(query, values)

    def _gather(self, node: dict) -> None:
        self.nodes.append(node)
        for inner in node.get("Plans", ()):
            self._gather(inner)

    def scanned(self, table: str) -> list[str]:
        of = [node for node in self.nodes if node.get("Relation Name") == table]
        assert of
        return [node["Node Type"] for node in of if node.get("Index Name") != "deliveries_waiting"]

    def rows(self, table: str) -> int:
        """Read, also those that a filter took away."""
        return sum(
            (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            for node in self.nodes
            if node.get("Relation Name") == table
        )
