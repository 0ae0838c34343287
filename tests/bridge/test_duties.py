"""What one worker does at a time: the others look on, and go on with it when that one has ended."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from pixeltrail_bridge import config
from pixeltrail_bridge.app.parts import make_keeper
from pixeltrail_bridge.app.watch import ALERTS, Watch
from pixeltrail_bridge.backup import Place as BackupPlace
from pixeltrail_bridge.backup import schedule
from pixeltrail_bridge.backup.schedule import Backups
from pixeltrail_bridge.keeper import DUTY as RETENTION
from pixeltrail_bridge.keeper import Keeper, KeepFor
from pixeltrail_bridge.packer import DUTY as PACKING
from pixeltrail_bridge.packer import Packer
from pixeltrail_bridge.store.objects import FolderObjects
from pixeltrail_bridge.store.postgres import PostgresStore
from pixeltrail_bridge.uploads import Uploads
from pixeltrail_bridge.web.live import Hub

from tests.support.bridge_process import wait_until
from tests.support.services import Postgres
from tests.support.stores import PostgresPlace

from .test_uploads import SINK, Shelf


@pytest.fixture
def two(postgres_server: Postgres):
    place = PostgresPlace(postgres_server.url)
    stores = place.open(), place.open()
    yield stores
    for store in stores:
        store.close()


def test_retention_and_packing_wait_for_their_turn(two, tmp_path: Path) -> None:
    other, ours = two
    assert other.hold(RETENTION) and other.hold(PACKING)
    keeper = Keeper(ours, tmp_path, KeepFor())
    packer = Packer(ours, FolderObjects(tmp_path / "objects"), 0)
    turns: list[str] = []
    keeper.turn = lambda: bool(turns.append("keeper"))  # type: ignore[method-assign]
    packer.turn = lambda: bool(turns.append("packer"))  # type: ignore[method-assign]
    keeper.start()
    packer.start()
    wait_until(lambda: set(ours.duties) >= {RETENTION, PACKING}, "both have asked")
    assert turns == []
    other.close()
    wait_until(lambda: set(turns) == {"keeper", "packer"}, "both have begun")
    keeper.stop()
    packer.stop()


def test_a_worker_whose_clock_is_ahead_erases_nothing_too_soon(
    two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = two
    now_ms = time.time_ns() // 1_000_000
    for age_days in (2, 0):
        at_ms = now_ms - age_days * 86_400_000
        store.commit_batch(
            lambda tx, at_ms=at_ms: tx.add_dead_letter("", "record", "reason", b"%d" % at_ms, at_ms)
        )
    overrides = [f"bridge.data_dir={tmp_path}", "retention.dead_letters_days=1"]
    keeper = make_keeper(config.load(overrides=overrides), store)
    monkeypatch.setattr(time, "time_ns", lambda: (now_ms + 365 * 86_400_000) * 1_000_000)
    while keeper.turn():
        pass
    assert keeper.gone["dead_letters"] == 1, "what is old by the database's clock as well"


def test_backups_are_made_by_one(two, tmp_path: Path) -> None:
    other, ours = two
    assert other.hold(schedule.DUTY)
    place = BackupPlace(tmp_path, tmp_path / "none.db", "", "", "")
    backups = Backups(ours, place, tmp_path / "backups", 1_000, 1)
    turns: list[int] = []
    backups.turn = lambda: turns.append(1)  # type: ignore[method-assign,assignment,return-value]
    backups.start()
    wait_until(lambda: schedule.DUTY in ours.duties, "it has asked")
    assert not turns
    other.let_go(schedule.DUTY)
    wait_until(lambda: turns, "it has begun")
    backups.stop()


def test_replays_go_to_a_sink_from_one_worker(two) -> None:
    other, ours = two
    duty = f"replay uploads to {SINK}"
    assert other.hold(duty)
    starts: list[PostgresStore] = []

    async def run() -> None:
        uploads = Uploads(ours, [Shelf()])
        uploads._cutters[SINK].start = lambda: starts.append(ours)  # type: ignore[method-assign]
        uploads._cutters[SINK].next = lambda: None  # type: ignore[method-assign]
        await uploads.start()
        await asyncio.to_thread(wait_until, lambda: duty in ours.duties, "it has asked")
        assert not starts
        await asyncio.to_thread(other.let_go, duty)
        await asyncio.to_thread(wait_until, lambda: starts, "it takes up what the other left")
        await uploads.stop()

    asyncio.run(run())
    assert len(starts) == 1


def test_what_every_worker_sees_is_told_by_one(two) -> None:
    other, ours = two
    told: list[list[str]] = [[], []]
    watches = [Watch(config.load(), store, None, Hub()) for store in two]
    for watch, words in zip(watches, told, strict=True):
        watch.webhook = Hook(words)  # type: ignore[assignment]
    other.commit_batch(lambda tx: tx.add_dead_letter("kitchen-01", "call", "wrong", b"1", 1))

    async def look() -> None:
        for watch in watches:
            watch._read = None
            await watch.look()

    asyncio.run(look())
    assert told == [["dead_letters"], []] and watches[1].standing, "the other sees it as well"
    asyncio.run(look())
    assert told == [["dead_letters"], []]
    other.close()
    wait_until(lambda: ours.hold(ALERTS), "the duty is free")
    asyncio.run(watches[1].look())
    assert told[1] == ["dead_letters"], "whether the first could still tell it, nobody knows"


class Hook:
    def __init__(self, told: list[str]) -> None:
        self._told = told

    def tell(self, alerts) -> None:
        self._told += [alert.condition.kind for alert in alerts if alert.condition.kind == "dead_letters"]
