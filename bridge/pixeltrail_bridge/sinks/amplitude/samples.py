"""Events of every type, as the bridge makes them, and a purchase: what `pixeltrail check` tries mappings on."""

from __future__ import annotations

import copy
from typing import Any, Final

SESSION_ID: Final = 1_767_323_045_000
_COMMON: Final[dict[str, Any]] = {
    "timestamp": "2026-01-02T03:04:05.678Z",
    "anonymousId": "kitchen-01",
    "context": {
        "device": {"id": "kitchen-01", "type": "embedded", "manufacturer": "Espressif", "model": "ESP32-S3"},
        "os": {"name": "MicroPython", "version": "1.28.0"},
        "app": {"name": "kettle", "version": "2.3"},
        "library": {"name": "pixeltrail", "version": "0.1.0"},
        "screen": {"width": 128, "height": 64},
    },
    "integrations": {"Actions Amplitude": {"session_id": SESSION_ID}},
}
_ORDER: Final[dict[str, Any]] = {
    "orderId": "o-17",
    "price": 4.5,
    "quantity": 2,
    "products": [
        {"productId": "espresso", "price": 2.5, "quantity": 1},
        {"productId": "cake", "price": 3.25, "quantity": 2, "revenueType": "Food"},
    ],
}
_EVENTS: Final[tuple[dict[str, Any], ...]] = (
    {
        "type": "track",
        "event": "Brew Started",
        "properties": {"[Amplitude] Session Replay ID": f"kitchen-01/{SESSION_ID}", "cups": 2},
    },
    {"type": "screen", "name": "Home", "properties": {"name": "Home"}},
    {"type": "page", "name": "Set up", "properties": {"url": "https://kettle.example/setup"}},
    {"type": "track", "event": "Order Completed", "properties": _ORDER},
    {"type": "identify", "userId": "user-7", "traits": {"plan": "pro", "cups": 3}},
    {"type": "group", "userId": "user-7", "groupId": "office-3", "traits": {"type": "office", "floor": 2}},
    {"type": "alias", "userId": "user-7b", "previousId": "user-7"},
)


def sample_events() -> list[dict[str, Any]]:
    """Copies; each has a message ID of its own."""
    return [
        copy.deepcopy({**_COMMON, **event, "messageId": f"px-sample-{number}"})
        for number, event in enumerate(_EVENTS, start=1)
    ]


_MADE: Final[tuple[dict[str, Any], ...]] = (
    {"type": "track", "event": "Session Started", "properties": {"sampled": True}},
    {
        "type": "track",
        "event": "Display Changed",
        "properties": {"frames": 12, "keyframes": 1, "changed_percent": 3.5, "bytes": 4_096},
    },
    {
        "type": "track",
        "event": "Replay Gap",
        "properties": {"chunks": 4, "frames": 3, "reason": "outbox full"},
    },
)
_APP: Final[dict[str, Any]] = {
    "type": "track",
    "event": "Recipe Saved",
    "userId": "user-7",
    "properties": {"recipe": "flat white", "email": "ada@example.com"},
    "context": {
        "device": {"id": "kitchen-01", "companion_id": "phone-1", "type": "ios"},
        "ip": "203.0.113.7",
        "library": {"name": "analytics-react-native", "version": "2.21.4"},
    },
}


def made_events() -> list[dict[str, Any]]:
    """Events that the bridge makes itself, and one of a companion app."""
    return [
        copy.deepcopy({**_COMMON, **event, "messageId": f"px-made-{number}"})
        for number, event in enumerate((*_MADE, _APP), start=1)
    ]


def name_of(event: dict[str, Any]) -> str:
    """An event in a few words."""
    for key in ("event", "name", "groupId", "userId"):
        if isinstance(event.get(key), str) and event[key]:
            return f"{event.get('type')} {event[key][:60]!r}"
    return str(event.get("type"))
