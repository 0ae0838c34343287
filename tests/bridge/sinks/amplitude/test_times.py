"""Times, sessions and pace: what a moment is, which session an event is in, and how fast a device may go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail_bridge.mapping.calls import iso_time
from pixeltrail_bridge.sinks.amplitude import MappingOptions, MappingRule, agents
from pixeltrail_bridge.sinks.amplitude.agents import describe_agent
from pixeltrail_bridge.sinks.amplitude.mappings import Mapper
from pixeltrail_bridge.sinks.amplitude.pace import BURST_S, Pace
from pixeltrail_bridge.sinks.amplitude.sessions import SessionTracker
from pixeltrail_bridge.sinks.amplitude.times import MAX_MS, is_date_like, parse_session, parse_time

from .generate import AGENTS, SESSION, base, put
from .kit import row, run
from .test_triggers import json_values, unhurried


@unhurried
@given(st.integers(0, 253_402_300_799_999))
def test_what_the_bridge_writes_is_read_to_the_millisecond(ms):
    assert parse_time(iso_time(ms)) == ms
    assert is_date_like(iso_time(ms))


@unhurried
@given(json_values | st.text(max_size=40) | st.text("0123456789-:T.Z+/ ", max_size=30))
def test_anything_is_a_moment_or_none(value):
    for found in (parse_time(value), parse_session(value)):
        assert found is None or -2 * MAX_MS <= found <= 2 * MAX_MS
    if isinstance(value, str):
        assert is_date_like(value) in (True, False)


@pytest.mark.parametrize(
    ("value", "session"),
    [
        *((SESSION, SESSION), (str(SESSION), SESSION), (SESSION + 0.7, SESSION), (-1, -1), ("-1", -1)),
        *((0, None), ("0", None), (None, None), ("", None), ("session-abc", None)),
        ("2026-01-02T03:04:05.000Z", SESSION),
    ],
)
def test_what_a_session_id_is(value, session):
    assert parse_session(value) == session


# ---- sessions


def tracking(length_ms=1_800_000, **more):
    return Mapper((), MappingOptions(session_tracking=True, session_length_ms=length_ms, **more)).tracking


def session_of(event):
    return (event.get("integrations") or {}).get("Actions Amplitude", {}).get("session_id")


def at(seconds, kind="track"):
    event = put(base(kind), "integrations.Actions Amplitude", ...)
    return event | {"timestamp": iso_time(SESSION + seconds * 1000)}


def test_a_session_lasts_until_a_silence():
    tracker, mapping = SessionTracker(), tracking()
    sessions = [
        session_of(tracker.track(at(s), "d", mapping)) for s in (0, 60, 1_860, 3_661, 3_700, 3_700 + 1_801)
    ]
    assert sessions == [SESSION] * 3 + [SESSION + 3_661_000] * 2 + [SESSION + 5_501_000]


def test_the_same_event_gets_the_same_session_when_it_is_tried_again():
    tracker, mapping = SessionTracker(), tracking()
    first = [session_of(tracker.track(at(s), "d", mapping)) for s in (0, 10, 20)]
    assert first == [session_of(tracker.track(at(s), "d", mapping)) for s in (0, 10, 20)]


def test_devices_have_sessions_of_their_own():
    tracker, mapping = SessionTracker(), tracking()
    tracker.track(at(0), "a", mapping)
    assert session_of(tracker.track(at(5), "b", mapping)) == SESSION + 5_000


@pytest.mark.parametrize("session_id", [-1, SESSION, "x"])
def test_a_session_that_an_event_brings_stays(session_id):
    event = put(at(0), "integrations.Actions Amplitude.session_id", session_id)
    assert SessionTracker().track(event, "d", tracking()) is event


@pytest.mark.parametrize("kind", ["track", "screen", "page", "identify", "group", "alias"])
def test_every_kind_of_event_is_tracked(kind):
    assert session_of(SessionTracker().track(at(0, kind), "d", tracking())) == SESSION


def test_its_trigger_and_length_can_be_changed():
    rules = (
        MappingRule("Session Tracking", "sessionId", 'type = "screen"', fields={"sessionLength": 10_000}),
    )
    mapping = Mapper(rules).tracking
    tracker = SessionTracker()
    assert session_of(tracker.track(at(0), "d", mapping)) is None
    found = [session_of(tracker.track(at(s, "screen"), "d", mapping)) for s in (0, 10, 21)]
    assert found == [SESSION, SESSION, SESSION + 21_000]


def test_tracked_sessions_go_out():
    events = [row(n, integrations={}, timestamp=iso_time(SESSION + n * 1000)) for n in range(3)]
    _, _, server = run(events, options=MappingOptions(session_tracking=True))
    assert [event["session_id"] for event in server.events] == [SESSION] * 3
    _, _, server = run(events)
    assert [event.get("session_id") for event in server.events] == [None] * 3


# ---- pace


@unhurried
@given(st.lists(st.integers(0, 500), max_size=60), st.integers(1, 50))
def test_no_device_goes_faster_than_its_rate(steps, rate):
    pace, now_ms, taken = Pace({"httpapi": rate}), 1_000_000, 0
    for step in steps:
        now_ms += step
        if not pace.take("d", "httpapi", now_ms):
            wait_ms = pace.wait_ms("d", "httpapi", 1, now_ms)
            assert 0 < wait_ms <= 1_000 / rate + 1
            now_ms += wait_ms
            assert pace.take("d", "httpapi", now_ms)
        taken += 1
    assert taken <= rate * BURST_S + (now_ms - 1_000_000) * rate / 1000 + 1


def test_pace_is_of_each_device_and_endpoint_and_may_be_none():
    pace = Pace({"httpapi": 1, "batch": 0})
    assert [pace.take("a", "httpapi", 0) for _ in range(11)] == [True] * 10 + [False]
    assert [pace.wait_ms("a", "httpapi", events, 0) for events in (1, 3, 5, 500)] == [
        1_001,
        3_001,
        5_001,
        5_001,
    ]
    assert pace.take("b", "httpapi", 0)
    assert all(pace.take("a", endpoint, 0) for endpoint in ("batch", "identify") for _ in range(100))
    assert pace.wait_ms("a", "batch", 5, 0) == 0


def test_a_clock_that_is_put_back_holds_nobody_for_ever():
    pace = Pace({"httpapi": 10})
    while pace.take("a", "httpapi", 10**12):
        pass
    assert not pace.take("a", "httpapi", 10**9)
    assert pace.take("a", "httpapi", 10**9 + 1_000)


# ---- user agents


@unhurried
@given(
    st.text(max_size=500),
    st.none() | st.dictionaries(st.sampled_from(["model", "platformVersion"]), json_values),
)
def test_any_user_agent_is_described(agent, data):
    found = describe_agent(agent, data)
    assert set(found) <= {"os_name", "os_version", "device_manufacturer", "device_model", "device_type"}


def test_a_user_agent_is_looked_at_up_to_a_bound():
    assert describe_agent("x" * 10_000 + AGENTS[0], None) == {}
    assert describe_agent(AGENTS[0] + "x" * 1_000_000, None)["os_name"] == "Windows"
    assert agents.MAX_AGENT < 500
