"""A real bridge and a simulated board: what the page shows live is what the device drew, and so is the recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pixeltrail_bridge.replay import formats
from pixeltrail_bridge.wire.messages import PixelFormat
from playwright.sync_api import expect

from tests.e2e.rig import rig
from tests.support import corpus, services

from .conftest import NewPage
from .recorded import digest

SEQUENCE, FORMAT = "mono_invaders", PixelFormat.MONO_VLSB
DEVICE = "real-board"
SEEKS = 40
HASH = """const hash = async (image) => Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", image.data)),
    (byte) => byte.toString(16).padStart(2, "0")).join("");"""
WATCH = f"""(id) => {{
    {HASH}
    globalThis.seen = new Map();
    const look = async () => {{
        const image = pixeltrail.pixels(id);
        if (image) {{
            const name = await hash(image);
            if (!seen.has(name)) seen.set(name, seen.size);
        }}
        requestAnimationFrame(look);
    }};
    look();
}}"""
SEEK = f"""async (times) => {{
    {HASH}
    const found = [];
    for (const ms of times) {{
        await pixeltrail.player.seek(ms);
        found.push(await hash(pixeltrail.player.pixels()));
    }}
    return found;
}}"""


@pytest.mark.timeout(180)
def test_the_page_shows_what_the_device_drew_live_and_recorded(new_page: NewPage, tmp_path: Path) -> None:
    """The board waits for its recorder after each picture, so no frame is mixed: every picture seen is one it drew."""
    sequence = corpus.load(SEQUENCE)
    drawn = [rgba(picture, sequence.width, sequence.height) for picture in sequence.frames]
    blank = rgba(bytes(sequence.frame_bytes), sequence.width, sequence.height)
    known = {digest(picture) for picture in [*drawn, blank]}
    port = services.free_port()
    with rig(tmp_path, {"web": {"enabled": True, "port": port}}) as world:
        address = f"http://{services.LOOPBACK}:{port}"
        page = new_page()
        services.wait_for_port(port)  # devices are served first
        page.goto(f"{address}/#/device/{DEVICE}")
        page.evaluate(WATCH, DEVICE)
        board = world.play(DEVICE, SEQUENCE)
        page.wait_for_function("(last) => seen.has(last)", arg=digest(drawn[-1]), timeout=120_000)
        world.finish(board)
        seen = set(page.evaluate("() => [...seen.keys()]"))
        assert seen <= known, f"{len(seen - known)} of {len(seen)} pictures were never drawn"
        assert len(seen) > 2

        page.get_by_role("link", name="Open the whole session").click()
        page.wait_for_function("() => globalThis.pixeltrail?.player?.timeline?.frames.length > 100")
        expect(page.locator(".facts")).not_to_be_empty()
        times = page.evaluate("() => pixeltrail.player.timeline.frames.map(([at]) => at)")
        picked = times[:: max(1, len(times) // SEEKS)]
        order = picked[::-1] + picked
        got = page.evaluate(SEEK, order)
        assert set(got) <= known
        assert got == got[: len(picked)] + got[: len(picked)][::-1], "the way there and back shows the same"
        assert len(set(got)) > SEEKS // 2
        page.goto("about:blank")  # the bridge ends before the page does


def rgba(picture: bytes, width: int, height: int) -> bytes:
    rgb = formats.to_rgb(picture, FORMAT, width, height, None)
    return np.dstack([rgb, np.full((height, width), 255, np.uint8)]).tobytes()
