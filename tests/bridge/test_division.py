"""Several workers project the streams of one PostgreSQL: each stream at one of them, taken over, and nothing twice."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from pixeltrail_bridge.division import LOOK_EVERY_MS, STAY_EVERY_MS, UNABLE_MS, Division
from pixeltrail_bridge.errors import StoreError
from pixeltrail_bridge.ingest import Arrival, Ingest, IngestSettings
from pixeltrail_bridge.mapping.chunks import MappingSettings, map_chunk, map_sync
from pixeltrail_bridge.projector import Projector, ProjectorSettings
from pixeltrail_bridge.store.news import News
from pixeltrail_bridge.store.sharing import PARTS
from pixeltrail_bridge.store.workers import SILENT_S

from tests.bridge.mapping.build import BOOT_MS, DEVICE, STREAM
from tests.bridge.test_projector import SESSION, Display
from tests.support.bridge_process import wait_until
from tests.support.services import Postgres
from tests.support.stores import PostgresPlace


class Worker:
    """One worker's store, ingest and projector, turned by the test on one clock for all."""

    def __init__(self, team: Team) -> None:
        self.store = team.place.open(("list",))
        self.ingest = Ingest(
            self.store,
            IngestSettings(mapping=MappingSettings()),
            map_chunk=map_chunk,
            map_sync=map_sync,
            on_commit=team.heard,
        )
        self.is_able = True
        self.division = Division(self.store, lambda: self.is_able)
        self.shown = 0
        self.projector = Projector(
            self.store,
            ProjectorSettings(),
            lambda device_id, request: None,
            division=self.division,
            now_ms=lambda: team.now_ms,
        )
        self.projector.subscribe(self._show)

    def _show(self, device_id, canvas, moment) -> None:
        self.shown += moment.shown is not None

    def send(self, device_id, data) -> bool:
        return True

    def cut(self) -> None:
        """The server loses the connection that writes, and with it what this worker held."""
        assert self.store._writer is not None
        self.store._writer.raw.pgconn.finish()


