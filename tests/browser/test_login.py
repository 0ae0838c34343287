"""Logging in and out in a browser, at a bridge that has users."""

from __future__ import annotations

from pathlib import Path

import pytest
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.web.users import Users
from playwright.sync_api import Browser, expect

from tests.security.kit import bridge
from tests.support.sessions import DEVICE_ID, record_session

PASSWORD = "the password of ada"


SIZES = {"desktop": (1200, 800, "light"), "phone": (390, 780, "dark")}


@pytest.mark.parametrize("size", SIZES)
def test_a_person_logs_in_reads_the_audit_log_and_leaves(browser: Browser, tmp_path: Path, size: str) -> None:
    Users(tmp_path / "users.json").add("ada", "admin", PASSWORD)
    width, height, scheme = SIZES[size]
    faults: list[str] = []
    with bridge(tmp_path) as one:
        url = one.page_url()
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{url}#/search?q=x")
        expect(page.get_by_role("button", name="Log in")).to_be_visible()
        page.get_by_label("User").fill("ada")
        page.get_by_label("Password").fill("a wrong password")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("User or password is wrong.")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
        assert page.url.endswith("/#/search?q=x"), "where they wanted to go"
        page.get_by_role("link", name="Audit log").click()
        expect(page.get_by_role("cell", name="failed to log in").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("button", name="Log in")).to_be_visible()
        page.goto(f"{url}login?next=https://evil.example/")
        page.get_by_label("User").fill("ada")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="Audit log")).to_be_attached()
        assert page.url.startswith(url or "-"), "never to another site"
        assert faults == []
        context.close()


def test_a_viewer_is_not_offered_what_operators_may(browser: Browser, tmp_path: Path) -> None:
    """Not on a session's page, nor among the dead letters; the same page offers it to an operator."""
    record_session(tmp_path / "data", "mono_invaders", 5)
    store = SqliteStore(tmp_path / "data" / "pixeltrail.db")
    (session,) = store.sessions(DEVICE_ID)
    store.commit_batch(
        lambda tx: tx.add_dead_letter(DEVICE_ID, "undecodable", "no CBOR", b"\xff", 1, None, None)
    )
    store.close()
    users = Users(tmp_path / "data" / "users.json")
    for name, role in (("vera", "viewer"), ("olga", "operator")):
        users.add(name, role, PASSWORD)
    with bridge(tmp_path / "data", "mqtt.enabled=false", "serial.ports=/dev/no-port") as one:
        for name, is_offered in (("vera", False), ("olga", True)):
            context = browser.new_context(viewport={"width": 1200, "height": 800})
            page = context.new_page()
            page.goto(f"{one.page_url()}sessions/{DEVICE_ID}/{session.session_id}")
            page.get_by_label("User").fill(name)
            page.get_by_label("Password").fill(PASSWORD)
            page.keyboard.press("Enter")
            expect(page.locator(".person")).to_have_text(name)
            expect(page.locator(".actions:not([hidden])")).to_be_attached()
            for button in ("Keep this session", "Share", "Download"):
                expect(page.get_by_role("button", name=button)).to_be_visible(visible=is_offered)
            page.goto(f"{one.page_url()}#/dead-letters")
            expect(page.locator(".letter")).to_be_visible()
            expect(page.get_by_role("checkbox")).to_have_count(2 if is_offered else 0)
            expect(page.get_by_role("button", name="Try the chosen again")).to_be_visible(visible=is_offered)
            context.close()
