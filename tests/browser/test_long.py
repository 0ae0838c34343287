"""Two days in one session: the player opens at any second of it, steps and plays there, and keeps little of it."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from pixeltrail_bridge.wire import messages as m
from playwright.sync_api import expect

from tests.support import corpus
from tests.support.film import DEVICE, Studio
from tests.support.long_session import MINUTE_MS, code_minute, record

from .conftest import NewPage
from .recorded import Film, Site, digest, site
from .test_pixels import HASHES, READY

MINUTES = 48 * 60
EVERY_MS = 30_000
SEEKS = 25


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("long")) as days:
        sequence = corpus.load("mono_invaders")
        minute = code_minute(sequence, EVERY_MS)
        touches = [(hour * 3_600_000 + 5_000, m.Touch(hour, 1, m.Phase.DOWN)) for hour in range(48)]
        session_id = record(Studio(days.store), minute, MINUTES, touches)
        shown = [
            (number * MINUTE_MS + at_ms, minute.pictures[picture])
            for number in range(MINUTES)
            for at_ms, picture in minute.shown
        ]
        days.films[DEVICE] = Film(
            DEVICE, session_id, sequence.width, sequence.height, m.PixelFormat.MONO_VLSB, tuple(shown)
        )
        yield days


def test_it_opens_seeks_steps_and_plays_at_any_second(new_page: NewPage, days: Site) -> None:
    film = days.films[DEVICE]
    dice = random.Random(2)
    page = new_page()
    page.goto(days.session_url(DEVICE, 123_456.5))
    page.wait_for_function(READY)
    assert page.evaluate("() => pixeltrail.player.timeline.thinned") is True
    expect(page.locator(".now")).to_have_text("34:17:36.5")
    times = [123_456_500, *(dice.randrange(1_000, MINUTES * MINUTE_MS) for _ in range(SEEKS)), 0, 172_800_000]
    got = page.evaluate(HASHES, times[:-2] + times[-1:])
    assert got == [digest(film.rgba_at(at)) for at in times[:-2] + times[-1:]]

    steps = page.evaluate(
        """async () => {
            const { player } = pixeltrail;
            const found = [];
            await player.seek(86_399_000);
            for (const step of [1, 1, 1, -1, -1, -1, -1]) {
                await player.do("frame", step);
                found.push(player.clock.position);
            }
            return found;
        }"""
    )
    day = 86_400_000
    assert steps == [
        *(day + 100, day + 30_100, day + 60_100),
        *(day + 30_100, day + 100, day - 29_900, day - 59_900),
    ]

    page.evaluate("() => { pixeltrail.player.do('setSpeed', 16); pixeltrail.player.play(); }")
    page.wait_for_function(f"() => pixeltrail.player.clock.position > {day + 45_000}")  # beyond several reels
    page.evaluate("() => pixeltrail.player.pause()")
    at_ms = page.evaluate("() => pixeltrail.player.clock.position")
    (hash,) = page.evaluate(HASHES, [at_ms])
    assert hash == digest(film.rgba_at(int(at_ms)))
