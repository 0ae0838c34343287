"""Cases for the judge, each by its name: ordinary events, the odd ones that are known, orders, directives, triggers."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from .generate import (
    AGENTS,
    ALIAS_MAPPING,
    GROUP_MAPPING,
    NEWER_AGENTS,
    PURCHASE,
    SESSION,
    TIMES,
    Case,
    base,
    put,
)


def ordinary() -> Iterator[tuple[str, Case]]:
    for kind in ("track", "screen", "page", "identify", "group", "alias"):
        yield kind, {"event": base(kind)}
        yield f"{kind} in Europe", {"event": base(kind), "settings": {"endpoint": "europe"}}
    yield "group, mapped", {"event": base("group"), "mappings": [GROUP_MAPPING]}
    yield (
        "group, mapped, in Europe",
        {
            "event": base("group"),
            "mappings": [GROUP_MAPPING],
            "settings": {"endpoint": "europe"},
        },
    )
    yield "alias, mapped", {"event": base("alias"), "mappings": [ALIAS_MAPPING]}
    yield (
        "alias, in Europe",
        {"event": base("alias"), "mappings": [ALIAS_MAPPING], "settings": {"endpoint": "europe"}},
    )
    for action in ("logEventV2", "logEvent", "logPurchase"):
        one = {"name": "m", "action": action, "trigger": 'type = "track"', "fields": {}}
        for field, value in (
            *(("use_batch_endpoint", True), ("min_id_length", 3), ("includeRawUserAgent", True)),
            *(
                ("userAgentParsing", False),
                ("groups", {"office": "3"}),
                ("event_id", 4),
                ("android_id", "a-1"),
            ),
            *(
                ("library2", {"behavior": "auto"}),
                ("insert_id", "mine"),
                ("dma", "x"),
                ("platform", "my IOS android"),
            ),
            *(("library", "analytics.js"), ("user_properties", {"a": 1}), ("ip", "$remote")),
        ):
            event = put(base("track"), "context.userAgent", AGENTS[0])
            yield f"{action} with {field}", {"event": event, "mappings": [one | {"fields": {field: value}}]}
    yield (
        "add",
        {
            "event": base("track"),
            "mappings": [PURCHASE | {"action": "logEventV2", "fields": {"add": {"brews": 1, "cups": "two"}}}],
        },
    )
    yield (
        "two mappings take it",
        {
            "event": base("track"),
            "mappings": [PURCHASE, PURCHASE | {"action": "logEvent"}],
        },
    )


def named() -> Iterator[tuple[str, Case]]:
    """The odd cases of the reference, each by its name."""
    track, identify = base("track"), base("identify")
    session = "integrations.Actions Amplitude.session_id"
    for value in (
        -1,
        "-1",
        str(SESSION),
        "2026-01-02T03:04:05.000Z",
        SESSION + 0.7,
        0,
        ...,
        "session-abc",
        "0",
        None,
    ):
        yield f"session_id {value!r}", {"event": put(track, session, value)}
    yield (
        "session elsewhere",
        {
            "event": put(
                put(put(track, session, ...), "integrations.Amplitude.session_id", 5),
                "properties.session_id",
                6,
            )
        },
    )
    for value in ("", None, 12345, ...):
        yield f"context.device.id {value!r}", {"event": put(track, "context.device.id", value)}
    yield "neither ID", {"event": put(put(track, "context.device.id", ...), "anonymousId", ...)}
    yield "a reserved name", {"event": put(track, "event", "[Amplitude] Replay Captured")}
    yield "screen without name", {"event": put(base("screen"), "name", ...)}
    yield "page without name", {"event": put(base("page"), "name", ...)}
    yield "track without event", {"event": put(track, "event", ...)}
    yield "All false", {"event": put(track, "integrations.All", False)}
    yield "All false, no entry", {"event": put(track, "integrations", {"All": False})}
    yield "entry false", {"event": put(track, "integrations", {"Actions Amplitude": False})}
    yield "no library", {"event": put(track, "context.library", ...)}
    yield (
        "analytics.js without platform",
        {"event": put(put(track, "context.library.name", "analytics.js"), "context.device.type", ...)},
    )
    for value in ("ios", "IOS", "Android TV", "my-ios-android-ios", "embedded"):
        yield f"platform {value}", {"event": put(track, "context.device.type", value)}
    campaign = {"source": "s", "medium": "", "name": "n", "term": None, "other": 4}
    for kind in ("track", "page", "identify"):
        event = put(put(base(kind), "context.campaign", campaign), "context.page.referrer", "http://r/")
        yield f"{kind} of a campaign", {"event": event}
        yield (
            f"{kind} of a campaign with traits",
            {"event": put(event, "traits", {"plan": "pro", "$set": {"a": 1}})},
        )
        yield (
            f"{kind} with a referrer alone",
            {"event": put(base(kind), "context.page.referrer", "http://r/")},
        )
    yield (
        "traits with operations",
        {"event": put(identify, "traits", {"$add": {"n": 3, "m": "x"}, "plan": "pro"})},
    )
    yield "traits with one operation", {"event": put(identify, "traits", {"$add": {"n": 3}})}
    yield "null user", {"event": put(track, "userId", None)}
    for index, agent in enumerate(AGENTS + NEWER_AGENTS):
        event = put(
            put(put(track, "context.userAgent", agent), "context.os", ...),
            "context.device",
            {"id": "kitchen-01"},
        )
        yield f"user agent {index}", {"event": event}
        event = put(event, "context.userAgentData", {"model": "M", "platformVersion": "9", "brands": []})
        yield f"user agent {index} with hints", {"event": event}
        yield f"user agent {index} on identify", {"event": put(identify, "context.userAgent", agent)}
    for value in TIMES:
        yield f"timestamp {value!r}", {"event": put(track, "timestamp", value)}
        yield f"session from {value!r}", {"event": put(track, session, value)}
    for value in ("1767323045678", "Jan 2, 2026", "next week", ...):
        yield f"timestamp {value!r}", {"event": put(track, "timestamp", value)}
        yield (
            f"group at {value!r}",
            {"event": put(base("group"), "timestamp", value), "mappings": [GROUP_MAPPING]},
        )
    for kind in ("group", "alias"):
        mapping = GROUP_MAPPING if kind == "group" else ALIAS_MAPPING
        for length in (0, 1, 3, None, "4"):
            fields = {**mapping["fields"], "min_id_length": length}  # type: ignore[dict-item]
            yield (
                f"{kind} with min_id_length {length!r}",
                {
                    "event": base(kind),
                    "mappings": [mapping | {"fields": fields}],
                },
            )
    yield (
        "group without a type",
        {"event": put(base("group"), "traits.kind", ...), "mappings": [GROUP_MAPPING]},
    )
    yield (
        "group of nobody",
        {
            "event": put(put(base("group"), "anonymousId", ...), "context.device", ...),
            "mappings": [GROUP_MAPPING],
        },
    )
    yield "group of a null user", {"event": put(base("group"), "userId", None), "mappings": [GROUP_MAPPING]}
    yield (
        "alias without the old ID",
        {"event": put(base("alias"), "previousId", ...), "mappings": [ALIAS_MAPPING]},
    )


REVENUES: tuple[dict[str, Any], ...] = (
    {},
    {"revenue": 10},
    {"total": 10},
    {"revenue": 10, "total": 12},
    {"price": 4.5, "quantity": 2},
    {"price": 4.5, "quantity": 2, "revenue": 100},
    {"price": 4.5},
    {"quantity": 2},
    {"price": -4.5, "quantity": 2},
    {"revenue": -3},
    {"price": 0, "quantity": 2},
    {"revenue": 0},
    {"price": "4.5", "quantity": "2"},
    {"price": "4.5", "quantity": 2.5},
    {"price": 3, "quantity": None, "revenue": 7},
    {"price": "free", "quantity": 1},
    {"price": 1, "quantity": 1, "productId": "p", "revenueType": "Refund"},
    {"price": 0.1, "quantity": 3, "productId": 12, "revenueType": ""},
    {"revenue": [5]},
    {"price": True, "quantity": True},
)


def revenue() -> Iterator[tuple[str, Case]]:
    """Every kind of revenue, with products of every kind or without, tracked with the order or with each product."""
    order = base("track", event="Order Completed")
    for index, values in enumerate(REVENUES):
        for products in (None, [values], [values, {"price": 2, "quantity": 3, "sku": "x"}], values):
            for per_product in (False, True):
                properties = {"orderId": "o-1", **values}
                if products is not None:
                    properties["products"] = products
                kind = (
                    "none"
                    if products is None
                    else f"{len(products)}"
                    if isinstance(products, list)
                    else "bare"
                )
                fields = {"trackRevenuePerProduct": per_product}
                case: Case = {"event": {**copy.deepcopy(order), "properties": properties}}
                if per_product:
                    case["mappings"] = [PURCHASE | {"fields": fields}]
                yield f"revenue {index}, products {kind}, each {per_product}", case
        yield f"revenue {index} in a plain track", {"event": base("track", properties=dict(values))}
    for products in (
        [],
        {},
        [None],
        ["x"],
        [[{"price": 1}]],
        "x",
        None,
        0,
        [{"price": 1, "quantity": 1}, 5],
        [{}, {}],
    ):
        event = {**copy.deepcopy(order), "properties": {"products": products, "revenue": 5}}
        yield f"products {products!r}", {"event": event}
        event = {**copy.deepcopy(order), "properties": {"products": products}}
        mapping = PURCHASE | {"fields": {"trackRevenuePerProduct": True, "insert_id": "i-1"}}
        yield f"products {products!r} with an ID", {"event": event, "mappings": [mapping]}


VALUES: tuple[tuple[str, Any], ...] = (
    ("path", {"@path": "$.properties.deep.a"}),
    ("path without $", {"@path": "properties.deep.a"}),
    ("path in brackets", {"@path": "$.properties['deep']['a']"}),
    ("path by number", {"@path": "$.properties.list[1].b"}),
    ("path by number and dot", {"@path": "$.properties.list.0"}),
    ("path to nothing", {"@path": "$.properties.no.such"}),
    ("path beyond null", {"@path": "$.properties.null.more"}),
    ("path beyond text", {"@path": "$.event.length"}),
    ("path to all", {"@path": "."}),
    ("template", {"@template": "a {{event}} of {{ properties.deep.a }} and {{{type}}}"}),
    ("template of nothing", {"@template": "{{nothing}}-{{properties.null}}"}),
    (
        "template of others",
        {"@template": "{{properties.deep}}/{{properties.list}}/{{properties.number}}/{{properties.yes}}"},
    ),
    ("template, broken", {"@template": "{{event} {event}} {{}}"}),
    ("literal", {"@literal": "l"}),
    ("literal directive", {"@literal": {"@path": "$.event"}}),
    ("plain", "plain"),
    ("number", 7.5),
    ("if exists", {"@if": {"exists": {"@path": "$.properties.deep"}, "then": "yes", "else": "no"}}),
    (
        "if not",
        {"@if": {"exists": {"@path": "$.properties.no"}, "then": "yes", "else": {"@path": "$.event"}}},
    ),
    ("if blank", {"@if": {"blank": {"@path": "$.properties.empty"}, "then": "there", "else": "blank"}}),
    ("if blank 0", {"@if": {"blank": {"@path": "$.properties.zero"}, "then": "there", "else": "blank"}}),
    ("if without else", {"@if": {"exists": {"@path": "$.properties.no"}, "then": "yes"}}),
    ("lower", {"@case": {"operator": "lower", "value": {"@path": "$.event"}}}),
    ("upper", {"@case": {"operator": "upper", "value": "äß x"}}),
    ("case of a number", {"@case": {"operator": "upper", "value": {"@path": "$.properties.number"}}}),
    ("replace", {"@replace": {"pattern": "r", "replacement": "R.", "value": {"@path": "$.event"}}}),
    (
        "replace once",
        {"@replace": {"pattern": "E", "replacement": "", "value": "seven Eleven", "global": False}},
    ),
    (
        "replace any case",
        {"@replace": {"pattern": "e.", "replacement": "_", "value": "E.e.ex", "ignorecase": True}},
    ),
    (
        "replace twice",
        {
            "@replace": {
                "pattern": "a",
                "replacement": "b",
                "pattern2": "b",
                "replacement2": "c",
                "value": "aba",
            }
        },
    ),
    (
        "replace in a number",
        {"@replace": {"pattern": ".", "replacement": ",", "value": {"@path": "$.properties.number"}}},
    ),
    ("replace in nothing", {"@replace": {"pattern": ".", "replacement": ",", "value": {"@path": "$.no"}}}),
    (
        "merge right",
        {"@merge": {"direction": "right", "objects": [{"a": 1, "b": 1}, {"@path": "$.properties.deep"}]}},
    ),
    (
        "merge left",
        {"@merge": {"direction": "left", "objects": [{"a": 1, "b": 1}, {"@path": "$.properties.deep"}]}},
    ),
    ("flatten", {"@flatten": {"separator": "_", "value": {"@path": "$.properties"}}}),
    (
        "flatten without lists",
        {"@flatten": {"separator": ".", "omitArrays": True, "value": {"@path": "$.properties"}}},
    ),
    ("to JSON", {"@json": {"mode": "encode", "value": {"@path": "$.properties.deep"}}}),
    ("from JSON", {"@json": {"mode": "decode", "value": {"@path": "$.properties.json"}}}),
    ("from no JSON", {"@json": {"mode": "decode", "value": {"@path": "$.event"}}}),
    ("without null", {"@excludeWhenNull": {"@path": "$.properties"}}),
    ("null itself", {"@excludeWhenNull": {"@path": "$.properties.null"}}),
    ("array", {"@arrayPath": ["$.properties.list", {"b": {"@path": "b"}, "c": {"@template": "{{b}}!"}}]}),
    ("array as it is", {"@arrayPath": ["$.properties.list"]}),
    ("table", {"x": {"@path": "$.event"}, "y": [1, {"@path": "$.type"}], "z": {"@path": "$.no"}}),
)


def mapped() -> Iterator[tuple[str, Case]]:
    """Every directive, for a field that takes text, one that takes an object, and inside of one."""
    properties = {
        "deep": {"a": "A", "b": None, "n": 2},
        "list": [{"b": 1}, {"b": "two"}, [3]],
        "null": None,
        "number": 1.25,
        "zero": 0,
        "empty": "",
        "yes": True,
        "json": '{"q": [1, 2]}',
    }
    event = base("track", properties=properties)
    for name, value in VALUES:
        for field, given in (
            ("event_type", value),
            ("event_properties", value),
            ("event_properties", {"in": value}),
        ):
            mapping = {
                "name": "m",
                "action": "logEventV2",
                "trigger": 'type = "track"',
                "fields": {field: given},
            }
            yield (
                f"{name} for {field} {'inside' if given is not value else ''}",
                {"event": event, "mappings": [mapping]},
            )


TRIGGERS = (
    'type = "track"',
    "type = 'track'",
    'event = "Brew Started" and properties.cups > 1',
    'event != "Brew Started"',
    'event = "x" or event = "Brew Started" or event = "z"',
    '(event = "x" or event = "Brew Started") and properties.cups >= 2',
    'type = "track" and (properties.cups < 2 or properties.cups <= 2)',
    'contains(event, "Start")',
    '!contains(event, "Start")',
    '!contains(properties.cups, "2")',
    'match(event, "Brew*")',
    'match(event, "*Started")',
    '!match(event, "Brew*")',
    "properties.cups = 2",
    'properties.cups = "2"',
    'properties.cups != "2"',
    "properties.cups != 3",
    "properties.cups != null",
    "properties.no = null",
    "properties.hot = true",
    "properties.hot = false",
    "properties.hot != false",
    'properties.cup\\ size = "L"',
    'properties.nested.x = "y"',
    'context.app.name = "kettle"',
    'contains(context.device.id, "kitchen")',
    'traits.plan = "pro"',
    'userId = "user-7"',
    "userId != null",
    "name = null",
    'name = "Home"',
    "properties.cups > -1 and properties.cups < 2.5",
    'properties.nested = "y"',
)


def triggered() -> Iterator[tuple[str, Case]]:
    properties = {"cups": 2, "hot": True, "cup size": "L", "nested": {"x": "y"}}
    events = (
        base("track", properties=properties),
        base("identify"),
        base("screen"),
        base("track", event=None),
    )
    for trigger in TRIGGERS:
        for index, event in enumerate(events):
            fields = {"event_type": "T"}
            mapping = {"name": "m", "action": "logEventV2", "trigger": trigger, "fields": fields}
            yield f"trigger {trigger} of {index}", {"event": event, "mappings": [mapping]}
