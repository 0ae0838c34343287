"""Rules of the customer's own: what each kind does, what none may do, and that no event stops one."""

from __future__ import annotations

import copy
import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixeltrail_bridge.mapping.calls import REPLAY_PROPERTY, Call
from pixeltrail_bridge.mapping.rule_checks import read
from pixeltrail_bridge.mapping.rules import LINKS, Rule, Rules

from tests.bridge.mapping.test_paths import JSON

SINKS = ("segment", "jsonl")
DEVICE = "kitchen-01"
SECRET = b"sixteen letters!"


def rule(**fields: Any) -> Rule:
    return read({"name": "r", **fields})


def event(kind: str = "track", **fields: Any) -> dict[str, Any]:
    properties = {REPLAY_PROPERTY: f"{DEVICE}/7", "cups": 2, "email": "ada@example.com"}
    own: dict[str, Any] = {
        "track": {"event": "Brew Started", "properties": properties},
        "screen": {"name": "Home", "properties": {"name": "Home", **properties}},
        "page": {"name": "Shop", "properties": properties},
        "identify": {"userId": "user-7", "traits": {"email": "ada@example.com", "plan": "pro"}},
        "group": {"groupId": "office", "userId": "user-7", "traits": {"floor": 2}},
        "alias": {"userId": "user-8", "previousId": "user-7"},
    }[kind]
    return {
        "type": kind,
        "messageId": "px-1",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "anonymousId": DEVICE,
        **own,
        "context": {"device": {"id": DEVICE, "model": "Pico"}, "ip": "203.0.113.7"},
        "integrations": {"Actions Amplitude": {"session_id": 7}},
        **fields,
    }


def call(payload: dict[str, Any], device: str = DEVICE) -> Call:
    name = {"track": "event", "identify": "userId", "alias": "userId", "group": "groupId"}
    shown = payload.get(name.get(payload["type"], "name"), "")
    return Call(payload["messageId"], device, 7, payload["type"], shown, payload, 0)


def after(one: Rule, kind: str = "track", **fields: Any) -> dict[str, Any]:
    shaped = Rules([one], SINKS).shape(call(event(kind, **fields)))
    assert shaped is not None and shaped.sinks is None and not shaped.own
    return shaped.call.payload


# ---- what it is for ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conditions", "fitting"),
    [
        ({}, {"track", "screen", "page", "identify", "group", "alias"}),
        ({"types": ("track", "s*")}, {"track", "screen"}),
        ({"events": ("Brew *", "H?me")}, {"track", "screen"}),
        ({"events": ("*",)}, {"track", "screen", "page"}),
        ({"users": ("user-7",)}, {"identify", "group", "alias"}),
        ({"users": ("user-8",)}, {"alias"}),
        ({"devices": ("kitchen-*",), "types": ("page",)}, {"page"}),
        ({"devices": ("garage-*",)}, set()),
    ],
)
def test_all_conditions_must_fit(conditions: dict[str, Any], fitting: set[str]) -> None:
    one = rule(**conditions, add={"context.seen": True})
    kinds = ("track", "screen", "page", "identify", "group", "alias")
    assert {kind for kind in kinds if "seen" in after(one, kind)["context"]} == fitting


# ---- what it does ------------------------------------------------------------------------------


def test_rename_keeps_the_value_and_what_has_the_new_name_already_wins() -> None:
    one = rule(rename={"properties.cups": "properties.size.cups"})
    properties = after(one)["properties"]
    assert properties["size"] == {"cups": 2} and "cups" not in properties
    one = rule(rename={"properties.cups": "properties.count"})
    assert after(one, properties={"cups": 2, "count": 5})["properties"] == {"count": 5}


def test_rename_moves_between_parts_of_an_event_that_has_both() -> None:
    one = rule(rename={"context.ip": "properties.address"})
    assert after(one)["properties"]["address"] == "203.0.113.7" and "ip" not in after(one)["context"]
    assert after(one, "identify") == event("identify"), "an identify call has no properties"


def test_drop_takes_properties_traits_and_context_away() -> None:
    one = rule(drop=["properties.email", "traits.email", "context.ip"])
    for kind, part in (("track", "properties"), ("identify", "traits")):
        assert "email" not in after(one, kind)[part] and "ip" not in after(one, kind)["context"]


def test_keep_leaves_what_is_listed_and_the_link() -> None:
    one = rule(keep=["properties.cups", "context.app"])
    changed = after(one)
    assert changed["properties"] == {REPLAY_PROPERTY: f"{DEVICE}/7", "cups": 2}
    assert changed["context"] == {"device": {"id": DEVICE}}
    assert after(one, "identify")["traits"] == event("identify")["traits"], "traits are not spoken of"
    assert after(rule(keep=["traits.nothing"]), "identify")["traits"] == {}


