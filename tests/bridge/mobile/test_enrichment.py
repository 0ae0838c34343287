"""What is added to an app's event: each row of the plugins' tables, and the odd cases among them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail_bridge.mapping.calls import DEBUG_PROPERTY, debug_value
from pixeltrail_bridge.mobile import Enricher, enrich
from pixeltrail_bridge.mobile.enrichment import (
    DeviceMoment,
    EnrichSettings,
)
from pixeltrail_bridge.mobile.sessions import APP_TIMEOUT_MS, BROWSER_TIMEOUT_MS, AppState

NOW = 1_767_323_045_000
REPLAY = "[Amplitude] Session Replay ID"
ALWAYS = EnrichSettings(sample_rate=1.0)


def event(kind: str = "track", **fields: Any) -> dict[str, Any]:
    body = {"track": {"event": "Tapped", "properties": {}}, "screen": {"name": "Home", "properties": {}}}
    return {
        "type": kind,
        "messageId": "m-1",
        "anonymousId": "anon-1",
        "context": {"device": {"id": "phone-1"}, "library": {"name": "analytics-react-native"}},
        "integrations": {},
        **body.get(kind, {}),
        **fields,
    }


def session_in(result: dict[str, Any]) -> Any:
    return result["integrations"]["Actions Amplitude"]["session_id"]


@pytest.mark.parametrize("kind", ["track", "screen", "page", "identify", "group", "alias"])
def test_every_type_gets_the_session_and_three_get_the_replay(kind: str) -> None:
    result = Enricher(ALWAYS).enrich(event(kind), AppState(), NOW).event
    assert session_in(result) == NOW
    has_replay = result.get("properties", {}).get(REPLAY) == f"phone-1/{NOW}"
    assert has_replay == (kind in ("track", "screen", "page"))


def test_an_event_is_left_as_it_was() -> None:
    given_event = event(context={"device": {"id": ""}})
    before = copy.deepcopy(given_event)
    Enricher(ALWAYS).enrich(given_event, AppState(), NOW)
    assert given_event == before


def test_an_empty_device_id_is_filled_in() -> None:
    result = Enricher(ALWAYS).enrich(event(context={"device": {"id": "", "model": "X"}}), AppState(), NOW)
    assert result.event["context"]["device"] == {"id": "anon-1", "model": "X"}
    assert result.event["properties"][REPLAY] == f"anon-1/{NOW}"


def test_an_event_without_any_id_is_named_a_fault_and_goes_on() -> None:
    result = Enricher(ALWAYS).enrich(event(context={}, anonymousId=None, userId="u"), AppState(), NOW)
    assert result.faults == ["no_device_id"]
    assert REPLAY not in result.event["properties"]


def test_its_own_replay_id_wins() -> None:
    result = Enricher(ALWAYS).enrich(event(properties={REPLAY: "mine/1"}), AppState(), NOW)
    assert result.event["properties"] == {REPLAY: "mine/1"}


def test_minus_one_as_a_number_stays_and_no_replay_is_named() -> None:
    state = AppState()
    result = Enricher(ALWAYS).enrich(
        event(integrations={"Actions Amplitude": {"session_id": -1}}), state, NOW
    )
    assert session_in(result.event) == -1
    assert REPLAY not in result.event["properties"]
    assert result.faults == ["session_said_none"]
    assert state.session is None


def test_a_session_id_that_the_destination_would_refuse_is_replaced() -> None:
    odd = event(integrations={"Actions Amplitude": {"session_id": "session-abc"}})
    result = Enricher(ALWAYS).enrich(odd, AppState(), NOW)
    assert (session_in(result.event), result.faults) == (NOW, ["session_unreadable"])


def test_without_tracking_an_event_has_the_session_it_brings_or_none() -> None:
    result = Enricher(EnrichSettings(track_sessions=False)).enrich(event(), AppState(), NOW)
    assert (result.session_id, result.faults) == (-1, ["session_untracked"])


def test_a_session_id_in_the_properties_is_used() -> None:
    result = Enricher(ALWAYS).enrich(event(properties={"session_id": str(NOW - 5)}), AppState(), NOW)
    assert session_in(result.event) == NOW - 5


def test_all_false_is_kept() -> None:
    result = Enricher(ALWAYS).enrich(event(integrations={"All": False}), AppState(), NOW)
    assert result.event["integrations"] == {"All": False, "Actions Amplitude": {"session_id": NOW}}


def test_a_destination_that_is_switched_off_stays_off() -> None:
    off = {"Actions Amplitude": False}
    assert Enricher(ALWAYS).enrich(event(integrations=off), AppState(), NOW).event["integrations"] == off


@pytest.mark.parametrize(
    ("name", "properties", "expected"),
    [
        ("Home", {}, ("Home", {"name": "Home"})),
        ("", {"name": "Home"}, ("Home", {"name": "Home"})),
        (None, {"name": "Home"}, ("Home", {"name": "Home"})),
        ("Home", {"name": "Start"}, ("Home", {"name": "Start"})),
        (None, {}, (None, {})),
    ],
)
def test_screens_have_their_name_twice(name: Any, properties: Any, expected: Any) -> None:
    enricher = Enricher(EnrichSettings())
    result = enricher.enrich(event("screen", name=name, properties=properties), AppState(), NOW)
    assert (result.event["name"], result.event["properties"]) == expected


def test_the_classic_destination_on_request() -> None:
    result = Enricher(EnrichSettings(classic=True)).enrich(event(), AppState(), NOW)
    assert result.event["integrations"]["Amplitude"] == {"session_id": NOW}


def test_the_debug_property_has_the_hash_of_the_key() -> None:
    key = "0123456789abcdef" * 2
    assert debug_value(key) == '{"appHash":"-1783317168"}'
    result = Enricher(EnrichSettings(sample_rate=1, debug_key=key)).enrich(event(), AppState(), NOW)
    assert result.event["properties"][DEBUG_PROPERTY] == '{"appHash":"-1783317168"}'


@pytest.mark.parametrize(
    ("context", "timeout_ms"),
    [
        ({"library": {"name": "analytics-react-native"}}, APP_TIMEOUT_MS),
        ({"library": {"name": "analytics.js"}}, BROWSER_TIMEOUT_MS),
        ({"page": {"url": "https://example.com/"}}, BROWSER_TIMEOUT_MS),
    ],
)
def test_a_session_ends_after_the_timeout_of_its_kind(context: dict[str, Any], timeout_ms: int) -> None:
    enricher, state = Enricher(ALWAYS), AppState()
    for at_ms, expected in ((0, 0), (timeout_ms, 0), (2 * timeout_ms + 1, 2 * timeout_ms + 1)):
        result = enricher.enrich(event(context=context), state, NOW + at_ms)
        assert result.session_id == NOW + expected


def test_session_ids_are_only_raised() -> None:
    enricher, state = Enricher(ALWAYS), AppState()
    assert enricher.enrich(event(), state, NOW).session_id == NOW
    higher = event(integrations={"Actions Amplitude": {"session_id": NOW + 50}})
    assert enricher.enrich(higher, state, NOW + 60).session_id == NOW + 50
    lower = event(integrations={"Actions Amplitude": {"session_id": NOW}})
    assert enricher.enrich(lower, state, NOW + 70).session_id == NOW, (
        "a late event keeps the session it names"
    )
    assert enricher.enrich(event(), state, NOW + 80).session_id == NOW + 50


def test_a_late_event_goes_into_the_session_it_falls_into() -> None:
    enricher, state = Enricher(ALWAYS), AppState()
    enricher.enrich(event(), state, NOW)
    later = NOW + APP_TIMEOUT_MS * 3
    enricher.enrich(event(), state, later)
    assert enricher.enrich(event(), state, NOW + 1000).session_id == NOW
    assert enricher.enrich(event(), state, later + 1).session_id == later


def test_a_clock_that_was_put_back_gives_no_lower_id() -> None:
    enricher, state = Enricher(EnrichSettings(sample_rate=1, app_timeout_ms=1000)), AppState()
    first = enricher.enrich(event(), state, NOW).session_id
    assert enricher.enrich(event(), state, NOW - 10_000_000).session_id == first


def test_session_events_as_the_session_plugin_sends_them() -> None:
    settings = EnrichSettings(sample_rate=1, session_events=True)
    enricher, state = Enricher(settings), AppState()
    first = enricher.enrich(event(integrations={"Mixpanel": True}), state, NOW)
    assert [made["event"] for made in first.made] == ["session_start"]
    assert first.made[0]["integrations"] == {"Mixpanel": False, "Actions Amplitude": {"session_id": NOW}}
    later = NOW + APP_TIMEOUT_MS + 1
    second = enricher.enrich(event(), state, later)
    assert [(made["event"], session_in(made)) for made in second.made] == [
        ("session_end", NOW),
        ("session_start", later),
    ]
    assert len({made["messageId"] for made in (*first.made, *second.made)}) == 3


def test_the_ids_of_session_events_are_the_same_when_made_again() -> None:
    settings = EnrichSettings(session_events=True)
    made = [Enricher(settings).enrich(event(), AppState(), NOW).made for _ in range(2)]
    assert made[0] == made[1]


@pytest.mark.parametrize("field", ["opted_out", "is_stopped"])
def test_no_replay_id_once_opted_out_or_stopped(field: str) -> None:
    state = AppState(**{field: True})
    result = Enricher(ALWAYS).enrich(event(), state, NOW)
    assert REPLAY not in result.event["properties"]
    assert session_in(result.event) == NOW


@pytest.mark.parametrize(
    ("session_id", "rate", "is_recorded"),
    [(1_767_323_045_000, 0.99, True), (1_767_323_045_000, 0.98, False), (1_719_847_315_000, 0.077, True)],
)
def test_sampling_follows_the_table(session_id: int, rate: float, is_recorded: bool) -> None:
    result = Enricher(EnrichSettings(sample_rate=rate)).enrich(event(), AppState(), session_id)
    assert (REPLAY in result.event["properties"]) == is_recorded


def test_a_paired_app_takes_the_ids_of_its_device() -> None:
    moment = DeviceMoment("thermostat-1", NOW - 1000, is_recorded=True)
    enricher = Enricher(
        EnrichSettings(), lambda device_id, at_ms: moment if device_id == "thermostat-1" else None
    )
    result = enricher.enrich(event(), AppState(device="thermostat-1"), NOW)
    assert result.device == "thermostat-1"
    assert result.event["context"]["device"] == {"id": "thermostat-1", "companion_id": "phone-1"}
    assert session_in(result.event) == NOW - 1000
    assert result.event["properties"][REPLAY] == f"thermostat-1/{NOW - 1000}"
    assert result.event["anonymousId"] == "anon-1"


def test_an_app_may_name_its_device_itself() -> None:
    moment = DeviceMoment("thermostat-1", NOW - 1000, is_recorded=True)
    enricher = Enricher(
        EnrichSettings(), lambda device_id, at_ms: moment if device_id == "thermostat-1" else None
    )
    result = enricher.enrich(event(context={"device": {"id": "thermostat-1"}}), AppState(), NOW)
    assert result.event["context"]["device"] == {"id": "thermostat-1"}
    assert session_in(result.event) == NOW - 1000


def test_a_device_without_a_session_leaves_the_app_its_own() -> None:
    moment = DeviceMoment("thermostat-1")
    enricher = Enricher(ALWAYS, lambda device_id, at_ms: moment if device_id == "thermostat-1" else None)
    result = enricher.enrich(event(), AppState(device="thermostat-1"), NOW)
    assert (result.device, result.device_id, result.session_id) == (None, "phone-1", NOW)


def test_identify_and_reset() -> None:
    enricher, state = Enricher(ALWAYS), AppState()
    enricher.enrich(event("identify", userId="u-1", traits={}), state, NOW)
    assert state.user_id == "u-1"
    after = event(integrations={"Actions Amplitude": {"session_id": -1}}, anonymousId="anon-2")
    assert session_in(enricher.enrich(after, state, NOW + 1).event) == -1
    assert enricher.enrich(event(), state, NOW + 2).session_id == NOW, (
        "the device ID does not change with a user"
    )


def test_as_a_function() -> None:
    own = event(integrations={"Actions Amplitude": {"session_id": NOW}})
    assert session_in(enrich(own, at_ms=NOW)) == NOW
    joined = enrich(event(), at_ms=NOW, device=DeviceMoment("thermostat-1", NOW, is_recorded=True))
    assert joined["properties"][REPLAY] == f"thermostat-1/{NOW}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from(["track", "screen", "page", "identify", "group", "alias", "other"]),
    st.dictionaries(
        st.sampled_from(["context", "properties", "integrations", "anonymousId", "userId", "name", "traits"]),
        JSON,
    ),
    st.integers(0, 1 << 50),
)
def test_no_event_breaks_it(kind: str, fields: dict[str, Any], at_ms: int) -> None:
    state = AppState()
    enricher = Enricher(EnrichSettings(sample_rate=1, session_events=True, classic=True))
    first = enricher.enrich({"type": kind, **fields}, state, at_ms)
    second = enricher.enrich({"type": kind, **fields}, state, at_ms + 1)
    assert first.session_id == second.session_id
    assert first.session_id == -1 or first.session_id > 0
