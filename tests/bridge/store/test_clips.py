"""The index of a session, as the projector writes it: complete after crashes, and the same however it is committed."""

from __future__ import annotations

import json

import pytest
from pixeltrail_bridge.replay import clips as replay_clips
from pixeltrail_bridge.store import clips
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.messages import PixelFormat

from tests.support.film import BOOT_MS, DEVICE, Camera, Device, Studio
from tests.support.stores import Place

WIDTH, HEIGHT = 64, 16
SESSION = BOOT_MS


@pytest.fixture
def store(place: Place):
    store = place.open()
    yield store
    store.close()


def half(value: int) -> bytes:
    """Only the upper half changes."""
    return bytes([value]) * (WIDTH * HEIGHT // 2) + bytes(WIDTH * HEIGHT // 2)


def camera_on_black() -> Camera:
    device = Device(WIDTH, HEIGHT, PixelFormat.GS8)
    device.draw(half(0))
    return Camera(device)


def film(studio: Studio, camera: Camera, seconds: range) -> None:
    for second in seconds:
        studio.feed(*camera.show(second * 1000, half(second + 1)))
        studio.feed(camera.say(second * 1000 + 500, m.Touch(second, 1, m.Phase.DOWN)))


def frames_of(store: SqlStore) -> list[tuple[int, int, int]]:
    return [
        (from_ms + offset - SESSION, flags, share)
        for from_ms, images in clips.clip_images(store, DEVICE, SESSION)
        for offset, flags, share in replay_clips.entries(images)
    ]


def marks_of(store: SqlStore) -> list[tuple[int, str]]:
    return [
        (from_ms + offset - SESSION, kind)
        for from_ms, marks in clips.clip_marks(store, DEVICE, SESSION)
        for offset, kind, _ in json.loads(marks)
    ]


def test_every_frame_and_mark_is_indexed_once(store: SqlStore) -> None:
    studio, camera = Studio(store), camera_on_black()
    studio.feed(*camera.begin(0), *camera.key(100))
    film(studio, camera, range(1, 32))
    frames = frames_of(store)
    assert frames == [(100, replay_clips.KEY, 1000)] + [(s * 1000, 0, 500) for s in range(1, 32)]
    touches = [at for at, kind in marks_of(store) if kind == "touch"]
    assert touches == [s * 1000 + 500 for s in range(1, 32)]
    bounds = clips.clip_bounds(store, DEVICE, SESSION)
    assert len(bounds) == 4 and all(one.to_ms - one.from_ms < replay_clips.CLIP_MS for one in bounds)
    assert sum(one.frames for one in bounds) == len(frames) and bounds[0].keyframes == 1
    assert clips.last_touches(store) == {DEVICE: SESSION + 31_500}
    assert store.counters()[DEVICE]["frames"] == 32 and store.counters()[DEVICE]["keyframes"] == 1


def test_a_projector_that_starts_anew_goes_on(store: SqlStore) -> None:
    studio, camera = Studio(store), camera_on_black()
    studio.feed(*camera.begin(0), *camera.key(100))
    film(studio, camera, range(1, 5))
    again = Studio(store)
    film(again, camera, range(5, 9))
    assert [at for at, _, _ in frames_of(store)] == [100, *range(1000, 9000, 1000)]
    assert [at for at, kind in marks_of(store) if kind == "touch"] == list(range(1500, 9000, 1000))


def test_a_keyframe_that_repeats_the_picture_changed_nothing(store: SqlStore) -> None:
    studio, camera = Studio(store), camera_on_black()
    studio.feed(*camera.begin(0), *camera.key(100), *camera.key(900))
    assert frames_of(store) == [(100, 1, 1000), (900, 1, 0)]


def test_time_that_falls_begins_another_clip() -> None:
    found = replay_clips.Clips()
    for seq, host_ms in enumerate((1000, 1500, 900, 950)):
        found.add_frame(1, seq, 0, host_ms, 0, 5)
    assert [(one.from_ms, one.to_ms, one.frames) for one in found.dirty] == [(1000, 1500, 2), (900, 950, 2)]


def test_a_clip_is_bounded() -> None:
    found = replay_clips.Clips()
    for seq in range(replay_clips.MOST_FRAMES + 1):
        found.add_frame(1, seq, 0, 1000, 0, 5)
    for seq in range(replay_clips.MOST_MARKS + 1):
        found.add_mark(1, seq, 1, 1000, "touch", {})
    assert [one.frames for one in found.dirty] == [replay_clips.MOST_FRAMES, 1, 0]
    assert [len(one.marks) for one in found.dirty] == [0, replay_clips.MOST_MARKS, 1]
