"""A running bridge packs what its settings say, plays it, and says when it cannot."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pixeltrail_bridge import config
from pixeltrail_bridge.app import Bridge, running
from pixeltrail_bridge.replay.recording import Recording
from pixeltrail_bridge.store.sqlite import SqliteStore

from tests.bridge.fake_device import wait_for
from tests.support.sessions import DEVICE_ID, SESSION_ID, record_session


def settings(folder: Path, *more: str) -> config.Config:
    base = [f"bridge.data_dir={folder}", "mqtt.port=0", "web.enabled=false", "packing.enabled=true"]
    return config.load(overrides=[*base, *more])


def pictures(store: SqliteStore) -> list[bytes]:
    return [picture.pixels for picture in Recording.open(store, DEVICE_ID, SESSION_ID).pictures()]


def recorded(folder: Path) -> list[bytes]:
    record_session(folder, "mono_invaders", 20)
    store = SqliteStore(folder / "pixeltrail.db")
    try:
        return pictures(store)
    finally:
        store.close()


def packed(bridge: Bridge) -> int:
    return bridge.packer.packed if bridge.packer else 0


def test_a_bridge_packs_and_plays(tmp_path: Path) -> None:
    before = recorded(tmp_path / "data")
    with running(settings(tmp_path / "data", "packing.after_h=0")) as bridge:
        wait_for(lambda: packed(bridge) == 1, "the session to be packed")
        assert pictures(bridge.store) == before
        assert list((tmp_path / "data" / "objects").rglob("*.ptr"))
    with running(settings(tmp_path / "data", "packing.enabled=false")) as bridge:
        assert bridge.packer is None and pictures(bridge.store) == before


def test_a_place_that_cannot_be_written_is_a_problem_of_the_bridge(tmp_path: Path) -> None:
    before = recorded(tmp_path / "data")
    (tmp_path / "data" / "objects").write_text("no folder")
    with running(settings(tmp_path / "data", "packing.after_h=0")) as bridge:
        wait_for(lambda: bridge.packer and bridge.packer.problem, "the packer to say so")
        health = asyncio.run(bridge.health())
        assert any("packing waits" in problem and "objects" in problem for problem in health["problems"])
        assert pictures(bridge.store) == before


def test_the_usual_wait_is_a_day_and_packing_is_off() -> None:
    usual = config.load().packing
    assert (usual.enabled, usual.after_h, usual.url) == (False, 24.0, "")
