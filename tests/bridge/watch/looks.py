"""Readings for tests: a bridge in good order, with single figures changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pixeltrail_bridge.delivery import SinkHealth
from pixeltrail_bridge.ingest.committer import Health
from pixeltrail_bridge.ingest.latency import Durations
from pixeltrail_bridge.sources.base import LinkState
from pixeltrail_bridge.store.figures import Fleet
from pixeltrail_bridge.watch.readings import Readings, StoreReadings

NOW_MS = 1_790_000_000_000

_STORE = StoreReadings(
    fleet=Fleet(3, 2),
    listed=[],
    device_counters={},
    counters={"frames": 200, "mixed_frames": 5},
    backlogs={},
    dead_letters={},
    gaps={},
    lag_chunks=0,
    lag_streams=0,
    database_bytes=1 << 20,
    free_bytes=10 << 30,
    latest_heard_ms=NOW_MS,
)


def readings(now_ms: int = NOW_MS, **changed: Any) -> Readings:
    """`changed` names fields of Readings, StoreReadings or Health."""
    health = Health(state="running", sources={"mqtt": LinkState("mqtt", True)})
    of_health = {name: changed.pop(name) for name in list(changed) if hasattr(health, name)}
    of_store = {name: changed.pop(name) for name in list(changed) if hasattr(_STORE, name)}
    own = Readings(
        now_ms=now_ms,
        ingest=replace(health, **of_health),
        commit_times=Durations(),
        waits=Durations(),
        store=replace(_STORE, **of_store),
        sinks={"segment": SinkHealth("segment", "idle")},
    )
    return replace(own, **changed)
