"""The other views: the device with its way back, search, dead letters; and what holds for all of them.

Nothing that came from outside is ever markup, no view is wider than a phone, the first load is small, and nothing is
asked of the content security policy that it refuses (conftest.py fails a test whose console tells of that).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Page, Response, expect

from tests.bridge.web.page import noise, paint

from . import script
from .conftest import PHONE, NewPage
from .recorded import Site, site

DEVICE, HOSTILE = "script-board", "hostile-board"
SCRIPT = '<img src=x onerror="globalThis.wasRun=1"><script>globalThis.wasRun=1</script>'
CORPUS = (
    SCRIPT,
    '"><svg/onload=globalThis.wasRun=1>',
    "javascript:globalThis.wasRun=1//",
    "' onmouseover='globalThis.wasRun=1' x='",
    "</script><script>globalThis.wasRun=1</script>",
    "${globalThis.wasRun=1}{{constructor.constructor('globalThis.wasRun=1')()}}",
    "\u202egnp.exe\u2066 \x00\x1b[31m",
)
FIRST_LOAD_BYTES = 150_000


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("views")) as shown:
        script.record(shown)
        script.record(shown, HOSTILE, SCRIPT)
        for device_id in (DEVICE, HOSTILE):
            paint(shown.hub, device_id, noise(60, 40, 1))
            film = shown.films[device_id]
            facts = {
                "session_id": film.session_id,
                "online": True,
                "board": "Test board",
                "app": "Thermostat",
            }
            shown.hub.set_facts(device_id, facts)
        said = ("name", "board", "os", "app", "app_version", "user_id")
        shown.hub.set_facts(HOSTILE, dict.fromkeys(said, SCRIPT))
        shown.backend.lists[HOSTILE] = [hostile_event()]
        shown.backend.letters[HOSTILE] = [{"id": 1, "time_ms": 1, "reason": SCRIPT, "content": SCRIPT}]
        yield shown


def address(shown: Site, view: str) -> str:
    """Of every view that there is."""
    return {
        "wall": f"{shown.url}/",
        "device": f"{shown.url}/#/device/{HOSTILE}",
        "player": shown.session_url(HOSTILE, 9),
        "search": f"{shown.url}/#/search",
        "dead letters": f"{shown.url}/#/dead-letters",
    }[view]


VIEWS = ("wall", "device", "player", "search", "dead letters")
SETTLED = {
    "wall": ".card h2",
    "device": ".events li, .stream .row",
    "player": ".list .row",
    "search": ".session-card",
    "dead letters": ".letter",
}


def settle(page: Page, view: str) -> None:
    expect(page.locator(SETTLED[view]).first).to_be_attached()


# --- the device page ------------------------------------------------------------------------


def test_looking_back_from_the_live_picture_and_to_live_again(new_page: NewPage, shown: Site) -> None:
    page = new_page()
    page.goto(f"{shown.url}/#/device/{DEVICE}")
    page.get_by_role("button", name="Pause and look back").click()
    page.wait_for_function("() => pixeltrail.player?.clock.position === 60000")
    expect(page.get_by_role("slider", name="Position")).to_be_visible()
    page.keyboard.press("Tab")
    page.locator("h1").click()
    page.keyboard.press("j")
    page.wait_for_function("() => pixeltrail.player.clock.position === 50000")
    page.wait_for_function("() => pixeltrail.player.pixels()?.width === 60")
    page.get_by_role("button", name="Jump to live").click()
    expect(page.get_by_role("img", name=f"Live picture of {DEVICE}")).to_be_visible()
    assert page.evaluate("() => pixeltrail.player") is None
    page.locator("h1").click()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => pixeltrail.player?.clock.position === 55000")
    page.keyboard.press("Escape")
    expect(page.get_by_role("slider", name="Position")).to_have_count(0)


def test_what_comes_in_is_told_beside_the_picture(new_page: NewPage, shown: Site) -> None:
    page = new_page()
    page.goto(f"{shown.url}/#/device/{DEVICE}")
    expect(page.get_by_role("img", name=f"Live picture of {DEVICE}")).to_be_visible()
    hub = shown.hub
    for phase in (0, 2):
        hub.touch(DEVICE, 12, 13, phase)
    hub.touch(DEVICE, 1, 1, 0)
    hub.touch(DEVICE, 40, 1, 2)
    hub.tell(DEVICE, "key", {"name": "menu", "state": "down", "amount": 1})
    hub.tell(DEVICE, "log", {"level": 1, "text": "sensor is slow"})
    hub.tell(DEVICE, "vitals", {"heap_free": 91_234})
    hub.tell(DEVICE, "masks", {"rectangles": []})
    stream = page.get_by_role("log", name="What comes in")
    for text in (
        *("Tap12, 13", "Drag1, 1 → 40, 1", "Key menudown", "sensor is slowerror"),
        *("heap free 91,234", "Masks changed"),
    ):
        expect(stream.locator("li", has_text=text)).to_be_visible()


def test_a_live_picture_that_pauses_goes_on_where_the_device_is(new_page: NewPage, shown: Site) -> None:
    page = new_page()
    page.goto(f"{shown.url}/#/device/{DEVICE}")
    page.get_by_role("button", name="Pause and look back").click()
    expect(page.get_by_role("slider", name="Position")).to_be_visible()
    newer = noise(60, 40, 77)
    paint(shown.hub, DEVICE, newer)
    page.get_by_role("button", name="Jump to live").click()
    held = f"[...(pixeltrail.pixels({DEVICE!r})?.data ?? [])]"
    page.wait_for_function(f"(last) => {held}.at(-2) === last", arg=int(newer[-1, -1, 2]))
    assert np.array_equal(np.array(page.evaluate(held), np.uint8), newer.ravel())


# --- search and dead letters --------------------------------------------------------------------


def test_search_narrows_and_leads_to_the_player(new_page: NewPage, shown: Site) -> None:
    page = new_page()
    page.goto(f"{shown.url}/#/search")
    cards = page.locator(".session-card")
    expect(cards).to_have_count(2)
    page.get_by_text("More filters").click()
    for name, value, count in (
        ("Device", DEVICE, 1),
        ("User", "resident-7", 1),
        ("Event", "Setpoint Changed", 1),
        ("Property", "to:21.5", 2),
        ("From", "2040-01-01T00:00", 0),
        ("Until", "2040-01-01T00:00", 2),
    ):
        field = page.get_by_label(name, exact=True)
        field.fill(value)
        field.press("Enter")
        expect(cards, f"{name} {value}").to_have_count(count)
        page.get_by_role("button", name="Clear").click()
        expect(cards).to_have_count(2)
    page.get_by_label("Kept ones only").check()
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("No session matches. Fewer filters find more.")).to_be_visible()
    assert page.url.endswith("#/search?starred=1")
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("searchbox", name="Search").fill(DEVICE)
    page.keyboard.press("Enter")
    expect(cards).to_have_count(1)
    page.reload()
    expect(cards).to_have_count(1)
    page.get_by_role("link", name=DEVICE).focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => globalThis.pixeltrail?.player?.timeline")
    page.go_back()
    expect(cards).to_have_count(1)


def test_dead_letters_are_tried_again(new_page: NewPage, shown: Site) -> None:
    page = new_page()
    page.goto(f"{shown.url}/#/dead-letters")
    letters = page.locator(".letter")
    expect(letters).to_have_count(2)
    letter = letters.filter(has_text=DEVICE)
    expect(letter).to_contain_text("invalid event")
    letter.get_by_text("Content").click()
    expect(letter.locator("pre")).to_contain_text('"on": true')
    before = len(shown.woken)
    letter.get_by_role("checkbox").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Try 1 again").click()
    expect(page.get_by_text("1 event will be sent again")).to_be_visible()
    expect(letters).to_have_count(1)
    assert len(shown.woken) == before + 1
    shown.deliver(DEVICE, "dead", 400, "invalid event", ["Away Changed"])
    page.reload()
    expect(letters).to_have_count(2)
    letters.filter(has_text=DEVICE).get_by_role("button", name="What the user saw").click()
    page.wait_for_function("() => pixeltrail.player?.clock.position === 9000")


# --- what holds for all views -----------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS)
def test_strings_from_outside_are_text_everywhere(new_page: NewPage, shown: Site, view: str) -> None:
    page = new_page()
    page.goto(address(shown, view))
    settle(page, view)
    if view == "device":
        for kind, values in (
            ("key", {"name": SCRIPT, "state": SCRIPT}),
            ("log", {"level": SCRIPT, "text": SCRIPT}),
        ):
            shown.hub.tell(HOSTILE, kind, values)
        expect(page.locator(".stream")).to_contain_text(SCRIPT)
        page.get_by_role("tab", name="Events").click()
        page.locator(".events summary").last.click()
        expect(page.locator(".log")).to_contain_text(SCRIPT)
    if view == "player":
        for text in ("Setpoint Changed", "Away Changed", "Key up", "sensor is slow"):
            page.locator(".list .row", has_text=text).click()
            expect(page.locator(".inspector h2")).to_contain_text(SCRIPT)
        page.locator(".track").hover(position={"x": 100, "y": 50})
        page.get_by_role("tab", name="Session").click()
    expect(page.locator("main")).to_contain_text(SCRIPT if view != "search" else f"resident-7{SCRIPT}")
    assert_nothing_ran(page)


def test_every_kind_of_hostile_string_on_the_wall_and_the_device(new_page: NewPage, shown: Site) -> None:
    """Here also as the device's ID, which the bridge would have refused, and answers with 404 or 400."""
    page = new_page(allowed=("404", "400"))
    for hostile in CORPUS:
        paint(shown.hub, hostile, noise(8, 8, 1))
        facts = {"name": hostile, "board": hostile, "online": True, "session_id": None}
        shown.hub.set_facts(hostile, facts)
    find = "(name) => [...document.querySelectorAll('.card h2 a')].find((a) => a.textContent === name)"
    for hostile in CORPUS:
        page.goto(f"{shown.url}/")
        page.wait_for_function(find, arg=hostile)
        page.evaluate(f"(name) => ({find})(name).click()", hostile)
        page.get_by_role("tab", name="Device", exact=True).click()
        assert hostile in (page.locator("main").text_content() or "")
        assert_nothing_ran(page)


