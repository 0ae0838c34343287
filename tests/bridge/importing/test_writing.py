"""Beside a device of the same store: nothing it sent is changed, and nothing that it still holds is confirmed."""

from __future__ import annotations

import base64
import io
import itertools
import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
from pixeltrail_bridge.cutter import Cutter
from pixeltrail_bridge.errors import StoreError
from pixeltrail_bridge.export import files as export_files
from pixeltrail_bridge.export.ptr import write_ptr
from pixeltrail_bridge.importing import rebuilding
from pixeltrail_bridge.mapping.calls import REPLAY_CHUNKS
from pixeltrail_bridge.mapping.display import DISPLAY_CHANGED
from pixeltrail_bridge.mapping.settings import EXTRA_EVENTS
from pixeltrail_bridge.projector import Projector, ProjectorSettings
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_downlink
from pixeltrail_bridge.wire.recording_file import Head

from tests.bridge.mapping.build import DEVICE, STREAM
from tests.support import every_kind, sessions, warehouse
from tests.support.film import BOOT_MS, Camera, Device, Studio
from tests.support.stores import Place, SqlitePlace


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[warehouse.Event]:
    store = SqlitePlace(tmp_path_factory.mktemp("original") / "store.db").open(("segment",))
    every_kind.recorded(store)
    found = [json.loads(row.payload) for row in store.events(DEVICE, limit=100_000)]
    store.close()
    return found


@pytest.fixture
def export(events: list[warehouse.Event], tmp_path: Path) -> Path:
    return warehouse.write(tmp_path, "export.gz", warehouse.as_gzip(map(warehouse.s3_line, events)))


class Ears(Studio):
    """A studio that keeps what the bridge says to devices."""

    def __init__(self, store: SqlStore, **options: Any) -> None:
        super().__init__(store, sample_rate=1.0, extra_events=EXTRA_EVENTS, **options)
        self.heard: list[m.Downlink] = []

    def send(self, device_id: str, data: bytes) -> bool:
        self.heard.append(decode_downlink(data))
        return True

    def acked(self, stream: bytes) -> int:
        self.ingest._send_acks(all_of_them=True)  # without the wait in which acks gather
        return max(
            (one.next for one in self.heard if isinstance(one, m.Ack) and one.stream == stream), default=0
        )


def test_of_a_stream_that_its_device_sends_here_nothing_changes(place: Place, export: Path) -> None:
    store = place.open(())
    ears = Ears(store)
    for message in itertools.islice(every_kind.first_stream(), 40):
        ears.feed(message)
    before = (
        warehouse.chunks_of(store, DEVICE),
        store.sessions(DEVICE),
        store.gaps(DEVICE),
        watermark(store),
    )
    report, told = warehouse.imported(store, export)
    kept = [one for one in warehouse.chunks_of(store, DEVICE) if one[0] == STREAM]
    assert (kept, store.gaps(DEVICE), watermark(store)) == (before[0], before[2], before[3])
    assert store.session(DEVICE, before[1][0].session_id) == before[1][0]
    assert not told and report.counts.left_to_device > 0
    assert report.counts.known_chunks >= len(kept)
    for message in itertools.islice(every_kind.first_stream(), 40, None):  # it goes on as if nothing had been
        ears.feed(message)
    assert [one.seq for one in store.chunks(DEVICE, STREAM)][-1] == watermark(store) - 1
    store.close()


def watermark(store: SqlStore) -> int:
    return next(one.watermark for one in store.streams(DEVICE) if one.stream == STREAM)


def test_other_bytes_are_told_and_the_first_are_kept(place: Place, export: Path, tmp_path: Path) -> None:
    store = place.open(())
    warehouse.imported(store, export)
    before = warehouse.chunks_of(store, DEVICE)
    other = Camera(Device(32, 32, m.PixelFormat.GS8))  # says the same stream and seqs, and something else
    copy = SqlitePlace(tmp_path / "other.db").open(())
    studio = Studio(copy, every_kind.INLINE, sample_rate=1.0)
    studio.feed(*other.begin(0), *other.key(10))
    every_kind.rest(studio)
    lies = [json.loads(row.payload) for row in copy.events(DEVICE, limit=99) if row.event == REPLAY_CHUNKS]
    copy.close()
    path = warehouse.write(tmp_path, "lies.json", b"".join(map(warehouse.s3_line, lies)))
    report, told = warehouse.imported(store, path)
    assert told and all(one.field == "data" and "has other bytes here" in one.why for one in told)
    assert f"{DEVICE} stream {STREAM.hex()} seq 0" in told[0].why and told[0].line == 1
    assert warehouse.chunks_of(store, DEVICE) == before
    assert report.refused == len(told)
    store.close()


def test_a_device_that_comes_after_the_import_is_confirmed_only_what_it_sent(
    place: Place, export: Path
) -> None:
    """An ack for what was imported would make it free chunks that no file had."""
    store = place.open(())
    warehouse.imported(store, export)
    imported = warehouse.chunks_of(store, DEVICE)
    before = {row.session_id for row in store.sessions(DEVICE)}
    ears = Ears(store)
    sync, *chunks = itertools.islice(every_kind.first_stream(), 6)
    ears.feed(sync)
    assert ears.acked(STREAM) == 0
    ears.feed(*chunks)
    assert ears.acked(STREAM) == watermark(store) == len(chunks)
    assert [one.data for one in store.chunks(DEVICE, STREAM)] == [data for _, data in chunks]
    assert {one[5] for one in imported} <= {one[5] for one in warehouse.chunks_of(store, DEVICE)}
    assert before <= {row.session_id for row in store.sessions(DEVICE)}
    report, told = warehouse.imported(store, export)  # once more, which finds all of it
    assert not told and report.counts.new_chunks == 0
    store.close()