class Team:
    def __init__(self, place: PostgresPlace) -> None:
        self.place, self.now_ms = place, BOOT_MS
        self.workers: list[Worker] = []
        self.display = Display()

    def join(self) -> Worker:
        self.workers.append(Worker(self))
        self.settle()
        return self.workers[-1]

    def heard(self, committed) -> None:
        for worker in self.workers:
            worker.projector.notify(committed.device_id, committed.stream, committed.watermark)

    def settle(self) -> None:
        """Parts go from hand to hand: one gives, another takes."""
        for _ in range(2 * len(self.workers)):
            self.now_ms += LOOK_EVERY_MS
            self.turn()

    def turn(self) -> None:
        for worker in self.workers:
            while worker.projector.turn():
                pass

    def feed(self, worker: Worker, *chunks: bytes, at_ms: int) -> None:
        for data in chunks:
            worker.ingest.receive(Arrival(DEVICE, data, BOOT_MS + at_ms, worker))
        worker.ingest.commit_queued()
        self.turn()

    def owner(self) -> Worker:
        (owner,) = [worker for worker in self.workers if worker.division.owns(DEVICE)]
        return owner

    def other(self) -> Worker:
        return next(worker for worker in self.workers if not worker.division.owns(DEVICE))

    def paint(self, worker: Worker, at_ms: int) -> None:
        self.display.fill(at_ms // 100 % 60, 2, 3, 3, at_ms % 251 + 1)
        self.feed(worker, *self.display.frame(at_ms), at_ms=at_ms)

    def end(self, worker: Worker) -> None:
        """Long enough that every window is closed and committed."""
        for _ in range(3):
            self.now_ms += 20_000
            self.turn()


@pytest.fixture
def team(postgres_server: Postgres) -> Iterator[Team]:
    made = Team(PostgresPlace(postgres_server.url))
    yield made
    for worker in made.workers:
        worker.store.close()


def begin(team: Team, worker: Worker) -> None:
    team.feed(worker, *team.display.begin(), at_ms=0)
    team.feed(worker, *team.display.frame(100, key=True), at_ms=100)


def judge(team: Team, frames: int) -> None:
    store = team.owner().store
    summaries = [json.loads(row.payload)["properties"] for row in store.events(limit=1000)]
    assert sum(row["frames"] for row in summaries) == frames
    assert len({row["replay_offset_ms"] for row in summaries}) == len(summaries), "a window is told once"
    assert [(frame.stream, frame.seq) for frame in store.keyframes(DEVICE, SESSION)] == [(STREAM, 2)]
    assert store.counters()[DEVICE]["frames"] == frames, "each frame was counted once"


def test_every_part_has_one_owner_whoever_comes_and_goes(team: Team) -> None:
    alone = team.join()
    assert len(alone.division.parts) == PARTS
    for count in (2, 3):
        team.join()
        assert sum(len(worker.division.parts) for worker in team.workers) == PARTS
        assert max(len(worker.division.parts) for worker in team.workers) == -(-PARTS // count)
        assert team.owner() in team.workers
    gone = team.workers.pop(0)
    gone.store.close()
    rest = wait_until(
        lambda: team.settle() or sum(len(w.division.parts) for w in team.workers) == PARTS, "taken over"
    )
    assert rest


def test_a_stream_is_projected_by_its_owner_whoever_commits_it(team: Team) -> None:
    team.join(), team.join()
    owner, other = team.owner(), team.other()
    begin(team, other)
    for number in range(6):
        team.paint((owner, other)[number % 2], 200 + number * 100)
    assert owner.shown == 7 and other.shown == 0
    team.end(owner)
    judge(team, frames=7)


def test_a_stream_moves_to_a_worker_that_comes_and_nothing_of_it_is_told_twice(team: Team) -> None:
    first = team.join()
    begin(team, first)
    team.paint(first, 200)
    while team.owner() is first:  # until one comes whose share the device is in
        team.join()
    team.paint(first, 300)
    assert first.shown == 2 and team.owner().shown >= 1
    team.end(first)
    judge(team, frames=3)


def test_another_follows_a_worker_that_dies(team: Team) -> None:
    team.join(), team.join()
    dead, alive = team.owner(), team.other()
    begin(team, alive)
    team.now_ms += LOOK_EVERY_MS
    team.turn()
    team.paint(alive, 200)
    team.workers.remove(dead)
    dead.store.close()
    wait_until(lambda: team.settle() or alive.division.owns(DEVICE), "its streams were taken over")
    team.paint(alive, 300)
    team.end(alive)
    judge(team, frames=3)


def test_another_follows_a_worker_that_stands_still(team: Team) -> None:
    """Stopped, its process is there and its connection as well. The server ends it, and what it decoded counts once."""
    team.join(), team.join()
    still, alive = team.owner(), team.other()
    begin(team, alive)
    team.paint(still, 200)
    assert still.store._writer.execute("SHOW idle_session_timeout").fetchone() == (f"{SILENT_S // 60}min",)
    still.store._writer.execute("SET idle_session_timeout = 1")
    team.workers.remove(still)
    wait_until(lambda: team.settle() or alive.division.owns(DEVICE), "its streams were taken over")
    with pytest.raises(StoreError):
        still.projector.commit()
    team.workers.append(still)
    wait_until(lambda: team.settle() or len(still.division.parts) == PARTS // 2, "it has its share again")
    team.paint(team.owner(), 300)
    team.end(team.owner())
    judge(team, frames=3)
    again = still.store._writer.execute("SHOW idle_session_timeout").fetchone()
    assert again == (f"{SILENT_S // 60}min",), "on its new connection too"


def test_another_follows_a_worker_that_messages_do_not_reach(team: Team) -> None:
    """Cut from NATS, with its database in reach: its parts go to those whom messages reach, while there is one."""
    team.join(), team.join()
    deaf, hearing = team.owner(), team.other()
    begin(team, hearing)
    team.paint(hearing, 200)
    deaf.is_able = False
    team.settle()
    assert deaf.division.owns(DEVICE), "a moment is none"
    team.now_ms += UNABLE_MS
    team.settle()
    assert len(hearing.division.parts) == PARTS and not deaf.division.parts
    team.paint(hearing, 300)
    hearing.is_able = False
    team.now_ms += UNABLE_MS
    team.settle()
    assert len(hearing.division.parts) == PARTS, "of nobody else would there be more to expect"
    deaf.is_able = True
    team.now_ms += UNABLE_MS
    team.settle()
    assert len(deaf.division.parts) == PARTS and not hearing.division.parts
    hearing.is_able = True
    team.settle()
    assert len(deaf.division.parts) == len(hearing.division.parts) == PARTS // 2
    team.paint(team.owner(), 400)
    team.end(team.owner())
    judge(team, frames=4)


def test_long_work_is_no_silence(team: Team) -> None:
    """In the middle of a turn the server is asked now and then; who is in no task may be silent."""
    worker = team.join()
    asked = []
    worker.store.stay = lambda: asked.append(team.now_ms)  # type: ignore[method-assign]
    begin(team, worker)
    assert not asked
    worker.projector._advance = lambda followed: setattr(team, "now_ms", team.now_ms + STAY_EVERY_MS) or False
    worker.projector.turn()
    assert len(asked) == 1
    looker = team.place.open()  # as a viewer: in no task
    assert looker._writer.execute("SHOW idle_session_timeout").fetchone() == ("0",)
    looker.close()


def test_what_was_decoded_under_a_lost_lock_is_not_written(team: Team) -> None:
    """A worker whose connection broke, and who does not know it yet, cannot commit over the one that follows it."""
    team.join(), team.join()
    late, follower = team.owner(), team.other()
    begin(team, late)
    team.paint(late, 200)  # decoded by both in the end
    late.cut()
    team.workers.remove(late)
    wait_until(lambda: team.settle() or follower.division.owns(DEVICE), "the other has it")
    with pytest.raises(StoreError):
        late.projector.commit()
    with pytest.raises(StoreError, match="connection broke"):
        late.store.commit_batch(lambda tx: None)
        late.projector.commit()
    team.workers.append(late)  # it has another connection now, and may be given the device again
    team.settle()
    owner = team.owner()
    team.paint(owner, 300)
    team.end(owner)
    judge(team, frames=3)


def test_commits_of_other_workers_are_heard(postgres_server: Postgres) -> None:
    place = PostgresPlace(postgres_server.url)
    stores = [place.open(), place.open()]
    heard: list[list[tuple[str, bytes, int]]] = [[], []]
    missed: list[int] = []
    news = [
        News(
            store,
            lambda *row, index=index: heard[index].append(row),
            lambda index=index: missed.append(index),
        )
        for index, store in enumerate(stores)
    ]
    for one in news:
        one.start()
    wait_until(lambda: sorted(missed) == [0, 1], "both listen, and were told to look for what came before")
    rows = [(f"device-{n:040}", b"%08d" % n, n) for n in range(200)]
    for row in rows:
        news[0].tell(*row)
    wait_until(lambda: sorted(heard[1]) == rows, "the other heard all")
    assert heard[0] == [], "nobody hears itself"
    place.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND application_name = 'pixeltrail' AND query LIKE 'LISTEN%'"
    )
    wait_until(lambda: len(missed) >= 4, "they listen again")
    news[1].tell(*rows[3])
    wait_until(lambda: rows[3] in heard[0], "and hear")
    for one in news:
        one.stop()
    for store in stores:
        store.close()
