"""Chromium for all tests of the page: one browser, and a new page for each test.

A page fails its test when a script throws, when anything is said as an error on its console (which is where Chromium
reports what the content security policy refused), or when it asks for something outside the bridge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Request, expect, sync_playwright

from tests.support.requirements import require

expect.set_options(timeout=30_000)  # for faults: a busy machine takes its time
DESKTOP = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}
NewPage = Callable[..., Page]


# Of this package alone: while it lasts, its event loop counts as running, and no other test could run one of its own.
@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(
        executable_path=str(require("chromium")), args=["--no-sandbox", "--disable-gpu"]
    )
    yield browser
    browser.close()


@pytest.fixture(scope="package")
def contexts(browser: Browser) -> Iterator[dict[str, BrowserContext]]:
    """One for each set of options: the scripts are fetched once."""
    found: dict[str, BrowserContext] = {}
    yield found
    for context in found.values():
        context.close()


@pytest.fixture
def new_page(browser: Browser, contexts: dict[str, BrowserContext]) -> Iterator[NewPage]:
    """`new_page(viewport=..., allowed=(...))`: `allowed` are parts of the console errors that a test expects."""
    faults: list[str] = []
    pages: list[Page] = []

    def open_page(*, allowed: tuple[str, ...] = (), **options: Any) -> Page:
        context = contexts.get(repr(options))
        if context is None:
            more = {"viewport": DESKTOP, "permissions": ["clipboard-read", "clipboard-write"]}
            context = contexts[repr(options)] = browser.new_context(**(more | options))
        page = context.new_page()
        page.set_default_timeout(60_000)
        pages.append(page)
        page.on("pageerror", lambda error: faults.append(str(error)))

        def hear(kind: str, text: str) -> None:
            if kind == "error" and not any(part in text for part in allowed):
                faults.append(text)

        page.on("console", lambda message: hear(message.type, message.text))
        page.on("request", lambda request: faults.extend(_outside(request)))
        return page

    yield open_page
    for page in pages:
        page.close()
    assert faults == []


def _outside(request: Request) -> list[str]:
    is_ours = request.url.startswith(
        ("http://127.0.0.1:", "ws://127.0.0.1:", "file:", "data:", "blob:", "about:")
    )
    return [] if is_ours else [f"the page asked for {request.url}"]
