"""The fleet page over a real bridge: its state, what it alarms about, and every device in whatever order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pixeltrail_bridge import config
from pixeltrail_bridge.app import Bridge, running
from pixeltrail_bridge.wire import messages as m
from playwright.sync_api import Page, expect

from tests.bridge.fake_device import fake_device, wait_for

from .conftest import PHONE, NewPage

SCRIPT = "<img src=x onerror=globalThis.wasRun=1>"


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    folder: Path = tmp_path_factory.mktemp("fleet")
    wanted = ("mqtt.port=0", "web.port=0", "alerts.every_s=0.2", "alerts.disk_mb=100000000")
    with running(config.load(overrides=[f"bridge.data_dir={folder / 'data'}", *wanted])) as bridge:
        assert bridge.mqtt_port is not None
        with (
            fake_device(bridge.mqtt_port, "oven-10") as oven,
            fake_device(bridge.mqtt_port, "oven-9") as other,
        ):
            for device in (oven, other):
                device.find_bridge()
                device.begin()
                device.send_picture(key=True)
            other.send(m.Gap(2, 2, 5, 0, 1, m.GapReason.OUTBOX_FULL))
            other.publish(b"no message")
            wait_for(lambda: len(bridge.store.dead_letters()) == 1, "the dead letter")
            wait_for(lambda: len(bridge.store.gaps()) == 1, "the gap")
            wait_for(lambda: len(bridge.watch.standing) == 2, "two alerts: the disk, and a dead letter")
            yield bridge


def open_fleet(new_page: NewPage, bridge: Bridge, **options: object) -> Page:
    page = new_page(**options)
    page.goto(f"{bridge.page_url()}#/fleet")
    expect(page.locator("tr[data-device]")).to_have_count(2)
    return page


def devices(page: Page) -> list[str]:
    return page.locator("tr[data-device] a").all_inner_texts()


def test_every_device_has_a_line_that_can_be_sorted_and_found(new_page: NewPage, bridge: Bridge) -> None:
    page = open_fleet(new_page, bridge)
    assert devices(page) == ["oven-9", "oven-10"], "numbers in names count as numbers"
    lost = page.locator('tr[data-device="oven-9"] td').nth(8)
    expect(lost).to_have_text("7")
    expect(lost).to_have_attribute("title", "6 refused, 1 gap")
    page.get_by_role("button", name="Lost").click()
    expect(page.get_by_role("columnheader", name="Lost")).to_have_attribute("aria-sort", "descending")
    assert devices(page) == ["oven-9", "oven-10"]
    page.get_by_role("button", name="Lost").click()
    assert devices(page) == ["oven-10", "oven-9"]
    page.get_by_label("Only with trouble").check()
    expect(page.locator("tr[data-device]")).to_have_count(1)
    page.get_by_label("Only with trouble").uncheck()
    page.get_by_label("Device, app, board or state").fill("OVEN-10 online")
    expect(page.locator("tr[data-device]")).to_have_count(1)
    page.locator("tr[data-device] a").click()
    expect(page).to_have_url(f"{bridge.page_url()}#/device/oven-10")


def test_the_bridge_tells_how_it_is_and_what_alarms_it(new_page: NewPage, bridge: Bridge) -> None:
    page = open_fleet(new_page, bridge)
    expect(page.locator(".alert")).to_have_count(2)
    expect(page.locator('.alert[data-alert="disk"]')).to_contain_text("MB are free")
    expect(page.get_by_label("Bridge", exact=True)).to_contain_text("Accepting")
    expect(page.get_by_label("Bridge", exact=True)).to_contain_text("yes")
    expect(page.get_by_label("jsonl", exact=True)).to_contain_text("Sent")
    expect(page.get_by_label("Sources", exact=True)).to_contain_text("connected")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_shows_strings_as_text(new_page: NewPage, bridge: Bridge, scheme: str) -> None:
    assert bridge.mqtt_port is not None
    page = open_fleet(new_page, bridge, viewport=PHONE, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.route(
        "**/api/fleet",
        lambda route: route.fulfill(
            json={
                "bridge": {
                    **dict.fromkeys(("queued", "lag_chunks", "dead_letters", "known", "online", "now_ms"), 1),
                    "ready": False,
                    "problem": SCRIPT,
                    "free_bytes": 1,
                    "backup_ms": 0,
                    "sources": [{"name": SCRIPT, "up": False, "detail": SCRIPT, "dropped": {SCRIPT: 2}}],
                    "sinks": [
                        {"name": SCRIPT, "state": SCRIPT, "waiting": 0, "sent": 1, "dead": 0, "alarm": SCRIPT}
                    ],
                    "alerts": [{"kind": "disk", "text": SCRIPT, "since_ms": 1}],
                },
                "devices": [{"device_id": "oven-9", "name": SCRIPT, "app": SCRIPT, "board": SCRIPT}],
            }
        ),
    )
    page.reload()
    expect(page.locator("tr[data-device]")).to_have_count(1)
    expect(page.locator("main")).to_contain_text(SCRIPT)
    assert page.evaluate("globalThis.wasRun") is None
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
