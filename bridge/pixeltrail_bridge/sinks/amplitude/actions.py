"""The actions: what goes to which of Amplitude's endpoints for a payload that fits the fields of its action.

They follow Segment's Amplitude (Actions) destination value by value. Where they do something else, it says so here
and in docs/amplitude.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from ...mapping.calls import RESERVED_PREFIX
from .agents import describe_agent
from .directives import MappingError
from .fields import ActionName
from .times import parse_session, parse_time
from .values import is_number, is_truthy, plain

Endpoint = Literal["httpapi", "batch", "identify", "groupidentify", "usermap"]
EVENT_ENDPOINTS: Final = ("httpapi", "batch")
PRODUCT_PURCHASED: Final = "Product Purchased"
OPERATIONS: Final = frozenset(
    [
        "$set",
        "$setOnce",
        "$add",
        "$append",
        "$prepend",
        "$unset",
        "$preInsert",
        "$postInsert",
        "$remove",
        "$clearAll",
    ]
)
_REVENUE_KEYS = ("revenue", "price", "productId", "quantity", "revenueType")


@dataclass(frozen=True, slots=True)
class Item:
    """One event, identification or mapping; `min_id_length` is an option of the request that it goes into."""

    endpoint: Endpoint
    body: dict[str, Any]
    min_id_length: int | None = None


@dataclass(frozen=True, slots=True)
class Habits:
    """Settings that no field of a mapping holds."""

    groups_as_user_properties: bool = True
    increment_traits: frozenset[str] = frozenset()


def perform(action: ActionName, payload: Mapping[str, Any], habits: Habits) -> list[Item]:
    """What goes out, in this order."""
    length = payload.get("min_id_length")
    min_id_length = int(length) if is_number(length) and length > 0 else None
    if action == "identifyUser":
        return [Item("identify", _identification(payload, habits), min_id_length)]
    if action == "groupIdentifyUser":
        return _group(payload, habits, min_id_length)
    if action == "mapUser":
        return [Item("usermap", dict(payload), min_id_length)]
    endpoint: Endpoint = "batch" if payload.get("use_batch_endpoint") else "httpapi"
    return [Item(endpoint, body, min_id_length) for body in _events(action, payload)]


# ---- events -------------------------------------------------------------------------------------------

_AGENT_FIELDS = ("userAgent", "userAgentParsing", "includeRawUserAgent", "userAgentData")
_NOT_SENT = ("time", "session_id", "min_id_length", "library", "library2", *_AGENT_FIELDS, *_REVENUE_KEYS)
_NOT_SENT_OF: Final[dict[str, tuple[str, ...]]] = {
    "logEventV2": (*_NOT_SENT, "setOnce", "setAlways", "add"),
    "logEvent": (*_NOT_SENT, "utm_properties", "referrer"),
    "logPurchase": (*_NOT_SENT, "utm_properties", "referrer", "products", "trackRevenuePerProduct"),
}


def _events(action: ActionName, payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    if payload["event_type"].startswith(RESERVED_PREFIX):
        raise MappingError(f"event_type: names that begin with {RESERVED_PREFIX!r} are Amplitude's own")
    body = _without(payload, _NOT_SENT_OF[action])
    _set_platform(body, payload)
    if is_truthy(payload.get("time")) and (time_ms := parse_time(payload["time"])) is not None:
        body["time"] = time_ms
    if (session_id := parse_session(payload.get("session_id"))) is not None:
        body["session_id"] = session_id
    if action == "logEventV2":
        _operate(body, payload)
    else:
        _add_campaign(body, payload, mine_last=True)
    _tidy_properties(body)
    library = payload.get("library2") or {}
    sender = library.get("mapping") if library.get("behavior") == "use_mapping" else "segment"
    named = {} if sender is None else {"library": sender}
    event = _agent(payload) | body | named
    if action != "logPurchase":
        return [event]
    products = payload.get("products") or []
    per_product = bool(payload.get("trackRevenuePerProduct"))
    if not (products and per_product):
        event = _agent(payload) | body | _revenue(payload) | named
    return [event, *_purchases(products, body | named, per_product)]


def _purchases(products: list[Any], body: dict[str, Any], per_product: bool) -> list[dict[str, Any]]:
    """One event for each product, under IDs of their own."""
    insert_id = body.get("insert_id")
    return [
        {**body, **(_revenue(product) if per_product else {})}
        | {"event_properties": product, "event_type": PRODUCT_PURCHASED}
        | ({"insert_id": f"{insert_id}-{number}"} if insert_id else {})
        for number, product in enumerate(products, start=2)
    ]


def _revenue(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Price times quantity where both are known, else the revenue that is given; without either, nothing."""
    price, quantity, revenue = (payload.get(name) for name in ("price", "quantity", "revenue"))
    if is_number(price) and is_number(quantity):
        revenue = plain(float(quantity) * float(price))
    if not is_truthy(revenue):
        return {}
    kind = payload.get("revenueType")
    found = {
        "revenue": revenue,
        "revenueType": "Purchase" if kind is None else kind,
        "quantity": math.floor(quantity + 0.5) if is_number(quantity) else None,
        "price": price,
        "productId": payload.get("productId"),
    }
    return {name: value for name, value in found.items() if value is not None}


