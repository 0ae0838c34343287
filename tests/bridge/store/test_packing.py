"""Packed sessions read, play and guard custody as they did from rows, whatever is killed or away meanwhile."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pixeltrail_bridge.export.ptr import open_ptr
from pixeltrail_bridge.packer import Packer
from pixeltrail_bridge.replay.recording import Recording
from pixeltrail_bridge.store import packs
from pixeltrail_bridge.store.base import SEQ_SPAN, StoredChunk
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.store.erasing import Eraser
from pixeltrail_bridge.store.objects import FolderObjects, ObjectError
from pixeltrail_bridge.wire import messages as m

from tests.support.film import BOOT_MS, DEVICE, Camera, Device, Studio
from tests.support.requirements import ROOT
from tests.support.stores import Place, SqlitePlace

LATER_MS = BOOT_MS + 10_000_000
PICTURES = 280  # more than a block holds


def record(store: SqlStore, pictures: int = PICTURES) -> Camera:
    """Two sessions in one stream, the first with touches, a call and `pictures` pictures."""
    studio = Studio(store)
    camera = Camera(Device(32, 16, m.PixelFormat.GS8))
    said = [*camera.begin(0), *camera.key(100)]
    for number in range(1, pictures):
        said += camera.show(100 + 100 * number, bytes([number % 255 + 1]) * 512)
        if number % 50 == 0:
            said.append(camera.say(120 + 100 * number, m.Touch(3, 4, 0)))
    end_ms = 200 + 100 * pictures
    said += (camera.say(end_ms, m.Track("Brewed", {"cups": 2})), camera.say(end_ms, m.SessionEnd(0)))
    said += (camera.say(end_ms + 5_000, m.SessionStart(1, True, None)), *camera.key(end_ms + 5_000))
    studio.feed(*said, camera.say(end_ms + 6_000, m.SessionEnd(1)), is_projected=False)
    studio.project()
    return camera


def sessions_of(store: SqlStore) -> list[int]:
    return [row.session_id for row in store.sessions(DEVICE)]


def everything(store: SqlStore) -> dict[int, list[StoredChunk]]:
    return {one: list(store.session_chunks(DEVICE, one)) for one in sessions_of(store)}


def packer(store: SqlStore, folder: Path, after_ms: int = 0, now_ms: int = LATER_MS) -> Packer:
    objects = FolderObjects(folder / "objects")
    store.packs.objects = objects
    return Packer(store, objects, after_ms, lambda: now_ms)


def pack_all(store: SqlStore, folder: Path) -> int:
    one = packer(store, folder)
    while one.turn():
        pass
    return one.packed


def rows(place: Place) -> int:
    return int(place.query("SELECT count(*) FROM chunks WHERE session_id > 0")[0][0])


def objects_in(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "objects").rglob("*") if path.is_file())


def test_a_packed_session_reads_the_same(place: Place, tmp_path: Path) -> None:
    store = place.open()
    record(store)
    before = everything(store)
    recording = Recording.open(store, DEVICE, sessions_of(store)[0])
    pictures, marks = list(recording.pictures()), list(recording.marks())
    assert rows(place) > PICTURES
    assert pack_all(store, tmp_path) == 2
    assert rows(place) == 0 and len(objects_in(tmp_path)) == 2
    assert everything(store) == before
    again = Recording.open(store, DEVICE, sessions_of(store)[0])
    assert list(again.pictures()) == pictures and list(again.marks()) == marks
    assert again.picture_at(15_000) == recording.picture_at(15_000)
    stream = before[sessions_of(store)[0]][-1].stream
    assert [one.seq for one in store.chunks(DEVICE, stream, 100, 400)] == list(
        range(100, min(400, PICTURES + 15))
    )[: len(list(store.chunks(DEVICE, stream, 100, 400)))]
    assert not packer(store, tmp_path).turn(), "there is nothing left to pack"
    store.close()
    fresh = place.open()
    fresh.packs.objects = FolderObjects(tmp_path / "objects")
    assert everything(fresh) == before
    fresh.close()


def test_an_object_is_a_recording_file(place: Place, tmp_path: Path) -> None:
    store = place.open()
    record(store)
    wanted = [p.pixels for p in Recording.open(store, DEVICE, sessions_of(store)[0]).pictures()]
    pack_all(store, tmp_path)
    largest = max(objects_in(tmp_path), key=lambda path: path.stat().st_size)
    assert DEVICE not in str(largest) and largest.suffix == ".ptr" and len(largest.stem) == 40
    with largest.open("rb") as file:
        recording = open_ptr(file, largest.name)
    assert recording.session_id == sessions_of(store)[0]
    assert [p.pixels for p in recording.pictures()] == wanted
    store.close()


def test_only_what_ended_long_ago_and_was_decoded_is_packed(place: Place, tmp_path: Path) -> None:
    store = place.open()
    studio = Studio(store)
    camera = Camera(Device(32, 16, m.PixelFormat.GS8))
    studio.feed(*camera.begin(0), *camera.key(100))
    assert not packer(store, tmp_path).turn(), "the session is still running"
    studio.feed(camera.say(1_000, m.SessionEnd(0)), is_projected=False)
    assert not packer(store, tmp_path).turn(), "the projector has not seen all of it"
    studio.project()
    hour_ms = 3_600_000
    assert not packer(store, tmp_path, hour_ms, BOOT_MS + hour_ms).turn(), "it has not been an hour"
    assert packer(store, tmp_path, hour_ms, BOOT_MS + hour_ms + 1_001).turn()
    store.close()


def test_a_hole_keeps_a_session_in_the_database(place: Place, tmp_path: Path) -> None:
    store = place.open()
    studio = Studio(store)
    camera = Camera(Device(32, 16, m.PixelFormat.GS8))
    studio.feed(*camera.begin(0))
    missing = camera.key(100)
    late = [camera.say(1_000, m.SessionEnd(0))]
    studio.feed(*late)
    assert not packer(store, tmp_path).turn()
    studio.feed(*missing)
    assert packer(store, tmp_path).turn()
    store.close()


def test_a_chunk_that_comes_again_is_a_duplicate_and_other_bytes_are_a_conflict(
    place: Place, tmp_path: Path
) -> None:
    store = place.open()
    camera = record(store, 20)
    kept = [chunk for chunks in everything(store).values() for chunk in chunks]
    pack_all(store, tmp_path)
    (stream,) = store.streams(DEVICE)
    studio = Studio(store)
    before = store.counters(DEVICE)[DEVICE].get("duplicates", 0)
    studio.feed(*((chunk.received_ms, chunk.data) for chunk in kept))
    assert store.counters(DEVICE)[DEVICE]["duplicates"] == before + len(kept)
    assert store.streams(DEVICE)[0].watermark == stream.watermark
    other = Camera(camera.device)
    other.seq = 8
    studio.feed(other.say(700, m.Log(1, "another device with this stream")))
    counters = store.counters(DEVICE)[DEVICE]
    assert counters["conflicts"] == 1 and counters["duplicates"] == before + len(kept)
    assert [letter.kind for letter in store.dead_letters()] == ["conflict"]
    assert everything(store) and rows(place) == 0
    store.close()


def test_what_somebody_may_try_again_stays(place: Place, tmp_path: Path) -> None:
    """A dead letter names a chunk: a retry reads it from the database, and must find the session before it."""
    store = place.open()
    record(store, 20)
    stream = store.streams(DEVICE)[0]
    store.commit_batch(lambda tx: tx.add_dead_letter(DEVICE, "record", "too long", b"?", 1, stream.stream, 9))
    before = everything(store)
    pack_all(store, tmp_path)
    assert rows(place) == 1 and everything(store) == before
    key = stream.number * SEQ_SPAN + 9
    found = store.commit_batch(lambda tx: (tx.chunk(key), tx.session_before(stream.number * SEQ_SPAN, key)))
    assert found[0] is not None and found[1] == sessions_of(store)[0]
    store.close()


def test_what_comes_late_makes_another_object(place: Place, tmp_path: Path) -> None:
    store = place.open()
    record(store, 20)
    first, *_ = sessions_of(store)
    stream = store.streams(DEVICE)[0]
    rest = stream.number * SEQ_SPAN + 10
    (row,) = place.query(f"SELECT received_ms, host_ms, session_id FROM chunks WHERE key = {rest}")
    place.query(f"UPDATE chunks SET session_id = NULL WHERE key = {rest}")
    pack_all(store, tmp_path)
    place.query(f"UPDATE chunks SET session_id = {row[2]} WHERE key = {rest}")
    assert rows(place) == 1 and packer(store, tmp_path, now_ms=LATER_MS + 1).turn()
    assert rows(place) == 0 and len(objects_in(tmp_path)) == 3
    seqs = [chunk.seq for chunk in store.session_chunks(DEVICE, first)]
    assert seqs == sorted(set(seqs)) and 10 in seqs
    store.close()


def test_a_place_that_is_away_loses_nothing(place: Place, tmp_path: Path) -> None:
    store = place.open()
    record(store, 20)
    before = everything(store)
    (tmp_path / "objects").write_text("no folder")
    with pytest.raises(ObjectError, match="cannot be written"):
        packer(store, tmp_path).turn()
    assert everything(store) == before
    (tmp_path / "objects").unlink()
    pack_all(store, tmp_path)
    (tmp_path / "objects").rename(tmp_path / "away")
    fresh = place.open()
    fresh.packs.objects = FolderObjects(tmp_path / "objects")
    with pytest.raises(ObjectError, match="cannot be read.*packed recordings lie there"):
        everything(fresh)
    (tmp_path / "away").rename(tmp_path / "objects")
    assert everything(fresh) == before
    fresh.packs.objects = None
    fresh.close()
    store.close()


def test_a_damaged_object_is_told_not_played(place: Place, tmp_path: Path) -> None:
    store = place.open()
    record(store, 80)
    pack_all(store, tmp_path)
    largest = max(objects_in(tmp_path), key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    with pytest.raises(ObjectError, match="damaged between bytes .*put back a copy"):
        everything(store)
    largest.write_bytes(data[:1_000])
    fresh = place.open()
    fresh.packs.objects = FolderObjects(tmp_path / "objects")
    with pytest.raises(ObjectError, match="damaged"):
        everything(fresh)
    fresh.close()
    store.close()


class FlippingObjects(FolderObjects):
    """A disk that does not keep what it was given."""

    def get(self, name: str, start: int, end: int) -> bytes:
        data = super().get(name, start, end)
        return data[:-1] + bytes([data[-1] ^ 1])


def test_rows_go_only_when_the_object_reads_back(place: Place, tmp_path: Path) -> None:
    store = place.open()
    record(store, 20)
    before = everything(store)
    with pytest.raises(ObjectError, match="damaged"):
        Packer(store, FlippingObjects(tmp_path / "objects"), 0, lambda: LATER_MS).turn()
    assert everything(store) == before and rows(place) > 20
    store.close()


def test_two_bridges_may_pack_the_same(place: Place, tmp_path: Path) -> None:
    store, other = place.open(), place.open()
    record(store, 20)
    before = everything(store)
    objects = FolderObjects(tmp_path / "objects")
    ours, theirs = Packer(store, objects, 0, lambda: LATER_MS), packer(other, tmp_path)

    class Between(FolderObjects):
        def put(self, name: str, file: Path) -> None:
            super().put(name, file)
            ours.turn()

    theirs._objects = Between(tmp_path / "objects")
    assert theirs.turn() and theirs.packed == 0 and ours.packed == 1
    assert everything(other) == before
    assert place.query("SELECT count(*) FROM packs")[0][0] == 1
    other.close()
    store.close()


def test_what_is_erased_while_it_is_packed_is_in_no_object(place: Place, tmp_path: Path) -> None:
    """As when a user is forgotten who shared a session: its row stays, and nothing of its recording."""
    store, other = place.open(), place.open()
    record(store)
    first, second = sessions_of(store)
    one = packer(store, tmp_path)
    other.packs.objects = FolderObjects(tmp_path / "objects")
    eraser = Eraser(other, lambda: LATER_MS)

    class Between(FolderObjects):
        def put(self, name: str, file: Path) -> None:
            super().put(name, file)
            if not eraser.counts:
                eraser.recording(DEVICE, first)

    one._objects = Between(tmp_path / "objects")
    while one.turn():
        pass
    assert not list(store.session_chunks(DEVICE, first))
    assert place.query("SELECT session_id FROM packs") == [(second,)]
    assert len(objects_in(tmp_path)) == 1
    other.close()
    store.close()


def test_reading_goes_on_while_a_session_is_packed(place: Place, tmp_path: Path) -> None:
    store = place.open()
    record(store, 80)
    first = sessions_of(store)[0]
    before = list(store.session_chunks(DEVICE, first))
    reading = store.session_chunks(DEVICE, first)
    got = [next(reading) for _ in range(70)]
    pack_all(store, tmp_path)
    got += reading
    assert got == before
    store.close()


def test_what_is_forgotten_while_it_is_read_stays_in_no_memory(place: Place, tmp_path: Path) -> None:
    store = place.open()
    record(store, 20)
    pack_all(store, tmp_path)

    class Objects(FolderObjects):
        def get(self, name: str, start: int, end: int) -> bytes:
            data = super().get(name, start, end)
            store.packs.clear()
            return data

    store.packs.objects = Objects(tmp_path / "objects")
    assert any(everything(store).values())
    assert not store.packs._cached
    store.close()


def test_an_object_that_is_there_again_is_not_deleted(place: Place, tmp_path: Path) -> None:
    """Erased while its place was away, imported and packed once more: a name is the digest of what it holds."""
    store = place.open()
    record(store, 20)
    pack_all(store, tmp_path)
    before = everything(store)
    doom = "INSERT INTO doomed_objects (name, since_ms) SELECT name, 0 FROM packs"
    store.commit_batch(lambda tx: tx.db.execute(doom))
    assert Eraser(store, lambda: LATER_MS).objects() == 0
    store.packs.clear()
    assert everything(store) == before
    assert place.query("SELECT count(*) FROM doomed_objects")[0][0] == 0
    store.close()


def test_half_a_drop_is_finished_by_the_next_run(place: Place, tmp_path: Path) -> None:
    store = place.open()
    record(store, 20)
    before = everything(store)
    one = packer(store, tmp_path)

    def fail(number: int) -> None:
        raise KeyboardInterrupt

    one._drop_rows = fail  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        one.turn()
    assert everything(store) == before, "rows and object hold the same"
    assert len(packs.half_dropped(store)) == 1
    pack_all(store, tmp_path)
    assert everything(store) == before and rows(place) == 0 and not packs.half_dropped(store)
    store.close()


# ---- kill -9 ----------------------------------------------------------------------------------

_KILLED = """
import os, signal, sys
from pathlib import Path
from pixeltrail_bridge import packer
from pixeltrail_bridge.store import objects, packs
from pixeltrail_bridge.store.sqlite import SqliteStore

