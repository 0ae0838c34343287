"""The trigger language: what it says of events, what it refuses and how, and that no text breaks it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixeltrail_bridge.sinks.amplitude.directives import MappingError
from pixeltrail_bridge.sinks.amplitude.triggers import MAX_DEPTH, MAX_LENGTH, parse_trigger

EVENT: dict[str, Any] = {
    "type": "track",
    "event": "Brew Started",
    "userId": None,
    "properties": {"cups": 2, "hot": True, "size": "L", "a b": 1, "deep": {"x": [{"y": "z"}]}},
    "context": {"app": {"name": "kettle"}},
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ('(type = "page" or (type = "track" and (event = "x" or event = "Brew Started")))', True),
        ('(type = "track" or type = "page") and (event = "x" or event = "y")', False),
        ('!(type = "page" or event = "x")', True),
        ('!(type = "track")', False),
        ('starts_with(event, "Brew") and ends_with(event, "Started")', True),
        ('!starts_with(event, "Brew")', False),
        ('starts_with(properties.cups, "2")', False),
        ('!starts_with(properties.cups, "2")', False),  # no text, so neither holds
        ("type='track' and properties.size='L'", True),
        ("properties.cups=2", True),
        ("properties.cups = 2.0", True),
        ("properties.cups > 1.5 and properties.cups <= 2", True),
        ("properties.size > 1", False),
        ("properties.hot >= 0", False),
        ("properties.a\\ b = 1", True),
        ('properties.deep.x.0.y = "z"', True),
        ('properties.deep.y.z = "z"', False),
        ("userId = null", True),
        ("traits.plan = null", True),
        ("traits.plan != null", False),
        ("properties.hot != true", True),  # as at Segment, which compares with text there
        ('event != "Brew Started"', False),
        ('name != "x"', True),
        ("\n type\t= 'track' ", True),
    ],
)
def test_what_a_trigger_says(text, holds):
    assert parse_trigger(text).matches(EVENT) is holds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected a field"),
        ("type", "expected one of"),
        ("type =", "expected text in quotes, a number"),
        ('type = "track', "expected text in quotes"),
        ('type = "a" and', "expected a field"),
        ('type = "a" type = "b"', "expected `and`, `or` or the end"),
        ('(type = "a"', "expected `)`"),
        ('type = "a")', "expected `and`, `or` or the end"),
        ('type = "a" and type = "b" or type = "c"', "parentheses around what is mixed"),
        ('messageId = "a"', "there is no field 'messageId'"),
        ('properties = "a"', "there is no field 'properties'"),
        ('type.x = "a"', "there is no field 'type.x'"),
        ('type < "a"', "< compares with a number"),
        ("contains(event)", "expected `,`"),
        ("contains(event, 5)", "expected text in quotes"),
        ('match(event, "a")', "needs one `*`"),
        ('!type = "a"', "expected a function or `(` after `!`"),
        ("type = track", "expected text in quotes"),
        ("type ~ 'a'", "expected one of"),
    ],
)
def test_what_is_wrong_is_named(text, expected):
    with pytest.raises(MappingError) as error:
        parse_trigger(text)
    assert expected in str(error.value)


def test_triggers_are_bounded():
    with pytest.raises(MappingError, match=f"at most {MAX_LENGTH} characters"):
        parse_trigger('type = "a"' + " " * MAX_LENGTH)
    with pytest.raises(MappingError, match=f"at most {MAX_DEPTH} levels"):
        parse_trigger("(" * 100 + 'type = "a"' + ")" * 100)
    nested = "(" * MAX_DEPTH + 'type = "track"' + ")" * MAX_DEPTH
    assert parse_trigger(nested).matches(EVENT)


unhurried = settings(deadline=None)  # a loaded machine is no fault
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
words = st.sampled_from(
    [
        '"a"',
        "'b'",
        "5",
        "-1.5",
        "true",
        "null",
        "type",
        "event",
        "name",
        "properties.a",
        "context.b.c",
        "traits.x",
        "and",
    ]
    + ["or", "!", "(", ")", ",", "=", "!=", "<", ">=", "contains", "match", "starts_with", "\\", "x", "."]
)


@unhurried
@given(st.text(max_size=60) | st.lists(words, max_size=14).map(" ".join), json_values, json_values)
def test_any_text_is_a_trigger_or_our_error_and_a_trigger_never_fails(text, event, properties):
    try:
        trigger = parse_trigger(text)
    except MappingError:
        return
    assert trigger.matches({"type": "track", "event": event, "properties": properties}) in (True, False)


conditions = st.recursive(
    st.tuples(st.sampled_from(["a", "b"]), st.booleans()).map(
        lambda one: (f"properties.{one[0]} = {str(one[1]).lower()}", lambda event: event[one[0]] is one[1])
    ),
    lambda inner: st.tuples(
        st.sampled_from(["and", "or"]), st.lists(inner, min_size=1, max_size=3), st.booleans()
    ).map(
        lambda one: (
            ("!" if one[2] else "") + "(" + f" {one[0]} ".join(text for text, _ in one[1]) + ")",
            lambda event: (all if one[0] == "and" else any)(test(event) for _, test in one[1]) != one[2],
        )
    ),
    max_leaves=6,
)


@unhurried
@given(conditions, st.booleans(), st.booleans())
def test_and_or_not_and_parentheses_mean_what_they_say(condition, a, b):
    text, expected = condition
    event = {"type": "track", "properties": {"a": a, "b": b}}
    assert parse_trigger(text).matches(event) is expected({"a": a, "b": b})
