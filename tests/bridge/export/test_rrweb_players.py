"""What published players show of our rrweb events equals the recorded frames, wherever one seeks."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from pixeltrail_bridge.export.rrweb import default_scale, encode_event, rrweb_events
from pixeltrail_bridge.replay.recording import Picture, Recording
from playwright.sync_api import Browser

from tests.support import players
from tests.support.corpus import Sequence

from .films import START_MS, Film, recording_of

SEEKS = 6
MANY_SEEKS = 100


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with players.open_browser() as browser:
        yield browser


def expected(pictures: list[Picture], moment_ms: int, scale: int) -> NDArray[np.uint8]:
    """The last picture before a moment, as large as the player shows it."""
    newest = [one for one in pictures if START_MS + one.at_ms < moment_ms][-1]
    return newest.rgb().repeat(scale, axis=0).repeat(scale, axis=1)


def judge(browser: Browser, engine: str, recording: Recording | Film, seeks: int, **options: int) -> None:
    pictures = list(recording.pictures())
    scale = options.get("scale") or default_scale(pictures[0].display.width, pictures[0].display.height)
    events = [encode_event(event) for event in rrweb_events(recording, **options)]
    chance = random.Random(f"{engine} {len(events)}")
    last_ms = START_MS + pictures[-1].at_ms
    moments = [last_ms + 1, START_MS + pictures[0].at_ms + 1]  # there and back, then anywhere
    moments += [chance.randint(moments[1], last_ms + 1) for _ in range(seeks - len(moments))]
    with players.player(browser, engine, events) as shown:
        for number, moment_ms in enumerate(moments):
            got, wanted = shown.at(moment_ms), expected(pictures, moment_ms, scale)
            assert got.shape == wanted.shape, f"seek {number} to {moment_ms - START_MS} ms"
            wrong = int((got != wanted).any(axis=2).sum())
            assert wrong == 0, f"seek {number} to {moment_ms - START_MS} ms: {wrong} pixels differ"
        assert shown.faults == []


@pytest.mark.parametrize("engine", players.ENGINES)
def test_a_player_shows_the_recorded_frames(sequence: Sequence, engine: str, browser: Browser) -> None:
    judge(browser, engine, recording_of(sequence), SEEKS, keyframe_ms=5_000)


def crowded_film() -> Film:
    """Random rectangles on each other, a gap, a turn of the display, touches between."""
    chance, film = random.Random(7), Film(160, 120)
    noise = np.random.default_rng(7)
    film.mark(0, "touch", x=1, y=2, phase="down")
    film.show(5)
    for step in range(1, 500):
        at_ms = step * 40
        if step == 250:
            film.mark(at_ms, "gap", frames=1)
        if step == 350:
            film.turn()
            film.show(at_ms)
        width, height = chance.randint(1, 60), chance.randint(1, 50)
        x, y = chance.randint(0, film.width - width), chance.randint(0, film.height - height)
        colour = chance.choice([0, 255, chance.randint(0, 255), noise.integers(0, 256, (height, width))])
        film.paint(at_ms, x, y, width, height, colour)
        if step % 20 == 0:
            film.mark(at_ms, "touch", x=x, y=y, phase=chance.choice(["down", "move", "up", "cancel"]))
            film.mark(at_ms, "key", name="A", state="down")
    return film


@pytest.mark.parametrize("engine", players.ENGINES)
def test_a_player_shows_layers_gaps_and_a_turned_display(engine: str, browser: Browser) -> None:
    judge(browser, engine, crowded_film(), 16, scale=2, keyframe_ms=1_000_000)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", players.ENGINES)
def test_a_player_shows_the_recorded_frames_at_many_seeks(
    sequence: Sequence, engine: str, browser: Browser
) -> None:
    judge(browser, engine, recording_of(sequence), MANY_SEEKS, keyframe_ms=20_000)
