"""Pictures as the player and thumbnails get them, at random moments, against what was drawn."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.web import pixels
from pixeltrail_bridge.web.pool import Pool
from pixeltrail_bridge.web.recordings import Recordings

from tests.support.film import DEVICE

from .recorded import HEIGHT, PLACE, SESSION, WIDTH, Glass, Site, rgb_of, site

SECONDS = 12


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    store = SqliteStore(Path(tmp_path_factory.mktemp("pixels")) / "store.db")
    with site(store, SECONDS) as page:
        yield page
    store.close()


def test_any_stretch_paints_what_was_shown(page: Site) -> None:
    chance = random.Random(7)
    for _ in range(40):
        from_ms = chance.randrange(0, SECONDS * 1000)
        to_ms = from_ms + chance.choice((0, 300, 2500))
        answer = page.ask(f"{PLACE}/pixels?from={from_ms}&to={to_ms}")
        assert (answer.status, answer.headers["x-pixeltrail-until"]) == (200, str(to_ms))
        glass = Glass(answer.body)
        standing = page.standing(from_ms)
        expected = [] if standing is None else [standing]
        expected += [data for when, data in page.shown if from_ms < when <= to_ms]
        changed = [one for number, one in enumerate(glass.shown) if not number or not one[1] & pixels.KEY]
        assert len(changed) == len(expected)
        for (_, _, picture), data in zip(changed, expected, strict=True):
            assert (picture == rgb_of(data)).all()
        if glass.shown:
            assert glass.shown[0][1] & pixels.WHOLE


def test_a_keyframe_that_changed_nothing_has_no_pixels(page: Site) -> None:
    glass = Glass(page.ask(f"{PLACE}/pixels?from=1900&to=2100").body)
    assert [(at, flags) for at, flags, _ in glass.shown] == [(1750, 4), (2000, 4), (2000, pixels.KEY)]


def test_no_end_is_the_end_of_what_there_is(page: Site) -> None:
    answer = page.ask(f"{PLACE}/pixels?from=11000")
    assert Glass(answer.body).shown[-1][0] == SECONDS * 1000 - 250
    assert int(answer.headers["x-pixeltrail-until"]) == 11_000 + pixels.MOST_SPAN_MS


def test_beyond_the_end_the_last_picture_stands(page: Site) -> None:
    glass = Glass(page.ask(f"{PLACE}/pixels?from=99999999&to=99999999").body)
    assert len(glass.shown) == 1 and (glass.shown[0][2] == rgb_of(page.shown[-1][1])).all()
    assert Glass(page.ask(f"{PLACE}/pixels?from=0&to=50").body).shown == []


def test_an_answer_is_bounded_and_says_so(page: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "MOST_BYTES", 5 * WIDTH * HEIGHT * 4)
    answer = page.ask(f"{PLACE}/pixels?from=1000&to=9000")
    glass = Glass(answer.body)
    until_ms = int(answer.headers["x-pixeltrail-until"])
    assert 3 <= len(glass.shown) <= 5 and glass.shown[-1][0] <= until_ms < 9000
    after = Glass(page.ask(f"{PLACE}/pixels?from={until_ms + 1}&to={until_ms + 1}").body).shown[0]
    assert after[0] == until_ms + 1


def test_what_is_loaded_ahead_rests_while_somebody_seeks(page: Site) -> None:
    routes = pixels.PixelRoutes(Recordings(page.store), Pool("one", 1), Pool("other", 1))
    place = (DEVICE, SESSION, 1_000, 2_000, False)
    with routes._urgently(), routes._urgently(), ThreadPoolExecutor(1) as ahead:
        future = ahead.submit(routes._pixels, *place, routes._is_calm)
        assert routes._pixels(*place)[0], "who seeks rests for nobody"
        assert not routes._is_calm.is_set()
        rested = future.result(60)
    assert routes._is_calm.is_set() and rested == routes._pixels(*place), "it comes all the same"


def test_a_client_without_gzip_gets_the_same(page: Site) -> None:
    path = f"{PLACE}/pixels?from=500&to=900"
    plain = page.ask(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers and plain.body == page.ask(path).body


def test_a_thumbnail(page: Site) -> None:
    answer = page.ask(f"{PLACE}/frame?t=3100")
    assert answer.headers["content-type"] == "image/png" and "max-age" in answer.headers["cache-control"]
    whole = np.asarray(Image.open(io.BytesIO(answer.body)))
    assert (whole == rgb_of(page.standing(3100) or b"")).all()
    small = Image.open(io.BytesIO(page.ask(f"{PLACE}/frame?t=3100&width=24").body))
    assert small.size == (24, 8)
    assert Image.open(io.BytesIO(page.ask(f"{PLACE}/frame?t=3100&width=1000").body)).size == (WIDTH, HEIGHT)
    assert page.ask(f"{PLACE}/frame?t=50").status == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{PLACE}/pixels?from=-1", 400),
        (f"{PLACE}/pixels?from=1&to=0", 400),
        (f"{PLACE}/pixels?from=9007199254740992", 400),
        (f"{PLACE}/pixels?from=1e3", 400),
        (f"{PLACE}/pixels?to={'9' * 4000}", 400),
        (f"{PLACE}/frame?t=x", 400),
        (f"{PLACE}/frame?t=0&width=1025", 400),
        ("/api/sessions/kitchen-01/1/pixels", 404),
        ("/api/sessions/kitchen-01/0/pixels", 404),
        ("/api/sessions/kitchen-01/-1/pixels", 404),
        ("/api/sessions/kitchen-01/99999999999999999999999/pixels", 404),
        ("/api/sessions/kitchen-01/%C2%B2/pixels", 404),
        ("/api/sessions/nobody-00/5/frame", 404),
        ("/api/sessions/..%2f..%2fetc/5/frame", 404),
        ("/api/sessions/a%00bcdef/5/frame", 400),
        ("/api/sessions/%3Cscript%3E/5/pixels", 404),
    ],
)
def test_nonsense_is_refused_with_words(page: Site, path: str, status: int) -> None:
    answer = page.ask(path)
    assert answer.status == status
    assert status == 404 or any(word in answer.json["error"] for word in ("expected", "before", "characters"))
