"""Room: accept nothing before the disk or the outbox is full, say so, and go on by itself when there is room again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pixeltrail_bridge.errors import StoreError
from pixeltrail_bridge.ingest import Arrival, IngestSettings
from pixeltrail_bridge.ingest.room import BALLAST_NAME, Room
from pixeltrail_bridge.mapping.calls import Settled

from tests.support.ingest import DEVICE, Bench, track_chunk
from tests.support.stores import Place

MB = 1 << 20
SETTINGS = IngestSettings(min_free_bytes=8 * MB, ballast_bytes=2 * MB)


class Disk:
    """A disk of which something else takes `used`; the ballast counts too."""

    def __init__(self, size: int) -> None:
        self.size, self.used, self.now_s = size, 0, 0.0

    def free(self, folder: Path) -> int:
        ballast = folder / BALLAST_NAME
        return self.size - self.used - (ballast.stat().st_size if ballast.exists() else 0)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "a.db")
    yield bench
    bench.close()


def room_on(bench: Bench, disk: Disk) -> Room:
    return Room(bench.store, SETTINGS, free_bytes=disk.free, now_s=lambda: disk.now_s)


def test_ballast_is_made_given_away_and_made_again(bench: Bench, tmp_path: Path) -> None:
    disk, ballast = Disk(100 * MB), tmp_path / BALLAST_NAME
    room = room_on(bench, disk)
    assert room.check() is None and ballast.stat().st_size == 2 * MB
    disk.used, disk.now_s = 93 * MB, 2
    with pytest.raises(StoreError, match=r"only 5 MB are free.*8 MB must stay so\. Free some space"):
        room.check()
    assert ballast.exists(), "there still is room for what goes on"
    disk.used = 97 * MB
    with pytest.raises(StoreError):
        room.check()
    assert not ballast.exists()
    disk.used = 90 * MB
    assert room.check() is None and not ballast.exists(), "accepted again; too little room for a ballast yet"
    disk.used, disk.now_s = 50 * MB, 4
    assert room.check() is None and ballast.exists()


def test_a_disk_is_looked_at_once_a_second(bench: Bench) -> None:
    disk = Disk(100 * MB)
    room = room_on(bench, disk)
    room.check()
    disk.used = 99 * MB
    assert room.check() is None, "a second has not passed"
    room.make()
    with pytest.raises(StoreError):
        room.check()


def test_a_write_that_failed_gives_the_ballast_away(bench: Bench, tmp_path: Path) -> None:
    disk = Disk(100 * MB)
    room = room_on(bench, disk)
    room.check()
    room.make()
    assert (tmp_path / BALLAST_NAME).exists(), "there was room; something else failed"
    disk.used = 97 * MB
    room.make()
    assert not (tmp_path / BALLAST_NAME).exists()


def test_a_full_disk_recovers_by_itself(bench: Bench) -> None:
    """SQLite itself finds the disk full, in the middle of a batch; nothing is acked, nothing is lost."""
    bench.feed(track_chunk(0))
    pages = bench.store._writer.execute("PRAGMA page_count").fetchone()[0]
    bench.store._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    failures: list[str] = []
    real = bench.ingest._fail

    def fail(error: str) -> None:
        real(error)
        failures.append(error)
        assert bench.ingest.health.state == "failing" and bench.channel.watermark == 1
        if len(failures) == 3:
            bench.store._writer.execute("PRAGMA max_page_count = 1000000")

    bench.ingest._fail = fail
    for seq in range(1, 100):
        bench.ingest.receive(Arrival(DEVICE, track_chunk(seq, text="x" * 500), 1, bench.channel))
    bench.ingest.commit_queued()
    assert len(failures) == 3 and "the disk is full; free some space" in failures[0]
    assert bench.channel.watermark == 100 and bench.stored() == list(range(100))
    assert bench.ingest.health.state == "running" and bench.ingest.health.error is None


# ---- outbox ------------------------------------------------------------------------


def test_a_full_outbox_is_back_pressure(place: Place) -> None:
    bench = Bench(place, max_events=10)
    bench.feed(*(track_chunk(seq) for seq in range(7)))
    bench.feed(track_chunk(7))
    assert bench.ingest.health.warning is None
    bench.feed(track_chunk(8))
    warning = bench.ingest.health.warning
    assert warning is not None and "sink: 8 events" in warning and "80% of the limit" in warning
    bench.feed(track_chunk(9))
    errors: list[str] = []
    real = bench.ingest._fail

    def fail(error: str) -> None:
        real(error)
        errors.append(error)
        assert bench.channel.watermark == 10, "no ack"
        rows = bench.store.lease("sink", 5, 0, 100)
        bench.store.settle("sink", [Settled(row.id, "sent", 200) for row in rows], 1)

    bench.ingest._fail = fail
    bench.feed(track_chunk(10))
    assert len(errors) == 1 and "100% of the limit" in errors[0] and "outbox.max_events" in errors[0]
    assert bench.channel.watermark == 11 and bench.ingest.health.warning is None
    bench.close()


def test_an_outbox_may_also_be_full_of_bytes(bench: Bench) -> None:
    bench.feed(track_chunk(0, text="x" * 900))
    room = Room(bench.store, IngestSettings(min_free_bytes=0, max_event_bytes=1_000))
    assert room.check() is not None
    bench.feed(track_chunk(1, text="x" * 900))
    with pytest.raises(StoreError, match=r"outbox\.max_mb"):
        room.check()


def test_what_waits_for_a_sink_that_is_gone_stops_nobody(place: Place) -> None:
    bench = Bench(place, ("old",))
    bench.feed(*(track_chunk(seq) for seq in range(5)))
    bench.close()
    later = Bench(place, ("new",), max_events=3)
    later.feed(track_chunk(5))
    assert later.channel.watermark == 6
    later.close()
