from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.web import last, live
from pixeltrail_bridge.web.last import LastPictures
from pixeltrail_bridge.web.live import Hub, Viewer
from pixeltrail_bridge.web.recordings import Recordings

from tests.support.film import BOOT_MS, DEVICE, Camera, Device, Studio

from .page import noise, paint
from .recorded import HEIGHT, WIDTH, picture, rgb_of


@pytest.fixture
def store(tmp_path: Path):
    store = SqliteStore(tmp_path / "store.db")
    device = Device(WIDTH, HEIGHT, last.formats.PixelFormat.GS8)
    device.draw(picture(1))
    camera, studio = Camera(device), Studio(store)
    studio.feed(*camera.begin(0), *camera.key(100), *camera.show(900, picture(2)))
    yield store
    store.close()


def shown(hub: Hub) -> np.ndarray:
    message = hub.encode(0, None)
    rows = np.frombuffer(message, np.uint8, offset=live.HEAD.size + live.BLOCK.size)
    return rows.reshape(HEIGHT, WIDTH, 4)[:, :, :3]


def test_after_a_start_the_last_picture_stands(store: SqliteStore) -> None:
    hub = Hub()
    viewer = Viewer(hub, asyncio.new_event_loop(), None)
    hub.attach(viewer)
    LastPictures(store, Recordings(store), hub).run()
    assert (shown(hub) == rgb_of(picture(2))).all()
    (device,) = hub.devices()
    assert (device["id"], device["width"], device["frames"], device["fps"]) == (DEVICE, WIDTH, 0, 0.0)
    assert live.HEAD.unpack_from(hub.encode(0, None))[5] == BOOT_MS + 900, "told as of when it is"
    viewer.news()
    assert viewer.next_picture() is not None


def test_what_is_live_stays(store: SqliteStore) -> None:
    hub, newer = Hub(), noise(WIDTH, HEIGHT, 1)
    paint(hub, DEVICE, newer)
    LastPictures(store, Recordings(store), hub).run()
    assert (shown(hub) == newer[:, :, :3]).all()


def test_it_ends_when_the_page_does(store: SqliteStore) -> None:
    pictures = LastPictures(store, Recordings(store), Hub())
    pictures.start()
    pictures.close()
    assert not pictures._thread.is_alive()


def test_a_store_that_cannot_be_read_costs_the_pictures_alone(store: SqliteStore) -> None:
    hub = Hub()
    broken = Recordings(store)
    broken.open = None  # type: ignore[assignment,method-assign]
    LastPictures(store, broken, hub).run()
    assert hub.devices() == []
