"""Who connects again and again."""

from __future__ import annotations

import pytest
from pixeltrail_bridge.ingest import flapping
from pixeltrail_bridge.ingest.flapping import MOST, WITHIN_S, Flapping
from pixeltrail_bridge.sources.base import Presence


def test_a_device_is_named_while_it_connects_too_often() -> None:
    now_s = 0.0
    found = Flapping(lambda: now_s)
    for _ in range(MOST):
        assert found.devices() == []
        found.note(Presence("kitchen-01", False))
        found.note(Presence("kitchen-01", True, was_kept=True))
        found.note(Presence("kitchen-01", True))
        now_s += WITHIN_S / (2 * MOST)
    assert found.devices() == ["kitchen-01"]
    now_s += WITHIN_S
    assert found.devices() == []


def test_now_and_then_is_no_matter_and_devices_are_told_apart() -> None:
    now_s = 0.0
    found = Flapping(lambda: now_s)
    for number in range(10 * MOST):
        found.note(Presence("kitchen-01", True))
        found.note(Presence(f"device-{number}", True))
        now_s += WITHIN_S / (MOST - 1) + 1
        assert found.devices() == []


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flapping, "_MOST_DEVICES", 10)
    found = Flapping()
    for number in range(100):
        found.note(Presence(f"device-{number}", True))
    assert len(found._begins) == 10
