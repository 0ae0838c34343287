"""Readings as Prometheus' text format: see docs/operations.md for what each figure is good for.

Names follow Prometheus' own rules (base units, `_total` for counters). A label's values are bounded: sinks and sources
come from the settings, kinds and reasons from the code, devices are those known longest, up to a number that is set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

from ..ingest.latency import Durations
from ..mapping.chunks import gap_reason
from .readings import Readings

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SINK_COUNTS = {
    "sent": "Deliveries that a sink took.",
    "retried": "Deliveries that are tried again.",
    "dead": "Deliveries that a sink refused for good.",
}


def render(readings: Readings) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(readings))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        yield from _ingest(self._readings)
        yield from _store(self._readings)
        yield from _sinks(self._readings)
        yield from _devices(self._readings)


def _ingest(now: Readings) -> Iterator[Metric]:
    ingest = now.ingest
    yield _gauge("ready", "1 while messages are accepted.", float(ingest.is_ready))
    yield _counter("messages", "Messages taken and committed.", ingest.messages)
    yield _counter(
        "messages_refused", "Messages refused because the queue was full.", ingest.refused_messages
    )
    yield _counter("commits", "Durable commits.", ingest.commits)
    yield _gauge("queue_messages", "Messages that wait for a commit.", ingest.queued_messages)
    yield _gauge("queue_bytes", "Bytes of messages that wait for a commit.", ingest.queued_bytes)
    yield _gauge("last_commit_timestamp_seconds", "When the last commit ended.", ingest.last_commit_ms / 1000)
    yield _histogram("commit_seconds", "Duration of a commit, its messages mapped.", now.commit_times)
    yield _histogram("message_wait_seconds", "From a message's arrival to its durable commit.", now.waits)
    up = {link.source: float(link.is_up) for link in ingest.sources.values()}
    yield _gauges("duty", "1 while this worker does what one does at a time.", "duty", now.duties)
    yield _gauges("source_up", "1 while a source is connected.", "source", up)
    dropped = {link.source: float(sum(link.dropped.values())) for link in ingest.sources.values()}
    yield _counters("source_dropped", "What a source gave up on; the page says what.", "source", dropped)


def _store(now: Readings) -> Iterator[Metric]:
    store = now.store
    yield _gauge(
        "projection_lag_chunks", "Committed chunks that the replay does not show yet.", store.lag_chunks
    )
    yield _gauge("projection_lag_streams", "Streams with such chunks.", store.lag_streams)
    yield _gauge("database_bytes", "Size of the database's files.", store.database_bytes)
    if store.free_bytes is not None:
        yield _gauge("disk_free_bytes", "Room left beside the database.", store.free_bytes)
    if now.backup_ms is not None:
        yield _gauge("backup_timestamp_seconds", "When the newest backup was made.", now.backup_ms / 1000)
    yield _counters("events", "What was counted while chunks were read, by name.", "name", store.counters)
    frames, mixed = store.counters.get("frames", 0), store.counters.get("mixed_frames", 0)
    yield _gauge(
        "mixed_frames_ratio", "Share of frames of more than one refresh.", mixed / frames if frames else 0.0
    )
    yield _gauges("dead_letters", "What was given up on and waits for a person.", "kind", store.dead_letters)
    gaps = {gap_reason(reason): count for reason, count in store.gaps.items()}
    yield _gauges("gaps", "Parts missing in recordings, by reason.", "reason", gaps)


def _sinks(now: Readings) -> Iterator[Metric]:
    waiting = dict.fromkeys(now.sinks, 0.0) | {b.sink: float(b.waiting) for b in now.store.backlogs.values()}
    oldest = {
        b.sink: max(now.now_ms - b.oldest_ms, 0) / 1000 for b in now.store.backlogs.values() if b.oldest_ms
    }
    yield _gauges("outbox_waiting", "Events that wait for a sink.", "sink", waiting)
    yield _gauges(
        "outbox_oldest_seconds",
        "Age of the oldest event that waits.",
        "sink",
        dict.fromkeys(waiting, 0.0) | oldest,
    )
    for name, help in _SINK_COUNTS.items():
        counts = {sink: getattr(health, name) for sink, health in now.sinks.items()}
        yield _counters(f"sink_{name}", help + " Since the start.", "sink", counts)
    alarms = {sink: float(health.alarm is not None) for sink, health in now.sinks.items()}
    yield _gauges("sink_alarm", "1 while a sink needs a person.", "sink", alarms)
    sent = {sink: health.last_sent_ms / 1000 for sink, health in now.sinks.items()}
    yield _gauges("sink_last_sent_timestamp_seconds", "When a sink last took something.", "sink", sent)


def _devices(now: Readings) -> Iterator[Metric]:
    store = now.store
    yield _gauge("devices_known", "Devices that were ever heard.", store.fleet.known)
    yield _gauge("devices_online", "Devices that are connected.", store.fleet.online)
    yield _gauge(
        "devices_not_listed", "Devices without figures of their own.", store.fleet.known - len(store.listed)
    )
    yield _gauge("viewers", "Pages that look on.", now.viewers)
    yield _counter("viewers_refused", "Pages beyond what may look on.", now.viewers_refused)
    seen = {one.device_id: one.last_seen_ms / 1000 for one in store.listed}
    yield _gauges("device_last_seen_timestamp_seconds", "When a device was last heard.", "device", seen)
    for name, what in (("frames", "Frames of a device."), ("mixed_frames", "Mixed frames of a device.")):
        counts = {device: counted.get(name, 0) for device, counted in store.device_counters.items()}
        yield _counters(f"device_{name}", what, "device", counts)


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(f"pixeltrail_{name}", help, value)


def _gauges(name: str, help: str, label: str, values: Mapping[str, float]) -> Metric:
    return _fill(GaugeMetricFamily(f"pixeltrail_{name}", help, labels=[label]), values.items())


def _counter(name: str, help: str, value: float) -> Metric:
    return CounterMetricFamily(f"pixeltrail_{name}", help, value)


def _counters(name: str, help: str, label: str, values: Mapping[str, float]) -> Metric:
    return _fill(CounterMetricFamily(f"pixeltrail_{name}", help, labels=[label]), values.items())


def _fill(
    family: GaugeMetricFamily | CounterMetricFamily, values: Iterable[tuple[str, float]]
) -> GaugeMetricFamily | CounterMetricFamily:
    for label, value in sorted(values):
        family.add_metric([label], value)
    return family


def _histogram(name: str, help: str, durations: Durations) -> Metric:
    return HistogramMetricFamily(f"pixeltrail_{name}", help, durations.cumulative(), durations.total_s)
