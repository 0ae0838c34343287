"""Logging in and out in a browser, at a bridge that has users."""

from __future__ import annotations

from pathlib import Path

import pytest
from pixeltrail_bridge.web.users import Users
from playwright.sync_api import Browser, expect

from tests.security.kit import bridge

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
