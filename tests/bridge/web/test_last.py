from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from pixeltrail_bridge.store.erasing import Eraser
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.web import last, live, queries
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


def forget_everything(store: SqliteStore, hub: Hub) -> None:
    Eraser(store, lambda: BOOT_MS).device(DEVICE)
    hub.forget(set(), set())


def test_what_is_forgotten_while_it_is_read_is_not_shown(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, whole = Hub(), last.formats.to_values

    def to_values(*arguments: object) -> object:
        forget_everything(store, hub)
        return whole(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(last.formats, "to_values", to_values)
    LastPictures(store, Recordings(store), hub).run()
    assert hub.devices() == []


def test_facts_of_what_is_forgotten_while_they_are_read_are_not_shown(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, whole = Hub(), queries.device_facts

    def device_facts(store: SqliteStore) -> list[queries.Json]:
        found = whole(store)
        if found:
            forget_everything(store, hub)
        return found

    async def health() -> queries.Json:
        return {}

    monkeypatch.setattr(queries, "device_facts", device_facts)
    asyncio.run(queries.StoreQueries(store, hub, health).refresh())
    hub.tell_committed(DEVICE)  # of a commit before it was forgotten
    assert hub.devices() == []
