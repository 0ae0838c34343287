"""Events for the judge: ordinary ones, each odd case by name, an odd value at each place, and random ones from a seed.

A case is what the judge takes: {"event", "mappings"?, "settings"?}.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

Case = dict[str, Any]
SESSION = 1_767_323_045_000
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 "
    "Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
    "Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 "
    "Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 13; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.6478.71 Mobile "
    "Safari/537.36",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8 Pro) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.6478.71 Mobile "
    "Safari/537.36",
    "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/79.0.3945.79 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 "
    "[FBAN/FBIOS;FBAV/468.0.0.38.108;FBDV/iPhone15,2;FBMD/iPhone;FBSN/iOS;FBSV/17.5]",
    "Dalvik/2.1.0 (Linux; U; Android 13; SM-G991B Build/TP1A.220624.014)",
    "okhttp/4.12.0",
    "curl/8.5.0",
    "MicroPython/1.26",
    "",
)
NEWER_AGENTS = (  # those of which the newer rules know more
    "Mozilla/5.0 (Linux; Android 12; M2102J20SG) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.6478.71 Mobile "
    "Safari/537.36",
)
ODD: tuple[Any, ...] = (
    *("", None, 0, -1, 5, 1.5, 1e21, 1e-7, True, False, "x", "0", "12", "1.50", " 7 ", "true"),
    *([], ["one"], [3], ["a", "b"], {}, {"a": 1}, [{"a": None}]),
)
TIMES: tuple[Any, ...] = (
    "2026-01-02T03:04:05.678Z",
    "2026-01-02T03:04:05Z",
    "2026-01-02T03:04:05.6789Z",
    "2026-01-02T03:04:05.6",
    "2026-01-02T03:04",
    "2026-01-02",
    "2026/1/2 3:04:05",
    "20260102",
    "2026",
    "2026-01-02T03:04:05+02:00",
    "2026-01-02T03:04:05.500-0330",
    "Fri, 02 Jan 2026 03:04:05 GMT",
    SESSION,
    SESSION + 0.7,
    -1,
)


def base(kind: str, **more: Any) -> dict[str, Any]:
    """An event as the bridge makes it."""
    event: dict[str, Any] = {
        "type": kind,
        "messageId": f"px-{kind}",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "anonymousId": "kitchen-01",
        "context": {
            "device": {
                "id": "kitchen-01",
                "type": "embedded",
                "manufacturer": "Espressif",
                "model": "ESP32-S3",
            },
            "os": {"name": "MicroPython", "version": "1.26.0"},
            "app": {"name": "kettle", "version": "2.3"},
            "library": {"name": "pixeltrail", "version": "0.1.0"},
            "screen": {"width": 128, "height": 64},
        },
        "integrations": {"Actions Amplitude": {"session_id": SESSION}},
    }
    fields = {
        "track": {"event": "Brew Started", "properties": {"cups": 2}},
        "screen": {"name": "Home", "properties": {"name": "Home"}},
        "page": {"name": "Set up", "properties": {"url": "http://kettle/"}},
        "identify": {"userId": "user-7", "traits": {"plan": "pro", "cups": 3}},
        "group": {"groupId": "office-3", "traits": {"kind": "office", "floor": 2}},
        "alias": {"userId": "user-7b", "previousId": "user-7"},
    }
    return event | copy.deepcopy(fields[kind]) | more


def put(event: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with `value` at a path of dots; MISSING-like `...` takes it away."""
    event = copy.deepcopy(event)
    *way, last = path.split(".")
    place = event
    for part in way:
        found = place.get(part)
        place[part] = found if isinstance(found, dict) else {}
        place = place[part]
    if value is ...:
        place.pop(last, None)
    else:
        place[last] = value
    return event


