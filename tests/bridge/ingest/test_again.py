"""Dead letters looked at again: what can be read now is added where it belongs, and nothing else is touched."""

from __future__ import annotations

import json
from pathlib import Path

import cbor2
import pytest
from pixeltrail_bridge.ingest.again import retry_letters
from pixeltrail_bridge.mapping.calls import message_id
from pixeltrail_bridge.mapping.chunks import MappingSettings, map_chunk, map_sync
from pixeltrail_bridge.store import letters as store_letters
from pixeltrail_bridge.store.base import SEQ_SPAN
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_uplink

from tests.support.ingest import DEVICE, STREAM, Bench, sync

ROOM = 1 << 42
HELLO = m.Hello(DEVICE, 1, 1, "sim", "0.1.0", "coffee", "1.2", 0, None, "micropython")
DISPLAY = m.Display(8, 8, m.PixelFormat.MONO_VLSB, 8, 8, 0, None, 0)
FRAME = m.Frame(m.FrameFlag.KEY | m.FrameFlag.FIRST | m.FrameFlag.LAST, b"\0\0\0\0")
POISON = encode_uplink(m.Chunk(STREAM, 1, 10, ()))  # no version reads a chunk without records


def records_chunk(seq: int, *bodies: m.Body) -> bytes:
    records = tuple(m.Record(index, seq * 10, body) for index, body in enumerate(bodies))
    return encode_uplink(m.Chunk(STREAM, seq, seq * 10, records))


@pytest.fixture
def bench(tmp_path: Path):
    bench = Bench(tmp_path / "store.db", map_chunk=map_chunk, map_sync=map_sync, mapping=MappingSettings())
    bench.feed(sync(0, 0), now_ms=ROOM)
    bench.feed(records_chunk(0, HELLO, DISPLAY, m.SessionStart(0, True, None)), now_ms=ROOM)
    yield bench
    bench.close()


def become_readable(bench: Bench, seq: int, data: bytes) -> None:
    """As if this version could read what the one before could not: the stored bytes become those of a good chunk."""
    for query in (
        "UPDATE chunks SET data = ? WHERE key = ?",
        "UPDATE dead_letters SET raw = ? WHERE seq = ? - 1073741824",
    ):
        bench.store._writer.execute(query, (data, SEQ_SPAN + seq))


def retry(bench: Bench):
    return retry_letters(bench.store, bench.store.dead_letters(), map_chunk, MappingSettings())


def test_calls_of_a_chunk_that_can_be_read_now_go_out_late(bench: Bench) -> None:
    bench.feed(POISON, records_chunk(2, m.Track("After", {}), m.SessionEnd(0)), now_ms=ROOM)
    states = [(row.state, row.stream_state) for row in bench.store.devices()]
    become_readable(bench, 1, records_chunk(1, m.Track("Lost", {"cups": 2}), m.OptOut(True)))
    (result,) = retry(bench)
    assert (result.fault, result.calls) == (None, 1)
    assert [name for name, _ in bench.events()] == ["After", "Lost"]
    row = bench.store.events()[1]
    payload = json.loads(row.payload)
    assert row.message_id == message_id(DEVICE, STREAM, 1, 0)
    assert (
        payload["integrations"]["Actions Amplitude"]["session_id"]
        == bench.store.sessions(DEVICE)[0].session_id
    )
    assert payload["properties"]["[Amplitude] Session Replay ID"].startswith(f"{DEVICE}/")
    assert [delivery.state for delivery in row.deliveries] == ["waiting"]
    assert bench.store.dead_letters() == []
    assert [(row.state, row.stream_state) for row in bench.store.devices()] == states
    assert retry(bench) == []


def test_frames_become_part_of_the_replay(bench: Bench) -> None:
    bench.feed(POISON, records_chunk(2, m.Track("After", {})), now_ms=ROOM)
    become_readable(bench, 1, records_chunk(1, FRAME))
    retry(bench)
    assert bench.stored() == [0, 1, 2]
    chunks = list(bench.store.chunks(DEVICE, STREAM))
    assert chunks[1].session_id == chunks[0].session_id


def test_a_chunk_that_has_not_passed_yet_is_left_to_ingest(bench: Bench) -> None:
    bench.feed(encode_uplink(m.Chunk(STREAM, 2, 10, ())), now_ms=ROOM)  # beyond a hole
    become_readable(bench, 2, records_chunk(2, m.Track("Third", {})))
    assert [one.fault for one in retry(bench)] == [None]
    assert bench.events() == []
    bench.feed(records_chunk(1, m.Track("Second", {})), now_ms=ROOM)
    assert [name for name, _ in bench.events()] == ["Second", "Third"]


def test_a_record_that_can_be_read_now(bench: Bench) -> None:
    bad = cbor2.dumps([1, STREAM, 1, 10, 0, [7, "Good", {}], 0, [7, 12, {}]])
    bench.feed(bad, now_ms=ROOM)
    assert [one.fault is not None for one in retry(bench)] == [True]
    assert len(bench.store.dead_letters()) == 1 and len(bench.events()) == 1
    bench.store._writer.execute(
        "UPDATE chunks SET data = ? WHERE key = ?",
        (cbor2.dumps([1, STREAM, 1, 10, 0, [7, "Good", {}], 0, [7, "12", {}]]), SEQ_SPAN + 1),
    )
    assert [(one.fault, one.calls) for one in retry(bench)] == [(None, 1)]
    assert [name for name, _ in bench.events()] == ["Good", "12"]


@pytest.mark.parametrize(
    ("feed", "fault"),
    [
        ([POISON], "records"),
        ([records_chunk(1, m.Track("[Amplitude] X", {}))], "Amplitude's own"),
        (
            [records_chunk(1, m.Track("A", {})), records_chunk(1, m.Track("B", {}))],
            "another chunk has its place",
        ),
        ([sync(0, 0, device_id="somebody-else")], "is not the one it names"),
        ([b"\xff\x00nonsense"], "the device still has it"),
    ],
)
def test_what_cannot_be_mended_stays_with_its_reason(bench: Bench, feed: list[bytes], fault: str) -> None:
    bench.feed(*feed, now_ms=ROOM)
    before, events = bench.store.dead_letters(), bench.events()
    (result,) = retry(bench)
    assert fault in str(result.fault)
    assert (bench.store.dead_letters(), bench.events()) == (before, events)


def test_a_full_table_takes_letters_again_when_another_process_has_made_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_letters, "MAX_LETTERS", 1)
    bench, other = Bench(tmp_path / "a.db"), None
    bench.feed(b"\xff1", b"\xff2", now_ms=ROOM)
    assert bench.store.counters()[DEVICE]["dead_letters_not_kept"] == 1
    from pixeltrail_bridge.store.sqlite import SqliteStore

    other = SqliteStore(tmp_path / "a.db")
    other.commit_batch(lambda tx: tx.drop_letters([bench.store.dead_letters()[0].id]))
    other.close()
    bench.feed(b"\xff3", now_ms=ROOM + store_letters.REFRESH_MS)
    assert [one.raw for one in bench.store.dead_letters()] == [b"\xff3"]
    bench.close()
