"""What Amplitude would get: our events through Segment's own destination, run by Node (tests/node/judge.js)."""

import json
from pathlib import Path

import pytest
from pixeltrail_bridge.mapping.calls import REPLAY_PROPERTY
from pixeltrail_bridge.wire import messages as m

from tests.bridge.mapping.build import BOOT_MS, DEVICE, FRAME, Talk
from tests.support import node

SESSION = BOOT_MS + 100


@pytest.fixture(scope="module")
def judged():
    """What goes out for each event, in order, by the name of what is asked."""
    talk = Talk()
    talk.begin()
    events = {}

    def say(name, at_ms, body):
        (call,) = talk.say(at_ms, body).calls
        events[name] = call.payload

    say("track", 1_234, m.Track("Brew Started", {"cups": 2}))
    say("screen", 2_000, m.Screen("Home", {}))
    say("identify", 3_000, m.Identify("user-1", {"plan": "pro"}))
    say("track with user", 4_000, m.Track("Brew Done", {}))
    say("group", 4_100, m.Group("group-1", {}))
    say("alias", 4_200, m.Alias("user-2", None))
    talk.say(5_000, m.OptOut(True))
    talk.say(5_001, FRAME)
    say("opted out", 5_100, m.Track("Brew Started", {}))
    talk.say(6_000, m.SessionEnd(0))
    say("no session", 6_100, m.Track("Brew Started", {}))
    lines = node.run(Path("judge.js"), stdin=json.dumps(list(events.values()))).splitlines()
    answers = dict(zip(events, map(json.loads, lines), strict=True))
    assert {name: one["errors"] for name, one in answers.items() if one["errors"]} == {}
    return answers


def event_of(answer):
    (request,) = answer["requests"]
    assert request["url"] == "https://api2.amplitude.com/2/httpapi"
    (event,) = request["body"]["events"]
    return event


@pytest.mark.parametrize(
    ("name", "event_type", "at_ms"),
    [
        ("track", "Brew Started", 1_234),
        ("screen", "Viewed Home", 2_000),
        ("track with user", "Brew Done", 4_000),
    ],
)
def test_events_are_linked_to_their_replay(judged, name, event_type, at_ms):
    event = event_of(judged[name])
    assert event["event_type"] == event_type
    assert event["device_id"] == DEVICE
    assert event["session_id"] == SESSION
    assert event["time"] == BOOT_MS + at_ms
    assert event["event_properties"][REPLAY_PROPERTY] == f"{event['device_id']}/{event['session_id']}"


def test_device_and_app_are_described(judged):
    event = event_of(judged["track"])
    expected = {
        "app_version": "2.3",
        "platform": "embedded",
        "os_name": "MicroPython",
        "os_version": "1.28.0",
        "device_manufacturer": "Raspberry Pi",
        "device_model": "Raspberry Pi Pico W with RP2040",
        "library": "pixeltrail",
        "event_properties": {"cups": 2, REPLAY_PROPERTY: f"{DEVICE}/{SESSION}"},
    }
    assert event.items() >= expected.items()


def test_identify_joins_user_and_device(judged):
    (request,) = judged["identify"]["requests"]
    assert request["url"] == "https://api2.amplitude.com/identify"
    identification = request["body"]["identification"]
    assert (identification["user_id"], identification["device_id"]) == ("user-1", DEVICE)
    assert identification["user_properties"] == {"plan": "pro"}
    assert event_of(judged["track with user"])["user_id"] == "user-1"


def test_no_replay_id_when_nothing_is_recorded(judged):
    opted_out, alone = event_of(judged["opted out"]), event_of(judged["no session"])
    assert (opted_out["session_id"], alone["session_id"]) == (SESSION, -1)
    assert REPLAY_PROPERTY not in opted_out.get("event_properties", {}) | alone.get("event_properties", {})


def test_group_and_alias_have_no_preset(judged):
    assert judged["group"]["requests"] == judged["alias"]["requests"] == []
