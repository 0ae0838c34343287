"""`./dev bench view [--changes N] [--seeks N] [--minutes N] [--corpus FOLDER]`: how long a person waits for a picture.

Live: a simulated board with a display of 320x240 shows numbers and says when; Chromium, looking at the device's page
over loopback, says when each number stood on its canvas. In between are the recorder with its default settings (a chunk
waits for more for 50 ms), MQTT, the commit, the decoder and the WebSocket.

Seek: a session of an hour, made of a 320x240 sequence of the corpus over and over with a keyframe a minute, opened at
any second from the list of sessions: from the click to the right picture on the canvas. The detail has the same from an
empty tab, for which Chromium loads the page first; going to a second of the session that is open; and decoding alone.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pixeltrail_bridge.app import running
from pixeltrail_bridge.config.table import BridgeSettings, Config, MqttSettings, WebSettings
from pixeltrail_bridge.replay import formats
from pixeltrail_bridge.replay.recording import Recording
from pixeltrail_bridge.simulate import spawn_board
from pixeltrail_bridge.store.sqlite import SqliteStore
from playwright.sync_api import Page, sync_playwright

from tests.firmware.codec.coding import CORPUS_FORMATS
from tests.support import corpus
from tests.support.bridge_process import database_of
from tests.support.film import DEVICE, Studio
from tests.support.long_session import MINUTE_MS, Minute, code_minute, record
from tests.support.requirements import require

BOARD = Path(__file__).parent / "view_board"
LIVE_DEVICE = "bench-view"
SIDE, BITS = 16, 12
SEED = 11
LOOK_MS = 500  # for which a person looks at what they found

# Reads the number on the canvas with every frame that the browser draws, and keeps when each was there first.
_WATCH = """([id, side, bits]) => {
    globalThis.seen = {};
    const look = () => {
        const shown = pixeltrail.pixels(id);
        if (shown) {
            let number = 0;
            for (let bit = 0; bit < bits; bit += 1) {
                const at = 4 * (shown.width * side / 2 + bit * side + side / 2);
                if (shown.data[at] > 127) number |= 1 << bit;
            }
            seen[number] ??= Date.now();
        }
        requestAnimationFrame(look);
    };
    look();
}"""
# Shows a session at an address within the open page, or waits for the page that was loaded anew; resolves with the ms
# until the canvas held the picture with that digest.
_OPENED = """async ([address, digest]) => {
    const began = address ? performance.now() : 0;
    const old = globalThis.pixeltrail?.player;
    if (address) {
        history.pushState(null, "", address);
        dispatchEvent(new PopStateEvent("popstate"));
    }
    for (;;) {
        const player = globalThis.pixeltrail?.player;
        const shown = player && player !== old && player.pixels();
        const hash = shown && await crypto.subtle.digest("SHA-256", shown.data);
        const text = hash && Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
        if (text === digest) return performance.now() - began;
        await new Promise(requestAnimationFrame);
    }
}"""
_LEAVE = """() => {
    history.pushState(null, "", "/#/search");
    dispatchEvent(new PopStateEvent("popstate"));
}"""
_SEEK = """async ([ms, digest]) => {
    const { player } = pixeltrail;
    const began = performance.now();
    await player.seek(ms);
    const took = performance.now() - began;
    const hash = await crypto.subtle.digest("SHA-256", player.pixels().data);
    const text = Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (text !== digest) throw new Error(`another picture stands at ${ms} ms`);
    return took;
}"""


def p95(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]


def figure(name: str, values: Sequence[float], detail: dict[str, Any]) -> dict[str, Any]:
    spread = {
        "median": round(statistics.median(values), 1),
        "max": round(max(values), 1),
        "count": len(values),
    }
    more = {**spread, **detail, "machine": _machine()}
    return {"name": name, "value": round(p95(values), 1), "unit": "ms", "against": None, "detail": more}


def _machine() -> str:
    """With how busy it was: other work on it counts as ours."""
    what = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"
    return f"{what}, CPython {platform.python_version()}, load {os.getloadavg()[0]:.1f}"


@contextmanager
def chromium() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(require("chromium")), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser.new_page(viewport={"width": 1280, "height": 860})
        browser.close()


def _config(folder: Path) -> Config:
    return Config(
        bridge=BridgeSettings(data_dir=folder),
        mqtt=MqttSettings(port=0),
        web=WebSettings(port=0),
    )


def live(folder: Path, changes: int) -> list[float]:
    """Ms from each change of the display to the picture in the browser.

    A change that another one follows before it was taken may never be shown; the last one always is.
    """
    log = folder / "board.log"
    with running(_config(folder / "live")) as bridge, chromium() as page:
        url = f"mqtt://127.0.0.1:{bridge.mqtt_port}"
        settings = {"count": str(changes), "wait": "4000"}
        with spawn_board(str(BOARD), url, LIVE_DEVICE, settings=settings, output=log) as board:
            page.goto(f"{bridge.page_url()}#/device/{LIVE_DEVICE}")
            page.wait_for_function("() => globalThis.pixeltrail?.pixels")
            page.evaluate(_WATCH, [LIVE_DEVICE, SIDE, BITS])
            assert board.wait(120 + changes) == 0, log.read_text()
            page.wait_for_function(f"() => seen[{changes}]")
        seen = {int(number): at for number, at in page.evaluate("() => seen").items()}
    shown = dict(tuple(map(int, line.split())) for line in log.read_text().splitlines() if line[:1].isdigit())
    return [seen[number] - at for number, at in shown.items() if number in seen]


def make_session(folder: Path, sequence: corpus.Sequence, minutes: int) -> tuple[Minute, int]:
    """A session in the data folder of a bridge that is not running; the minute it is made of, and its ID."""
    minute = code_minute(sequence)
    folder.mkdir(parents=True, exist_ok=True)
    store = SqliteStore(database_of(folder))
    try:
        return minute, record(Studio(store), minute, minutes)
    finally:
        store.close()


def seeks(folder: Path, sequence: corpus.Sequence, minutes: int, count: int) -> dict[str, list[float]]:
    """Ms until the right picture was there, by where it was opened from."""
    minute, session_id = make_session(folder, sequence, minutes)
    chance = random.Random(SEED)
    times = [chance.randrange(1, minutes * MINUTE_MS // 1000) * 1000 for _ in range(count)]
    wanted = [(at_ms, _digest(sequence, minute.standing(at_ms))) for at_ms in times]
    found: dict[str, list[float]] = {"list": [], "player": [], "tab": []}
    with running(_config(folder)) as bridge, chromium() as page:
        session = f"/sessions/{DEVICE}/{session_id}"
        page.goto(f"{bridge.page_url()}{session[1:]}")
        page.wait_for_function("() => globalThis.pixeltrail?.player?.timeline")
        for at_ms, digest in wanted:
            found["player"].append(page.evaluate(_SEEK, [at_ms, digest]))
            page.wait_for_timeout(LOOK_MS)
        for at_ms, digest in wanted:
            page.evaluate(_LEAVE)
            page.wait_for_function("() => !globalThis.pixeltrail?.player")
            page.wait_for_timeout(LOOK_MS)
            found["list"].append(page.evaluate(_OPENED, [f"{session}?t={at_ms / 1000:g}", digest]))
        for at_ms, digest in wanted[: count // 4 + 1]:
            page.goto("about:blank")
            page.goto(f"{bridge.page_url()}{session[1:]}?t={at_ms / 1000:g}", wait_until="commit")
            found["tab"].append(page.evaluate(_OPENED, ["", digest]))
    store = SqliteStore(database_of(folder))
    try:
        found["decoding"] = [_decode(store, session_id, at_ms) for at_ms in times]
    finally:
        store.close()
    return found


def _decode(store: SqliteStore, session_id: int, at_ms: int) -> float:
    begun = time.perf_counter()
    assert Recording.open(store, DEVICE, session_id).picture_at(at_ms) is not None
    return (time.perf_counter() - begun) * 1000


def _digest(sequence: corpus.Sequence, picture: bytes | None) -> str:
    assert picture is not None, "the first second has a picture already"
    size = sequence.width, sequence.height
    rgb = formats.to_rgb(picture, CORPUS_FORMATS[sequence.format], *size, None)
    rgba = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    return hashlib.sha256(rgba.tobytes()).hexdigest()


def _sequence(folder: Path) -> corpus.Sequence:
    """The one of 320x240 pixels that changes most; of any size where there is none."""
    every = corpus.load_all(folder)
    fitting = [one for one in every if (one.width, one.height) == (320, 240)] or every
    return max(fitting, key=lambda one: (len(one), one.name))


def measure(
    changes: int, seek_count: int, minutes: int, corpus_folder: Path = corpus.DEFAULT_FOLDER
) -> list[dict[str, Any]]:
    sequence = _sequence(corpus_folder)
    with tempfile.TemporaryDirectory(prefix="pixeltrail-view-") as name:
        folder = Path(name)
        delays = live(folder, changes)
        found = seeks(folder / "hour", sequence, minutes, seek_count)
    told = {
        "session": f"{minutes} min of {sequence.name}, {sequence.width}x{sequence.height}, a keyframe a minute",
        "from": "a click in the list of sessions to the right picture on the canvas",
        "from an empty tab": _spread(found["tab"]),
        "within the session": _spread(found["player"]),
        "decoding alone": _spread(found["decoding"]),
    }
    link = {
        "link": "MQTT on loopback, recorder with its defaults",
        "changes": changes,
        "overtaken by the next": changes - len(delays),
    }
    return [figure("view.live_p95_ms", delays, link), figure("view.seek_p95_ms", found["list"], told)]


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"p95": round(p95(values), 1), "median": round(statistics.median(values), 1)}


def main(argv: list[str]) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser(prog="./dev bench view")
    parser.add_argument("--changes", type=int, default=100, help="of the display, for the live picture")
    parser.add_argument("--seeks", type=int, default=100)
    parser.add_argument("--minutes", type=int, default=60, help="length of the session")
    parser.add_argument("--corpus", type=Path, default=corpus.DEFAULT_FOLDER)
    options = parser.parse_args(argv)
    return measure(options.changes, options.seeks, options.minutes, options.corpus)
