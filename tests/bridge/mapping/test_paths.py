"""Paths into events: how they are written, what they fit, and changes that leave the original alone."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail_bridge.mapping import paths
from pixeltrail_bridge.mapping.paths import GONE, PathError, parse

EVENT: dict[str, Any] = {
    "type": "track",
    "properties": {
        "cups": 2,
        "a.b": 1,
        "[Amplitude] Session Replay ID": "kitchen-01/7",
        "products": [{"name": "tea", "price": 1}, {"name": "cake", "price": 2}],
    },
    "context": {"device": {"id": "kitchen-01", "model": "Pico"}, "ip": "203.0.113.7"},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("properties.cups", ("properties", "cups")),
        ("properties . cups", ("properties", "cups")),
        ("properties.cup size", ("properties", "cup size")),
        ('properties."a.b"', ("properties", "a.b")),
        ("properties.'a\"b'.c", ("properties", 'a"b', "c")),
        ("properties.[Amplitude] Session Replay ID", ("properties", "[Amplitude] Session Replay ID")),
        ("properties.products.0.name", ("properties", "products", "0", "name")),
    ],
)
def test_names_are_separated_by_dots_and_quotes_take_them_as_they_are(text: str, names: paths.Names) -> None:
    assert parse(text).names == names and not parse(text).has_pattern


def test_stars_in_quotes_are_stars() -> None:
    assert parse("properties.*").has_pattern and not parse('properties."*"').has_pattern


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", 'a."', 'a."b"c', "a.''", ".".join("x" * 17)])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "pattern", "does"),
    [
        ("Brew Started", "Brew *", True),
        ("Brew Started", "*", True),
        ("", "*", True),
        ("Brew", "Brew?", False),
        ("Brews", "Brew?", True),
        ("[Amplitude] x", "[Amplitude] *", True),
        ("A x", "[Amplitude] *", False),
        ("a\nb", "a*b", True),
        ("abcabc", "*b*c", True),
        ("aXbX", "a*b", False),
        ("abab", "a**b", True),
    ],
)
def test_patterns_fit_the_whole_of_a_text(text: str, pattern: str, does: bool) -> None:
    assert paths.fits(text, pattern) is does


def test_many_stars_cost_no_more_than_their_number() -> None:
    assert not paths.fits("a" * 30_000, "*a" * 12 + "*b")


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        ("properties.cups", {"cups"}),
        ('properties."a.b"', {"a.b"}),
        ("properties.c*", {"cups"}),
        ("properties.nothing.below", set()),
        ("properties.cups.below", set()),
    ],
)
def test_what_a_path_names_is_changed_and_the_rest_is_shared(path: str, gone: set[str]) -> None:
    before = copy.deepcopy(EVENT)
    after = paths.change(EVENT, parse(path), lambda value: GONE)
    assert set(EVENT["properties"]) - set(after["properties"]) == gone
    assert after["context"] is EVENT["context"] and before == EVENT
    assert (after is EVENT) is (not gone)


def test_items_of_lists_are_numbered() -> None:
    after = paths.change(EVENT, parse("properties.products.*.price"), lambda value: value * 10)
    assert [one["price"] for one in after["properties"]["products"]] == [10, 20]
    after = paths.change(EVENT, parse("properties.products.1"), lambda value: GONE)
    assert [one["name"] for one in after["properties"]["products"]] == ["tea"]


def test_the_spared_stay_also_where_a_pattern_fits_what_they_lie_in() -> None:
    spared = {("context", "device", "id")}
    assert paths.change(EVENT, parse("context.*"), lambda value: GONE, spared)["context"] == {
        "device": {"id": "kitchen-01"}
    }
    after = paths.change(EVENT, parse("context.*"), lambda value: "x", spared)["context"]
    assert after == {"device": {"id": "kitchen-01", "model": "x"}, "ip": "x"}


def test_what_is_put_makes_its_way_and_never_replaces() -> None:
    assert paths.put({}, ("a", "b", "c"), 1) == {"a": {"b": {"c": 1}}}
    for taken in ({"a": 1}, {"a": {"b": None}}, {"a": {"b": 2}}):
        assert paths.put(taken, ("a", "b"), 1) is taken


def test_pruning_keeps_what_is_named() -> None:
    kept = paths.prune(EVENT["properties"], [parse("cups"), parse("products.*.name")])
    assert kept == {"cups": 2, "products": [{"name": "tea"}, {"name": "cake"}]}
    everything = [parse("*")]
    assert paths.prune(EVENT["properties"], everything) is EVENT["properties"]
    assert paths.prune({"a": 1}, [parse("b")]) is GONE


def test_differences_name_their_place_as_a_path() -> None:
    after = {**EVENT, "properties": {**EVENT["properties"], "a.b": 5}}
    assert list(paths.differences(EVENT, after)) == [('properties."a.b"', 1, 5)]


@given(JSON, st.sampled_from(["a", "a.b", "*", "*.*", "0", "a.*.b", "?", "*.0.*"]))
def test_nothing_that_json_can_say_stops_a_change(value: Any, text: str) -> None:
    before = copy.deepcopy(value)
    path = parse(text)
    dropped = paths.change(value, path, lambda one: GONE)
    again = paths.change(dropped, path, lambda one: GONE)
    assert repr(value) == repr(before), "the original stays"
    if "0" not in text:  # the next item has that number then
        assert again is dropped, "what is gone is gone"
    paths.prune(value, [path])
    paths.put(value, path.names, 1)
