"""The exported page, opened from a disk without a bridge: the very pictures, and no string that does anything."""

from __future__ import annotations

import hashlib
import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pixeltrail_bridge.export import formats
from pixeltrail_bridge.export.files import write_file
from pixeltrail_bridge.export.formats import Session
from pixeltrail_bridge.export.options import Options
from pixeltrail_bridge.export.part import Part
from pixeltrail_bridge.replay.recording import Picture, Recording
from pixeltrail_bridge.wire import messages as m
from playwright.sync_api import Page, expect

from tests.support import corpus, sessions

from .conftest import PHONE, NewPage
from .test_pixels import HASHES
from .test_views import CORPUS, SCRIPT

READY = "() => globalThis.pixeltrail?.player?.timeline"


@dataclass
class Event:
    id: int
    type: str
    event: str
    time_ms: int
    payload: bytes


def session_of(
    coded: sessions.Coded,
    rounds: int = 1,
    inputs: Sequence[tuple[int, m.Body]] = (),
    events: Sequence[Event] = (),
) -> Session:
    chunks = list(sessions.session(coded, rounds, inputs=inputs))
    recording = Recording.of_chunks(sessions.DEVICE_ID, sessions.SESSION_ID, sessions.START_MS, chunks)
    return Session(recording, lambda: events, lambda: chunks)


def exported(session: Session, folder: Path, **options: int) -> str:
    path = folder / "session.html"
    write_file(session, formats.named("html"), Options(**options), path)  # type: ignore[arg-type]
    return path.as_uri()


def rgba_digest(picture: Picture) -> str:
    rgb = picture.rgb()
    rgba = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    return hashlib.sha256(rgba.tobytes()).hexdigest()


def judge(page: Page, pictures: Sequence[Picture], seeks: int, seed: str) -> None:
    """What stands at random moments, forwards and backwards, is what the display showed."""
    dice = random.Random(seed)
    at = [picture.at_ms for picture in pictures]
    times = [dice.randint(at[0], at[-1]) for _ in range(seeks)] + dice.choices(at, k=seeks) + [at[-1], at[0]]
    wanted = [rgba_digest(pictures[bisect_right(at, ms) - 1]) for ms in times]
    assert page.evaluate(HASHES, times) == wanted


@pytest.mark.parametrize("name", corpus.names())
def test_the_page_shows_every_picture_offline(new_page: NewPage, tmp_path: Path, name: str) -> None:
    session = session_of(sessions.coded(name, 30))
    page = new_page()
    page.goto(exported(session, tmp_path))
    page.wait_for_function(READY)
    judge(page, list(session.recording.pictures()), 30, name)


def test_a_session_of_many_reels_and_a_part_of_it(new_page: NewPage, tmp_path: Path) -> None:
    session = session_of(sessions.coded("lv_benchmark", 30), rounds=5)
    page = new_page()
    uri = exported(session, tmp_path)
    assert (tmp_path / "session.html").read_text().count('class="reel"') > 3
    page.goto(uri)
    page.wait_for_function(READY)
    judge(page, list(session.recording.pictures()), 20, "reels")
    (tmp_path / "part").mkdir()
    page.goto(exported(session, tmp_path / "part", from_ms=4_000, to_ms=9_000))
    page.wait_for_function(READY)
    judge(page, pictures_of_part(session, 4_000, 9_000), 10, "part")


def pictures_of_part(session: Session, from_ms: int, to_ms: int) -> list[Picture]:
    return list(Part(session.recording, from_ms, to_ms).pictures())


def test_it_plays_and_tells_what_happened(new_page: NewPage, tmp_path: Path) -> None:
    inputs = [(2_000, m.Touch(40, 50, 0)), (2_200, m.Touch(40, 50, 2)), (3_000, m.Key("up", 0, 0))]
    events = [
        Event(7, "track", "Setpoint Changed", sessions.START_MS + 2_500, b'{"event":"Setpoint Changed"}')
    ]
    page = new_page(viewport=PHONE)
    page.goto(exported(session_of(sessions.coded("rgb_thermostat"), 1, inputs, events), tmp_path))
    page.wait_for_function(READY)
    page.get_by_role("button", name="Play", exact=False).first.click()
    page.wait_for_function("() => pixeltrail.player.clock.position > 300")
    page.locator(".list .row", has_text="Setpoint Changed").click()
    expect(page.locator(".inspector")).to_contain_text("Setpoint Changed")


@pytest.mark.parametrize("hostile", CORPUS)
def test_hostile_strings_are_text(new_page: NewPage, tmp_path: Path, hostile: str) -> None:
    """Also what the bridge would have refused. That nothing runs is the policy's doing as well: see conftest.py."""
    inputs = [(500, m.Log(1, hostile)), (600, m.Key(hostile[:60], 0, 0))]
    payload = b'{"event":"</script><script>globalThis.wasRun=1</script>"}'
    events = [Event(1, "track", hostile, sessions.START_MS + 400, payload)]
    session = session_of(sessions.coded("mono_invaders", 10), 1, inputs, events)
    session.recording.device_id = hostile
    page = new_page()
    page.goto(exported(session, tmp_path))
    page.wait_for_function(READY)
    page.locator(".list .row").first.wait_for()
    for row in page.locator(".list .row").all()[:4]:
        row.click()
    shown = (page.locator("main").text_content() or "").replace("\ufffd", "").replace("\x00", "")
    assert hostile.replace("\x00", "") in shown
    assert page.evaluate("() => globalThis.wasRun") is None


def test_the_policy_lets_nothing_else_run(new_page: NewPage, tmp_path: Path) -> None:
    """Even where a string became markup, its script would not run."""
    page = new_page(allowed=("Content Security Policy", "Content-Security-Policy"))
    path = tmp_path / "session.html"
    exported(session_of(sessions.coded("mono_invaders", 5)), tmp_path)
    injected = f"{SCRIPT}<noscript>"
    path.write_text(path.read_text().replace("<noscript>", injected))
    page.goto(path.as_uri())
    page.wait_for_function(READY)
    assert page.evaluate("() => globalThis.wasRun") is None
