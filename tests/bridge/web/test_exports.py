"""Exports from the page: jobs with progress, files under names of our own, and bounds."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pixeltrail_bridge.errors import LocalError
from pixeltrail_bridge.export import files, formats
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.web import exports
from pixeltrail_bridge.web.exports import Exports
from pixeltrail_bridge.wire import messages as m

from tests.support.film import DEVICE

from .recorded import PLACE, SESSION, Answer, Site, site

_WAIT_S = 60


@dataclass
class Clock:
    now_s: float = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Place:
    page: Site
    folder: Path
    clock: Clock
    jobs: Exports

    def ask_for(self, format: str, **options: Any) -> Answer:
        content = {"format": format, "options": options}
        return self.page.write(f"{PLACE}/exports", content=content)

    def made(self, format: str, **options: Any) -> str:
        answer = self.ask_for(format, **options)
        assert answer.status == 202, answer.body
        return str(answer.json["id"])

    def ended(self, job: str) -> dict[str, Any]:
        """What is told of a job that is done or failed; its progress never falls."""
        deadline, before = time.monotonic() + _WAIT_S, 0.0
        while True:
            told = self.page.ask(f"/api/exports/{job}").json
            assert told["progress"] >= before and time.monotonic() < deadline
            before = told["progress"]
            if told["state"] in ("done", "failed"):
                return dict(told)
            time.sleep(0.02)

    def files(self) -> list[Path]:
        return [path for path in (self.folder / "exports").glob("*") if path.is_file()]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    store = SqliteStore(tmp_path / "store.db", ("list",))
    clock = Clock()
    jobs = Exports(store, tmp_path, clock)
    with site(store, 3, more=jobs.routes(), closing=[jobs.close], formats=formats.available()) as page:
        page.studio.feed(page.camera.say(2_900, m.Track("Brew Started", {"cups": 2})))
        yield Place(page, tmp_path, clock, jobs)
    store.close()


@pytest.mark.parametrize("name", ["png", "gif", "mp4", "html", "rrweb", "ptr", "jsonl"])
def test_every_format_is_made_and_saved_under_a_name_of_its_own(place: Place, name: str) -> None:
    options = {"at_ms": 700} if name == "png" else {}
    job = place.made(name, **options)
    told = place.ended(job)
    file = f"{DEVICE}-{SESSION}{formats.named(name).suffix}"
    assert (told["state"], told["progress"], told["file"], told["error"]) == ("done", 1.0, file, None)
    answer = place.page.ask(f"/api/exports/{job}/file")
    assert answer.status == 200 and len(answer.body) == told["size"] > 0
    assert answer.headers["content-disposition"] == f'attachment; filename="{file}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert [path.name for path in place.files()] == [job]


def test_the_options_of_the_dialog_hold(place: Place) -> None:
    dialog = {"from_ms": 500, "to_ms": 1_500, "scale": 2, "frame": True, "touches": True, "captions": True}
    told = place.ended(place.made("gif", **dialog))
    assert told["state"] == "done"
    job = place.made("mp4", **dialog, lossless=True)
    assert place.ended(job)["state"] == "done"
    job = place.made("png", at_ms=500, scale=1)
    place.ended(job)
    image = Image.open(io.BytesIO(place.page.ask(f"/api/exports/{job}/file").body))
    assert image.size == (48, 16)


def test_the_session_names_the_formats(place: Place) -> None:
    assert place.page.ask(PLACE).json["formats"] == formats.available()


@pytest.mark.parametrize(
    ("format", "options", "words"),
    [
        ("avi", {}, "there are png"),
        ("gif", {"scale": "2"}, "scale: expected int"),
        ("gif", {"max_drawn_px": 1}, "no export option"),
        ("mp4", {"scale": 1}, "lossless"),
        ("ptr", {"from_ms": 5}, "whole sessions"),
        ("gif", {"from_ms": 10, "to_ms": 5}, "not after"),
    ],
)
def test_a_wrong_wish_is_told_at_once(place: Place, format: str, options: dict[str, Any], words: str) -> None:
    answer = place.ask_for(format, **options)
    assert answer.status == 400 and words in answer.json["error"]
    assert not place.files()


def test_a_job_that_fails_says_why(place: Place) -> None:
    place.page.studio.feed(place.page.camera.say(3_000, m.SessionEnd(0)))
    told = place.ended(place.made("gif", from_ms=600_000))
    assert told["state"] == "failed" and "session's end" in told["error"] and told["file"] is None
    assert not place.files()


def test_who_may_ask(place: Place) -> None:
    content = json.dumps({"format": "gif"}).encode()
    assert place.page.ask(f"{PLACE}/exports", "POST", content).status == 403, (
        "without the header of our pages"
    )
    assert place.page.write(f"/api/sessions/{DEVICE}/77/exports", content={"format": "gif"}).status == 404
    for job in ("0" * 32, "..%2Fstore.db", "store.db", "x"):
        assert place.page.ask(f"/api/exports/{job}").status == 404
        assert place.page.ask(f"/api/exports/{job}/file").status == 404


def test_files_go_after_an_hour_and_when_nobody_wants_them(place: Place) -> None:
    old = place.made("png")
    place.ended(old)
    place.clock.now_s += exports.KEPT_S + 1
    young = place.made("jsonl")
    place.ended(young)
    assert place.page.ask(f"/api/exports/{old}").status == 404
    assert [path.name for path in place.files()] == [young]
    assert place.page.write(f"/api/exports/{young}", "DELETE").status == 200
    assert not place.files() and place.page.ask(f"/api/exports/{young}/file").status == 404


class Gate:
    """Holds every export back until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        self.reached = threading.Event()
        real = files.write_file

        def held(*arguments: Any, **named: Any) -> int:
            self.reached.set()
            assert self.open.wait(_WAIT_S)
            return real(*arguments, **named)

        monkeypatch.setattr(files, "write_file", held)


