"""Pieces of recordings among the dead letters, in a store that no bridge is running on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pixeltrail_bridge.cli import run
from pixeltrail_bridge.cutter import PIECE_MS, Cutter
from pixeltrail_bridge.store import pieces
from pixeltrail_bridge.store.pieces import Tried
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.wire.messages import PixelFormat

from tests.support.film import BOOT_MS, DEVICE, Camera, Device, Studio

SINK = "amplitude-replay"
Cli = Callable[..., str]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteStore]:
    """With one piece that Amplitude refused."""
    (tmp_path / "data").mkdir()
    (tmp_path / "pixeltrail.toml").write_text('[bridge]\ndata_dir = "data"\n')
    monkeypatch.chdir(tmp_path)
    store = SqliteStore(tmp_path / "data" / "pixeltrail.db")
    studio, camera = Studio(store), Camera(Device(64, 16, PixelFormat.GS8))
    cutter = Cutter(store, SINK, now_ms=lambda: BOOT_MS + PIECE_MS)
    pieces.since_ms(store, SINK, BOOT_MS)
    studio.feed(*camera.begin(0), *camera.key(10))
    row = cutter.next()
    assert row is not None
    pieces.settle(store, row.id, Tried("dead", 402, "the quota is used up"), BOOT_MS + PIECE_MS)
    yield store
    store.close()


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert run([*arguments]) == code
        printed = capsys.readouterr()
        return printed.out + printed.err

    return call


def test_a_refused_piece_is_listed_and_shown(store: SqliteStore, cli: Cli) -> None:
    (line,) = map(json.loads, cli("dlq", "list", "--sink", SINK, "--json").splitlines())
    assert (line["id"], line["device"], line["reason"]) == ("p1", DEVICE, "the quota is used up")
    shown = json.loads(cli("dlq", "show", "p1", "--json"))
    assert shown["payload"] == {"session_id": BOOT_MS, "piece": 0}
    assert "p1" in cli("dlq", "list", "--reason", "QUOTA")
    assert cli("dlq", "list", "--device", "other-device") == "There are no dead letters.\n"


def test_a_refused_piece_is_tried_again(store: SqliteStore, cli: Cli) -> None:
    assert "1 pieces of recordings wait" in cli("dlq", "retry", "p1")
    assert pieces.counts(store, SINK) == {"waiting": 1}


def test_a_refused_piece_is_given_up(store: SqliteStore, cli: Cli) -> None:
    assert json.loads(cli("dlq", "purge", "p1", "--json")) == {"messages": 0, "events": 0, "pieces": 1}
    assert cli("dlq", "list") == "There are no dead letters.\n"
    assert pieces.counts(store, SINK) == {"purged": 1}


def test_the_doctor_tells_of_it(store: SqliteStore, cli: Cli) -> None:
    assert "1 of amplitude-replay: the quota is used up" in cli("doctor", code=1)