# ---- users and groups ---------------------------------------------------------------------------------


def _identification(payload: Mapping[str, Any], habits: Habits) -> dict[str, Any]:
    left_out = ("utm_properties", "referrer", "min_id_length", "library", *_AGENT_FIELDS)
    body = _without(payload, left_out)
    _set_platform(body, payload)
    _add_campaign(body, payload, mine_last=False)
    _tidy_properties(body, habits.increment_traits)
    return _agent(payload) | body | {"library": "segment"}


def _group(payload: Mapping[str, Any], habits: Habits, min_id_length: int | None) -> list[Item]:
    """Who belongs to the group, then what the group is."""
    group = {payload["group_type"]: payload["group_value"]}
    items = []
    if payload.get("user_id") or payload.get("device_id"):
        member: dict[str, Any] = {
            name: payload[name] for name in ("device_id", "insert_id", "user_id") if name in payload
        }
        member |= {"groups": group, "library": "segment"}
        time_ms = parse_time(payload.get("time"))
        if time_ms is not None:
            member["time"] = time_ms
        if habits.groups_as_user_properties:
            member["user_properties"] = dict(group)
        items.append(Item("identify", member, min_id_length))
    about = {
        name: payload[name] for name in ("group_properties", "group_value", "group_type") if name in payload
    }
    return [*items, Item("groupidentify", about | {"library": "segment"}, min_id_length)]


# ---- parts --------------------------------------------------------------------------------------------


def _without(payload: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name not in names}


def _set_platform(body: dict[str, Any], payload: Mapping[str, Any]) -> None:
    platform = body.get("platform")
    if platform:
        platform = re.sub("ios", "iOS", platform, count=1, flags=re.IGNORECASE)
        body["platform"] = re.sub("android", "Android", platform, count=1, flags=re.IGNORECASE)
    elif payload.get("library") == "analytics.js":
        body["platform"] = "Web"


def _agent(payload: Mapping[str, Any]) -> dict[str, Any]:
    agent = payload.get("userAgent")
    found = describe_agent(agent, payload.get("userAgentData")) if payload.get("userAgentParsing") else {}
    if payload.get("includeRawUserAgent") and agent is not None:
        found["user_agent"] = agent
    return found


def _operate(body: dict[str, Any], payload: Mapping[str, Any]) -> None:
    """Set once, set always and add, each only where it says something."""
    for name, operation in (("setOnce", "$setOnce"), ("setAlways", "$set"), ("add", "$add")):
        values = payload.get(name)
        if isinstance(values, dict) and any(value != "" for value in values.values()):
            body["user_properties"] = {**(body.get("user_properties") or {}), operation: values}


def _add_campaign(body: dict[str, Any], payload: Mapping[str, Any], *, mine_last: bool) -> None:
    """Campaign and referrer as user properties: the latest, and the first ones."""
    utm, referrer = payload.get("utm_properties") or {}, payload.get("referrer")
    if not utm and not referrer:
        return
    latest = {**utm} | ({"referrer": referrer} if referrer else {})
    first = {f"initial_{name}": value for name, value in latest.items()}
    mine = {
        name: value
        for name, value in (body.get("user_properties") or {}).items()
        if name not in ("utm_properties", "referrer")
    }
    made = {"$set": latest, "$setOnce": first}
    merged = {**made, **mine} if mine_last else {**mine, **made}
    for name, values in made.items():
        own = mine.get(name)
        if isinstance(own, dict):
            merged[name] = values | own if mine_last else own | values
    body["user_properties"] = merged


def _tidy_properties(body: dict[str, Any], increments: frozenset[str] = frozenset()) -> None:
    """Increments are numbers, and operations never stand beside plain properties, which Amplitude refuses.

    Both are ours: the published destination sends them as they come. A plain property means the same as `$set`.
    """
    properties = body.get("user_properties")
    if not isinstance(properties, dict):
        return
    raised = {name: properties[name] for name in increments if name in properties}
    if raised:
        properties = {name: value for name, value in properties.items() if name not in raised}
        properties["$add"] = {**_table(properties.get("$add")), **raised}
    if "$add" in properties:
        numbers = {name: value for name, value in _table(properties["$add"]).items() if is_number(value)}
        properties = {**properties, "$add": numbers}
        if not numbers:
            del properties["$add"]
    if any(name in OPERATIONS for name in properties):
        bare = {name: value for name, value in properties.items() if name not in OPERATIONS}
        properties = {name: value for name, value in properties.items() if name in OPERATIONS}
        if bare:
            properties["$set"] = bare | _table(properties.get("$set"))
    body["user_properties"] = properties


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
