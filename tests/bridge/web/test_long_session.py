"""Two days in one session: it opens, its timeline is small, and a seek reads no more than it does in a short one.

By default with a picture every half minute; `--all` takes a picture a second.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pixeltrail_bridge.replay import formats
from pixeltrail_bridge.replay.recording import Recording
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.web import timeline
from pixeltrail_bridge.web.live import Hub
from pixeltrail_bridge.web.viewing import Viewing
from pixeltrail_bridge.wire import messages as m

from tests.firmware.codec.coding import CORPUS_FORMATS
from tests.support import corpus
from tests.support.film import DEVICE, Studio
from tests.support.long_session import MINUTE_MS, Minute, code_minute, record

from .page import MemoryBackend, serve
from .recorded import Glass, fetch

MINUTES = 48 * 60
HOUR_MS = 3_600_000


class Days:
    def __init__(self, folder: Path, every_ms: int) -> None:
        self.sequence = corpus.load("mono_invaders")
        self.minute: Minute = code_minute(self.sequence, every_ms)
        self.store = SqliteStore(folder / "store.db")
        touches = [(hour * HOUR_MS + 5_000, m.Touch(hour, 1, m.Phase.DOWN)) for hour in range(48)]
        self.session_id = record(Studio(self.store), self.minute, MINUTES, touches)

    def rgb_at(self, at_ms: int) -> np.ndarray:
        picture = self.minute.standing(at_ms)
        assert picture is not None
        one = self.sequence
        return formats.to_rgb(picture, CORPUS_FORMATS[one.format], one.width, one.height, None)


SLOW = [pytest.mark.slow, pytest.mark.timeout(1_200)]


@pytest.fixture(scope="module", params=[30_000, pytest.param(1_000, marks=SLOW)])
def days(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    days = Days(tmp_path_factory.mktemp("days"), request.param)
    yield days
    days.store.close()


def test_two_days_open_and_any_moment_is_right(days: Days) -> None:
    place = f"/api/sessions/{DEVICE}/{days.session_id}"
    viewing = Viewing(days.store)
    try:
        with serve(MemoryBackend(Hub()), more=viewing.routes()) as port:
            row = fetch(port, place, "GET", None, {})
            assert b'"duration_ms":172800000' in row.body
            answer = fetch(port, f"{place}/timeline", "GET", None, {})
            assert answer.status == 200 and len(answer.body) < 600_000
            chance = random.Random(48)
            for _ in range(40):
                at_ms = chance.randrange(1_000, MINUTES * MINUTE_MS)
                found = Glass(fetch(port, f"{place}/pixels?from={at_ms}&to={at_ms}", "GET", None, {}).body)
                assert len(found.shown) == 1
                assert (found.shown[0][2] == days.rgb_at(at_ms)).all(), (
                    f"another picture stands at {at_ms} ms"
                )
    finally:
        viewing.close()


def test_the_timeline_of_two_days(days: Days) -> None:
    recording = Recording.open(days.store, DEVICE, days.session_id)
    found = timeline.build(days.store, recording)
    assert found["duration_ms"] == MINUTES * MINUTE_MS and found["thinned"]
    assert 2_000 < len(found["frames"]) <= timeline.MOST_FRAMES
    assert len(found["keyframes"]) == MINUTES
    assert [one["at_ms"] for one in found["marks"] if one["kind"] == "touch"] == [
        hour * HOUR_MS + 5_000 for hour in range(48)
    ]


def test_a_seek_reads_one_minute_wherever_it_is(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = Recording.open(days.store, DEVICE, days.session_id)
    read = 0
    chunks = days.store.chunks

    def counted(*place):
        nonlocal read
        for chunk in chunks(*place):
            read += 1
            yield chunk

    monkeypatch.setattr(days.store, "chunks", counted)
    most = sum(len(parts) for _, parts in days.minute.parts) + 4
    for at_ms in (1_000, 24 * HOUR_MS + 59_000, 48 * HOUR_MS - 1):
        read = 0
        assert recording.picture_at(at_ms) is not None
        assert read <= most
