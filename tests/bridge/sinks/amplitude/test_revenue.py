"""Revenue, case by case: what an order and its products come to. The judge says the same of far more of them."""

from __future__ import annotations

from typing import Any

import pytest
from pixeltrail_bridge.sinks.amplitude import MappingOptions, MappingRule
from pixeltrail_bridge.sinks.amplitude.mappings import Mapper

from .generate import base

FIELDS = ("revenue", "price", "quantity", "productId", "revenueType")


def order(properties: dict[str, Any], event: str = "Order Completed", **options: Any) -> list[dict[str, Any]]:
    """What goes out for an order."""
    mapped = Mapper((), MappingOptions(**options)).map(base("track", event=event, properties=properties))
    assert mapped.faults == ()
    return [item.body for item in mapped.items]


def revenue(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in FIELDS if name in body}


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, {}),
        ({"price": 4.5, "quantity": 2}, {"revenue": 9, "price": 4.5, "quantity": 2}),
        ({"price": 4.5, "quantity": 2, "revenue": 100}, {"revenue": 9, "price": 4.5, "quantity": 2}),
        ({"revenue": 100}, {"revenue": 100}),
        ({"revenue": 100, "price": 3}, {"revenue": 100, "price": 3}),
        ({"revenue": 100, "quantity": 3}, {"revenue": 100, "quantity": 3}),
        ({"revenue": 100, "total": 120}, {"revenue": 100}),
        ({"total": 120}, {}),
        ({"price": 3}, {}),
        ({"quantity": 3}, {}),
        ({"price": -3, "quantity": 2}, {"revenue": -6, "price": -3, "quantity": 2}),
        ({"revenue": -7}, {"revenue": -7}),
        ({"price": 0, "quantity": 2}, {}),
        ({"price": 0, "quantity": 2, "revenue": 5}, {}),
        ({"revenue": 0}, {}),
        ({"price": "2.5", "quantity": "4"}, {"revenue": 10, "price": 2.5, "quantity": 4}),
        ({"price": None, "quantity": 2, "revenue": 5}, {"revenue": 5, "quantity": 2}),
        ({"revenue": 5, "productId": "p-1"}, {"revenue": 5, "productId": "p-1"}),
    ],
)
def test_revenue_of_an_order(properties, expected):
    (body,) = order(properties)
    assert revenue(body) == (expected | {"revenueType": "Purchase"} if expected else {})
    assert body["event_properties"] == properties


def test_the_kind_of_revenue_is_kept():
    (body,) = order({"revenue": 5, "revenueType": "Tip"})
    assert body["revenueType"] == "Tip"


PRODUCTS = [
    {"productId": "a", "price": 2.5, "quantity": 2, "sku": "dropped"},
    {"productId": "b", "revenue": -1, "revenueType": "Refund"},
    {"productId": "c", "price": 4},
    {},
]


@pytest.mark.parametrize("per_product", [False, True])
def test_products_become_events_of_their_own(per_product):
    properties = {"revenue": 10, "products": PRODUCTS}
    first, *others = order(properties, track_revenue_per_product=per_product)
    assert [body["event_type"] for body in others] == ["Product Purchased"] * 4
    assert [body["insert_id"] for body in (first, *others)] == [
        "px-track",
        *(f"px-track-{n}" for n in range(2, 6)),
    ]
    kept = [{name: value for name, value in one.items() if name != "sku"} for one in PRODUCTS]
    assert [body["event_properties"] for body in others] == kept
    assert first["event_properties"] == properties
    for body in others:
        assert (body["device_id"], body["session_id"], body["time"]) == (
            first["device_id"],
            first["session_id"],
            first["time"],
        )
    if per_product:
        assert revenue(first) == {}
        assert [revenue(body) for body in others] == [
            {"revenue": 5, "price": 2.5, "quantity": 2, "productId": "a", "revenueType": "Purchase"},
            {"revenue": -1, "productId": "b", "revenueType": "Refund"},
            {},
            {},
        ]
    else:
        assert revenue(first) == {"revenue": 10, "revenueType": "Purchase"}
        assert [revenue(body) for body in others] == [{}] * 4


def test_an_order_without_products_keeps_its_revenue_either_way():
    for products in ({}, {"products": []}, {"products": None}):
        (body,) = order({"revenue": 10, **products}, track_revenue_per_product=True)
        assert body["revenue"] == 10


def test_other_tracks_carry_no_revenue():
    (body,) = order({"revenue": 10, "price": 1, "quantity": 2}, event="Brew Started")
    assert revenue(body) == {}
    assert body["event_properties"] == {"revenue": 10, "price": 1, "quantity": 2}


@pytest.mark.parametrize(
    "properties", [{"price": "free", "quantity": 1}, {"price": 1, "quantity": 1.5}, {"products": "x"}]
)
def test_an_order_that_does_not_fit_is_refused_and_says_why(properties):
    mapped = Mapper().map(base("track", event="Order Completed", properties=properties))
    assert mapped.items == ()
    assert any(name in mapped.faults[0] for name in ("price", "quantity", "products"))


def test_a_mapping_can_take_another_property_for_revenue():
    rule = MappingRule("Order Completed Calls", fields={"revenue": {"@path": "$.properties.total"}})
    mapped = Mapper([rule]).map(base("track", event="Order Completed", properties={"total": 12}))
    assert mapped.items[0].body["revenue"] == 12
