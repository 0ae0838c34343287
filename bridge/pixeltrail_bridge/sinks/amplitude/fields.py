"""The fields of each action: what they hold, and what they take from an event unless a mapping says otherwise.

The names are Amplitude's or those of Segment's Amplitude (Actions) destination. `docs/amplitude.md` is checked against
these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as _dataclass_field
from typing import Any, Final, Literal

from .values import MISSING

Kind = Literal["string", "number", "integer", "boolean", "object", "datetime"]
ActionName = Literal[
    "logEventV2", "logEvent", "logPurchase", "identifyUser", "groupIdentifyUser", "mapUser", "sessionId"
]


@dataclass(frozen=True)
class Field:
    """`members` are the known ones of an object; others go out too only where it is `is_open` or has none named."""

    kind: Kind
    default: Any = MISSING
    is_required: bool = False
    may_be_null: bool = False
    is_list: bool = False
    is_open: bool = False
    members: Mapping[str, Field] = _dataclass_field(default_factory=dict)
    choices: tuple[str, ...] = ()


def at(path: str) -> dict[str, Any]:
    return {"@path": f"$.{path}"}


def first_of(path: str, other: str) -> dict[str, Any]:
    return {"@if": {"exists": at(path), "then": at(path), "else": at(other)}}


def _text(path: str = "", **more: Any) -> Field:
    return Field("string", at(path) if path else MISSING, **more)


def _members(kind: Kind, **paths: str) -> tuple[dict[str, Field], dict[str, Any]]:
    return {name: Field(kind) for name in paths}, {name: at(path) for name, path in paths.items()}


_CAMPAIGN = {"source": "source", "medium": "medium", "campaign": "name", "term": "term", "content": "content"}


def _campaign(prefix: str, referrer: str = "") -> tuple[dict[str, Field], dict[str, Any]]:
    paths = {referrer: "context.page.referrer"} if referrer else {}
    return _members(
        "string", **paths, **{f"{prefix}utm_{k}": f"context.campaign.{v}" for k, v in _CAMPAIGN.items()}
    )


def _object(parts: tuple[dict[str, Field], dict[str, Any]], *, is_open: bool = False) -> Field:
    return Field("object", parts[1], members=parts[0], is_open=is_open)


_WHO: Final[dict[str, Field]] = {
    "user_id": _text("userId", may_be_null=True),
    "device_id": Field("string", first_of("context.device.id", "anonymousId")),
}
_WHERE: Final[dict[str, Field]] = {
    "app_version": _text("context.app.version"),
    "platform": _text("context.device.type"),
    "os_name": _text("context.os.name"),
    "os_version": _text("context.os.version"),
    "device_brand": _text("context.device.brand"),
    "device_manufacturer": _text("context.device.manufacturer"),
    "device_model": _text("context.device.model"),
    "carrier": _text("context.network.carrier"),
    "country": _text("context.location.country"),
    "region": _text("context.location.region"),
    "city": _text("context.location.city"),
    "dma": _text(),
    "language": _text("context.locale"),
}
_AGENT: Final[dict[str, Field]] = {
    "userAgent": _text("context.userAgent"),
    "userAgentParsing": Field("boolean", True),
    "includeRawUserAgent": Field("boolean", False),
    "userAgentData": _object(
        _members(
            "string",
            model="context.userAgentData.model",
            platformVersion="context.userAgentData.platformVersion",
        )
    ),
}
_REVENUE: Final[dict[str, Field]] = {
    "price": Field("number", at("properties.price")),
    "quantity": Field("integer", at("properties.quantity")),
    "revenue": Field("number", at("properties.revenue")),
    "productId": _text("properties.productId"),
    "revenueType": _text("properties.revenueType"),
}
_MIN_ID_LENGTH: Final = {"min_id_length": Field("integer", may_be_null=True)}
_UTM: Final[dict[str, Field]] = {
    "utm_properties": _object(_campaign("")),
    "referrer": _text("context.page.referrer"),
}
_EVENT: Final[dict[str, Field]] = {
    **_WHO,
    "event_type": _text("event", is_required=True),
    "session_id": Field("datetime", at("integrations.Actions Amplitude.session_id")),
    "time": Field("datetime", at("timestamp")),
    "event_properties": Field("object", at("properties")),
    "user_properties": Field("object", at("traits")),
    "groups": Field("object"),
    **_WHERE,
    **_REVENUE,
    "location_lat": Field("number", at("context.location.latitude")),
    "location_lng": Field("number", at("context.location.longitude")),
    "ip": _text("context.ip"),
    "idfa": Field("string", first_of("context.device.advertisingId", "context.device.idfa")),
    "idfv": _text("context.device.id"),
    "adid": Field("string", first_of("context.device.advertisingId", "context.device.idfa")),
    "android_id": _text(),
    "event_id": Field("integer"),
    "insert_id": _text(),
    "library": _text("context.library.name"),
    "library2": Field(
        "object",
        {"behavior": "use_mapping", "mapping": at("context.library.name")},
        members={"behavior": Field("string", choices=("auto", "use_mapping")), "mapping": Field("string")},
    ),
}
_PRODUCTS: Final = Field(
    "object",
    {"@arrayPath": ["$.properties.products", {name: {"@path": name} for name in _REVENUE}]},
    is_list=True,
    is_open=True,
    members={name: Field(one.kind) for name, one in _REVENUE.items()},
)
_BATCH: Final = {"use_batch_endpoint": Field("boolean", False)}

FIELDS: Final[dict[ActionName, dict[str, Field]]] = {
    "logEventV2": {
        **_EVENT,
        "products": _PRODUCTS,
        "setOnce": _object(_campaign("initial_", "initial_referrer"), is_open=True),
        "setAlways": _object(_campaign("", "referrer"), is_open=True),
        "add": Field("object", is_open=True),
        **_BATCH,
        **_AGENT,
        **_MIN_ID_LENGTH,
    },
    "logEvent": {**_EVENT, "products": _PRODUCTS, **_BATCH, **_AGENT, **_UTM, **_MIN_ID_LENGTH},
    "logPurchase": {
        "trackRevenuePerProduct": Field("boolean", False),
        **_EVENT,
        "products": _PRODUCTS,
        **_BATCH,
        **_AGENT,
        **_UTM,
        **_MIN_ID_LENGTH,
    },
    "identifyUser": {
        **_WHO,
        "user_properties": Field("object", at("traits")),
        "groups": Field("object"),
        **_WHERE,
        "paying": Field("boolean"),
        "start_version": _text(),
        "insert_id": _text(),
        **_AGENT,
        **_UTM,
        **_MIN_ID_LENGTH,
        "library": _text("context.library.name"),
    },
    "groupIdentifyUser": {
        **_WHO,
        "insert_id": _text(),
        "time": _text("timestamp"),
        "group_properties": Field("object", at("traits")),
        "group_type": _text(is_required=True),
        "group_value": _text(is_required=True),
        **_MIN_ID_LENGTH,
    },
    "mapUser": {"user_id": _text("previousId"), "global_user_id": _text("userId"), **_MIN_ID_LENGTH},
    "sessionId": {"sessionLength": Field("integer", 1_800_000)},
}


def defaults(action: ActionName) -> dict[str, Any]:
    """The mapping that an action has when it is added."""
    return {name: one.default for name, one in FIELDS[action].items() if one.default is not MISSING}
