"""Events with what became of them, another try, and dead letters; on both databases. And what may not be written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pixeltrail_bridge.app.page import make_viewing
from pixeltrail_bridge.config import Config
from pixeltrail_bridge.mapping.calls import Call, Settled
from pixeltrail_bridge.mapping.rule_checks import read
from pixeltrail_bridge.mapping.rules import Rules
from pixeltrail_bridge.sinks.amplitude import AmplitudeSettings, AmplitudeSink
from pixeltrail_bridge.sinks.base import Shown
from pixeltrail_bridge.store.sqlite import SqliteStore
from pixeltrail_bridge.wire import messages as m

from tests.support.film import BOOT_MS, DEVICE
from tests.support.stores import Place

from .recorded import OURS, PLACE, SESSION, Site, site

SINK = "list"
HOSTILE = "</script><img src=x onerror=alert(1)>\u202e\0"


@pytest.fixture
def page(place: Place) -> Iterator[Site]:
    store = place.open((SINK, "other"))
    with site(store, 2) as page:
        page.studio.feed(
            page.camera.say(1_900, m.Track(HOSTILE.replace("\0", ""), {"cups": 2})),
            page.camera.say(1_950, m.Identify("ann", {"mail": "ann@example.org"})),
        )
        yield page
    store.close()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for the tests that change nothing."""
    store = SqliteStore(tmp_path_factory.mktemp("inspector") / "store.db")
    with site(store, 1) as page:
        yield page
    store.close()


def settle(page: Site, state: str, status: int, answer: str, event: str | None = None) -> list[int]:
    """What the sink says to everything that waits for it, or to one event."""
    rows = page.store.lease(SINK, 100, BOOT_MS * 2, 0)
    chosen = [row for row in rows if event is None or row.message_id == event]
    page.store.settle(
        SINK, [Settled(row.id, state, status, answer, BOOT_MS * 3) for row in chosen], BOOT_MS + 5
    )
    return [row.id for row in chosen]


def tracked(page: Site) -> dict[str, object]:
    return next(
        one for one in page.ask(f"{PLACE}/events").json["events"] if one["event"].startswith("</script>")
    )


def test_events_of_a_session_in_order(page: Site) -> None:
    events = page.ask(f"{PLACE}/events").json["events"]
    assert [one["type"] for one in events][-2:] == ["track", "identify"]
    assert [one["at_ms"] for one in events][-2:] == [1_900, 1_950]
    assert all("payload" not in one for one in events)
    assert {one["sink"] for one in events[0]["deliveries"]} == {SINK, "other"}
    first, *rest = events
    assert page.ask(f"{PLACE}/events?after={first['id']}").json["events"] == rest
    assert page.ask(f"{PLACE}/events?limit=1").json["events"] == [first]
    assert page.ask("/api/sessions/nobody-00/5/events").json["events"] == []
    assert page.ask(f"{PLACE}/events?limit=1001").status == 400


def test_an_event_with_what_was_sent_and_answered(page: Site) -> None:
    event_id = tracked(page)["id"]
    settle(page, "dead", 400, "no such plan")
    event = page.ask(f"/api/events/{event_id}").json
    stored = next(row for row in page.store.events(DEVICE, limit=1000) if row.id == event_id)
    assert (
        event["payload"].encode() == stored.payload
        and json.loads(event["payload"])["properties"]["cups"] == 2
    )
    delivery = next(one for one in event["deliveries"] if one["sink"] == SINK)
    assert delivery == {
        "sink": SINK,
        "state": "dead",
        "attempts": 1,
        "status": 400,
        "answer": "no such plan",
        "next_try_ms": delivery["next_try_ms"],
        "settled_ms": BOOT_MS + 5,
    }
    assert page.ask("/api/events/999999").status == page.ask("/api/events/x").status == 404
    assert page.ask(f"/api/events/{'9' * 30}").status == 404


def test_another_try_for_what_is_dead(page: Site) -> None:
    event_id = tracked(page)["id"]
    settle(page, "dead", 400, "no")
    assert page.write(f"/api/events/{event_id}/retry", content={"sink": SINK}).json == {"queued": 1}
    assert page.woken and [row.id for row in page.store.lease(SINK, 10, BOOT_MS, 1)] == [event_id]