PLACES = {  # where an odd value is put, in events of which type
    "track": (
        *("event", "userId", "anonymousId", "context.device.id", "timestamp", "properties", "traits"),
        *("integrations.Actions Amplitude.session_id", "context.app.version", "context.device.type"),
        *(
            "context.device.advertisingId",
            "context.device.idfa",
            "context.os.version",
            "context.location.latitude",
        ),
        *(
            "context.library.name",
            "context.ip",
            "context.page.referrer",
            "context.campaign.source",
            "context.campaign",
        ),
        *("context.userAgentData.model", "properties.price", "properties.quantity", "properties.revenue"),
        *("properties.products", "context", "context.device", "integrations"),
    ),
    "screen": ("name", "context.device"),
    "identify": ("userId", "traits", "context.campaign.name", "context.page.referrer", "context.device.id"),
}
GROUP_MAPPING = {
    "name": "Groups",
    "action": "groupIdentifyUser",
    "trigger": 'type = "group"',
    "fields": {"group_type": {"@path": "$.traits.kind"}, "group_value": {"@path": "$.groupId"}},
}
ALIAS_MAPPING = {"name": "Aliases", "action": "mapUser", "trigger": 'type = "alias"', "fields": {}}
PURCHASE = {"name": "P", "action": "logPurchase", "trigger": 'type = "track"', "fields": {}}


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


def oddities() -> Iterator[tuple[str, Case]]:
    """An odd value at each place that a field is taken from."""
    for kind, places in PLACES.items():
        for place in places:
            for value in ODD:
                yield f"{kind} with {value!r} at {place}", {"event": put(base(kind), place, value)}
    order = base("track", event="Order Completed", properties={"products": [{}], "revenue": 3})
    for place in ("price", "quantity", "revenue", "productId", "revenueType"):
        for value in ODD:
            event = copy.deepcopy(order)
            event["properties"]["products"][0][place] = value
            yield f"product with {value!r} at {place}", {"event": event}
            case: Case = {
                "event": event,
                "mappings": [PURCHASE | {"fields": {"trackRevenuePerProduct": True}}],
            }
            yield f"product with {value!r} at {place}, each", case


def randomly(seed: int, count: int) -> Iterator[tuple[str, Case]]:
    """Events with parts left out, odd values, and nested data."""
    dice = random.Random(seed)
    for number in range(count):
        kind = dice.choice(("track", "track", "track", "screen", "page", "identify", "group", "alias"))
        event = base(kind, messageId=f"px-{seed}-{number}")
        if kind == "track" and dice.random() < 0.3:
            event["event"] = "Order Completed"
            event["properties"] = {
                "products": [_product(dice) for _ in range(dice.randint(0, 3))],
                **_product(dice),
            }
        for place in dice.sample(PLACES["track"] + PLACES["identify"], dice.randint(0, 5)):
            event = put(event, place, dice.choice((*ODD, ...)))
        if dice.random() < 0.3:
            event = put(event, "context.userAgent", dice.choice(AGENTS))
        if dice.random() < 0.3:
            event = put(event, dice.choice(("properties", "traits")), _value(dice, 3))
        if dice.random() < 0.2:
            event = put(event, "timestamp", dice.choice(TIMES))
        case: Case = {"event": event}
        if kind in ("group", "alias") and dice.random() < 0.8:
            case["mappings"] = [GROUP_MAPPING, ALIAS_MAPPING]
        elif kind == "track" and dice.random() < 0.2:
            per_product = dice.random() < 0.5
            case["mappings"] = [PURCHASE | {"fields": {"trackRevenuePerProduct": per_product}}]
        if dice.random() < 0.2:
            case["settings"] = {"endpoint": dice.choice(("europe", "north_america"))}
        yield f"random {seed} {number}", case


def _product(dice: random.Random) -> dict[str, Any]:
    names = ("price", "quantity", "revenue", "productId", "revenueType", "sku")
    return {
        name: dice.choice((dice.randint(-3, 9), dice.random() * 10, str(dice.randint(0, 9)), *ODD[:8]))
        for name in dice.sample(names, dice.randint(0, 5))
    }


def _value(dice: random.Random, depth: int) -> Any:
    choice = dice.random()
    if depth and choice < 0.4:
        return {dice.choice("abcdefg") + str(n): _value(dice, depth - 1) for n in range(dice.randint(0, 4))}
    if depth and choice < 0.55:
        return [_value(dice, depth - 1) for _ in range(dice.randint(0, 3))]
    return dice.choice((*ODD[:12], "ä ö", "x" * 1_100, dice.random(), dice.randint(-(10**15), 10**15)))