def test_one_runs_few_wait_and_more_are_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    jobs = [place.made("png") for _ in range(exports.MOST_JOBS)]
    assert gate.reached.wait(_WAIT_S)
    assert place.page.ask(f"/api/exports/{jobs[0]}/file").status == 409, "not done yet"
    assert place.page.ask(f"/api/exports/{jobs[1]}").json["state"] == "queued"
    refused = place.ask_for("png")
    assert refused.status == 503 and "when one is done" in refused.json["error"]
    gate.open.set()
    assert {place.ended(job)["state"] for job in jobs} == {"done"}


def test_what_nobody_wants_ends(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    job = place.made("gif")
    assert gate.reached.wait(_WAIT_S)
    assert place.page.write(f"/api/exports/{job}", "DELETE").status == 200
    gate.open.set()
    place.ended(place.made("png"))  # behind it
    assert place.page.ask(f"/api/exports/{job}").status == 404
    assert len(place.files()) == 1


def test_what_is_forgotten_as_an_export_ends_is_in_no_file(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last byte of a file and the word that it is done."""
    whole, reached = files.write_file, threading.Event()

    def write_file(*arguments: Any, **named: Any) -> int:
        size = whole(*arguments, **named)
        if not reached.is_set():
            place.jobs.forget()
            reached.set()
        return size

    monkeypatch.setattr(files, "write_file", write_file)
    job = place.made("png")
    assert reached.wait(_WAIT_S)
    place.ended(place.made("png"))  # behind it
    assert place.page.ask(f"/api/exports/{job}").status == 404
    assert job not in [path.name for path in place.files()]


def test_a_full_disk_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "LEAST_FREE_BYTES", 1 << 60)
    told = place.ended(place.made("png"))
    assert told["state"] == "failed" and "pixeltrail export" in told["error"]


def test_nothing_is_left_after_the_end_or_of_an_earlier_run(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db", ("list",))
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "left").write_text("of an earlier run")
    jobs = Exports(store, tmp_path)
    assert not (tmp_path / "exports").exists()
    with site(store, 2, more=jobs.routes(), closing=[jobs.close]) as page:
        place = Place(page, tmp_path, Clock(), jobs)
        place.ended(place.made("png"))
        assert place.files()
    assert not (tmp_path / "exports").exists()
    with pytest.raises(LocalError):
        formats.named("none")
    store.close()
