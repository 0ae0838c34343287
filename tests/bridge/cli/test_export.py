"""`pixeltrail export` and `pixeltrail play FILE` over a small store: path, file, and what to do about mistakes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from PIL import Image
from pixeltrail_bridge.cli import run
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.wire import messages as m

from tests.support.film import DEVICE, Camera, Device, Studio


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder with one session of three seconds, five pictures."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pixeltrail-data").mkdir()
    store = SqliteStore(tmp_path / "pixeltrail-data" / "pixeltrail.db")
    studio = Studio(store)
    camera = Camera(Device(64, 32, m.PixelFormat.GS8))
    studio.feed(*camera.begin(0), *camera.key(100))
    for number in range(1, 5):
        studio.feed(*camera.show(500 * number, bytes([number]) * 64 * 32))
    studio.feed(camera.say(2_500, m.Track("Brewed", {})), camera.say(3_000, m.SessionEnd(0)))
    store.close()


def exported(capsys: pytest.CaptureFixture[str], *arguments: str) -> Path:
    assert run(["export", *arguments]) == 0
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    (path,) = printed.out.splitlines()
    return Path(path)


def test_the_path_is_printed_and_the_newest_session_is_the_usual_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = exported(capsys, DEVICE)
    (session,) = SqliteStore(tmp_path / "pixeltrail-data" / "pixeltrail.db").sessions()
    assert path == tmp_path / f"{DEVICE}-{session.session_id}.gif"
    assert Image.open(path).n_frames == 5  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["png", "gif", "mp4", "html", "rrweb", "ptr", "jsonl"])
def test_every_format_by_name(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = exported(capsys, DEVICE, "--format", name, "-o", str(tmp_path / "file"))
    assert path == tmp_path / "file" and path.stat().st_size > 20


def test_the_ending_tells_the_format_and_the_options_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = exported(capsys, DEVICE, "-o", "a.png", "--from", "0:01.2", "--scale", "3")
    image = Image.open(path)
    assert (image.size, image.convert("RGB").getpixel((5, 5))) == ((192, 96), (2, 2, 2))
    part = Image.open(exported(capsys, DEVICE, "-o", "b.gif", "--from", "0.6", "--to", "1.6", "--speed", "2"))
    assert part.n_frames == 3  # type: ignore[attr-defined]
    lines = exported(capsys, DEVICE, "-o", "c.jsonl").read_text().splitlines()
    assert "Brewed" in [json.loads(line).get("event") for line in lines]


def test_a_recording_file_is_exported_and_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exported(capsys, DEVICE, "-o", "a.ptr")
    for name in ("pixeltrail-data/pixeltrail.db", "pixeltrail-data/pixeltrail.db-wal"):
        (tmp_path / name).unlink(missing_ok=True)
    gif = exported(capsys, "a.ptr", "-o", "a.gif")
    assert Image.open(gif).n_frames == 5  # type: ignore[attr-defined]
    assert run(["play", "a.ptr", "--png", "frames"]) == 0
    assert "5 frames" in capsys.readouterr().out
    assert len(list((tmp_path / "frames").iterdir())) == 5


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["kitchen-99"], "pixeltrail sessions"),
        ([DEVICE, "5"], f"`pixeltrail sessions {DEVICE}`"),
        ([DEVICE, "--format", "avi"], "there are png, gif"),
        ([DEVICE, "-o", "a.avi"], "--format"),
        ([DEVICE, "--from", "soon"], "1:30"),
        ([DEVICE, "--from", "2", "--to", "1"], "not after"),
        ([DEVICE, "--from", "60"], "session's end"),
        ([DEVICE, "--scale", "99"], "scale = 99"),
        ([DEVICE, "-o", "no/such/folder.gif"], "cannot be written"),
        ([DEVICE, "-o", "taken.gif"], "--force"),
        ([DEVICE, "-f", "mp4", "--scale", "1"], "--lossless"),
        (["none.ptr"], "none.ptr cannot be read"),
        (["taken.gif"], "no recording of Pixeltrail"),
        ([DEVICE, "-f", "ptr", "--from", "1"], "whole sessions"),
    ],
)
def test_a_mistake_is_a_sentence_that_says_what_to_do(
    arguments: list[str], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken.gif").write_text("mine")
    before = sorted(tmp_path.iterdir())
    assert run(["export", *arguments]) == 2
    printed = capsys.readouterr().err
    assert text in printed and "Traceback" not in printed
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "taken.gif").read_text() == "mine"


def test_without_the_extra_the_error_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert run(["export", DEVICE, "-f", "mp4"]) == 2
    assert "pip install 'pixeltrail[video]'" in capsys.readouterr().err


def test_a_session_without_pictures_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_none = tmp_path / "other"
    with_none.mkdir()
    store = SqliteStore(with_none / "pixeltrail.db")
    studio = Studio(store)
    camera = Camera(Device(64, 32, m.PixelFormat.GS8))
    studio.feed(*camera.begin(0), camera.say(3_000, m.SessionEnd(0)))
    store.close()
    assert run(["export", DEVICE, "--set", f"bridge.data_dir={with_none}"]) == 2
    assert "has no picture" in capsys.readouterr().err
