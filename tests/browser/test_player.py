"""Everything that can be pressed in the player, by mouse and by keyboard, and what it then shows."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.messages import PixelFormat
from playwright.sync_api import Locator, Page, expect

from tests.support.film import BOOT_MS, Camera, Device, Studio

from . import script
from .conftest import PHONE, NewPage
from .recorded import Site, another_site, site

DEVICE = "script-board"
POSITION = "() => pixeltrail.player.clock.position"
PAUSED = "() => !pixeltrail.player.clock.isPlaying"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("player")) as shown:
        script.record(shown)
        yield shown


@pytest.fixture
def page(new_page: NewPage, shown: Site) -> Page:
    return opened(new_page(), shown)


def opened(page: Page, shown: Site, at_s: float | None = None) -> Page:
    page.goto(shown.session_url(DEVICE, at_s))
    page.wait_for_function("() => globalThis.pixeltrail?.player?.timeline")
    expect(page.locator(".list .row").first).to_be_visible()
    expect(page.get_by_role("button", name="Share")).to_be_visible()  # when the events are here as well
    return page


def position(page: Page) -> float:
    return float(page.evaluate(POSITION))


def await_position(page: Page, at_ms: float) -> None:
    page.wait_for_function(f"() => Math.abs(pixeltrail.player.clock.position - {at_ms}) < 2")


def at_share(page: Page, share: float) -> tuple[float, float]:
    box = page.get_by_role("slider", name="Position").bounding_box()
    assert box is not None
    return box["x"] + box["width"] * share, box["y"] + box["height"] / 2


def control(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name="Player").get_by_role("button", name=name, exact=True)


# --- by mouse ---------------------------------------------------------------------


def test_play_and_pause_by_mouse(page: Page) -> None:
    control(page, "Play").click()
    page.wait_for_function("() => pixeltrail.player.clock.position > 600")
    control(page, "Pause").click()
    page.wait_for_function(PAUSED)
    stopped = position(page)
    expect(control(page, "Play")).to_be_visible()
    assert position(page) == stopped
    expect(page).to_have_url(re.compile(r"\?t=\d"))


def test_steps_and_markers_by_mouse(page: Page) -> None:
    assert position(page) == 200, "it begins at the first picture"
    control(page, "One frame on").click()
    await_position(page, 600)
    control(page, "One frame back").click()
    await_position(page, 200)
    control(page, "To the next event").click()
    await_position(page, 900)
    control(page, "To the next event").click()
    await_position(page, 2_000)
    control(page, "To the event before").click()
    await_position(page, 900)


def test_speed_by_mouse_and_by_keyboard(page: Page) -> None:
    speed = page.get_by_role("combobox", name="Speed")
    speed.select_option("16")
    assert page.evaluate("() => pixeltrail.player.clock.speed") == 16
    page.locator("h1").click()
    for key, expected in (("<", "8"), ("<", "4"), (">", "8")):
        page.keyboard.press(key)
        expect(speed).to_have_value(expected)
    for _ in range(9):
        page.keyboard.press("<")
    expect(speed).to_have_value("0.25")


def test_a_press_on_the_timeline_seeks_and_a_drag_scrubs(page: Page) -> None:
    end = script.END_MS
    page.mouse.move(*at_share(page, 0.5))
    page.mouse.down()
    page.wait_for_function(f"() => Math.abs(pixeltrail.player.clock.position - {end / 2}) < 200")
    page.mouse.move(*at_share(page, 0.9), steps=6)
    page.mouse.up()
    page.wait_for_function(f"() => Math.abs(pixeltrail.player.clock.position - {end * 0.9}) < 200")
    expect(page.get_by_role("slider", name="Position")).to_have_attribute(
        "aria-valuetext", re.compile("seconds of")
    )


def test_hovering_shows_a_small_picture_the_time_and_what_happened(page: Page) -> None:
    control(page, "One frame on").click()
    await_position(page, 600)  # so the pictures are here, and hovering asks the bridge for none
    x, y = at_share(page, 2_100 / script.END_MS)
    page.mouse.move(x, y)
    preview = page.locator(".preview")
    expect(preview).to_be_visible()
    expect(preview.locator("strong")).to_contain_text("0:02")
    expect(preview.locator(".names")).to_contain_text("Tap")
    page.wait_for_function("() => document.querySelector('.preview canvas').width === 60")
    page.mouse.move(x, y - 300)
    expect(preview).to_be_hidden()


def test_hovering_before_the_pictures_are_here_asks_the_bridge_for_one(
    new_page: NewPage, shown: Site
) -> None:
    page = new_page()
    page.route("**/pixels?*", lambda route: None)  # never answered
    page.goto(shown.session_url(DEVICE))
    page.wait_for_function("() => globalThis.pixeltrail?.player?.timeline")
    page.mouse.move(*at_share(page, 2_100 / script.END_MS))
    expect(page.locator(".preview img")).to_be_visible()
    page.wait_for_function("() => document.querySelector('.preview img').naturalWidth === 60")
    expect(page.locator(".preview canvas")).to_be_hidden()


def test_skipping_idle_remaps_the_timeline_and_jumps(page: Page) -> None:
    toggle = page.get_by_role("button", name="Skip idle")
    expect(toggle).to_have_attribute("aria-pressed", "false")
    before = page.evaluate("() => document.querySelector('.playhead').style.transform")
    page.evaluate("() => pixeltrail.player.seek(55000)")
    far = page.evaluate("() => parseFloat(document.querySelector('.playhead').style.transform.slice(11))")
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    page.wait_for_function(
        f"() => parseFloat(document.querySelector('.playhead').style.transform.slice(11)) < {far} - 20"
    )
    assert page.evaluate("() => document.querySelector('.playhead').style.transform") != before
    page.evaluate("() => pixeltrail.player.seek(19900)")
    page.keyboard.press(">")
    control(page, "Play").click()
    page.wait_for_function("() => pixeltrail.player.clock.position > 50000")
    page.keyboard.press("k")
    page.keyboard.press("i")
    expect(toggle).to_have_attribute("aria-pressed", "false")


def test_a_range_repeats(page: Page) -> None:
    page.evaluate("() => pixeltrail.player.seek(3000)")
    control(page, "Repeat a range: set its start here").click()
    page.evaluate("() => pixeltrail.player.seek(3500)")
    control(page, "Repeat up to here").click()
    expect(page.locator(".loop-band")).to_be_visible()
    page.evaluate(
        """() => {
            globalThis.turns = 0;
            let before = 3500;
            const look = () => {
                const { position } = pixeltrail.player.clock;
                if (position < before) turns += 1;
                before = position;
                requestAnimationFrame(look);
            };
            look();
        }"""
    )
    page.keyboard.press("k")
    page.wait_for_function("() => turns >= 3")
    assert 3_000 <= position(page) <= 3_500
    page.keyboard.press("k")
    page.keyboard.press("r")
    expect(page.locator(".loop-band")).to_be_hidden()
    page.keyboard.down("Shift")
    page.mouse.move(*at_share(page, 0.1))
    page.mouse.down()
    page.mouse.move(*at_share(page, 0.3), steps=3)
    page.mouse.up()
    page.keyboard.up("Shift")
    expect(page.locator(".loop-band")).to_be_visible()


def test_full_screen(page: Page) -> None:
    control(page, "Full screen").click()
    page.wait_for_function("() => document.fullscreenElement?.classList.contains('show')")
    page.keyboard.press("f")
    page.wait_for_function("() => !document.fullscreenElement")


# --- by keyboard --------------------------------------------------------------------


def test_every_key_of_the_help(page: Page) -> None:
    end = script.END_MS

    def press(key: str, at_ms: float) -> None:
        page.keyboard.press(key)
        await_position(page, at_ms)

    for key in ("Space", "k"):
        page.keyboard.press(key)
        page.wait_for_function("() => pixeltrail.player.clock.isPlaying")
        page.keyboard.press(key)
        page.wait_for_function(PAUSED)
    press("Home", 0)
    press("ArrowRight", 5_000)
    press("Shift+ArrowRight", 6_000)
    press("ArrowLeft", 1_000)
    press("Shift+ArrowLeft", 0)
    press("l", 10_000)
    press("j", 0)
    press(".", 200)
    press(".", 600)
    press(",", 200)
    press("]", 900)
    press("]", 2_000)
    press("[", 900)
    press("5", end / 2)
    press("0", 0)
    press("End", end)
    page.keyboard.press("+")
    page.keyboard.press("-")
    page.keyboard.press("f")
    page.wait_for_function("() => document.fullscreenElement")
    page.keyboard.press("f")
    page.wait_for_function("() => !document.fullscreenElement")
    page.keyboard.press("c")
    expect(page.locator(".toast")).to_contain_text("copied")
    assert page.evaluate("() => navigator.clipboard.readText()") == page.url
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Space")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert position(page) == end, "keys in a dialog are the dialog's"


def test_the_slider_and_the_tabs_have_keys_of_their_own(page: Page) -> None:
    slider = page.get_by_role("slider", name="Position")
    slider.focus()
    page.keyboard.press("Home")
    page.keyboard.press("PageUp")
    await_position(page, 30_000)
    page.keyboard.press("ArrowDown")
    await_position(page, 29_000)
    assert slider.get_attribute("aria-valuenow") == "29.0"
    page.get_by_role("tab", name="What happened").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tabpanel", name="Vitals")).to_contain_text("heap free")
    page.keyboard.press("End")
    expect(page.get_by_role("tabpanel", name="Session")).to_contain_text("Thermostat 1.4")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="What happened")).to_be_focused()
    assert position(page) == 29_000


def test_all_of_it_can_be_reached_with_the_tab_key(page: Page) -> None:
    names: list[str] = []
    page.locator("body").focus()
    for _ in range(60):
        page.keyboard.press("Tab")
        name = page.evaluate(
            "() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim()"
        )
        names.append(name[:40])
    reached = " | ".join(names)
    for wanted in (
        *(
            "Skip to content",
            "Devices",
            "Sessions",
            "Light or dark",
            "Keep this session",
            "Share",
            "Download",
        ),
        *("Position", "One frame back", "Play", "One frame on", "Speed", "Skip idle", "Full screen", "Keys"),
        *("What happened", "Filter what happened"),
    ):
        assert wanted in reached, f"{wanted} is not reached by Tab: {reached}"


# --- the list, the inspector and the vitals ---------------------------------------------


def test_the_list_follows_the_picture_and_leads_it(page: Page) -> None:
    page.evaluate("() => pixeltrail.player.seek(5100)")
    expect(page.locator(".list .row.current")).to_contain_text("Key up")
    page.locator(".list .row", has_text="Away Changed").click()
    await_position(page, 9_000)
    inspector = page.get_by_role("region", name="Details")
    expect(inspector.get_by_role("heading", name="Away Changed")).to_be_visible()
    expect(inspector.locator(".deliveries li")).to_contain_text("400 invalid event")
    expect(inspector.locator("pre")).to_contain_text('"on": true')
    expect(inspector.get_by_role("img", name="The display at 0:09.0")).to_be_visible()
    inspector.get_by_role("button", name="Copy").click()
    expect(inspector.get_by_role("button", name="Copied")).to_be_visible()
    assert '"event":"Away Changed"' in page.evaluate("() => navigator.clipboard.readText()").replace(
        ": ", ":"
    )
    inspector.get_by_role("button", name="Close the details").click()
    expect(inspector).to_be_hidden()


def test_the_list_by_keyboard(page: Page) -> None:
    box = page.get_by_role("listbox", name="What happened")
    box.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    active = box.get_attribute("aria-activedescendant")
    expect(page.locator(f"#{active}")).to_contain_text("Display")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    await_position(page, 54_000)
    expect(page.get_by_role("region", name="Details").get_by_role("heading")).to_have_text(
        ["Unit Changed", "Deliveries", "Payload, exactly as sent"]
    )


def test_filters_narrow_the_list_the_markers_and_the_timeline(page: Page) -> None:
    rows = page.locator(".list .row")
    page.get_by_role("button", name=re.compile("^Events")).click()
    expect(rows.filter(has_text="Setpoint Changed")).to_have_count(0)
    expect(rows.filter(has_text="Tap")).to_have_count(1)
    page.get_by_role("searchbox", name="Filter what happened").fill("drag")
    expect(rows).to_have_count(1)
    page.locator("h1").click()
    page.keyboard.press("]")
    await_position(page, 4_000)
    page.get_by_role("searchbox", name="Filter what happened").fill("no such thing")
    expect(page.get_by_text("Nothing matches the filter.")).to_be_visible()


def test_an_event_that_was_refused_is_sent_again(page: Page, shown: Site) -> None:
    page.locator(".list .row", has_text="Away Changed").click()
    before = len(shown.woken)
    page.get_by_role("button", name="Send again").click()
    expect(page.locator(".inspector .chip")).to_have_text("Waiting")
    assert len(shown.woken) > before
    shown.deliver(DEVICE, "dead", 400, "invalid event", ["Away Changed"])


def test_a_vital_is_drawn_in_the_timeline(page: Page) -> None:
    page.get_by_role("tab", name="Vitals").click()
    page.evaluate("() => pixeltrail.player.seek(8000)")
    row = page.get_by_role("button", name=re.compile("rssi"))
    expect(row).to_contain_text("-59")
    row.click()
    expect(page.locator(".lane-labels")).to_contain_text("rssi")


def test_a_touch_is_seen_at_its_place(page: Page) -> None:
    page.evaluate("() => pixeltrail.player.seek(2050)")
    finger = """([x, y]) => {
        const canvas = document.querySelector(".fingers");
        const scale = canvas.width / 60;
        const { data } = canvas.getContext("2d").getImageData(x * scale, y * scale, 1, 1);
        return data[3];
    }"""
    assert page.evaluate(finger, [10.5, 10.5]) > 0
    assert page.evaluate(finger, [50, 30]) == 0
    page.evaluate("() => pixeltrail.player.seek(3500)")
    assert page.evaluate(finger, [10.5, 10.5]) == 0


# --- star, share, download ----------------------------------------------------------------


def test_a_star_is_kept(page: Page, shown: Site) -> None:
    star = page.get_by_role("button", name="Keep this session")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(star).to_have_attribute("aria-pressed", "true")
    star.focus()
    page.keyboard.press("Enter")
    expect(star).to_have_attribute("aria-pressed", "false")


def test_a_link_is_made_opened_and_revoked(page: Page, new_page: NewPage, shown: Site) -> None:
    page.evaluate("() => pixeltrail.player.seek(9000)")
    page.get_by_role("button", name="Share").click()
    dialog = page.get_by_role("dialog", name="Share this session")
    dialog.get_by_role("combobox").select_option("3600")
    dialog.get_by_role("button", name="Make a link").click()
    url = dialog.get_by_role("textbox", name="Link", exact=True).input_value()
    assert url.endswith("?t=9.0")
    embed = dialog.get_by_role("textbox", name="To embed in a page").input_value()
    dialog.get_by_role("button", name="Copy").first.click()
    assert page.evaluate("() => navigator.clipboard.readText()") == url

    guest = new_page(allowed=("403", "410", "404"))
    guest.goto(url)
    guest.wait_for_function("() => globalThis.pixeltrail?.player?.timeline")
    expect(guest.locator(".now")).to_have_text("0:09.0")
    expect(guest.get_by_role("button", name="Skip idle")).to_have_attribute("aria-pressed", "false")
    expect(guest.locator(".list .row", has_text="Setpoint Changed")).to_be_visible()
    assert guest.get_by_role("button", name="Share").count() == 0
    with another_site(f"<!doctype html><link rel=icon href=data:,>{embed}") as other:
        guest.goto(other)
        frame = guest.frame_locator("iframe")
        expect(frame.get_by_role("slider", name="Position")).to_be_visible()
        expect(frame.locator(".now")).to_have_text("0:09.0")

    dialog.get_by_role("button", name="Revoke").click()
    expect(dialog.get_by_text("No link leads here.")).to_be_visible()
    guest.goto(url)
    expect(guest.get_by_role("alert")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Share")).to_be_focused()


def test_an_export_tells_its_progress_and_where_the_file_is(page: Page) -> None:
    """The dialog alone: what makes the files has tests of its own."""
    asked: list[object] = []
    states = iter(
        [
            {"state": "running", "progress": 0.4},
            {"state": "done", "progress": 1, "file": "/a/b/s.gif", "size": 9},
        ]
    )

    def begin(route: object) -> None:
        asked.append(route.request.post_data_json)  # type: ignore[attr-defined]
        route.fulfill(json={"id": "x1"})  # type: ignore[attr-defined]

    page.route("**/api/sessions/*/*/exports", begin)
    page.route("**/api/exports/x1", lambda route: route.fulfill(json=next(states)))
    page.get_by_role("button", name="Download").click()
    dialog = page.get_by_role("dialog", name="Download")
    dialog.get_by_text("Animation (GIF)").click()
    dialog.get_by_label("From second").fill("1.5")
    dialog.get_by_label("Scale").select_option("4")
    dialog.get_by_label("Show touches").uncheck()
    dialog.get_by_role("button", name="Export").click()
    link = dialog.get_by_role("link", name="s.gif")
    expect(link).to_have_attribute("href", "/api/exports/x1/file")
    (content,) = asked
    assert content["format"] == "gif"  # type: ignore[index]
    options = content["options"]  # type: ignore[index]
    assert (options["from_ms"], options["scale"], options["touches"]) == (1_500, 4, False)


def test_the_dialogs_by_keyboard(page: Page) -> None:
    page.get_by_role("button", name="Share").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Share this session")
    dialog.get_by_role("combobox").focus()
    page.keyboard.press("ArrowUp")
    expect(dialog.get_by_role("combobox")).to_have_value("86400")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("textbox", name="Link", exact=True)).to_have_value(re.compile("/s/"))
    dialog.get_by_role("button", name="Revoke").focus()
    page.keyboard.press("Space")
    expect(dialog.get_by_text("No link leads here.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Share")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Download")
    dialog.get_by_role("radio").first.focus()
    page.keyboard.press("ArrowDown")
    expect(dialog.get_by_role("radio", name=re.compile("GIF"))).to_be_checked()
    expect(dialog.get_by_label("From second")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert position(page) == 200, "nothing of that moved the picture"


def test_a_session_without_pictures_says_so(new_page: NewPage, shown: Site) -> None:
    studio = Studio(shown.store)
    camera = Camera(Device(8, 8, PixelFormat.MONO_VLSB), b"unseen!!", BOOT_MS, "unseen-board")
    studio.feed(*camera.begin(0, sampled=False), camera.say(500, m.Log(1, "late")), device_id="unseen-board")
    session_id = shown.store.sessions("unseen-board")[-1].session_id
    page = new_page()
    page.goto(f"{shown.url}/sessions/unseen-board/{session_id}")
    expect(page.get_by_text("No pictures were recorded of this session.")).to_be_visible()


def test_a_session_that_is_not_there_says_so(new_page: NewPage, shown: Site) -> None:
    page = new_page(allowed=("404",))
    page.goto(f"{shown.url}/sessions/{DEVICE}/7")
    expect(page.get_by_text(f"{DEVICE} has no session 7")).to_be_visible()


def test_a_phone_can_do_the_same(new_page: NewPage, shown: Site) -> None:
    page = opened(new_page(viewport=PHONE, has_touch=True, is_mobile=True), shown)
    control(page, "Play").tap()
    page.wait_for_function("() => pixeltrail.player.clock.position > 600")
    control(page, "Pause").tap()
    box = page.get_by_role("slider", name="Position").bounding_box()
    assert box is not None
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + 40)
    page.wait_for_function("() => Math.abs(pixeltrail.player.clock.position - 30000) < 400")
    page.locator(".list .row", has_text="Setpoint Changed").tap()
    expect(page.get_by_role("region", name="Details")).to_be_visible()
