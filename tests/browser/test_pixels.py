"""What the player's canvas holds is what the display showed: 200 seeks through a sequence of each format, and more."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.support import corpus

from .conftest import NewPage
from .recorded import Film, Site, digest, site

SEEKS = 200
HASHES = """async (times) => {
    const { player } = pixeltrail;
    const found = [];
    for (const ms of times) {
        await player.seek(ms);
        const shown = player.pixels();
        if (player.clock.position !== ms) throw new Error(`${player.clock.position} is not ${ms}`);
        const hash = shown && await crypto.subtle.digest("SHA-256", shown.data);
        const bytes = hash && Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0"));
        found.push(bytes ? bytes.join("") : "nothing");
    }
    return found;
}"""
READY = "() => globalThis.pixeltrail?.player?.timeline && pixeltrail.player.pixels()"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("pixels")) as shown:
        for name in corpus.names():
            shown.play(name)
        yield shown


def open_session(page: Page, shown: Site, film: Film, at_s: float | None = None) -> None:
    page.goto(shown.session_url(film.device_id, at_s))
    page.wait_for_function(READY)


@pytest.mark.parametrize("name", corpus.names())
def test_the_canvas_equals_the_recorded_picture_at_any_moment(
    new_page: NewPage, shown: Site, name: str
) -> None:
    """Forwards and backwards, near and far, with and without the stretch being here already."""
    film = shown.films[name.replace("_", "-")]
    dice = random.Random(name)
    times = [dice.randint(film.shown[0][0], film.end_ms) for _ in range(SEEKS // 2)]
    times += [
        at for at, _ in dice.choices(film.shown, k=SEEKS // 4)
    ]  # the very ms of a change, and the one before
    times += [max(film.shown[0][0], at - 1) for at, _ in dice.choices(film.shown, k=SEEKS // 4)]
    page = new_page()
    open_session(page, shown, film)
    got = page.evaluate(HASHES, times)
    expected = [digest(film.rgba_at(at)) for at in times]
    wrong = [f"{at} ms" for at, one, other in zip(times, got, expected, strict=True) if one != other]
    assert not wrong, f"{len(wrong)} of {len(times)} pictures differ: at {', '.join(wrong[:8])}"
    assert len(set(expected)) > 1


def test_a_link_opens_at_its_moment(new_page: NewPage, shown: Site) -> None:
    film = shown.films["rgb-thermostat"]
    page = new_page()
    open_session(page, shown, film, at_s=20.5)
    expect(page.locator(".now")).to_have_text("0:20.5")
    page.wait_for_function("() => pixeltrail.player.pixels()?.width === 240")
    (got,) = page.evaluate(HASHES, [20_500])
    assert got == digest(film.rgba_at(20_500))


def test_steps_go_through_every_frame_in_both_directions(new_page: NewPage, shown: Site) -> None:
    film = shown.films["mono-invaders"]
    page = new_page()
    open_session(page, shown, film)
    times = [at for at, _ in film.shown]
    step = """async (count) => {
        const found = [];
        for (let at = 0; at < Math.abs(count); at += 1) {
            await pixeltrail.player.do("frame", Math.sign(count));
            found.push(pixeltrail.player.clock.position);
        }
        return found;
    }"""
    assert page.evaluate(step, len(times) - 1) == times[1:]
    assert page.evaluate(step, 1) == times[-1:], "there is none after the last"
    assert page.evaluate(step, 1 - len(times)) == times[-2::-1]


def test_while_it_plays_it_shows_recorded_pictures_only_and_ends_on_the_last(
    new_page: NewPage, shown: Site
) -> None:
    film = shown.films["mono-invaders"]
    page = new_page()
    open_session(page, shown, film)
    seen = page.evaluate(
        """async () => {
            const { player } = pixeltrail;
            const seen = new Map();
            player.do("setSpeed", 16);
            player.play();
            while (player.clock.isPlaying) {
                const at = player.clock.position;
                const data = player.pixels().data;
                seen.set(at, data);
                await new Promise(requestAnimationFrame);
            }
            seen.set(player.clock.position, player.pixels().data);
            const found = [];
            for (const [at, data] of seen) {
                const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
                found.push([at, Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("")]);
            }
            return found;
        }"""
    )
    wrong = [at for at, hash in seen if hash != digest(film.rgba_at(int(at)))]
    assert not wrong, f"{len(wrong)} of {len(seen)} pictures differ: at {wrong[:8]}"
    assert seen[-1][0] >= film.end_ms