def test_what_waits_goes_at_once(page: Site) -> None:
    first = page.ask(f"{PLACE}/events?limit=1").json["events"][0]["id"]
    settle(page, "retry", 503, "later")
    assert page.store.lease(SINK, 10, BOOT_MS, 1) == []
    assert page.write(f"/api/events/{first}/retry", content={"sink": SINK}).status == 200
    assert [row.id for row in page.store.lease(SINK, 1, BOOT_MS, 1)] == [first]


def test_no_other_try_for_what_was_sent(page: Site) -> None:
    event_id = tracked(page)["id"]
    settle(page, "sent", 200, "")
    assert page.write(f"/api/events/{event_id}/retry", content={"sink": SINK}).status == 409
    answer = page.write(f"/api/events/{event_id}/retry", content={"sink": "nowhere"})
    assert answer.status == 404 and "list, other" in answer.json["error"]


def test_dead_letters_and_their_retry(page: Site) -> None:
    event_id = tracked(page)["id"]
    settle(page, "dead", 400, "no")
    page.studio.feed((BOOT_MS + 5_000, b"\xff nonsense"))
    letters = page.ask("/api/dead-letters").json["dead_letters"]
    assert {one["id"] for one in letters} >= {f"e{event_id}"} and any(
        one["id"].startswith("m") for one in letters
    )
    event = next(one for one in letters if one["id"] == f"e{event_id}")
    assert (event["kind"], event["reason"], event["session_id"]) == (SINK, "no", SESSION)
    assert json.loads(event["payload"])["properties"]["cups"] == 2
    message = next(one for one in letters if one["id"].startswith("m"))
    assert message["content"].startswith("ff 20") and message["payload"] is None
    assert page.ask("/api/dead-letters?device=nobody-00").json["dead_letters"] == []
    wanted = [one["id"] for one in letters]
    result = page.write("/api/dead-letters/retry", content={"ids": wanted}).json
    assert result["queued"] == len([one for one in wanted if one[0] == "e"]) and page.woken
    left = [one["id"] for one in page.ask("/api/dead-letters").json["dead_letters"]]
    assert not [one for one in left if one.startswith("e")]


