"""The page in a real browser: its canvas holds the device's picture pixel for pixel, and a slow page harms no one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pixeltrail_bridge.web.live import Hub
from pixeltrail_bridge.web.places import MOST_OF_ONE
from playwright.sync_api import Page, expect
from websockets.sync.client import connect

from tests.bridge.web.page import LOOPBACK, MemoryBackend, event, noise, paint, serve
from tests.support.bridge_process import wait_until

from .conftest import NewPage

DEVICE = "sim-thermostat"
SCRIPT = '<img src=x onerror="globalThis.wasRun=1"><script>globalThis.wasRun=1</script>'
PIXELS = f"pixeltrail.pixels({DEVICE!r})"


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend(Hub())


@pytest.fixture
def port(backend: MemoryBackend) -> Iterator[int]:
    with serve(backend) as port:
        yield port


@pytest.fixture
def page(port: int, new_page: NewPage) -> Page:
    """It ends before the server does, which it would miss."""
    page = new_page()
    page.goto(f"http://{LOOPBACK}:{port}/")
    return page


def shown(page: Page) -> NDArray[np.uint8]:
    found: dict[str, Any] = page.evaluate(
        f"() => {{ const {{ width, height, data }} = {PIXELS}; return {{ width, height, data: [...data] }}; }}"
    )
    return np.array(found["data"], np.uint8).reshape(found["height"], found["width"], 4)


def wait_until_shown(page: Page, picture: NDArray[np.uint8]) -> None:
    """Until the last row has come, which the caller made unlike what was shown before."""
    height, width = picture.shape[:2]
    last = [int(value) for value in picture[-1, -1]]
    page.wait_for_function(
        f"""([width, height, last]) => {{
            const shown = {PIXELS};
            return shown && shown.width === width && shown.height === height
                && last.every((value, at) => shown.data.at(at - 4) === value);
        }}""",
        arg=[width, height, last],
    )


def test_the_canvas_holds_the_picture_pixel_for_pixel(page: Page, backend: MemoryBackend) -> None:
    picture = noise(61, 33, 1)
    paint(backend.hub, DEVICE, picture)
    wait_until_shown(page, picture)
    assert np.array_equal(shown(page), picture)
    for step in range(40):
        x, y = step % 50, step % 25
        picture[y : y + 8, x : x + 11] = noise(11, 8, step + 2)
        picture[-1, -1, :3] = step
        paint(backend.hub, DEVICE, picture, (x, y, 11, 8), (60, 32, 1, 1))
    wait_until_shown(page, picture)
    assert np.array_equal(shown(page), picture)
    turned = noise(33, 61, 9)
    paint(backend.hub, DEVICE, turned)
    wait_until_shown(page, turned)
    assert np.array_equal(shown(page), turned)


def test_the_picture_has_a_whole_number_of_screen_pixels_for_each_of_its_own(
    page: Page, backend: MemoryBackend
) -> None:
    paint(backend.hub, DEVICE, noise(128, 64, 1))
    page.wait_for_function("() => document.querySelector('canvas.display')?.style.width")
    box = page.locator("canvas.display").bounding_box()
    assert box is not None
    assert box["width"] % 128 == 0 and box["height"] % 64 == 0


def test_a_device_page_lists_events_with_payload_and_answers(page: Page, backend: MemoryBackend) -> None:
    paint(backend.hub, DEVICE, noise(16, 16, 1))
    backend.lists[DEVICE] = [event(1, "Brew Started", cups=2), event(2, SCRIPT, "dead")]
    backend.letters[DEVICE] = [{"id": 1, "time_ms": 1_760_000_000_000, "reason": SCRIPT, "content": "00 ff"}]
    backend.hub.set_facts(DEVICE, {"board": SCRIPT, "app": "coffee", "online": True})
    page.get_by_role("link", name=DEVICE).click()
    expect(page.get_by_role("heading", name=DEVICE)).to_be_visible()
    page.get_by_role("tab", name="Events").click()
    page.locator(".events").get_by_text("Brew Started").click()
    expect(page.locator("pre").filter(has_text='"cups": 2')).to_be_visible()
    expect(page.locator(".deliveries li").first).to_contain_text("segment")
    expect(page.locator(".chip[data-state=dead]")).to_have_text("segment dead 400")
    expect(page.get_by_role("heading", name="Dead letters")).to_be_visible()
    assert page.evaluate("globalThis.wasRun") is None
    backend.lists[DEVICE].append(event(3, "Brew Ended"))
    backend.hub.tell_committed(DEVICE)
    expect(page.locator(".events .name").filter(has_text="Brew Ended")).to_be_visible()
    page.get_by_role("navigation", name="Path").get_by_role("link", name="Devices").click()
    expect(page.get_by_role("list", name="Devices")).to_be_visible()
    wait_until_shown(page, noise(16, 16, 1))
    assert np.array_equal(shown(page), noise(16, 16, 1))


def test_what_is_forgotten_goes_from_a_page_that_is_open(
    page: Page, new_page: NewPage, port: int, backend: MemoryBackend
) -> None:
    """Its picture first, while the device may still go on; then the device itself, which may come back as a new one."""
    paint(backend.hub, DEVICE, noise(16, 8, 1))
    paint(backend.hub, "kept", noise(16, 8, 2))
    alone = new_page()
    alone.goto(f"http://{LOOPBACK}:{port}/#/device/{DEVICE}")
    for one in (page, alone):
        one.wait_for_function(f"() => globalThis.pixeltrail && {PIXELS}")
    backend.hub.forget({DEVICE, "kept"}, {DEVICE})
    for one in (page, alone):
        one.wait_for_function(f"() => !{PIXELS}")
    expect(page.locator(".device-card")).to_have_count(2)
    backend.hub.forget({"kept"}, set())
    expect(page.locator(".device-card")).to_have_count(1)
    expect(page.locator(".device-card")).to_contain_text("kept")
    expect(alone.get_by_text("No device with this ID has reported")).to_be_visible()
    expect(alone.locator("canvas")).to_be_hidden()
    picture = noise(12, 6, 3)
    paint(backend.hub, DEVICE, picture)
    for one in (page, alone):
        wait_until_shown(one, picture)
    expect(page.locator(".device-card")).to_have_count(2)
    alone.goto("about:blank")  # before its server ends


def test_a_touch_is_shown(page: Page, backend: MemoryBackend) -> None:
    paint(backend.hub, DEVICE, noise(16, 16, 1))
    expect(page.locator("canvas.display")).to_be_visible()
    # It is there for less than a second
    page.evaluate(
        """() => new MutationObserver(() => {
            globalThis.wasTouched ||= document.querySelector(".ripple") !== null;
        }).observe(document.body, { childList: true, subtree: true })"""
    )
    backend.hub.touch(DEVICE, 8, 8, 0)
    page.wait_for_function("() => globalThis.wasTouched")


def test_the_page_works_by_keyboard_and_names_things(page: Page, backend: MemoryBackend) -> None:
    paint(backend.hub, DEVICE, noise(16, 16, 1))
    backend.lists[DEVICE] = [event(1, "Brew Started")]
    expect(page.get_by_role("img", name=f"Live picture of {DEVICE}")).to_be_visible()
    page.get_by_role("link", name=DEVICE).focus()
    page.keyboard.press("Enter")
    page.get_by_role("tab", name="Now").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("summary")).to_be_visible()
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("pre")).to_be_visible()


def test_the_page_connects_again_after_the_bridge_restarted(
    new_page: NewPage, backend: MemoryBackend
) -> None:
    paint(backend.hub, "sim-other", noise(4, 4, 2))
    paint(backend.hub, DEVICE, noise(8, 8, 1))
    page = new_page(allowed=("WebSocket", "ERR_CONNECTION"))
    with serve(backend) as port:
        page.goto(f"http://{LOOPBACK}:{port}/")
        wait_until_shown(page, noise(8, 8, 1))
    expect(page.locator("#link")).to_have_text("not connected")
    again = MemoryBackend(Hub())
    paint(again.hub, DEVICE, noise(8, 8, 3))
    with serve(again, port):
        wait_until_shown(page, noise(8, 8, 3))
        assert np.array_equal(shown(page), noise(8, 8, 3))


def test_a_page_beyond_the_bound_says_so_and_comes_again(new_page: NewPage, backend: MemoryBackend) -> None:
    page = new_page(allowed=("WebSocket",))
    with serve(backend) as port, contextlib.ExitStack() as others:
        for _ in range(MOST_OF_ONE):
            others.enter_context(backend.hub.places.take(LOOPBACK))
        page.goto(f"http://{LOOPBACK}:{port}/")
        expect(page.locator("#link")).to_have_text(
            f"{MOST_OF_ONE} live views are open under this login or address; close one."
        )
        others.close()
        expect(page.locator("#link")).to_have_text("live", timeout=20_000)


def test_a_viewer_that_reads_nothing_holds_up_neither_the_feed_nor_other_pages(
    page: Page, backend: MemoryBackend, port: int
) -> None:
    picture = noise(320, 240, 1)
    with connect(f"ws://{LOOPBACK}:{port}/live", max_queue=1) as stares:  # never read from
        page.wait_for_function("() => document.querySelector('#link').dataset.state === 'live'")
        wait_until(lambda: backend.hub.viewers == 2, "both look on")
        for step in range(100):
            picture[:] = noise(320, 240, step)
            paint(backend.hub, DEVICE, picture)
        wait_until_shown(page, picture)
        assert np.array_equal(shown(page), picture)
        stares.close_timeout = 0
