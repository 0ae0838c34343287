"""Two days in one session are packed and exported; a moment of them is read from a few blocks of the object.

By default with two pictures a minute; `--all` takes a picture a second.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pixeltrail_bridge.export import formats
from pixeltrail_bridge.export.files import open_session, write_file
from pixeltrail_bridge.export.options import Options
from pixeltrail_bridge.export.ptr import open_ptr
from pixeltrail_bridge.packer import Packer
from pixeltrail_bridge.replay.recording import Recording
from pixeltrail_bridge.store import packs
from pixeltrail_bridge.store.objects import FolderObjects
from pixeltrail_bridge.store.sqlite import SqliteStore

from tests.support import corpus
from tests.support.film import BOOT_MS, DEVICE, Studio
from tests.support.long_session import MINUTE_MS, Minute, code_minute, record

MINUTES = 48 * 60
SLOW = [pytest.mark.slow, pytest.mark.timeout(1_800)]


class Days:
    def __init__(self, folder: Path, every_ms: int) -> None:
        self.every_ms = every_ms
        self.minute: Minute = code_minute(corpus.load("mono_invaders"), every_ms)
        self.store = SqliteStore(folder / "pixeltrail.db")
        self.session_id = record(Studio(self.store), self.minute, MINUTES)
        self.objects = FolderObjects(folder / "objects")
        packer = Packer(self.store, self.objects, 0, lambda: BOOT_MS + 10 * MINUTES * MINUTE_MS)
        while packer.turn():
            pass
        assert packer.packed == 1

    @property
    def recording(self) -> Recording:
        return Recording.open(self.store, DEVICE, self.session_id)


@pytest.fixture(scope="module", params=[30_000, pytest.param(1_000, marks=SLOW)])
def days(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    days = Days(tmp_path_factory.mktemp("days"), request.param)
    yield days
    days.store.close()


def test_any_moment_is_right_and_costs_a_few_blocks(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    (count,) = days.store._all("SELECT count(*) FROM chunks WHERE session_id > 0")[0]
    assert count == 0
    read: list[packs.Block] = []
    real = packs.read_block

    def counted(*arguments: object) -> bytes:
        read.append(arguments[1])  # type: ignore[arg-type]
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(packs, "read_block", counted)
    recording = days.recording
    dice = random.Random(48)
    for _ in range(20):
        at_ms = dice.randrange(1_000, MINUTES * MINUTE_MS)
        read.clear()
        picture = recording.picture_at(at_ms)
        assert picture is not None and picture.pixels == days.minute.standing(at_ms)
        assert len(read) <= 4


def exported(days: Days, folder: Path, name: str, **options: object) -> Path:
    path = folder / f"days.{name}"
    seen: list[float] = []
    session = open_session(days.store, DEVICE, days.session_id)
    write_file(session, formats.named(name), Options(**options), path, seen.append)  # type: ignore[arg-type]
    assert len(seen) >= MINUTES / 2 and seen == sorted(seen)
    return path


def test_the_whole_of_it_as_gif(days: Days, tmp_path: Path) -> None:
    image = Image.open(exported(days, tmp_path, "gif", scale=1))
    lasts_ms, every = 0, 30_000_000 // days.every_ms
    for number in itertools.count():
        try:
            image.seek(number)
        except EOFError:
            break
        if number % every == every // 2:
            standing = days.recording.picture_at(100 + lasts_ms + 5)
            assert standing is not None
            assert np.array_equal(np.asarray(image.convert("RGB")), standing.rgb())
        lasts_ms += int(image.info["duration"])
    assert abs(lasts_ms - (MINUTES * MINUTE_MS - 100)) <= 5


def test_the_whole_of_it_as_recording_file_and_film(days: Days, tmp_path: Path) -> None:
    with exported(days, tmp_path, "ptr").open("rb") as file:
        recording = open_ptr(file, "days.ptr")
    assert sum(1 for _ in recording.pictures()) == len(days.minute.parts) * MINUTES
    assert recording.picture_at(99 * MINUTE_MS) == days.recording.picture_at(99 * MINUTE_MS)
    assert exported(days, tmp_path, "mp4", scale=2, skip_idle=True, speed=100.0).stat().st_size > 10_000
