"""What `pixeltrail check` and `doctor` say of replay sinks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pixeltrail_bridge import config
from pixeltrail_bridge.app import replays
from pixeltrail_bridge.cli import run
from pixeltrail_bridge.cutter import PIECE_MS, Cutter
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.store import pieces
from pixeltrail_bridge.store.pieces import Tried
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.wire.messages import PixelFormat

from tests.support.film import BOOT_MS, Camera, Device, Studio

Check = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("key", "other"):
        (tmp_path / name).write_text(f"{name}-{'0' * 28}")
        (tmp_path / name).chmod(0o600)
    return tmp_path


@pytest.fixture
def check(folder: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    def call(settings: str, code: int) -> str:
        head = '[bridge]\ndata_dir = "data"\n[mqtt]\nport = 0\n[web]\nport = 0\n'
        (folder / "pixeltrail.toml").write_text(head + settings)
        assert run(["check", "--offline"]) == code
        printed = capsys.readouterr()
        return printed.out + printed.err

    return call


def test_it_is_off_by_default(check: Check) -> None:
    assert "amplitude-replay" not in check("", 0)
    assert config.Config().amplitude_replay.enabled is False
    assert replays.make_replay_sinks(config.Config()) == []


def test_it_is_said_to_be_experimental(check: Check) -> None:
    printed = check('[amplitude_replay]\nenabled = true\napi_key_file = "key"\n', 0)
    assert "https://api-sr.amplitude.com/sessions/v2/track" in printed and "experimental" in printed
    assert "nothing here can tell" in printed, "whether the key fits Segment's destination"


def test_another_key_than_that_of_the_events_is_warned_of(check: Check) -> None:
    same = '[amplitude_replay]\nenabled = true\napi_key_file = "key"\n[amplitude]\napi_key_file = "key"\n'
    assert "warning" not in check(same, 0)
    assert "warning: amplitude_replay.api_key is another key" in check(same.replace('"key"', '"other"', 1), 1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("enabled = true\n", "set amplitude_replay.api_key_file"),
        ('enabled = true\napi_key_file = "key"\nwithout = ["touches"]\n', "'touches' is none of touch"),
        (
            'enabled = true\napi_key_file = "key"\nhost = "https://api-sr.eu.amplitude.com"\n',
            "in zone eu",
        ),
    ],
)
def test_what_cannot_work_is_a_fault(check: Check, settings: str, words: str) -> None:
    assert words in check("[amplitude_replay]\n" + settings, 1)


def test_the_zone_of_the_events_counts(folder: Path) -> None:
    (folder / "a.toml").write_text(
        '[amplitude_replay]\nenabled = true\napi_key_file = "key"\n[segment]\nzone = "eu"\n'
    )
    (sink,) = replays.make_replay_sinks(config.load(folder / "a.toml"))
    assert sink.url.startswith("https://api-sr.eu.amplitude.com/")  # type: ignore[attr-defined]


def test_replays_and_events_are_in_one_zone(folder: Path) -> None:
    (folder / "a.toml").write_text('[amplitude_replay]\nzone = "us"\n[segment]\nzone = "eu"\n')
    with pytest.raises(ConfigError, match="must be in one zone"):
        config.load(folder / "a.toml")


def test_a_bridge_does_not_start_without_the_key(folder: Path) -> None:
    (folder / "a.toml").write_text("[amplitude_replay]\nenabled = true\n")
    with pytest.raises(ConfigError, match="api_key_file"):
        replays.make_replay_sinks(config.load(folder / "a.toml"))


def test_a_sink_of_ones_own_that_cannot_be_made_is_a_fault(check: Check, folder: Path) -> None:
    (folder / "mine.py").write_text("def make():\n    return object()\n")
    printed = check('[[sinks.replay]]\nname = "mine"\nfactory = "mine:make"\n', 1)
    assert "has no `async def send`; see docs/replay-sinks.md" in printed


def test_the_doctor_says_how_it_does(folder: Path) -> None:
    (folder / "a.toml").write_text('[amplitude_replay]\nenabled = true\napi_key_file = "key"\n')
    settings = config.load(folder / "a.toml")
    store = SqliteStore(folder / "store.db")
    try:
        studio, camera = Studio(store), Camera(Device(64, 16, PixelFormat.GS8))
        now_ms = BOOT_MS + PIECE_MS
        cutter = Cutter(store, "amplitude-replay", now_ms=lambda: now_ms)
        pieces.since_ms(store, "amplitude-replay", BOOT_MS)
        studio.feed(*camera.begin(0), *camera.key(10))
        row = cutter.next()
        assert row is not None
        pieces.settle(store, row.id, Tried("waiting", 503, "busy", now_ms + 9_000), now_ms)
        (found,) = replays.diagnose(settings, store, now_ms)
        assert found[0] == "FAULT"
        assert found[2] == "1 pieces wait, after 1 attempts: busy; tried again in 9 s"
        pieces.settle(store, row.id, Tried("sent"), now_ms)
        (found,) = replays.diagnose(settings, store, now_ms)
        assert found == ("ok", "sink amplitude-replay", "1 pieces sent, 0 wait")
    finally:
        store.close()
