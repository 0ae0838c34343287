"""Search, one session, its timeline and its star, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pixeltrail_bridge.mapping.calls import Call
from pixeltrail_bridge.mapping.display import DISPLAY_CHANGED
from pixeltrail_bridge.replay.recording import Recording
from pixeltrail_bridge.store import search
from pixeltrail_bridge.web import timeline
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.messages import PixelFormat

from tests.support.film import BOOT_MS, DEVICE, Camera, Device
from tests.support.stores import Place

from .recorded import HEIGHT, PLACE, SESSION, WIDTH, Site, picture, site

OTHER = "garage-02"


@pytest.fixture
def page(place: Place) -> Iterator[Site]:
    store = place.open()
    with site(store, 4, formats=("png", "gif"), summaries=DISPLAY_CHANGED) as page:
        yield page
    store.close()


def other_session(page: Site, number: int = 0, at_ms: int = 60_000) -> int:
    """A session of another device, with events; gives its ID."""
    camera = Camera(Device(WIDTH, HEIGHT, PixelFormat.GS8), bytes([number] * 8), BOOT_MS + at_ms, OTHER)
    page.studio.feed(
        *camera.begin(0),
        camera.say(50, m.Identify("ann@example.org", {"plan": "free"})),
        camera.say(100, m.Track("Brew Started", {"cups": 2, "deep": {"er": True}, "name": "<b>x</b>"})),
        camera.say(200, m.Screen("Home", {})),
        device_id=OTHER,
    )
    return page.store.sessions(OTHER)[-1].session_id


def ids(page: Site, query: str) -> list[tuple[str, int]]:
    answer = page.ask(f"/api/sessions{query}")
    assert answer.status == 200, answer.body
    return [(one["device_id"], one["session_id"]) for one in answer.json["sessions"]]


def test_search(page: Site) -> None:
    other = (OTHER, other_session(page))
    mine = (DEVICE, SESSION)
    assert ids(page, "") == [other, mine]
    assert ids(page, f"?device={DEVICE}") == [mine]
    assert ids(page, "?user=ann@example.org") == [other]
    assert ids(page, "?event=Brew%20Started") == ids(page, "?event=Home") == [other]
    assert ids(page, "?event=Brew") == []
    assert ids(page, "?property=cups:2") == ids(page, "?property=deep.er:true") == [other]
    assert ids(page, "?property=cups") == ids(page, "?property=plan:free") == [other]
    assert ids(page, "?property=cups:3") == ids(page, "?property=nothing:2") == []
    assert ids(page, "?property=name:%3Cb%3Ex%3C/b%3E&event=Brew%20Started") == [other]
    assert ids(page, f"?from={BOOT_MS + 50_000}") == [other]
    assert ids(page, f"?to={BOOT_MS + 50_000}") == [mine]
    assert ids(page, "?q=garage%20BREW") == [other] and ids(page, "?q=kitchen%20brew") == []
    assert ids(page, "?q=%25") == ids(page, "?q=_arage") == ids(page, "?q=%27%20OR%201=1") == []


def test_pages_of_a_search_have_each_session_once(page: Site) -> None:
    for number in range(1, 7):
        other_session(page, number, 60_000 * (1 + number // 2))
    found, cursor = [], ""
    while True:
        answer = page.ask(f"/api/sessions?limit=2{cursor}").json
        found += [(one["device_id"], one["session_id"]) for one in answer["sessions"]]
        if answer["next"] is None:
            break
        cursor = f"&cursor={answer['next']}"
    assert len(found) == len(set(found)) == len(page.store.sessions()) >= 4
    assert set(ids(page, "?limit=200")) == set(found)


def test_new_events_are_found_and_old_ones_not_read_again(page: Site) -> None:
    assert ids(page, "?event=Late") == []
    call = Call("px-late", DEVICE, SESSION, "track", "Late", {"event": "Late"}, BOOT_MS)
    page.store.commit_batch(lambda tx: tx.enqueue_calls([call]))
    assert ids(page, "?event=Late") == [(DEVICE, SESSION)]


def test_a_property_search_is_bounded_and_says_so(page: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    other_session(page)
    calls = [
        Call(f"px-{n}", DEVICE, SESSION, "track", "Noise", {"properties": {"n": n}}, BOOT_MS)
        for n in range(600)
    ]
    page.store.commit_batch(lambda tx: tx.enqueue_calls(calls))
    assert page.ask("/api/sessions?property=cups:2").json["is_complete"] is True
    monkeypatch.setattr(search, "PROPERTY_EVENTS", 500)
    answer = page.ask("/api/sessions?property=cups:2").json
    assert answer["sessions"] == [] and answer["is_complete"] is False


def test_one_session(page: Site) -> None:
    one = page.ask(PLACE).json
    assert (one["device_id"], one["session_id"], one["start_ms"]) == (DEVICE, SESSION, SESSION)
    assert one["display"] == {"width": WIDTH, "height": HEIGHT, "format": "GS8"}
    assert one["device"]["board"].startswith("Raspberry") and one["device"]["app_version"] == "2.3"
    assert one["frames"] == len(page.shown) + 1 and one["gaps"] == 0 and one["is_recorded"]
    assert one["formats"] == ["png", "gif"] and one["starred"] is False


def test_a_star(page: Site) -> None:
    assert page.write(f"{PLACE}/star", "PUT").json == {"starred": True}
    assert page.write(f"{PLACE}/star", "PUT").status == 200
    assert ids(page, "?starred=1") == [(DEVICE, SESSION)] and page.ask(PLACE).json["starred"] is True
    assert page.write(f"{PLACE}/star", "DELETE").json == {"starred": False}
    assert ids(page, "?starred=1") == []
    assert page.write(f"/api/sessions/{DEVICE}/12/star", "PUT").status == 404


def test_a_timeline_is_what_was_recorded(page: Site) -> None:
    gap = m.Gap(page.camera.seq, page.camera.seq, 3, 1, 0, m.GapReason.OUTBOX_FULL)
    page.studio.feed(
        page.camera.say(4_100, m.Touch(1, 2, m.Phase.DOWN), m.Log(2, "warm")),
        page.camera.say(4_200, gap, m.Vitals({1: 7})),
        page.camera.say(20_000, m.Vitals({1: 6})),
    )
    found = page.ask(f"{PLACE}/timeline").json
    recording = Recording.open(page.store, DEVICE, SESSION)
    shown = [(one.at_ms, one.is_keyframe) for one in recording.pictures()]
    assert [(at, bool(flags & 1)) for at, flags, _ in found["frames"]] == shown
    assert found["keyframes"] == recording.keyframes() and not found["thinned"]
    assert [share for _, flags, share in found["frames"] if not flags] == [1.0] * (len(page.shown) - 1)
    assert [(one["at_ms"], one["kind"]) for one in found["marks"]] == [
        (0, "session_start"),
        (4_100, "touch"),
        (4_100, "log"),
    ]
    assert found["gaps"] == [
        {"at_ms": 4_200, "end_ms": 4_200, "reason": "outbox full", "frames": 3, "inputs": 1, "calls": 0}
    ]
    assert found["vitals"] == [
        {"at_ms": 4_200, "values": {"heap_free": 7}},
        {"at_ms": 20_000, "values": {"heap_free": 6}},
    ]
    assert found["idle"] == [[4_100, 20_000]] and found["duration_ms"] == 20_000


def test_a_timeline_is_sent_once(page: Site) -> None:
    first = page.ask(f"{PLACE}/timeline")
    assert page.ask(f"{PLACE}/timeline", headers={"If-None-Match": first.headers["etag"]}).status == 304
    plain = page.ask(f"{PLACE}/timeline", headers={"Accept-Encoding": "identity"})
    assert plain.body == first.body and "content-encoding" not in plain.headers
    page.studio.feed(*page.camera.show(9_000, picture(200)))
    again = page.ask(f"{PLACE}/timeline", headers={"If-None-Match": first.headers["etag"]})
    assert again.status == 200 and len(again.json["frames"]) == len(first.json["frames"]) + 1


def test_a_gap_ends_with_the_next_keyframe(page: Site) -> None:
    page.camera.show(5_000, picture(90))
    gap = m.Gap(page.camera.seq - 1, page.camera.seq, 1, 0, 0, m.GapReason.ENCODER)
    page.studio.feed(page.camera.say(5_100, gap))
    page.camera.device.draw(picture(91))
    page.camera.device.encoder.refresh()
    page.studio.feed(*page.camera.key(6_500))
    (found,) = page.ask(f"{PLACE}/timeline").json["gaps"]
    assert (found["at_ms"], found["end_ms"], found["reason"]) == (5_100, 6_500, "encoder")


def test_a_session_from_before_the_index(page: Site) -> None:
    with_index = page.ask(f"{PLACE}/timeline").json
    page.store.commit_batch(lambda tx: tx.db.execute("DELETE FROM clips"))
    without = page.ask(f"{PLACE}/timeline").json
    frames = [frame[:2] for frame in with_index["frames"]]
    assert [frame[:2] for frame in without["frames"]] == frames and without["marks"] == with_index["marks"]


def test_a_long_timeline_is_thinned(page: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = page.ask(f"{PLACE}/timeline").json["frames"]
    monkeypatch.setattr(timeline, "MOST_FRAMES", 5)
    recording = Recording.open(page.store, DEVICE, SESSION)
    found = timeline.build(page.store, recording)
    assert found["thinned"] and 3 <= len(found["frames"]) <= 5
    assert found["frames"][0][0] == exact[0][0] and sum(flags & 1 for _, flags, _ in found["frames"]) >= 2
    monkeypatch.setattr(timeline, "EXACT_FRAMES", 5)
    coarse = timeline.build(page.store, recording)
    assert coarse["thinned"] and len(coarse["frames"]) == 1, "one clip of ten seconds"


def test_of_many_idle_stretches_the_longest_count(page: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for at_ms in (10_000, 17_000, 40_000, 46_000):
        page.studio.feed(page.camera.say(at_ms, m.Touch(1, 2, m.Phase.DOWN)))
    recording = Recording.open(page.store, DEVICE, SESSION)
    last_ms = page.shown[-1][0]
    every = [(last_ms, 10_000), (10_000, 17_000), (17_000, 40_000), (40_000, 46_000)]
    assert timeline.build(page.store, recording)["idle"] == every
    monkeypatch.setattr(timeline, "MOST_IDLE", 2)
    assert timeline.build(page.store, recording)["idle"] == [every[1], every[2]]


def test_touches_that_only_move_are_left_out_first(page: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    moves = [m.Touch(n, n, m.Phase.MOVE) for n in range(20)]
    page.studio.feed(page.camera.say(4_100, m.Touch(1, 2, m.Phase.DOWN), *moves, m.Log(1, "x")))
    monkeypatch.setattr(timeline, "MOST_MARKS", 10)
    found = timeline.build(page.store, Recording.open(page.store, DEVICE, SESSION))
    assert found["marks_thinned"]
    assert [one["kind"] for one in found["marks"]] == ["session_start", "touch", "log"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=201",
        "limit=x",
        "from=-1",
        "to=1.5",
        "cursor=x",
        "cursor=e30",
        "cursor=WzEsMiwzXQ",
        "property=:x",
        "q=%00",
    ],
)
def test_a_search_that_makes_no_sense(page: Site, query: str) -> None:
    answer = page.ask(f"/api/sessions?{query}")
    assert answer.status == 400 and "expected" in answer.json["error"]


def test_very_long_words(page: Site) -> None:
    assert page.ask(f"/api/sessions?q={'x' * 5000}").status == 400
    assert page.ask(f"/api/sessions?q={'%20'.join(['a'] * 60)}").status == 200
