"""Recordings that are kept for the next request, and let go of once something is forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest
from pixeltrail_bridge.replay.recording import Recording
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.web import recordings, timeline
from pixeltrail_bridge.web.recordings import Recordings
from pixeltrail_bridge.web.viewing import Viewing
from pixeltrail_bridge.wire.messages import PixelFormat

from tests.support.film import DEVICE, Camera, Device, Studio


@pytest.fixture
def store(tmp_path: Path):
    store = SqliteStore(tmp_path / "store.db")
    camera = Camera(Device(32, 16, PixelFormat.GS8))
    Studio(store).feed(*camera.begin(0), *camera.key(100))
    yield store
    store.close()


def test_one_that_was_opened_is_kept_until_something_is_forgotten(store: SqliteStore) -> None:
    kept, session = Recordings(store), store.sessions(DEVICE)[0].session_id
    first = kept.open(DEVICE, session)
    assert kept.open(DEVICE, session) is first
    kept.clear()
    assert kept.open(DEVICE, session) is not first


def test_one_that_was_read_before_something_was_forgotten_is_not_kept(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, session = Recordings(store, lambda: 0.0), store.sessions(DEVICE)[0].session_id

    class Forgotten(Recording):
        @classmethod
        def open(cls, *place: object) -> Recording:
            found = Recording.open(*place)  # type: ignore[arg-type]
            kept.clear()
            return found

    with monkeypatch.context() as patch:
        patch.setattr(recordings, "Recording", Forgotten)
        first = kept.open(DEVICE, session)
    assert kept.open(DEVICE, session) is not first


def test_no_timeline_stays_that_was_read_before_something_was_forgotten(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewing, session = Viewing(store), store.sessions(DEVICE)[0].session_id
    build, routes = timeline.build, viewing._sessions
    routes._timeline(DEVICE, session)
    assert routes._timelines
    viewing.forget()
    assert not routes._timelines

    def build_meanwhile(*arguments: object) -> object:
        found = build(*arguments)  # type: ignore[arg-type]
        viewing.forget()
        return found

    monkeypatch.setattr(timeline, "build", build_meanwhile)
    routes._timeline(DEVICE, session)
    assert not routes._timelines
    viewing.close()
