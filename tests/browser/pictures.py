"""Makes the pictures of docs/viewer.md, README.md and docs/first-run.md: a bridge, two simulated boards, and Chromium.

    .venv/bin/python -m tests.browser.pictures            all of them, in about two minutes
    .venv/bin/python -m tests.browser.pictures player     those whose name begins so

Run by hand after the page has changed, and look at what it made. Pictures are PNG with a palette, which keeps them
small; nothing in them is a photo.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.rig import World, rig
from tests.support import services
from tests.support.requirements import ROOT, require

from . import script
from .recorded import another_site, site

IMAGES = ROOT / "docs" / "images"
DESKTOP, PHONE = {"width": 1280, "height": 820}, {"width": 390, "height": 844}
THERMOSTAT, OLED = "flat-7-thermostat", "lobby-espresso"
RECORDED_S = 62  # of the thermostat, before pictures of its session are made
COLOURS = 128
SETTLE_MS = 700
AWAY = "Away Changed"


@dataclass
class Scene:
    world: World
    address: str

    def session(self, at_s: float | None = None) -> str:
        with self.world.bridge.store() as store:
            session_id = store.sessions(THERMOSTAT)[-1].session_id
        return f"/sessions/{THERMOSTAT}/{session_id}" + ("" if at_s is None else f"?t={at_s}")


Act = Callable[[Page, Scene], None]


def wall(page: Page, scene: Scene) -> None:
    page.wait_for_function("() => document.querySelectorAll('.glass:not([hidden])').length === 2")
    page.wait_for_timeout(2_500)  # until there is a rate to show


def device(page: Page, scene: Scene) -> None:
    page.wait_for_function("() => document.querySelectorAll('.stream .row').length > 9", timeout=60_000)


def look_back(page: Page, scene: Scene) -> None:
    page.get_by_role("button", name="Pause and look back").click()
    page.wait_for_function("() => pixeltrail.player?.clock.position > 5000")
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(600)


def player(page: Page, scene: Scene) -> None:
    page.wait_for_function("() => document.querySelectorAll('.list .row').length > 5")
    page.wait_for_function("() => pixeltrail.player.pixels()")


def hover(page: Page, scene: Scene) -> None:
    player(page, scene)
    page.hover(".track", position={"x": 420, "y": 60})
    page.wait_for_timeout(400)


def inspect(page: Page, scene: Scene) -> None:
    player(page, scene)
    page.get_by_role("searchbox", name="Filter what happened").fill(AWAY)
    page.locator(".list .row", has_text=AWAY).first.click()
    page.wait_for_selector(".inspector pre")


def share(page: Page, scene: Scene) -> None:
    player(page, scene)
    page.get_by_role("button", name="Share").click()
    page.get_by_role("button", name="Make a link").click()
    page.get_by_role("textbox", name="Link", exact=True).wait_for()


def download(page: Page, scene: Scene) -> None:
    player(page, scene)
    page.get_by_role("button", name="Download").click()
    page.get_by_text("Animation (GIF)").click()


def export(page: Page, scene: Scene) -> None:
    download(page, scene)
    page.get_by_role("button", name="Export").click()
    page.get_by_role("link", name=".gif").wait_for(timeout=60_000)


def shared(page: Page, scene: Scene) -> None:
    share(page, scene)
    page.goto(page.get_by_role("textbox", name="Link", exact=True).input_value())
    page.wait_for_function("() => document.querySelectorAll('.list .row').length > 5")


def embedded(page: Page, scene: Scene) -> None:
    share(page, scene)
    embed = page.get_by_role("textbox", name="To embed in a page").input_value()
    style = (
        "body{font:17px/1.5 Georgia,serif;max-width:720px;margin:28px auto;padding:0 12px}"
        "@media (max-width:640px){iframe{height:430px}}"
    )
    head = f'<!doctype html><meta name="viewport" content="width=device-width"><style>{style}</style>'
    body = f"{head}<h1>Why the flat was cold</h1><p>What the display showed:</p>{embed}"
    with another_site(body) as other:
        page.goto(other)
        page.frame_locator("iframe").locator(".now").wait_for()
        page.wait_for_timeout(1_200)


def search(page: Page, scene: Scene) -> None:
    page.wait_for_selector(".session-card img")
    page.get_by_text("More filters").click()
    page.get_by_label("Event", exact=True).fill(AWAY)
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelectorAll('.session-card').length === 1")


def letters(page: Page, scene: Scene) -> None:
    page.wait_for_selector(".letter")
    page.locator(".letter summary").first.click()


def help_(page: Page, scene: Scene) -> None:
    player(page, scene)
    page.keyboard.press("?")


@dataclass(frozen=True)
class Shot:
    name: str
    path: Callable[[Scene], str]
    act: Act
    sizes: tuple[str, ...] = ("desktop", "phone")
    schemes: tuple[str, ...] = ("light", "dark")
    while_it_runs: bool = False


SHOTS = (
    Shot("wall", lambda scene: "/", wall, while_it_runs=True),
    Shot("device", lambda scene: f"/#/device/{THERMOSTAT}", device, while_it_runs=True),
    Shot(
        "look-back",
        lambda s: f"/#/device/{THERMOSTAT}",
        look_back,
        ("desktop",),
        ("light",),
        while_it_runs=True,
    ),
    Shot("player", lambda scene: scene.session(13.4), player),
    Shot("player-cold", lambda scene: scene.session(15.6), player, ("desktop",), ("light",)),
    Shot("player-hover", lambda scene: scene.session(13.4), hover, ("desktop",), ("light",)),
    Shot("inspector", lambda scene: scene.session(13.4), inspect),
    Shot("search", lambda scene: "/#/search", search),
    Shot("dead-letters", lambda scene: "/#/dead-letters", letters),
    Shot("share", lambda scene: scene.session(13.4), share),
    Shot("download", lambda scene: scene.session(13.4), download),
    Shot("export-done", lambda scene: scene.session(13.4), export, ("desktop",), ("light",)),
    Shot("shared", lambda scene: scene.session(13.4), shared),
    Shot("embed", lambda scene: scene.session(13.4), embedded),
    Shot("keys", lambda scene: scene.session(13.4), help_, ("desktop",), ("light",)),
)


def main(prefix: str = "") -> None:
    wanted = [shot for shot in SHOTS if shot.name.startswith(prefix)]
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pixeltrail-pictures-") as folder, scene(Path(folder)) as place:
        started = time.monotonic()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=str(require("chromium")), args=["--no-sandbox"]
            )
            for shot in wanted:
                if shot.while_it_runs:
                    take(browser, place, shot)
            time.sleep(max(0, RECORDED_S - (time.monotonic() - started)))
            place.world.stop_boards()
            place.world.settle()
            refuse_some(place.world)
            for shot in wanted:
                if not shot.while_it_runs:
                    take(browser, place, shot)
            if "timeline".startswith(prefix):
                take_timeline(browser, Path(folder))
            browser.close()


def take_timeline(browser: Browser, folder: Path) -> None:
    """Everything that the timeline can show, in a session made for that."""
    with site(folder) as shown:
        script.record(shown)
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport=DESKTOP, color_scheme="dark" if scheme == "dark" else "light")
            page.goto(shown.session_url(script.DEVICE, 4.2))
            page.wait_for_function("() => document.querySelectorAll('.list .row').length > 5")
            page.wait_for_timeout(SETTLE_MS)
            suffix = "" if scheme == "light" else "-desktop-dark"
            save(page.locator(".deck").screenshot(), IMAGES / f"viewer-timeline{suffix}.png")
            page.close()


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    port = services.free_port()
    settings = {"web": {"enabled": True, "port": port}, "events": {"display_window_s": 10}}
    with rig(folder, settings) as world:
        for board, device_id in (("sim", THERMOSTAT), ("sim-oled", OLED)):
            world.spawn(board, device_id)
        yield Scene(world, f"http://{services.LOOPBACK}:{port}")


def refuse_some(world: World) -> None:
    """Two events that Segment would not have: what it answers then, without a Segment that does so."""
    with world.bridge.store() as store:
        answer = "Bad Request: the event is larger than 32 KB"
        sql = (
            "UPDATE deliveries SET state = 'dead', status = 400, attempts = 1, answer = ? WHERE event IN "
            "(SELECT id FROM events WHERE event = 'Unit Changed' ORDER BY id LIMIT 2)"
        )
        store.commit_batch(lambda tx: tx.db.execute(sql, (answer,)))


def take(browser: Browser, place: Scene, shot: Shot) -> None:
    for size in shot.sizes:
        for scheme in shot.schemes:
            phone: dict[str, Any] = {"is_mobile": True, "has_touch": True} if size == "phone" else {}
            context = browser.new_context(
                viewport=PHONE if size == "phone" else DESKTOP,
                color_scheme="dark" if scheme == "dark" else "light",
                locale="en-GB",
                **phone,
            )
            page = context.new_page()
            page.goto(place.address + shot.path(place))
            shot.act(page, place)
            page.wait_for_timeout(SETTLE_MS)
            suffix = "" if (size, scheme) == ("desktop", "light") else f"-{size}-{scheme}"
            save(page.screenshot(), IMAGES / f"viewer-{shot.name}{suffix}.png")
            context.close()


def save(png: bytes, path: Path) -> None:
    with Image.open(BytesIO(png)) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
