"""Segment's library for Python with our hook, against a server that speaks the Tracking API."""

from __future__ import annotations

from typing import Any

import pytest
from pixeltrail_bridge.mobile.enrichment import DeviceMoment, EnrichSettings
from pixeltrail_bridge.mobile.hook import attach
from segment.analytics.client import Client

from tests.support import segment_server

KEY = "hook-key"
REPLAY = "[Amplitude] Session Replay ID"


def send(settings: EnrichSettings | None = None, **rest: Any) -> list[dict[str, Any]]:
    with segment_server.running(write_key=KEY) as server:
        client = Client(KEY, host=server.url)
        detach = attach(client, settings=settings, **rest)
        client.track("user-1", "Tapped", context={"device": {"id": "pi-app"}})
        client.identify("user-1", {"plan": "pro"})
        detach()
        client.track("user-1", "Plain")
        client.shutdown()
        return list(server.events)


def test_events_join_the_session_of_a_device() -> None:
    tapped, identified, plain = send(
        device=lambda event: DeviceMoment("thermostat-1", 1_767_323_045_000, True)
    )
    assert tapped["context"]["device"]["id"] == "thermostat-1"
    assert tapped["properties"][REPLAY] == "thermostat-1/1767323045000"
    assert identified["integrations"]["Actions Amplitude"]["session_id"] == 1_767_323_045_000
    assert plain["integrations"] == {}


def test_sessions_of_its_own() -> None:
    tapped, identified, _ = send(EnrichSettings(sample_rate=1))
    session_id = tapped["integrations"]["Actions Amplitude"]["session_id"]
    assert tapped["properties"][REPLAY] == f"pi-app/{session_id}"
    assert identified["integrations"]["Actions Amplitude"]["session_id"] == session_id


def test_a_fault_of_ours_keeps_nothing_back(caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: dict[str, Any]) -> DeviceMoment:
        raise RuntimeError("no devices today")

    assert [event["event"] for event in send(device=broken) if event["type"] == "track"] == [
        "Tapped",
        "Plain",
    ]