folder, stage = Path(sys.argv[1]), sys.argv[2]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def dying(owner, name, before):
    real = getattr(owner, name)
    def call(*args, **kwargs):
        if before:
            die()
        real(*args, **kwargs)
        die()
    setattr(owner, name, call)

store = SqliteStore(folder / "pixeltrail.db")
place = objects.FolderObjects(folder / "objects")
owner, name, moment = stage.split(":")
dying({"objects": objects.FolderObjects, "packs": packs, "writes": packs.PackWrites, "module": objects}[owner], name,
      moment == "before")
worker = packer.Packer(store, place, 0, lambda: int(sys.argv[3]))
while worker.turn():
    pass
"""


@pytest.mark.parametrize(
    "stage",
    [
        "objects:put:before",
        "module:_sync_folder:before",
        "objects:put:after",
        "packs:read_block:before",
        "writes:put_pack:before",
        "writes:put_pack:after",
        "writes:drop_packed:before",
        "writes:drop_packed:after",
        "writes:close_pack:after",
    ],
)
def test_a_kill_at_any_stage_loses_and_doubles_nothing(stage: str, tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path / "pixeltrail.db")
    store = place.open()
    record(store, 40)
    before = everything(store)
    store.close()
    done = _run_killed(tmp_path, stage)
    assert done == -signal.SIGKILL
    store = place.open()
    assert everything(store) == before, "after the kill"
    pack_all(store, tmp_path)
    assert everything(store) == before and rows(place) == 0, "after the next run"
    assert place.query("SELECT count(*), sum(chunks) FROM packs") == [
        (2, place.query("SELECT sum(length(entries) / 12) FROM packed")[0][0])
    ]
    store.close()


def _run_killed(folder: Path, stage: str) -> int:
    command = [sys.executable, "-c", _KILLED, str(folder), stage, str(LATER_MS)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "bridge")}
    return subprocess.run(command, env=environment, timeout=60, check=False).returncode


def test_the_thread_packs_and_stops(tmp_path: Path) -> None:
    store = SqlitePlace(tmp_path / "pixeltrail.db").open()
    record(store, 20)
    before = everything(store)
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects" / "left.part").write_text("of a killed process")
    one = packer(store, tmp_path)
    done = _until(one, lambda: one.packed == 2)
    assert done and everything(store) == before
    assert not list((tmp_path / "objects").glob("*.part"))
    store.close()


def _until(one: Packer, is_done: Callable[[], bool]) -> bool:
    """Run its thread until something is so; it looks again whenever it has packed."""
    one.start()
    for _ in _waiting():
        if is_done():
            break
    one.stop()
    return is_done()


def _waiting() -> Iterator[int]:
    import time

    for number in range(2_000):
        yield number
        time.sleep(0.01)


def test_blocks_are_what_they_say() -> None:
    entries = packs.entry(5, b"five") + packs.entry(9, b"nine")
    assert packs.seqs_of(entries) == [5, 9]
    assert dataclasses.asdict(packs.Block(1, 5, 9, 0, 10, b"d", entries))["last"] == 9
