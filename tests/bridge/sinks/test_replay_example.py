"""The replay sink of docs/replay-sinks.md, as it is printed there, keeps what a replay sink must keep."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pixeltrail_bridge import uploads
from pixeltrail_bridge.app import replays
from pixeltrail_bridge.config import load
from pixeltrail_bridge.sinks.replay import ReplaySink
from pixeltrail_bridge.store import pieces
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.uploads import Uploads
from pixeltrail_bridge.wire.messages import PixelFormat

from tests.bridge.export.films import START_MS, Film
from tests.support.film import BOOT_MS, DEVICE, Camera, Device, Studio
from tests.support.requirements import ROOT

from .test_amplitude_replay import piece_of

PAGE = (ROOT / "docs" / "replay-sinks.md").read_text()
WAIT_S = 60.0


def block(language: str, word: str) -> str:
    (found,) = [b for b in re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S) if word in b]
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_replays.py").write_text(block("python", "Archive"))
    settings = block("toml", "archive").replace('folder = "replays"', f'folder = "{tmp_path / "replays"}"')
    (tmp_path / "pixeltrail.toml").write_text(settings)
    sys.modules.pop("my_replays", None)
    return tmp_path


@pytest.fixture
def sink(folder: Path) -> ReplaySink:
    (sink,) = replays.make_replay_sinks(load(folder / "pixeltrail.toml"))
    return sink


@pytest.fixture
def store(folder: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(folder / "store.db")
    yield store
    store.close()


def test_a_recording_becomes_files(folder: Path, sink: ReplaySink, store: SqliteStore) -> None:
    studio, camera = Studio(store), Camera(Device(64, 16, PixelFormat.GS8))
    pieces.since_ms(store, sink.name, BOOT_MS)
    studio.feed(*camera.begin(0), *camera.key(10), *camera.show(500, bytes(range(64)) * 16))

    async def run() -> None:
        found = Uploads(store, [sink], now_ms=lambda: BOOT_MS + 60_000)
        await found.start()
        async with asyncio.timeout(WAIT_S):
            while found.health[sink.name].sent == 0:
                await asyncio.sleep(uploads.POLL_S / 100)
        await found.stop()

    asyncio.run(run())
    events = json.loads((folder / "replays" / DEVICE / str(BOOT_MS) / "000000.json").read_text())
    assert [event["type"] for event in events][:2] == [4, 2] and len(events) > 3


def test_a_repeat_replaces_what_it_repeats(folder: Path, sink: ReplaySink) -> None:
    film = Film()
    film.show(0)
    for _ in range(2):
        assert asyncio.run(sink.send(piece_of(film))).state == "sent"
    assert len(list((folder / "replays").rglob("*.*"))) == 1


def test_a_disk_that_fails_is_tried_again(folder: Path, sink: ReplaySink) -> None:
    film = Film()
    film.show(0)
    (folder / "replays").write_text("in the way")
    outcome = asyncio.run(sink.send(piece_of(film)))
    assert outcome.state == "retry" and outcome.next_try_ms > START_MS and sink.alarm
    (folder / "replays").unlink()
    assert asyncio.run(sink.send(piece_of(film))).state == "sent" and sink.alarm is None


@pytest.mark.parametrize("name", ["send", "close", "alarm", "paused_until_ms"])
def test_it_is_a_replay_sink(sink: ReplaySink, name: str) -> None:
    assert hasattr(sink, name) and sink.name == "archive"
