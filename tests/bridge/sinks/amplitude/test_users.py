"""Users and groups: increments, operations, and groups, where the settings reach into what is sent."""

from __future__ import annotations

from typing import Any

import pytest
from pixeltrail_bridge.sinks.amplitude import Habits, MappingOptions, MappingRule
from pixeltrail_bridge.sinks.amplitude.mappings import Mapper

from .generate import base


def identify(traits: dict[str, Any], *increments: str, **more: Any) -> dict[str, Any]:
    options = MappingOptions(habits=Habits(increment_traits=frozenset(increments)))
    mapped = Mapper((), options).map(base("identify", traits=traits, **more))
    (item,) = mapped.items
    return item.body["user_properties"]


@pytest.mark.parametrize(
    ("traits", "increments", "expected"),
    [
        ({"plan": "pro", "friends": 3}, (), {"plan": "pro", "friends": 3}),
        ({"plan": "pro", "friends": 3}, ("friends",), {"$set": {"plan": "pro"}, "$add": {"friends": 3}}),
        ({"friends": -1.5}, ("friends", "other"), {"$add": {"friends": -1.5}}),
        ({"friends": "three"}, ("friends",), {}),
        ({"friends": "3"}, ("friends",), {}),
        ({"friends": True}, ("friends",), {}),
        ({"friends": None}, ("friends",), {}),
        ({"$add": {"a": 1, "b": "x"}}, (), {"$add": {"a": 1}}),
        ({"$add": {"a": 1}, "friends": 2}, ("friends",), {"$add": {"a": 1, "friends": 2}}),
        ({"$add": "x"}, (), {}),
        ({"$set": {"a": 1}, "b": 2}, (), {"$set": {"a": 1, "b": 2}}),
        ({"$set": {"a": 1}, "a": 2}, (), {"$set": {"a": 1}}),
        ({"$setOnce": {"a": 1}, "b": 2}, (), {"$setOnce": {"a": 1}, "$set": {"b": 2}}),
        ({"$unset": {"a": "-"}, "$append": {"l": 1}}, (), {"$unset": {"a": "-"}, "$append": {"l": 1}}),
    ],
)
def test_increments_are_numbers_and_operations_stand_alone(traits, increments, expected):
    assert identify(traits, *increments) == expected


def test_set_once_and_set_always_never_stand_beside_plain_properties():
    rule = MappingRule(
        "Track Calls", fields={"setOnce": {"first": 1}, "setAlways": {"last": 2}, "add": {"n": 3}}
    )
    event = base("track", traits={"plan": "pro"})
    (item,) = Mapper([rule]).map(event).items
    assert item.body["user_properties"] == {
        "$set": {"plan": "pro", "last": 2},
        "$setOnce": {"first": 1},
        "$add": {"n": 3},
    }


def group(options: MappingOptions, **event: Any) -> tuple[list[tuple[str, dict[str, Any]]], tuple[str, ...]]:
    mapped = Mapper((), options).map(base("group", **event))
    return [(item.endpoint, item.body) for item in mapped.items], mapped.faults


def test_a_group_call_says_who_belongs_and_what_the_group_is():
    sent, _ = group(MappingOptions(group_type_trait="kind"), userId="user-7")
    assert sent == [
        (
            "identify",
            {
                "device_id": "kitchen-01",
                "user_id": "user-7",
                "insert_id": "px-group",
                "groups": {"office": "office-3"},
                "user_properties": {"office": "office-3"},
                "library": "segment",
                "time": 1_767_323_045_678,
            },
        ),
        (
            "groupidentify",
            {
                "group_properties": {"kind": "office", "floor": 2},
                "group_type": "office",
                "group_value": "office-3",
                "library": "segment",
            },
        ),
    ]


def test_the_value_of_a_group_may_be_a_trait_and_numbers_become_text():
    sent, _ = group(MappingOptions(group_type_trait="kind", group_value_trait="floor"))
    assert sent[0][1]["groups"] == {"office": "2"}


def test_groups_as_user_properties_can_be_turned_off():
    options = MappingOptions(group_type_trait="kind", habits=Habits(groups_as_user_properties=False))
    sent, _ = group(options)
    assert "user_properties" not in sent[0][1] and sent[0][1]["groups"] == {"office": "office-3"}


def test_a_group_call_without_the_trait_is_refused_and_says_so():
    sent, faults = group(MappingOptions(group_type_trait="team"))
    assert sent == [] and faults == ("mapping 'Group Calls': group_type is missing",)
