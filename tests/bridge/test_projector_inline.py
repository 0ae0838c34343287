"""Inline events behind the projector: what leaves, when, and that nothing is sent twice or left behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pixeltrail_bridge.importing.records import Piece, read_row
from pixeltrail_bridge.mapping.calls import REPLAY_CHUNKS
from pixeltrail_bridge.mapping.display import DISPLAY_CHANGED
from pixeltrail_bridge.projector import Projector, ProjectorSettings
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.wire import messages as m

from tests.bridge.mapping.build import DEVICE, STREAM
from tests.support.every_kind import INLINE, first_stream, pictures, recorded, rest
from tests.support.film import Camera, Device, Studio

SINKS = ("one", "two")


@pytest.fixture
def store(tmp_path: Path):
    store = SqliteStore(tmp_path / "store.db", SINKS)
    yield store
    store.close()


def events_of(store: SqliteStore, event: str = REPLAY_CHUNKS) -> list[dict[str, Any]]:
    return [json.loads(row.payload) for row in store.events(limit=100_000) if row.event == event]


def pieces_of(store: SqliteStore, stream: bytes = STREAM) -> list[Piece]:
    pieces = [read_row(event) for event in events_of(store)]
    assert all(isinstance(one, Piece) for one in pieces)
    return [one for one in pieces if isinstance(one, Piece) and one.stream == stream]


def own_seqs(pieces: list[Piece]) -> list[int]:
    return [one.seq for piece in pieces for one in piece.chunks if one.seq >= piece.from_seq]


def judge_whole(store: SqliteStore, stream: bytes = STREAM, until: int | None = None) -> None:
    pieces = pieces_of(store, stream)
    assert [one.from_seq for one in pieces] == [0, *(one.end_seq for one in pieces[:-1])]
    kept = [one.seq for one in store.chunks(DEVICE, stream, 0, until)]
    assert own_seqs(pieces) == kept


def a_camera() -> Camera:
    return Camera(Device(64, 32, m.PixelFormat.GS8))


def test_every_chunk_goes_out_once_in_order_to_every_sink_with_summaries_beside(store: SqliteStore) -> None:
    recorded(store)
    judge_whole(store)
    assert events_of(store, DISPLAY_CHANGED), "summaries stay as they are"
    deliveries = [row.deliveries for row in store.events(limit=100_000) if row.event == REPLAY_CHUNKS]
    assert all(tuple(one.sink for one in found) == SINKS for found in deliveries)
    for event in events_of(store):
        session = event["properties"]["session_id"]
        assert event["integrations"]["Actions Amplitude"]["session_id"] == session
        assert event["anonymousId"] == event["context"]["device"]["id"] == DEVICE
        assert event["properties"]["[Amplitude] Session Replay ID"] == f"{DEVICE}/{session}"


def test_summary_mode_sends_none(store: SqliteStore) -> None:
    recorded(store, ProjectorSettings())
    assert not events_of(store) and events_of(store, DISPLAY_CHANGED)


def test_a_restart_at_any_moment_doubles_and_loses_nothing(tmp_path: Path, store: SqliteStore) -> None:
    """A projector that dies after any turn; what it had not committed is gathered again."""
    recorded(store)
    whole = pieces_of(store)
    other = SqliteStore(tmp_path / "other.db", SINKS)
    studio = Studio(other, INLINE, sample_rate=1.0)
    for number, message in enumerate(first_stream()):
        studio.feed(message, is_projected=number % 3 == 0)
        if number % 7 == 0:  # dies, and is found again by recover()
            studio.projector = Projector(
                other, INLINE, lambda device_id, request: None, now_ms=lambda: studio.now_ms
            )
            studio.projector.recover()
    rest(studio)
    judge_whole(other)
    assert {(one.seq, one.data) for piece in pieces_of(other) for one in piece.chunks} == {
        (one.seq, one.data) for piece in whole for one in piece.chunks
    }
    ids = [row.message_id for row in other.events(limit=100_000)]
    assert len(ids) == len(set(ids))
    other.close()


def test_the_same_chunks_projected_again_have_the_same_ids(tmp_path: Path, store: SqliteStore) -> None:
    """As after a restore from a backup: the device sends again, and Segment knows the events."""
    recorded(store)
    again = SqliteStore(tmp_path / "again.db", SINKS)
    recorded(again)
    assert [row.message_id for row in again.events(limit=100_000)] == [
        row.message_id for row in store.events(limit=100_000)
    ]
    again.close()


def test_the_cursor_comes_to_the_end_so_that_sessions_can_be_packed(store: SqliteStore) -> None:
    recorded(store)
    assert not store.streams_to_project()


def test_after_an_opt_out_no_picture_leaves(store: SqliteStore) -> None:
    camera, studio = a_camera(), Studio(store, INLINE, sample_rate=1.0)
    studio.feed(*camera.begin(0), *camera.key(10))
    for number, picture in enumerate(pictures(5, 1)):
        studio.feed(*camera.show(100 + 100 * number, picture))
    studio.feed(camera.say(700, m.Track("Before", {})))
    studio.feed(camera.say(800, m.OptOut(True)))
    studio.feed(camera.say(900, m.Track("After", {})))
    rest(studio)
    (piece,) = pieces_of(store)
    said = [one.seq for one in piece.chunks]
    heads = m.Hello | m.SessionStart | m.OptOut
    assert said == [one.seq for one in camera.chunks if isinstance(one.records[0].body, heads)]
    assert "[Amplitude] Session Replay ID" not in events_of(store)[0]["properties"]


def test_of_a_session_that_was_not_sampled_only_heads_leave(store: SqliteStore) -> None:
    camera, studio = a_camera(), Studio(store, INLINE, sample_rate=0.0)
    studio.feed(*camera.begin(0, sampled=False), camera.say(50, m.Track("Secret", {"a": 1})))
    studio.feed(*camera.key(60))
    studio.feed(camera.say(100, m.SessionEnd(0)))
    rest(studio)
    (piece,) = pieces_of(store)
    assert [one.seq for one in piece.chunks] == [0, 1, camera.seq - 1] and not piece.sampled


def test_switched_on_within_a_stream_it_begins_with_the_newest_keyframe(store: SqliteStore) -> None:
    camera, studio = a_camera(), Studio(store, ProjectorSettings(), sample_rate=1.0)
    studio.feed(*camera.begin(0), *camera.key(10), camera.say(20, m.Track("Early", {})))
    keyframe = camera.seq
    studio.feed(*camera.key(500))
    assert not pieces_of(store)
    studio.projector.set_settings(INLINE)
    for number, picture in enumerate(pictures(3, 1)):
        studio.feed(*camera.show(600 + number, picture))
    rest(studio)
    (piece,) = pieces_of(store)
    assert piece.from_seq == 0 and piece.end_seq == camera.seq
    assert [one.seq for one in piece.chunks] == [0, *range(keyframe, camera.seq)], (
        "hello and display come first"
    )


def test_switched_off_and_on_again_it_says_what_will_not_come(store: SqliteStore) -> None:
    camera, studio = a_camera(), Studio(store, INLINE, sample_rate=1.0)
    studio.feed(*camera.begin(0), *camera.key(10))
    rest(studio)
    first_end = camera.seq
    studio.projector.set_settings(ProjectorSettings())
    studio.feed(*camera.show(700_000, next(pictures(1, 2))))
    keyframe = camera.seq
    studio.feed(*camera.key(800_000))
    rest(studio)
    studio.projector.set_settings(INLINE)
    studio.feed(*camera.show(1_400_000, next(pictures(1, 3))))
    rest(studio)
    one, *others = pieces_of(store)
    assert (one.from_seq, one.end_seq) == (0, first_end)
    assert (others[0].from_seq, others[-1].end_seq) == (first_end, camera.seq)
    assert own_seqs(others) == list(range(keyframe, camera.seq)), "what came before the keyframe is left out"


def test_a_device_that_rests_costs_one_event_in_ten_minutes(store: SqliteStore) -> None:
    camera, studio = a_camera(), Studio(store, INLINE, sample_rate=1.0)
    studio.feed(*camera.begin(0), *camera.key(10))
    rest(studio)
    for minute in range(30):
        studio.feed(camera.say(700_000 + minute * 60_000, m.Vitals({1: minute})))
    rest(studio)
    assert 3 <= len(pieces_of(store)) - 1 <= 4
    judge_whole(store)


def test_a_backlog_is_cut_by_size(store: SqliteStore) -> None:
    """All of it at once, as after an hour without the bridge: pieces are full, and none is larger than may be."""
    studio = Studio(store, INLINE, sample_rate=1.0)
    for message in first_stream(400):
        studio.feed(message, is_projected=False)
    rest(studio)
    judge_whole(store)
    assert all(len(json.dumps(event)) < 24_000 for event in events_of(store))
