"""Published players of rrweb recordings, in a real browser: what one shows at a moment, as pixels.

    with open_browser() as browser, player(browser, "rrweb", events) as shown:
        shown.at(1_700_000_000_123)    # (height, width, 3)

The events are handed over as text, as from a file. The page is photographed at one device pixel a CSS pixel.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from .requirements import require, require_node_package

ENGINES = {
    "rrweb": "rrweb.umd.min.cjs",
    "@amplitude/rrweb": "rrweb.umd.min.cjs",
    "rrweb-player": "rrweb-player.umd.min.cjs",
}
_MARGIN_PX = 8

_OPEN = """
([engine, lines]) => {
    const events = lines.map(line => JSON.parse(line));
    const root = document.getElementById("root");
    globalThis.custom = [];
    if (engine === "rrweb-player") {
        // It scales down what does not fit, so it gets room for every way the display was turned.
        const sizes = events.filter(event => event.type === 4).map(event => event.data);
        const width = Math.max(...sizes.map(size => size.width));
        const height = Math.max(...sizes.map(size => size.height));
        const Player = globalThis.rrwebPlayer.default ?? globalThis.rrwebPlayer.Player ?? globalThis.rrwebPlayer;
        const player = new Player({ target: root, props: { events, width, height, autoPlay: false,
            showController: false, showWarning: false, mouseTail: false } });
        globalThis.seek = offset => player.goto(offset, false);
        globalThis.begin = player.getMetaData().startTime;
    } else {
        const replayer = new globalThis.rrweb.Replayer(events, { root, mouseTail: false, showWarning: false });
        replayer.on("custom-event", event => globalThis.custom.push(event.data.tag));
        globalThis.seek = offset => replayer.pause(offset);
        globalThis.begin = replayer.getMetaData().startTime;
        globalThis.replayer = replayer;
    }
}
"""
# Images of data URLs are decoded on their own time.
_SEEK = """
async at => {
    globalThis.seek(at - globalThis.begin);
    const page = document.querySelector("iframe").contentDocument;
    await Promise.all([...page.images].map(image => image.decode()));
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    const { x, y } = page.querySelector("div").getBoundingClientRect();
    const frame = document.querySelector("iframe").getBoundingClientRect();
    const edge = document.querySelector("iframe").clientLeft;
    const { width, height } = page.querySelector("div").getBoundingClientRect();
    return { x: frame.x + edge + x, y: frame.y + edge + y, width, height, images: page.images.length };
}
"""


@contextmanager
def open_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(require("chromium")), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@dataclass
class Shown:
    """`images`: how many the replayed page had after the last seek; `faults`: what the page complained of."""

    page: Page
    faults: list[str]
    images: int = 0

    def at(self, moment_ms: int) -> NDArray[np.uint8]:
        """What the player shows after a seek to a moment; it has then applied what is earlier than that."""
        found = self.page.evaluate(_SEEK, moment_ms)
        self.images = found.pop("images")
        with Image.open(io.BytesIO(self.page.screenshot(clip=found))) as image:
            return np.asarray(image.convert("RGB"))


@contextmanager
def player(browser: Browser, engine: str, events: list[bytes]) -> Iterator[Shown]:
    folder = require_node_package(engine) / "dist"
    style = next(folder.glob("style.min.css")).read_text()
    page = browser.new_page(viewport={"width": 1_400, "height": 1_100}, device_scale_factor=1)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    try:
        page.set_content(
            # The pointer that players draw for touches is no part of the picture.
            f"<!doctype html><style>{style}</style><style>body {{ margin: {_MARGIN_PX}px }}"
            " .replayer-mouse { display: none !important }</style><div id=root></div>"
        )
        page.add_script_tag(content=(folder / ENGINES[engine]).read_text())
        page.evaluate(_OPEN, [engine, [event.decode() for event in events]])
        yield Shown(page, faults)
    finally:
        page.close()
