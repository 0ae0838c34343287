"""The text that Prometheus reads, as its own parser reads it."""

from __future__ import annotations

from pixeltrail_bridge.ingest.latency import BOUNDS_S, Durations
from pixeltrail_bridge.sources.base import LinkState
from pixeltrail_bridge.store.figures import LastHeard
from pixeltrail_bridge.store.overview import Backlog
from pixeltrail_bridge.watch.metrics import render
from prometheus_client.parser import text_string_to_metric_families

from .looks import NOW_MS, readings


def samples(text: bytes) -> dict[tuple[str, str], float]:
    """By name and label value."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = sample.name, ",".join(sample.labels.values())
            assert key not in found
            found[key] = sample.value
    return found


def test_figures_come_out_under_the_names_prometheus_expects() -> None:
    now = readings(
        messages=12,
        sources={"mqtt": LinkState("mqtt", False), "port": LinkState("port", True, "", {"a": 2, "b": 3})},
        backlogs={"segment": Backlog("segment", 4, NOW_MS - 5_000)},
        dead_letters={"record": 2},
        gaps={1: 3},
        listed=[LastHeard('oven"07', NOW_MS, True)],
        device_counters={'oven"07': {"frames": 9}},
    )
    found = samples(render(now))
    assert found["pixeltrail_ready", ""] == 1
    assert found["pixeltrail_messages_total", ""] == 12
    assert found["pixeltrail_source_up", "mqtt"] == 0
    assert found["pixeltrail_source_dropped_total", "port"] == 5
    assert found["pixeltrail_outbox_waiting", "segment"] == 4
    assert found["pixeltrail_outbox_oldest_seconds", "segment"] == 5
    assert found["pixeltrail_dead_letters", "record"] == 2
    assert found["pixeltrail_mixed_frames_ratio", ""] == 5 / 200
    assert found["pixeltrail_devices_not_listed", ""] == 2
    assert found["pixeltrail_device_frames_total", 'oven"07'] == 9
    assert sum(value for (name, _), value in found.items() if name == "pixeltrail_gaps") == 3
    assert found["process_resident_memory_bytes", ""] > 0


def test_durations_are_counted_by_how_long_they_were() -> None:
    durations = Durations()
    durations.add_ages(10_000, [9_998, 9_990, 10_050, 0])
    now = readings(waits=durations)
    found = samples(render(now))
    below = {
        label: value
        for (name, label), value in found.items()
        if name == "pixeltrail_message_wait_seconds_bucket"
    }
    assert below["0.002"] == 2  # a message from the future waited for nothing
    assert below["0.01"] == 3
    assert below["10.0"] == below["+Inf"] == 4
    assert len(below) == len(BOUNDS_S) + 1
    assert found["pixeltrail_message_wait_seconds_sum", ""] == 10.012
