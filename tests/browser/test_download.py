"""From the button of the player to a file on the disk, in every format, with the routes that make it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pixeltrail_bridge.export import formats
from pixeltrail_bridge.export.ptr import open_ptr
from pixeltrail_bridge.replay.recording import Recording
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.web.exports import Exports
from pixeltrail_bridge.web.live import Hub
from pixeltrail_bridge.web.viewing import Viewing
from playwright.sync_api import expect

from tests.bridge.web.page import LOOPBACK, MemoryBackend, serve
from tests.support.sessions import DEVICE_ID, SESSION_ID, record_session

from .conftest import NewPage

LABELS = {
    "png": "Picture (PNG)",
    "gif": "Animation (GIF)",
    "mp4": "Video (MP4)",
    "html": "Page that plays by itself (HTML)",
    "rrweb": "rrweb events (JSON)",
    "ptr": "Recording (.ptr)",
    "jsonl": "Events (JSON lines)",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("download") / "data"
    record_session(folder, "rgb_thermostat", 12)
    return folder


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    store = SqliteStore(folder / "pixeltrail.db")
    jobs = Exports(store, folder)
    viewing = Viewing(store, more=jobs.routes(), closing=[jobs.close], formats=formats.available())
    with serve(MemoryBackend(Hub()), more=viewing.routes()) as port:
        yield f"http://{LOOPBACK}:{port}/sessions/{DEVICE_ID}/{SESSION_ID}?t=2"
    viewing.close()
    store.close()


def downloaded(new_page: NewPage, url: str, label: str, folder: Path) -> Path:
    page = new_page()
    page.goto(url)
    page.wait_for_function("() => globalThis.pixeltrail?.player?.timeline")
    page.get_by_role("button", name="Download").click()
    dialog = page.get_by_role("dialog", name="Download")
    dialog.get_by_text(label).click()
    dialog.get_by_role("button", name="Export").click()
    link = dialog.get_by_role("link", name=f"{DEVICE_ID}-{SESSION_ID}")
    expect(link).to_be_visible(timeout=60_000)
    with page.expect_download() as download:
        link.click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


@pytest.mark.parametrize("name", list(LABELS))
def test_every_format_arrives(new_page: NewPage, url: str, folder: Path, name: str, tmp_path: Path) -> None:
    path = downloaded(new_page, url, LABELS[name], tmp_path)
    assert path.name == f"{DEVICE_ID}-{SESSION_ID}{formats.named(name).suffix}"
    data = path.read_bytes()
    store = SqliteStore(folder / "pixeltrail.db")
    recording = Recording.open(store, DEVICE_ID, SESSION_ID)
    if name == "png":
        picture = recording.picture_at(2_000)
        assert picture is not None
        small = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))[::2, ::2]
        outside = np.ones((240, 240), bool)
        outside[40:80, 40:80] = False  # where a touch is drawn
        assert np.array_equal(small[outside], picture.rgb()[outside])
    elif name == "gif":
        assert Image.open(io.BytesIO(data)).n_frames >= 12  # type: ignore[attr-defined]
    elif name == "ptr":
        with path.open("rb") as file:
            assert list(open_ptr(file, path.name).pictures()) == list(recording.pictures())
    elif name == "jsonl":
        assert "Boost Started" in [json.loads(line).get("event") for line in data.splitlines()]
    elif name == "rrweb":
        assert json.loads(data)[0]["type"] == 4
    else:
        assert (b"ftyp" if name == "mp4" else b"<!doctype html>") in data[:40]
    store.close()