def test_a_share_page_shows_strings_as_text(new_page: NewPage, shown: Site) -> None:
    page = new_page()
    page.goto(shown.session_url(HOSTILE))
    page.get_by_role("button", name="Share").click()
    page.get_by_role("button", name="Make a link").click()
    url = page.get_by_role("textbox", name="Link", exact=True).input_value()
    guest = new_page()
    guest.goto(url)
    for text in ("Setpoint Changed", "sensor is slow", "Key up"):
        guest.locator(".list .row", has_text=text).click()
        expect(guest.locator(".inspector h2")).to_contain_text(SCRIPT)
    expect(guest.locator(".facts")).to_contain_text(SCRIPT)
    assert_nothing_ran(guest)
    assert_nothing_ran(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_is_wider_than_a_phone(new_page: NewPage, shown: Site, scheme: str) -> None:
    page = new_page(viewport=PHONE, color_scheme=scheme, is_mobile=True, has_touch=True)
    for view in VIEWS:
        page.goto("about:blank")
        page.goto(address(shown, view))
        settle(page, view)
        assert overhang(page) <= 0, f"{view} has to be scrolled sideways by {overhang(page)} px"
    page.goto(shown.session_url(HOSTILE))
    settle(page, "player")
    for name in ("Share", "Download"):
        page.get_by_role("button", name=name).tap()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert overhang(page) <= 0, name
        box = page.get_by_role("dialog").bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
        page.keyboard.press("Escape")


@pytest.mark.parametrize("path", ["/", "player"])
def test_the_first_load_is_small(new_page: NewPage, shown: Site, path: str) -> None:
    """All files of the page, before any compression."""
    sizes: dict[str, int] = {}

    def weigh(response: Response) -> None:
        if "/api/" not in response.url:
            sizes[response.url.rpartition("/")[2]] = len(response.body())

    page = new_page(locale="en-GB")  # a context of its own: nothing is cached
    page.context.clear_cookies()
    page.on("response", weigh)
    page.goto(shown.session_url(DEVICE) if path == "player" else shown.url + path)
    settle(page, "player" if path == "player" else "wall")
    page.wait_for_load_state("networkidle")
    assert len(sizes) > 5
    assert sum(sizes.values()) < FIRST_LOAD_BYTES, f"{sum(sizes.values()):,} bytes: {sizes}"


def test_light_and_dark_are_one_press_apart(new_page: NewPage, shown: Site) -> None:
    page = new_page()
    page.goto(f"{shown.url}/")
    settle(page, "wall")
    ground = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Light or dark").click()
    dark = page.evaluate(ground)
    assert light != dark
    page.reload()
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate(ground) == light
    assert page.evaluate("() => localStorage.length") == 0, "back to what the system says"


def test_everything_that_can_be_used_has_a_name_and_there_is_one_heading(
    new_page: NewPage, shown: Site
) -> None:
    page = new_page()
    for view in VIEWS:
        page.goto("about:blank")
        page.goto(address(shown, view))
        settle(page, view)
        assert page.evaluate(NAMELESS) == [], view
        assert page.locator("h1").count() == 1, view
        assert page.locator("main").count() == 1, view


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(new_page: NewPage, shown: Site, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5, for all text that is shown."""
    page = new_page(color_scheme=scheme)
    for view in VIEWS:
        page.goto("about:blank")
        page.goto(address(shown, view))
        settle(page, view)
        if view == "player":
            page.locator(".list .row", has_text="Away Changed").click()
            expect(page.locator(".inspector pre")).to_be_visible()
        faint = page.evaluate(FAINT)
        assert faint == [], f"{view}: {faint}"


def test_the_policy_is_strict_and_only_the_embed_page_may_stand_in_a_frame(
    new_page: NewPage, shown: Site
) -> None:
    page = new_page()
    answer = page.goto(f"{shown.url}/")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy


# Elements with text of their own whose colour has too little contrast with what lies behind it.
FAINT = r"""() => {
    const parse = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
        .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = parse(getComputedStyle(at).backgroundColor);
            if (color.length === 3 || color[3] > 0.6) return color;
        }
        return [255, 255, 255];
    };
    const found = [];
    for (const element of document.querySelectorAll("body *")) {
        const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!hasText || !element.checkVisibility() || element.matches("noscript, .unseen, :disabled, option")) continue;
        const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
        const contrast = (a + 0.05) / (b + 0.05);
        if (contrast < 4.5) found.push([element.className, element.textContent.slice(0, 30), contrast.toFixed(2)]);
    }
    return found;
}"""


# What can be pressed or filled in and has neither text, nor a label, nor an aria-label.
NAMELESS = """() => [...document.querySelectorAll("a, button, input, select, canvas[role], [role]")]
    .filter((one) => one.matches("a, button, input, select, canvas, [role=slider], [role=listbox]"))
    .filter((one) => one.checkVisibility() && !one.getAttribute("aria-label") && !one.textContent.trim()
        && ![...(one.labels ?? [])].some((label) => label.textContent.trim()))
    .map((one) => one.outerHTML.slice(0, 90))"""


def hostile_event() -> dict[str, object]:
    delivery = {
        "sink": SCRIPT,
        "state": SCRIPT,
        "status": 400,
        "answer": SCRIPT,
        "attempts": 1,
        "settled_ms": 1,
    }
    told = {"id": 1, "type": SCRIPT, "event": SCRIPT, "message_id": SCRIPT, "session_id": -1, "time_ms": 1}
    return {**told, "payload": SCRIPT, "deliveries": [delivery]}


def overhang(page: Page) -> int:
    return int(page.evaluate("() => document.documentElement.scrollWidth - innerWidth"))


def assert_nothing_ran(page: Page) -> None:
    assert page.evaluate("() => globalThis.wasRun") is None
    attributes = "main [onload], main [onmouseover], main [onerror], main [href^=javascript]"
    assert page.locator(f"main img[src=x], main script, {attributes}").count() == 0
