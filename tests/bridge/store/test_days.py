"""Chunks in PostgreSQL by day: made ahead, with whole streams in them, and dropped whole but for what must stay."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from pixeltrail_bridge.keeper import Keeper, KeepFor
from pixeltrail_bridge.replay.recording import Recording
from pixeltrail_bridge.store import days, migrate, search
from pixeltrail_bridge.store.base import SEQ_SPAN
from pixeltrail_bridge.store.days import SPAN
from pixeltrail_bridge.store.postgres import PostgresStore
from pixeltrail_bridge.wire import messages as m

from tests.support.film import BOOT_MS, Camera, Device, Studio
from tests.support.ingest import DEVICE, Bench, track_chunk
from tests.support.services import Postgres
from tests.support.stores import PostgresPlace

DAY_MS = 86_400_000
KITCHEN, HALL = "kitchen-01", "hall-01"


@pytest.fixture
def place(postgres_server: Postgres) -> PostgresPlace:
    return PostgresPlace(postgres_server.url)


def tables(place: PostgresPlace) -> list[str]:
    """With chunks in them."""
    found = place.query("SELECT DISTINCT tableoid::regclass::text FROM chunks ORDER BY 1")
    return [name for (name,) in found]


def numbers(store: PostgresStore) -> list[int]:
    return [one.first // SPAN for one in days.ranges(store)]


def test_ranges_are_made_ahead_and_each_day_begins_one(place: PostgresPlace) -> None:
    bench = Bench(place)
    store = bench.store
    for day in (100, 100, 101, 101, 102):
        days.keep_ahead(store, day * DAY_MS + 1)
        for _ in range(2):
            stream = b"%08d" % len(bench.store.streams(DEVICE))
            bench.feed(*(track_chunk(seq, stream=stream) for seq in range(3)))
    assert tables(place) == ["chunks_from_0", f"chunks_from_{SPAN}", f"chunks_from_{2 * SPAN}"]
    assert [row.number // SPAN for row in store.streams(DEVICE)] == [0] * 4 + [1] * 4 + [2] * 2
    days.keep_ahead(store, 102 * DAY_MS + 1)
    assert numbers(store) == [0, 1, 2, 3, 4], "two wait for what is to come"
    bench.feed(track_chunk(3, stream=b"%08d" % 0), track_chunk(1, stream=b"%08d" % 0))
    assert bench.channel.watermark == 4, "a stream that lasts stays in its day"
    assert place.query(f"SELECT count(*) FROM chunks_from_0 WHERE key / {SEQ_SPAN} = 1") == [(4,)]
    assert place.query("SELECT sum(value) FROM counters WHERE name = 'duplicates'") == [(1,)]
    bench.close()


def test_a_day_without_a_range_stops_nothing(place: PostgresPlace) -> None:
    """As when nothing kept the ranges for a long time: chunks lie in the last table, and are as good there."""
    bench = Bench(place)
    place.query(f"SELECT setval(pg_get_serial_sequence('streams', 'no'), {50 * SPAN})")
    bench.feed(track_chunk(0), track_chunk(1))
    assert tables(place) == ["chunks_else"] and bench.stored() == [0, 1]
    days.keep_ahead(bench.store, 200 * DAY_MS)
    days.keep_ahead(bench.store, 201 * DAY_MS)
    bench.feed(track_chunk(2), track_chunk(0, stream=b"stream-2"))
    assert tables(place) == ["chunks_else", f"chunks_from_{51 * SPAN}"] and bench.stored() == [0, 1, 2]
    bench.close()


def test_an_old_database_gets_its_days(place: PostgresPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    real = migrate.migrations
    monkeypatch.setattr(migrate, "migrations", lambda kind: [s for s in real(kind) if s.name < "0013"])
    bench = Bench(place)
    bench.feed(*(track_chunk(seq) for seq in range(4)))
    bench.close()
    assert place.query("SELECT relkind FROM pg_class WHERE relname = 'chunks'" + of(place)) == [("r",)]
    monkeypatch.undo()
    bench = Bench(place)
    assert bench.stored() == [0, 1, 2, 3] and tables(place) == ["chunks_from_0"]
    bench.feed(track_chunk(4), track_chunk(2))
    assert bench.channel.watermark == 5 and place.query("SELECT count(*) FROM chunks") == [(5,)]
    bench.close()


def of(place: PostgresPlace) -> str:
    return f" AND relnamespace = '{place.schema}'::regnamespace"


# ---- what is old goes --------------------------------------------------------------


class Diary:
    """A store with a stream of each device a day, each with one session."""

    def __init__(self, place: PostgresPlace, folder: Path) -> None:
        self.place, self.store = place, place.open()
        self.folder = folder
        self.studio = Studio(self.store, sample_rate=1.0)

    def day(self, day: int, *devices: str) -> list[int]:
        days.keep_ahead(self.store, BOOT_MS + day * DAY_MS)
        return [self._record(device, day) for device in devices]

    def _record(self, device: str, day: int) -> int:
        stream = f"{device[:4]}{day:04}".encode()
        camera = Camera(Device(32, 16, m.PixelFormat.GS8), stream, device_id=device)
        at_ms = day * DAY_MS
        said = [*camera.begin(at_ms), *camera.key(at_ms + 10), *camera.show(at_ms + 100, bytes(512))]
        said.append(camera.say(at_ms + 400, m.SessionEnd(0)))
        self.studio.feed(*said, device_id=device)
        return max(row.session_id for row in self.store.sessions(device))

    def keep(self, day: int, keep_days: int) -> Keeper:
        keeper = Keeper(
            self.store,
            self.folder,
            KeepFor(recordings_ms=keep_days * DAY_MS),
            now_ms=lambda: BOOT_MS + day * DAY_MS,
        )
        while keeper.turn():
            pass
        return keeper


@pytest.fixture
def diary(place: PostgresPlace, tmp_path: Path):
    made = Diary(place, tmp_path)
    yield made
    made.store.close()


def test_an_old_day_goes_as_a_table(diary: Diary) -> None:
    sessions = [diary.day(day, KITCHEN, HALL) for day in range(4)]
    place, store = diary.place, diary.store
    gone = diary.keep(day=4, keep_days=2).gone
    assert gone["days"] == 2 and gone["recordings"] >= 4
    assert tables(place) == [f"chunks_from_{2 * SPAN}", f"chunks_from_{3 * SPAN}"]
    assert numbers(store)[0] == 2
    for (kitchen, hall), is_kept in zip(sessions, (False, False, True, True), strict=True):
        assert bool(store.spans(KITCHEN, kitchen)) == bool(store.spans(HALL, hall)) == is_kept
        assert len(list(store.session_chunks(KITCHEN, kitchen))) > 0 or not is_kept
    assert place.query("SELECT count(*) FROM clips") == [(4,)] and len(store.sessions(KITCHEN)) == 4


def test_a_star_keeps_its_session_and_the_rest_of_its_day_goes(diary: Diary) -> None:
    sessions = [diary.day(day, KITCHEN, HALL) for day in range(3)]
    store, place = diary.store, diary.place
    search.set_star(store, HALL, sessions[1][1], True)
    pictures = list(Recording.open(store, HALL, sessions[1][1]).pictures())
    assert diary.keep(day=30, keep_days=5).gone["days"] == 1
    assert list(Recording.open(store, HALL, sessions[1][1]).pictures()) == pictures and pictures
    assert not store.spans(KITCHEN, sessions[1][0]) and not store.spans(HALL, sessions[0][1])
    kept = place.query(f"SELECT count(*) FROM chunks_from_{SPAN}")
    assert kept == [(len(list(store.session_chunks(HALL, sessions[1][1]))),)]
    search.set_star(store, HALL, sessions[1][1], False)
    assert diary.keep(day=30, keep_days=5).gone["days"] == 1
    assert tables(place) == [f"chunks_from_{2 * SPAN}"], "what devices may go on with"


def test_a_stream_whose_day_is_gone_may_go_on(diary: Diary) -> None:
    """Chunks that a device kept for longer than the store did are taken, and go by the row when they are old."""
    camera = Camera(Device(32, 16, m.PixelFormat.GS8), b"late-one", device_id=KITCHEN)
    days.keep_ahead(diary.store, BOOT_MS)
    diary.studio.feed(*camera.begin(0), *camera.key(10), camera.say(20, m.SessionEnd(0)), device_id=KITCHEN)
    for day in (1, 2, 3):
        diary.day(day, KITCHEN)
    assert diary.keep(day=10, keep_days=5).gone["days"] == 3
    diary.studio.feed(camera.say(10 * DAY_MS, m.Track("Late", {})), device_id=KITCHEN)
    assert "chunks_else" in tables(diary.place)
    assert "Late" in [row.event for row in diary.store.events(KITCHEN, limit=100)]


def test_who_reads_of_a_day_keeps_it_for_a_while(diary: Diary) -> None:
    for day in range(3):
        diary.day(day, KITCHEN)
    with psycopg.connect(diary.place.url) as reader:
        reader.execute("SELECT data FROM chunks_from_0").fetchone()
        assert days.drop_old(diary.store, BOOT_MS + 10 * DAY_MS) == 1, "the other day went"
        assert days.ranges(diary.store)[0].first == 0
    assert days.drop_old(diary.store, BOOT_MS + 10 * DAY_MS) == 1


def test_a_day_of_which_little_is_left_gives_back_its_room(diary: Diary, monkeypatch) -> None:
    monkeypatch.setattr(days, "SLACK_BYTES", 64 << 10)
    diary.day(0, KITCHEN)
    diary.day(1, KITCHEN)
    bulk = (
        f"INSERT INTO chunks SELECT 3::bigint * {SEQ_SPAN} + n, 1, NULL, NULL, NULL, repeat('x', 900)::bytea"
        " FROM generate_series(1, 1000) AS n"
    )
    diary.place.query(bulk)
    size = "SELECT pg_total_relation_size('chunks_from_0')"
    full = diary.place.query(size)[0][0]
    assert not diary.store.give_back(1), "it is full"
    diary.place.query(
        f"DELETE FROM chunks WHERE key > 3::bigint * {SEQ_SPAN} + 10 AND key < 4::bigint * {SEQ_SPAN}"
    )
    diary.store._shrink_s = 0.0
    while diary.store.give_back(1):
        pass
    assert diary.place.query(size)[0][0] < full // 4
    assert diary.place.query(f"SELECT count(*) FROM chunks WHERE key > 3::bigint * {SEQ_SPAN}")[0][0] >= 10


def test_keys_are_found_in_one_table(diary: Diary) -> None:
    """What ingest and readers ask looks into the table of the stream alone, however many days there are."""
    for day in range(6):
        diary.day(day, KITCHEN)
    bounds = (SEQ_SPAN, 2 * SEQ_SPAN)
    inner = "SELECT key FROM chunks WHERE key >= $1 AND key < $2 ORDER BY key LIMIT 400"
    queries = {
        "SELECT data, fault, received_ms FROM chunks WHERE key = $1": bounds[:1],
        "SELECT key FROM chunks WHERE key >= $1 AND key < $2": bounds,
        f"DELETE FROM chunks WHERE key >= $1 AND key < $2 AND key IN ({inner})": bounds,
    }
    with psycopg.connect(diary.place.url, autocommit=True) as db:
        db.execute("SET plan_cache_mode = force_generic_plan")
        for number, (query, values) in enumerate(queries.items()):
            db.execute(f"PREPARE q{number} AS {query}")
            given = ", ".join(map(str, values))
            plan = db.execute(f"EXPLAIN (ANALYZE, TIMING off) EXECUTE q{number} ({given})").fetchall()
            scans = [
                line
                for (line,) in plan
                if "Scan" in line and " on chunks" in line and "never executed" not in line
            ]
            assert scans and all("chunks_from_0" in line for line in scans), plan
