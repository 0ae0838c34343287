"""From a store to a file of each format, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pixeltrail_bridge.errors import LocalError
from pixeltrail_bridge.export import formats, options
from pixeltrail_bridge.export.files import open_session, write_file
from pixeltrail_bridge.export.formats import Session
from pixeltrail_bridge.export.options import Options
from pixeltrail_bridge.export.ptr import open_ptr
from pixeltrail_bridge.mapping.display import DISPLAY_CHANGED
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.wire import messages as m

from tests.bridge.export.test_gif import changes
from tests.support.film import BOOT_MS, DEVICE, Camera, Device, Studio

HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[31m\u202e"
SESSION = BOOT_MS


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Three seconds of a 64x32 display, with touches and two calls."""
    store = SqliteStore(tmp_path_factory.mktemp("store") / "pixeltrail.db")
    studio = Studio(store)
    camera = Camera(Device(64, 32, m.PixelFormat.GS8))
    studio.feed(*camera.begin(0), *camera.key(100))
    said = {
        7: (1_100, m.Touch(32, 16, 0)),
        8: (1_200, m.Touch(32, 16, 2)),
        10: (1_500, m.Track(HOSTILE, {"cups": 2}), m.Screen("Home", {})),
    }
    for number in range(1, 20):
        picture = bytearray(64 * 32)
        picture[number * 64 : number * 64 + 640] = bytes([number * 10]) * 640
        studio.feed(*camera.show(100 + 140 * number, bytes(picture)))
        if number in said:
            studio.feed(camera.say(*said[number]))
    studio.feed(camera.say(3_500, m.SessionEnd(0)))
    (row,) = store.sessions(DEVICE)
    yield open_session(store, DEVICE, row.session_id)
    store.close()


def written(session: Session, name: str, folder: Path, **chosen: object) -> Path:
    format = formats.named(name)
    path = folder / formats.file_name(session.recording, format)
    seen: list[float] = []
    size = write_file(session, format, Options(**chosen), path, seen.append)  # type: ignore[arg-type]
    assert size == path.stat().st_size > 0
    assert seen == sorted(seen) and all(0 <= one <= 1 for one in seen)
    return path