def test_a_message_that_can_be_read_now_gives_its_events(place: Place) -> None:
    """As `pixeltrail dlq retry`: with the settings in force."""
    store = place.open((SINK,))
    with site(store, 1) as page:
        viewing = make_viewing(store, Config, lambda: None)
        at_ms, data = page.camera.say(1_500, m.Track("Late", {}))
        page.studio.feed((at_ms, data))
        key = store._all("SELECT max(key) FROM chunks")[0][0]
        store.commit_batch(
            lambda tx: (
                tx.db.execute(
                    "DELETE FROM deliveries WHERE event IN (SELECT id FROM events WHERE event = 'Late')"
                ),
                tx.db.execute("DELETE FROM events WHERE event = 'Late'"),
                tx.db.execute("UPDATE chunks SET fault = 'too new' WHERE key = ?", (key,)),
                tx.add_dead_letter(
                    DEVICE, "undecodable", "too new", data, BOOT_MS, page.camera.stream, page.camera.seq - 1
                ),
            )
        )
        (letter,) = viewing._inspector._letters(None, 10)
        assert viewing._inspector._retry_found([("m", int(letter["id"][1:]))]) == {
            "queued": 0,
            "read": 1,
            "events": 1,
            "still_dead": [],
        }
        assert "Late" in [row.event for row in store.events(limit=1000)] and store.dead_letters() == []
        viewing.close()
    store.close()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"ids": []}, "expected 1 to"),
        ({"ids": ["x7"]}, "expected m7, e7 or p7"),
        ({"ids": ["m" + "9" * 30]}, "expected m7, e7 or p7"),
        ({"ids": 7}, "makes no sense"),
        ({}, "makes no sense"),
        (b"{", "makes no sense"),
        (b"\xff", "makes no sense"),
        (b"[" * 60_000, "makes no sense"),
        (b" " * 70_000, "more than"),
    ],
)
def test_a_body_that_makes_no_sense(plain: Site, content: object, words: str) -> None:
    answer = plain.write("/api/dead-letters/retry", content=content)
    assert answer.status in (400, 413) and words in answer.json["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Pixeltrail": "0"},
        {**OURS, "Origin": "http://evil.example"},
        {**OURS, "Origin": "null"},
        {**OURS, "Origin": "http://127.0.0.1:1"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_sites_change_nothing(plain: Site, headers: dict[str, str], method: str) -> None:
    for path in (f"{PLACE}/star", f"{PLACE}/shares", "/api/dead-letters/retry"):
        answer = plain.ask(path, method, {}, headers)
        assert answer.status == 403 and "X-Pixeltrail".lower() in answer.json["error"]
    assert plain.ask(PLACE).json["starred"] is False


def test_our_own_page_may(plain: Site) -> None:
    headers = {**OURS, "Origin": f"http://127.0.0.1:{plain.port}"}
    assert plain.ask(f"{PLACE}/star", "PUT", None, headers).status == 200
    assert plain.ask(f"{PLACE}/star", "POST", None, headers).status == 405


def test_hostile_texts_come_as_json_and_never_as_a_page(page: Site) -> None:
    call = Call(
        "px-h",
        DEVICE,
        SESSION,
        "track",
        HOSTILE,
        {"event": HOSTILE, "properties": {HOSTILE: HOSTILE}},
        BOOT_MS,
    )
    page.store.commit_batch(lambda tx: tx.enqueue_calls([call]))
    for path in (f"{PLACE}/events", "/api/sessions?q=%3Cscript%3E", f"/api/events/{tracked(page)['id']}"):
        answer = page.ask(path)
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.headers["x-content-type-options"] == "nosniff"
    payload = page.ask(f"/api/events/{page.store.events(limit=1000)[-1].id}").json["payload"]
    assert json.loads(payload)["properties"] == {HOSTILE: HOSTILE}


@pytest.mark.parametrize("is_broken", [False, True])
def test_what_a_sink_makes_of_an_event(tmp_path: Path, is_broken: bool) -> None:
    sink = AmplitudeSink(AmplitudeSettings(api_key="a-secret-key"))

    def break_down(payload: bytes) -> list[Shown]:
        raise RuntimeError("no mappings today")

    store = SqliteStore(tmp_path / "store.db", ("amplitude", "plain"))
    with site(store, 1, shows={"amplitude": break_down if is_broken else sink.shows}) as page:
        page.studio.feed(page.camera.say(900, m.Track("Brew Started", {"cups": 2})))
        events = page.ask(f"{PLACE}/events").json["events"]
        event_id = next(one["id"] for one in events if one["event"] == "Brew Started")
        told = page.ask(f"/api/events/{event_id}").json
    store.close()
    by_sink = {one["sink"]: one for one in told["deliveries"]}
    assert "requests" not in by_sink["plain"], "it gets the payload as it is"
    requests = by_sink["amplitude"]["requests"]
    if is_broken:
        assert requests == []
        return
    (request,) = requests
    (sent,) = json.loads(request["body"])["events"]
    assert (sent["event_type"], sent["session_id"]) == ("Brew Started", SESSION)
    assert request["url"].endswith("/2/httpapi")
    assert "a-secret-key" not in request["body"]


def test_what_rules_gave_a_single_sink_is_shown_with_it(tmp_path: Path) -> None:
    amplitude = AmplitudeSink(AmplitudeSettings(api_key="a-secret-key"))
    store = SqliteStore(tmp_path / "store.db", ("amplitude", "plain"))
    rule = read({"name": "r", "sinks": ("amplitude",), "rename_event": "Brewing"})
    store.shaping = Rules([rule], ("amplitude", "plain"))
    with site(store, 1, shows={"amplitude": amplitude.shows}) as page:
        page.studio.feed(page.camera.say(900, m.Track("Brew Started", {"cups": 2})))
        listed = page.ask(f"{PLACE}/events").json["events"]
        event_id = next(one["id"] for one in listed if one["event"] == "Brew Started")
        told = page.ask(f"/api/events/{event_id}").json
    store.close()
    assert all("payload" not in one for event in listed for one in event["deliveries"])
    by_sink = {one["sink"]: one for one in told["deliveries"]}
    assert json.loads(told["payload"])["event"] == "Brew Started" and "payload" not in by_sink["plain"]
    assert json.loads(by_sink["amplitude"]["payload"])["event"] == "Brewing"
    assert "Brewing" in by_sink["amplitude"]["requests"][0]["body"]