def test_redact_puts_a_constant_in_the_place_of_a_value() -> None:
    assert after(rule(redact=["properties.email"]))["properties"]["email"] == "[redacted]"
    one = rule(redact=["properties.*"], redact_with="-")
    assert after(one)["properties"] == {REPLAY_PROPERTY: f"{DEVICE}/7", "cups": "-", "email": "-"}
    assert after(one, properties={"email": None})["properties"] == {"email": None}


def test_redact_with_a_key_gives_the_same_for_the_same_so_that_events_join() -> None:
    one = rule(redact=["properties.email", "traits.email"], redact_key=SECRET)
    digest = hmac.new(SECRET, b"ada@example.com", hashlib.sha256).hexdigest()[:32]
    assert after(one)["properties"]["email"] == after(one, "identify")["traits"]["email"] == digest
    assert after(one, properties={"email": "bob@example.com"})["properties"]["email"] != digest
    other = rule(redact=["properties.email"], redact_key=SECRET[::-1])
    assert after(other)["properties"]["email"] != digest
    assert SECRET.decode() not in repr(one)


@pytest.mark.parametrize("kind", ["identify", "group", "alias"])
def test_a_redacted_id_is_redacted_in_lists_too(kind: str) -> None:
    one = rule(redact=["userId", "previousId", "groupId"], redact_key=SECRET)
    shaped = Rules([one], SINKS).shape(call(event(kind)))
    assert shaped is not None
    assert not {"user-7", "user-8", "office"} & {shaped.call.event, *map(str, shaped.call.payload.values())}
    assert shaped.call.event in shaped.call.payload.values()


def test_add_gives_what_is_not_there_yet_and_no_properties_to_what_has_none() -> None:
    one = rule(add={"properties.site": "Leeds", "properties.cups": 9, "context.app.flavour": ["a"]})
    changed = after(one)
    assert changed["properties"]["site"] == "Leeds" and changed["properties"]["cups"] == 2
    assert changed["context"]["app"] == {"flavour": ["a"]}
    assert "properties" not in after(one, "identify")


def test_drop_and_add_replace() -> None:
    assert after(rule(drop=["properties.cups"], add={"properties.cups": 9}))["properties"]["cups"] == 9


def test_rename_event_is_for_what_has_a_name() -> None:
    one = rule(rename_event="Brewing")
    assert after(one)["event"] == "Brewing" and after(one, "page")["name"] == "Brewing"
    screen = after(one, "screen")
    assert screen["name"] == screen["properties"]["name"] == "Brewing"
    assert after(one, "group") == event("group")
    shaped = Rules([one], SINKS).shape(call(event()))
    assert shaped is not None and shaped.call.event == "Brewing"


def test_a_dropped_event_is_written_down_nowhere() -> None:
    assert Rules([rule(events=("Brew *",), drop_event=True)], SINKS).shape(call(event())) is None


def test_the_last_rule_that_says_where_decides() -> None:
    rules = Rules([rule(send_to=("jsonl",)), rule(types=("track",), send_to=("segment",))], SINKS)
    for kind, sink in (("track", "segment"), ("page", "jsonl")):
        shaped = rules.shape(call(event(kind)))
        assert shaped is not None and shaped.sinks == (sink,)


def test_rules_for_one_sink_leave_the_others_and_the_history_alone() -> None:
    rules = Rules(
        [
            rule(sinks=("segment",), drop=["properties.cups"], rename_event="Brewing"),
            rule(add={"properties.a": 1}),
        ],
        SINKS,
    )
    shaped = rules.shape(call(event()))
    assert shaped is not None and shaped.sinks is None
    assert shaped.call.payload["properties"] == {**event()["properties"], "a": 1}
    assert shaped.call.payload["event"] == "Brew Started" and list(shaped.own) == ["segment"]
    assert shaped.own["segment"]["event"] == "Brewing" and "cups" not in shaped.own["segment"]["properties"]


def test_what_is_redacted_for_one_sink_is_redacted_in_the_history() -> None:
    shaped = Rules([rule(sinks=("segment",), redact=["properties.email"])], SINKS).shape(call(event()))
    assert shaped is not None
    assert shaped.call.payload["properties"]["email"] == "[redacted]" and list(shaped.own) == ["jsonl"]
    assert shaped.own["jsonl"]["properties"]["email"] == "ada@example.com", "it may have the original"


def test_an_event_dropped_for_one_sink_goes_to_the_others() -> None:
    shaped = Rules([rule(sinks=("segment",), drop_event=True)], SINKS).shape(call(event()))
    assert shaped is not None and shaped.sinks == ("jsonl",) and not shaped.own


def test_a_rule_sees_what_those_before_it_made() -> None:
    first, second = (
        rule(events=("Brew *",), rename_event="B"),
        rule(events=("B",), drop=["properties.cups"]),
    )
    changed = Rules([first, second], SINKS).shape(call(event()))
    assert changed is not None and "cups" not in changed.call.payload["properties"]
    unchanged = Rules([second, first], SINKS).shape(call(event()))
    assert unchanged is not None and "cups" in unchanged.call.payload["properties"]


