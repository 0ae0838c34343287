"""From a stream's records to what a page is told live, and what the page knows of devices from the store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import numpy as np
import pytest
from pixeltrail_bridge.replay.clips import CLIP_MS
from pixeltrail_bridge.store.database import SqlStore
from pixeltrail_bridge.web import queries
from pixeltrail_bridge.web.feed import Feed
from pixeltrail_bridge.web.live import Hub, Viewer
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.messages import PixelFormat

from tests.support.film import BOOT_MS, DEVICE, Camera, Device, Studio
from tests.support.stores import Place

from .recorded import HEIGHT, WIDTH, picture, rgb_of


@pytest.fixture
def store(place: Place) -> Iterator[SqlStore]:
    store = place.open(("list",))
    yield store
    store.close()


def watched(store: SqlStore) -> tuple[Studio, Hub, Viewer]:
    hub, studio = Hub(), Studio(store)
    studio.projector.subscribe(Feed(hub).take)
    hub.set_facts(DEVICE, {})
    viewer = Viewer(hub, asyncio.new_event_loop(), None)
    hub.attach(viewer)
    viewer.news()
    return studio, hub, viewer


def told(viewer: Viewer) -> list[tuple[str, object]]:
    names = {"touch": "x", "key": "name", "log": "text", "vitals": "heap_free", "gap": "frames"}
    return [(one["type"], one[names[one["type"]]]) for one in viewer.news() if one["type"] in names]


def test_everything_beside_the_picture_is_told_as_it_comes(store: SqlStore) -> None:
    studio, hub, viewer = watched(store)
    camera = Camera(Device(WIDTH, HEIGHT, PixelFormat.GS8))
    studio.feed(*camera.begin(0), *camera.key(100))
    studio.feed(
        camera.say(200, m.Touch(3, 4, m.Phase.DOWN), m.Key("ok", m.Phase.DOWN, 0), m.Log(2, "warm")),
        camera.say(300, m.Vitals({1: 7}), m.Gap(camera.seq, camera.seq, 2, 0, 0, 1)),
        camera.say(400, m.Track("Not a mark", {})),
    )
    assert told(viewer) == [("touch", 3), ("key", "ok"), ("log", "warm"), ("vitals", 7), ("gap", 2)]
    (device,) = hub.devices()
    assert device["last_touch_ms"] is not None and device["frames"] == 1
    json.dumps(viewer.news())


def test_a_stream_without_a_display_is_heard_too(store: SqlStore) -> None:
    """One that is not recorded, or whose first chunks were lost."""
    studio, _, viewer = watched(store)
    camera = Camera(Device(WIDTH, HEIGHT, PixelFormat.GS8))
    studio.feed(camera.say(0, m.Vitals({1: 9})))
    assert told(viewer) == [("vitals", 9)]


def test_the_live_picture_is_what_is_shown(store: SqlStore) -> None:
    studio, hub, viewer = watched(store)
    device = Device(WIDTH, HEIGHT, PixelFormat.GS8)
    device.draw(picture(1))
    camera = Camera(device)
    studio.feed(*camera.begin(0), *camera.key(100), *camera.show(200, picture(2)))
    viewer.news()
    message = viewer.next_picture()
    assert message is not None
    rgba = np.frombuffer(message, np.uint8, WIDTH * HEIGHT * 4, 24).reshape(HEIGHT, WIDTH, 4)
    assert (rgba[:, :, :3] == rgb_of(picture(2))).all() and (rgba[:, :, 3] == 255).all()


def test_the_wall_shows_counts_that_outlast_the_process(store: SqlStore) -> None:
    studio, _, _ = watched(store)
    camera = Camera(Device(WIDTH, HEIGHT, PixelFormat.GS8))
    studio.feed(*camera.begin(0), *camera.key(100), *camera.show(200, picture(2)))
    studio.feed(
        camera.say(300, m.Touch(3, 4, m.Phase.DOWN)),
        camera.say(400, m.Gap(camera.seq, camera.seq, 2, 1, 4, m.GapReason.OUTBOX_FULL), m.Track("Made", {})),
    )
    (facts,) = queries.device_facts(store)
    assert (facts["frames"], facts["keyframes"]) == (2, 1)
    assert facts["dropped"] == {"frames": 2, "inputs": 1, "calls": 4} and facts["gaps"] == 1
    assert facts["backlog"] == store.pending("list") >= 1
    touched_ms = facts["last_touch_ms"]
    assert BOOT_MS + 300 <= touched_ms < BOOT_MS + 300 + CLIP_MS, "as exact as a clip is long"
    hub = Hub()  # as after a start
    hub.set_facts(facts.pop("device_id"), facts)
    (device,) = hub.devices()
    assert (device["frames"], device["keyframes"], device["last_touch_ms"]) == (2, 1, touched_ms)