@pytest.mark.parametrize("name", list(formats.FORMATS))
def test_every_format_is_written_with_progress_and_leaves_nothing_else(
    session: Session, name: str, tmp_path: Path
) -> None:
    path = written(session, name, tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.suffix == formats.named(name).suffix


def test_a_png_is_the_moment(session: Session, tmp_path: Path) -> None:
    path = written(session, "png", tmp_path, from_ms=1_000, scale=1)
    picture = session.recording.picture_at(1_000)
    assert picture is not None
    assert np.array_equal(np.asarray(Image.open(path).convert("RGB")), picture.rgb())


def test_a_recording_file_of_a_store_plays_the_same(session: Session, tmp_path: Path) -> None:
    with written(session, "ptr", tmp_path).open("rb") as file:
        got = open_ptr(file, "it")
    recording = session.recording
    assert list(got.pictures()) == list(recording.pictures())
    assert [mark for mark in got.marks() if mark.kind != "session_start"] == [
        mark for mark in recording.marks() if mark.kind != "session_start"
    ]


def test_events_are_as_they_were_sent(session: Session, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in written(session, "jsonl", tmp_path).read_text().splitlines()]
    assert {HOSTILE, "Home"} <= {line.get("event") or line.get("name") for line in lines}
    assert [row.payload for row in session.events()] == [
        line.encode()
        for line in written(
            session,
            "jsonl",
            tmp_path / "..",
        )
        .read_text()
        .splitlines()
    ]


def test_rrweb_has_the_calls_and_the_wanted_part(session: Session, tmp_path: Path) -> None:
    events = json.loads(written(session, "rrweb", tmp_path).read_text())
    assert [event["type"] for event in events[:1]] == [4]
    tags = [event["data"].get("tag") for event in events if event["type"] == 5]
    assert "pixeltrail.track" in tags and "pixeltrail.screen" in tags
    later = json.loads(written(session, "rrweb", tmp_path / "..", from_ms=2_000).read_text())
    assert later[0]["timestamp"] == session.recording.start_ms + 2_000
    assert "pixeltrail.track" not in [event["data"].get("tag") for event in later if event["type"] == 5]


def test_nothing_is_overwritten_unasked_and_a_failure_leaves_nothing(
    session: Session, tmp_path: Path
) -> None:
    path = tmp_path / "a.gif"
    path.write_text("mine")
    gif = formats.named("gif")
    with pytest.raises(LocalError, match="--force"):
        write_file(session, gif, Options(), path)
    assert path.read_text() == "mine"
    with pytest.raises(LocalError, match="billion pixels"):
        write_file(session, gif, Options(max_drawn_px=1), path, replace=True)
    assert path.read_text() == "mine" and len(list(tmp_path.iterdir())) == 1
    write_file(session, gif, Options(), path, replace=True)
    assert path.read_bytes().startswith(b"GIF89a")
    with pytest.raises(LocalError, match="cannot be written"):
        write_file(session, gif, Options(), tmp_path / "no" / "folder.gif")


@pytest.mark.parametrize("name", ["gif", "mp4", "html", "rrweb"])
def test_too_many_pixels_are_refused(session: Session, name: str, tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="billion pixels; export a part"):
        write_file(session, formats.named(name), Options(max_drawn_px=10_000), tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_an_export_can_be_ended(session: Session, tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    def stop(share: float) -> None:
        if share > 0.3:
            raise Enough

    with pytest.raises(Enough):
        write_file(session, formats.named("gif"), Options(), tmp_path / "a.gif", stop)
    assert not list(tmp_path.iterdir())


def test_unknown_sessions_and_formats_say_what_there_is(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "pixeltrail.db")
    with pytest.raises(LocalError, match="pixeltrail devices"):
        open_session(store, "kitchen-99", 5)
    store.close()
    with pytest.raises(LocalError, match="gif"):
        formats.named("avi")


def test_options_from_outside_are_checked() -> None:
    chosen = options.parse({"scale": 2, "from_ms": 5, "to_ms": None, "speed": 2, "frame": True})
    assert (chosen.scale, chosen.from_ms, chosen.to_ms, chosen.speed, chosen.frame) == (2, 5, None, 2.0, True)
    for bad, reason in (
        ({"scale": "2"}, "scale: expected int"),
        ({"scale": True}, "scale: expected int"),
        ({"scale": 99}, "scale = 99"),
        ({"speed": 0}, "speed"),
        ({"speed": float("nan")}, "speed"),
        ({"from_ms": -1}, "from = -1"),
        ({"from_ms": 10, "to_ms": 10}, "not after"),
        ({"max_drawn_px": 10**20}, "no export option"),
        ({HOSTILE: 1}, "no export option"),
    ):
        with pytest.raises(LocalError, match=reason):
            options.parse(bad)


def test_a_part_behind_the_end_says_where_the_end_is(session: Session, tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="session's end, 3.5 s"):
        written(session, "gif", tmp_path, from_ms=60_000)


def test_the_table_names_what_can_be_written_here() -> None:
    assert set(formats.available()) == set(formats.FORMATS)


def test_overlays_show_what_was_asked_for(session: Session, tmp_path: Path) -> None:
    plain = np.asarray(Image.open(written(session, "png", tmp_path, from_ms=1_150, scale=4)).convert("RGB"))
    (tmp_path / "x").mkdir()
    chosen = {"frame": True, "touches": True, "captions": True}
    path = written(session, "png", tmp_path / "x", from_ms=1_600, scale=4, **chosen)
    with_all = np.asarray(Image.open(path).convert("RGB"))
    assert with_all.shape[0] > plain.shape[0] and with_all.shape[1] > plain.shape[1]
    caption = with_all[plain.shape[0] + 2 * ((with_all.shape[1] - plain.shape[1]) // 2) :]
    assert (caption == (0xF4, 0xF4, 0xF5)).all(-1).any(), "no letter is drawn"
    (tmp_path / "y").mkdir()
    touched = Image.open(written(session, "png", tmp_path / "y", from_ms=1_150, scale=4, touches=True))
    red = (np.asarray(touched.convert("RGB")) == (0xFF, 0x5A, 0x36)).all(-1)
    rows, columns = red.nonzero()
    assert abs(rows.mean() - (16 * 4 + 2)) < 2 and abs(columns.mean() - (32 * 4 + 2)) < 2


def test_a_touch_and_a_caption_come_and_go(session: Session, tmp_path: Path) -> None:
    plain = Image.open(written(session, "gif", tmp_path))
    (tmp_path / "x").mkdir()
    full = Image.open(written(session, "gif", tmp_path / "x", touches=True, captions=True))
    assert full.n_frames > plain.n_frames >= len(changes(session.recording.pictures())) - 1  # type: ignore[attr-defined]


def test_captions_leave_out_what_one_sees() -> None:
    assert {DISPLAY_CHANGED} == formats._UNSAID