def test_who_is_told_learns_which_rule_did_what() -> None:
    rules = Rules(
        [rule(name="pii", redact=["properties.email"]), rule(name="here", send_to=("jsonl",))], SINKS
    )
    history, segment, jsonl = rules.explain(event(), DEVICE)
    assert history.did == [("pii", "redacted properties.email"), ("here", "sent it to jsonl")]
    assert [one.sink for one in (history, segment, jsonl)] == ["", "segment", "jsonl"]
    assert jsonl.payload["properties"]["email"] == "[redacted]" and not isinstance(segment.payload, dict)


# ---- what never happens ---------------------------------------------------------------------------

_PATHS = [
    "properties.*",
    "traits.*",
    "context.*",
    "context.*.*",
    "properties.a.*",
    "integrations.*.*",
    "properties.0",
]
_ANY_RULE = st.builds(
    rule,
    types=st.just(()) | st.just(("t*",)),
    events=st.just(()) | st.just(("a*",)),
    users=st.just(()) | st.just(("*",)),
    sinks=st.just(()) | st.just(("segment",)),
    drop=st.lists(st.sampled_from(_PATHS), max_size=2),
    keep=st.just([]) | st.just(["properties.a", "context.b.*"]),
    add=st.just({}) | st.just({"properties.a.b": 1, "context.c": "x"}),
    rename=st.just({}) | st.just({"properties.b": "properties.a"}),
    redact=st.lists(st.sampled_from(["properties.a.b", "traits.*.*", "userId"]), min_size=1, max_size=2),
    redact_key=st.just(b"") | st.just(SECRET),
    rename_event=st.just("") | st.just("n"),
)  # fmt: skip
_NAMES = ["properties", "traits", "context", "integrations", "userId", "event", "name", "anonymousId"]
_ANY_EVENT = st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "screen", "identify", "alias"]) | JSON, "messageId": st.just("m")},
    optional=dict.fromkeys(_NAMES, JSON),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_ANY_RULE, min_size=1, max_size=3), _ANY_EVENT)
def test_no_event_stops_a_rule_and_the_same_event_always_ends_the_same(
    rules: list[Rule], payload: dict[str, Any]
) -> None:
    before = copy.deepcopy(payload)
    compiled = Rules(rules, SINKS)
    told = compiled.explain(payload, DEVICE)
    assert repr(payload) == repr(before), "the event that came stays as it was"
    assert repr(told) == repr(Rules(rules, SINKS).explain(payload, DEVICE))
    compiled.redact(payload)
    if payload["type"] in ("track", "screen", "identify", "alias"):
        shaped = compiled.shape(Call("m", DEVICE, 7, payload["type"], "", payload, 0))
        assert shaped is not None and shaped.call.message_id == shaped.call.payload["messageId"] == "m"


@settings(max_examples=100, deadline=None)
@given(st.lists(_ANY_RULE, min_size=1, max_size=3), st.sampled_from(["track", "screen", "identify", "alias"]))
def test_the_link_to_the_replay_survives_all_that_do_not_break_it_on_purpose(
    rules: list[Rule], kind: str
) -> None:
    for told in Rules(rules, SINKS).explain(event(kind), DEVICE):
        for names in LINKS:
            old: Any = event(kind)
            new: Any = told.payload
            for name in names:
                old, new = (one.get(name) if isinstance(one, dict) else None for one in (old, new))
            assert old == new


def test_a_rule_that_says_so_may_break_the_link() -> None:
    one = rule(drop=[f"properties.{REPLAY_PROPERTY}", "context.device.id"], breaks_link=True)
    assert REPLAY_PROPERTY not in after(one)["properties"] and "id" not in after(one)["context"]["device"]


def test_events_that_carry_the_recording_are_sent_or_dropped_and_never_changed() -> None:
    piece = event(event="Replay Chunks", properties={"data": "AAEC"})
    rules = Rules(
        [rule(keep=["properties.cups"]), rule(add={"context.a": 1}), rule(send_to=("jsonl",))], SINKS
    )
    shaped = rules.shape(call(piece))
    assert shaped is not None and shaped.call.payload == piece and shaped.sinks == ("jsonl",)
    assert rules.explain(piece, DEVICE)[0].did == [("r", "sent it to jsonl")]
    assert Rules([rule(events=("Replay *",), drop_event=True)], SINKS).shape(call(piece)) is None


def test_what_goes_nowhere_is_redacted_as_well() -> None:
    rules = Rules([rule(redact=["properties.email"], sinks=("segment",))], SINKS)
    assert rules.redact({"type": "track", "properties": {"email": "ada@example.com"}})["properties"] == {
        "email": "[redacted]"
    }
    assert rules.redact({"type": 5, "properties": []}) == {"type": 5, "properties": []}
    assert rules.redact("no event") == "no event"