def test_later_sessions_get_higher_ids_than_imported_ones(place: Place, export: Path) -> None:
    store = place.open(())
    warehouse.imported(store, export)
    newest = max(row.session_id for row in store.sessions(DEVICE))
    ears = Ears(store)
    camera = Camera(Device(32, 32, m.PixelFormat.GS8), b"a-stream", boot_ms=BOOT_MS - 3_600_000)
    ears.feed(*camera.begin(0))
    assert max(row.session_id for row in store.sessions(DEVICE)) == newest + 1
    store.close()


def test_a_stream_of_another_device_is_told(events, tmp_path: Path) -> None:
    store = SqlitePlace(tmp_path / "copy.db").open(())
    piece = next(one for one in events if one.get("event") == REPLAY_CHUNKS)
    taken = json.loads(json.dumps(piece).replace(DEVICE, "someone-else"))
    path = warehouse.write(tmp_path, "two.json", b"".join(map(warehouse.s3_line, (piece, taken))))
    _, (told,) = warehouse.imported(store, path)
    assert told.field == "stream" and f"one of {DEVICE} here" in told.why and told.line == 2
    store.close()


def test_an_import_that_was_interrupted_is_finished_by_the_next(
    place: Place, events, export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = SqlitePlace(tmp_path / "whole.db").open(())
    warehouse.imported(whole, export)
    store = place.open(())
    monkeypatch.setattr(rebuilding._Device, "_write", _fails)
    with pytest.raises(StoreError, match="the power is cut"):
        warehouse.imported(store, export)
    monkeypatch.undo()
    empty = warehouse.write(tmp_path, "empty.json", b"")
    report, _ = warehouse.imported(store, empty)
    assert [one.device_id for one in report.rebuilt] == [DEVICE]
    warehouse.judge_same(whole, store, DEVICE)
    store.close()
    whole.close()


def _fails(*_: object) -> None:
    raise StoreError("the power is cut")


def test_nothing_imported_goes_to_a_sink_or_is_told_by_a_projector(place: Place, export: Path) -> None:
    store = place.open(())
    warehouse.imported(store, export)
    store.close()
    store = place.open(("segment",))  # the bridge starts, with everything switched on
    store._all("SELECT 1")
    store.commit_batch(lambda tx: tx.db.execute("DELETE FROM projections"))
    clock = itertools.count(0, 60_000)
    projector = Projector(
        store, ProjectorSettings(inline=True), lambda d, r: None, now_ms=lambda: next(clock)
    )
    projector.recover()
    for _ in range(5):
        projector.turn()
    projector.commit()
    assert store.pending("segment") == 0
    cutter = Cutter(store, "replays", now_ms=lambda: BOOT_MS)
    cutter.start()
    assert cutter.next() is None
    store.close()


def test_a_recording_file(place: Place, events, export: Path, tmp_path: Path) -> None:
    """What `pixeltrail export` wrote is imported like a table: all but summaries and the other sessions."""
    original = SqlitePlace(tmp_path / "original.db").open(())
    warehouse.imported(original, export)
    paths = []
    for row in original.sessions(DEVICE):
        session = export_files.open_session(original, DEVICE, row.session_id)
        out = io.BytesIO()
        head = Head(DEVICE, row.session_id, row.start_ms, row.end_ms or row.last_ms)
        write_ptr(head, session.chunks(), out)
        paths.append(warehouse.write(tmp_path, f"{row.session_id}.ptr", out.getvalue()))
    store = place.open(())
    report, told = warehouse.imported(store, paths[1], paths[0], paths[1])
    assert not told and not report.missing
    assert warehouse.shown(store, DEVICE) == warehouse.shown(original, DEVICE)
    wanted = warehouse.sent_events(original, DEVICE)
    got = warehouse.sent_events(store, DEVICE)
    assert got == {key: one for key, one in wanted.items() if one[2] != DISPLAY_CHANGED}
    store.close()
    original.close()


def test_a_damaged_recording_file_is_told_and_its_beginning_is_kept(tmp_path: Path) -> None:
    chunks = list(sessions.session(sessions.coded("mono_invaders", 10)))
    out = io.BytesIO()
    write_ptr(Head(chunks[0].device_id, chunks[0].session_id or 0, 1, 2), chunks, out)
    path = warehouse.write(tmp_path, "cut.ptr", out.getvalue()[:-3])
    store = SqlitePlace(tmp_path / "copy.db").open(())
    report, (told,) = warehouse.imported(store, path)
    assert "ends in the middle" in told.why and report.counts.new_chunks == len(chunks) - 1
    store.close()


def test_a_lead_that_contradicts_is_no_way_around_the_first(events, tmp_path: Path) -> None:
    """Chunks before a piece's own are compared as well."""
    store = SqlitePlace(tmp_path / "copy.db").open(())
    pieces = [one for one in events if one.get("event") == REPLAY_CHUNKS]
    forged = json.loads(json.dumps(pieces[1]))
    items, raw = [], io.BytesIO(base64.b64decode(forged["properties"]["data"]))
    while raw.tell() < len(raw.getvalue()):
        items.append(cbor2.load(raw, read_size=1))
    items[0][2] = items[0][2].replace(b"kettle", b"bettle")
    forged["properties"]["data"] = base64.b64encode(b"".join(map(cbor2.dumps, items))).decode()
    path = warehouse.write(tmp_path, "two.json", b"".join(map(warehouse.s3_line, (pieces[0], forged))))
    _, (told,) = warehouse.imported(store, path)
    assert "seq 0 has other bytes here" in told.why
    store.close()
