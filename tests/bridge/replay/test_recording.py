"""Recordings from a real store and from bare chunks, seeked at random, against the pictures that were drawn."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from pixeltrail_bridge.errors import LocalError
from pixeltrail_bridge.replay.recording import Picture, Recording
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_uplink
from pixeltrail_bridge.wire.messages import PixelFormat

from tests.support.film import BOOT_MS, DEVICE, Camera, Device, Studio
from tests.support.stores import Place

WIDTH, HEIGHT = 64, 16
SESSION = BOOT_MS
NEXT_STREAM = bytes(range(8, 16))


@pytest.fixture
def store(place: Place):
    store = place.open()
    yield store
    store.close()


def picture(value: int, size: int = WIDTH * HEIGHT) -> bytes:
    return bytes((value * 7 + i // 40) % 251 for i in range(size))


class Story:
    """A session of a GS8 display: a picture every 100 ms from 100 ms on, a keyframe every second."""

    def __init__(self, store: SqlStore, seconds: int = 5) -> None:
        self.studio = Studio(store)
        self.camera = Camera(Device(WIDTH, HEIGHT, PixelFormat.GS8))
        self.shown: list[tuple[int, bytes]] = []
        feed = list(self.camera.begin(0))
        for number in range(1, seconds * 10):
            feed += self.draw(number * 100, picture(number), is_key=number % 10 == 1)
        self.studio.feed(*feed)

    def draw(self, at_ms: int, data: bytes, is_key: bool = False) -> list[tuple[int, bytes]]:
        self.shown.append((at_ms, data))
        if not is_key:
            return self.camera.show(at_ms, data)
        self.camera.device.draw(data)
        self.camera.device.encoder.refresh()
        return self.camera.key(at_ms)

    def standing(self, at_ms: int) -> bytes | None:
        return next((data for when, data in reversed(self.shown) if when <= at_ms), None)


def places(pictures: list[Picture]) -> list[tuple[int, bytes]]:
    return [(one.at_ms, one.pixels) for one in pictures]


def test_every_picture_in_order(store: SqlStore) -> None:
    story = Story(store)
    recording = Recording.open(store, DEVICE, SESSION)
    found = list(recording.pictures())
    assert places(found) == story.shown
    assert found[0].rectangles == ((0, 0, WIDTH, HEIGHT),) and found[0].is_keyframe
    assert found[0].rgb().shape == (HEIGHT, WIDTH, 3)
    assert recording.keyframes() == [100, 1100, 2100, 3100, 4100]
    assert (recording.start_ms, recording.is_open) == (SESSION, True)


def test_any_moment_from_the_keyframe_before_it(store: SqlStore) -> None:
    story = Story(store)
    recording = Recording.open(store, DEVICE, SESSION)
    chance = random.Random(1)
    for _ in range(60):
        from_ms = chance.randrange(0, 5200)
        to_ms = from_ms + chance.randrange(0, 900)
        found = list(recording.pictures(from_ms, to_ms))
        standing = story.standing(from_ms)
        later = [(when, data) for when, data in story.shown if from_ms < when <= to_ms]
        assert [one.pixels for one in found] == ([standing] if standing else []) + [d for _, d in later]
        if found:
            assert found[0].rectangles == ((0, 0, WIDTH, HEIGHT),)
        one = recording.picture_at(from_ms)
        assert (one.pixels if one else None) == standing


def test_a_seek_reads_no_more_than_it_needs(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    Story(store)
    recording = Recording.open(store, DEVICE, SESSION)
    read: list[int] = []
    chunks = store.chunks

    def counted(*place):
        for chunk in chunks(*place):
            read.append(chunk.seq)
            yield chunk

    monkeypatch.setattr(store, "chunks", counted)
    assert recording.picture_at(4_850) is not None
    assert read[0] == 0 and min(read[1:]) > 30, (
        "only the display record, and what follows the keyframe at 4.1 s"
    )


def test_without_keyframes_in_the_index_the_first_picture_is_found(store: SqlStore) -> None:
    """The projector commits what it knows once a second; a page may ask sooner."""
    camera, studio = Camera(Device(WIDTH, HEIGHT, PixelFormat.GS8)), Studio(store)
    studio.feed(*camera.begin(0), *camera.key(100), *camera.show(200, picture(2)), is_projected=False)
    recording = Recording.open(store, DEVICE, SESSION)
    assert recording.keyframes() == []
    assert [one.at_ms for one in recording.pictures()] == [100, 200]
    found = recording.picture_at(5_000)
    assert found is not None and found.pixels == picture(2)


def test_a_session_over_two_streams(store: SqlStore) -> None:
    story = Story(store, seconds=1)
    late = Camera(Device(WIDTH, HEIGHT, PixelFormat.GS8), NEXT_STREAM, BOOT_MS + 2_000)
    story.studio.feed(*late.begin(0, previous=story.camera.stream))
    late.device.draw(picture(99))
    late.device.encoder.refresh()
    story.studio.feed(*late.key(300))
    assert len(store.sessions(DEVICE)) == 1
    recording = Recording.open(store, DEVICE, SESSION)
    assert [one.at_ms for one in recording.pictures(800)] == [800, 900, 2_300]
    found = recording.picture_at(9_000)
    assert found is not None and found.pixels == picture(99)
    assert recording.picture_at(2_299) != found
    assert [mark.kind for mark in recording.marks()] == ["session_start"], "told once"


def test_a_display_that_is_turned(store: SqlStore) -> None:
    story = Story(store, seconds=2)
    turned = Device(HEIGHT, WIDTH, PixelFormat.GS8)
    turned.draw(picture(50))
    story.studio.feed(story.camera.turn(2_500, turned), *story.camera.key(2_600))
    story.studio.feed(*story.camera.show(2_700, picture(51)))
    recording = Recording.open(store, DEVICE, SESSION)
    for at_ms, value, size in (
        (1_950, 19, (WIDTH, HEIGHT)),
        (2_599, 19, (WIDTH, HEIGHT)),
        (2_600, 50, (HEIGHT, WIDTH)),
        (3_000, 51, (HEIGHT, WIDTH)),
    ):
        found = recording.picture_at(at_ms)
        assert found is not None and found.pixels == picture(value)
        assert (found.display.width, found.display.height) == size


def test_after_a_hole_the_last_good_picture_stands_until_a_keyframe(store: SqlStore) -> None:
    story = Story(store, seconds=1)
    story.camera.show(1_000, picture(60))  # never arrives; the device says so
    gap = m.Gap(story.camera.seq - 1, story.camera.seq, 1, 0, 0, m.GapReason.OUTBOX_FULL)
    story.studio.feed(story.camera.say(1_100, gap), *story.camera.show(1_200, picture(61)))
    story.camera.device.draw(picture(62))
    story.camera.device.encoder.refresh()
    story.studio.feed(*story.camera.key(1_300))
    recording = Recording.open(store, DEVICE, SESSION)
    assert [one.at_ms for one in recording.pictures(900)] == [900, 1_300]
    found = recording.picture_at(1_250)
    assert found is not None and found.pixels == picture(9)
    (mark,) = [mark for mark in recording.marks() if mark.kind == "gap"]
    assert (mark.at_ms, mark.values["reason"], mark.values["frames"]) == (1_100, "outbox full", 1)


def test_marks_in_time_order(store: SqlStore) -> None:
    story = Story(store, seconds=1)
    camera = story.camera
    story.studio.feed(
        camera.say(1_000, m.Touch(3, 4, m.Phase.DOWN), m.Touch(None, None, m.Phase.UP)),
        camera.say(1_010, m.Key("ok", m.Phase.TURN, -2), m.Log(2, "warm")),
        camera.say(1_020, m.Vitals({1: 5000, 99: 7}), m.Masks(((1, 2, 3, 4),)), m.UnknownArea(1, 2, 3, 4)),
        camera.say(1_030, m.SessionEnd(0)),
    )
    recording = Recording.open(store, DEVICE, SESSION)
    found = [(mark.at_ms, mark.kind, mark.values) for mark in recording.marks()]
    assert found == [
        (0, "session_start", {"index": 0, "sampled": True}),
        (1_000, "touch", {"x": 3, "y": 4, "phase": "down"}),
        (1_000, "touch", {"x": None, "y": None, "phase": "up"}),
        (1_010, "key", {"name": "ok", "state": "turn", "amount": -2}),
        (1_010, "log", {"level": 2, "text": "warm"}),
        (1_020, "vitals", {"heap_free": 5000, "99": 7}),
        (1_020, "masks", {"rectangles": [[1, 2, 3, 4]]}),
        (1_020, "unknown_area", {"x": 1, "y": 2, "width": 3, "height": 4}),
        (1_030, "session_end", {"index": 0}),
    ]
    assert not recording.is_open and recording.end_ms == BOOT_MS + 1_030


def test_an_unsampled_session_has_marks_and_no_pictures(store: SqlStore) -> None:
    camera, studio = Camera(Device(WIDTH, HEIGHT, PixelFormat.GS8)), Studio(store)
    studio.feed(*camera.begin(0, sampled=False), camera.say(500, m.Vitals({1: 5})))
    recording = Recording.open(store, DEVICE, SESSION)
    assert list(recording.pictures()) == [] and recording.picture_at(900) is None
    assert "vitals" in [mark.kind for mark in recording.marks()]


def test_pictures_of_another_session_stay_out(store: SqlStore) -> None:
    story = Story(store, seconds=1)
    story.studio.feed(story.camera.say(2_000, m.SessionStart(1, True, None)))
    story.camera.device.draw(picture(70))
    story.camera.device.encoder.refresh()
    story.studio.feed(*story.camera.key(2_100))
    first, second = (row.session_id for row in store.sessions(DEVICE))
    assert [one.at_ms for one in Recording.open(store, DEVICE, second).pictures()] == [100]
    assert places(list(Recording.open(store, DEVICE, first).pictures())) == story.shown


def test_an_unknown_session_is_named_with_what_there_is(store: SqlStore) -> None:
    with pytest.raises(LocalError, match="nobody-0 has no session"):
        Recording.open(store, "nobody-0", 1)
    Story(store, seconds=1)
    with pytest.raises(LocalError, match=f"no session 7; the newest of 1 is {SESSION}"):
        Recording.open(store, DEVICE, 7)


def test_bare_chunks_give_the_same(store: SqlStore) -> None:
    story = Story(store)
    recording = Recording.of_chunks(DEVICE, SESSION, SESSION, story.camera.chunks)
    assert places(list(recording.pictures())) == story.shown
    for at_ms in (0, 100, 950, 1_099, 1_100, 4_999):
        found = recording.picture_at(at_ms)
        assert (found.pixels if found else None) == story.standing(at_ms)
    assert recording.end_ms == SESSION + 4_900
    stored = Recording.of_chunks(DEVICE, SESSION, SESSION, store.session_chunks(DEVICE, SESSION))
    assert places(list(stored.pictures())) == story.shown
    assert stored.keyframes() == recording.keyframes()


def test_a_broken_keyframe_is_passed_over(store: SqlStore) -> None:
    story = Story(store, seconds=3)
    chunks = [_broken(chunk) if chunk.time_ms == 2_100 else chunk for chunk in story.camera.chunks]
    recording = Recording.of_chunks(DEVICE, SESSION, SESSION, chunks)
    found = recording.picture_at(2_500)
    assert found is not None and found.pixels == picture(20)


def _broken(chunk: m.Chunk) -> m.Chunk:
    record = chunk.records[0]
    assert isinstance(record.body, m.Frame)
    body = m.Frame(record.body.flags, record.body.payload[:-1] + bytes([record.body.payload[-1] ^ 1]))
    return m.Chunk(chunk.stream, chunk.seq, chunk.time_ms, (m.Record(0, record.time_ms, body),))


def test_a_clock_set_back_does_not_make_time_fall(store: SqlStore) -> None:
    """The host's clock falls by 10 s at 2.5 s: what follows keeps the time, however one comes there."""
    story = Story(store, seconds=2)
    story.camera.boot_ms -= 10_000
    for at_ms in range(2_500, 20_000, 500):
        story.studio.feed(*story.draw(at_ms, picture(at_ms // 100), is_key=at_ms % 2_000 == 0))
    stored = Recording.open(store, DEVICE, SESSION)
    shifted = [
        replace(one, host_ms=(one.host_ms or 0) - (10_000 if _time_ms(one.data) >= 2_500 else 0))
        for one in store.session_chunks(DEVICE, SESSION)
    ]
    for recording in (stored, Recording.of_chunks(DEVICE, SESSION, SESSION, shifted)):
        every = list(recording.pictures())
        times = [one.at_ms for one in every]
        assert times == sorted(times) and len(times) == len(story.shown)
        assert recording.keyframes() == sorted(recording.keyframes())
        for at_ms in (0, 1_500, 1_899, 1_900, 1_901, 5_000, 9_000, 9_999):
            standing = [one for one in every if one.at_ms <= at_ms]
            found = recording.picture_at(at_ms)
            assert (found and found.pixels) == (standing[-1].pixels if standing else None), at_ms


def _time_ms(data: bytes) -> int:
    chunk = decode_uplink(data)
    assert isinstance(chunk, m.Chunk)
    return chunk.time_ms
