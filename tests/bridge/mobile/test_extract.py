"""Device and session IDs as the published plugins and Amplitude's destination read them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail_bridge.mobile.extract import device_id_of, session_id_of, session_number, time_ms

NOW = 1_767_323_045_000


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"context": {"device": {"id": "dev-1"}}, "anonymousId": "anon-1"}, ("dev-1", True)),
        ({"context": {"device": {"id": ""}}, "anonymousId": "anon-1"}, ("anon-1", False)),
        ({"context": {"device": {"id": None}}, "anonymousId": "anon-1"}, ("anon-1", False)),
        ({"context": {"device": {"id": 12345}}}, ("12345", True)),
        ({"context": {"device": "phone"}, "anonymousId": "anon-1"}, ("anon-1", False)),
        ({"context": None, "anonymousId": " "}, (None, False)),
        ({"anonymousId": True}, (None, False)),
        ({}, (None, False)),
    ],
)
def test_device_id(event: dict[str, Any], expected: tuple[str | None, bool]) -> None:
    assert device_id_of(event) == expected


@pytest.mark.parametrize(
    ("integration", "prop", "expected"),
    [
        (NOW, 5, (NOW, "integration")),
        (None, NOW, (NOW, "property")),
        (None, str(NOW), (NOW, "property")),
        (None, None, (-1, "none")),
        (-1, NOW, (-1, "integration")),
        ("-1", NOW, (-1, "integration")),
        (0, NOW, (NOW, "property")),
        ("session-abc", NOW, (NOW, "property")),
        ("session-abc", "also-not", (-1, "none")),
    ],
)
def test_session_id(integration: Any, prop: Any, expected: tuple[int, str]) -> None:
    event = {
        "integrations": {"Actions Amplitude": {"session_id": integration}},
        "properties": {"session_id": prop},
    }
    assert session_id_of(event) == expected


def test_an_integration_that_is_switched_off_brings_no_session() -> None:
    assert session_id_of({"integrations": {"Actions Amplitude": False}}) == (-1, "none")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1767323045000", NOW),
        (NOW + 0.7, NOW),
        ("2026-01-02T03:04:05.000Z", NOW),
        ("1767323045000.7", NOW),
        ("", None),
        (True, None),
        (float("nan"), None),
        (float("inf"), None),
        ("1e999", None),
        (1 << 60, None),
        ([NOW], None),
        ("9" * 100, None),
    ],
)
def test_session_number(value: Any, expected: int | None) -> None:
    assert session_number(value) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON, JSON)
def test_nothing_an_event_holds_breaks_the_reading(value: Any, other: Any, third: Any) -> None:
    event = {
        "context": {"device": value if isinstance(value, dict) else {"id": value}},
        "anonymousId": other,
        "integrations": {"Actions Amplitude": {"session_id": value}},
        "properties": third,
    }
    device_id, _ = device_id_of(event)
    assert device_id is None or device_id
    session_id, _ = session_id_of(event)
    assert session_id == -1 or session_id > 0


@given(JSON)
def test_times_are_read_or_refused(value: Any) -> None:
    moment = time_ms(value)
    assert moment is None or moment >= 0
