"""Events for the judge: with an odd value at each place, and random ones from a seed. cases.py has those by name.

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
