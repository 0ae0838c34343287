"""Device Connected and Device Disconnected: once for each time that a device goes or is back, whoever repeats it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pixeltrail_bridge.mapping.chunks import map_chunk, map_sync
from pixeltrail_bridge.mapping.presence import map_presence
from pixeltrail_bridge.mapping.settings import DEVICE_CONNECTED, DEVICE_DISCONNECTED, MappingSettings
from pixeltrail_bridge.sources.base import Presence
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_uplink

from tests.support.ingest import DEVICE, STREAM, Bench, sync
from tests.support.stores import Place

from .build import DISPLAY, HELLO

WANTED = frozenset({DEVICE_CONNECTED, DEVICE_DISCONNECTED})
SECOND = b"stream-2"


def open_bench(place: Place, extra_events: frozenset[str] = WANTED) -> Bench:
    return Bench(
        place,
        map_chunk=map_chunk,
        map_sync=map_sync,
        map_presence=map_presence,
        mapping=MappingSettings(extra_events=extra_events),
    )


@pytest.fixture
def bench(place: Place) -> Iterator[Bench]:
    bench = open_bench(place)
    yield bench
    bench.close()


def begin(bench: Bench, stream: bytes = STREAM, now_ms: int = 1_000) -> None:
    bodies = (HELLO, DISPLAY, m.SessionStart(0, True, None))
    records = tuple(m.Record(index, 0, body) for index, body in enumerate(bodies))
    first = encode_uplink(m.Chunk(stream, 0, 0, records))
    bench.feed(sync(0, 1, stream=stream), first, now_ms=now_ms)


def note(bench: Bench, is_online: bool, at_ms: int = 5_000) -> None:
    bench.ingest.note(Presence(DEVICE, is_online, at_ms))
    bench.ingest.commit_queued()


def told(bench: Bench) -> list[tuple[str, dict[str, Any]]]:
    return [(name, json.loads(payload)["properties"]) for name, payload in bench.events()]


def names(bench: Bench) -> list[str]:
    return [name for name, _ in told(bench)]


def test_a_device_goes_and_is_back(bench: Bench) -> None:
    begin(bench)
    note(bench, False, 5_000)
    note(bench, True, 8_000)
    assert names(bench) == [DEVICE_CONNECTED, DEVICE_DISCONNECTED]
    bench.feed(sync(1, 1), now_ms=9_000)
    (name, properties) = told(bench)[-1]
    assert name == DEVICE_CONNECTED and (properties["continues"], properties["away_ms"]) == (True, 4_000)
    note(bench, False, 10_000)
    assert names(bench)[-1] == DEVICE_DISCONNECTED


def test_an_event_tells_of_the_session_that_the_device_was_in(bench: Bench) -> None:
    begin(bench)
    note(bench, False)
    event = json.loads(bench.events()[-1][1])
    (session,) = bench.store.sessions(DEVICE)
    assert event["integrations"]["Actions Amplitude"]["session_id"] == session.session_id
    assert event["properties"]["[Amplitude] Session Replay ID"] == f"{DEVICE}/{session.session_id}"
    assert event["timestamp"] == "1970-01-01T00:00:05.000Z"


def test_a_broker_that_repeats_itself_changes_nothing(place: Place) -> None:
    """It does so at each start of the bridge: its word is retained."""
    for _ in range(3):
        bench = open_bench(place)
        begin(bench) if not bench.events() else None
        note(bench, False)
        assert names(bench) == [DEVICE_CONNECTED, DEVICE_DISCONNECTED]
        bench.close()


def test_a_device_that_starts_anew_is_connected_once(bench: Bench) -> None:
    begin(bench)
    note(bench, False)
    note(bench, True)
    begin(bench, SECOND, 9_000)
    assert names(bench) == [DEVICE_CONNECTED, DEVICE_DISCONNECTED, DEVICE_CONNECTED]
    assert told(bench)[-1][1]["boot"] == HELLO.boot


def test_a_device_that_nobody_has_heard_makes_no_event(bench: Bench) -> None:
    note(bench, False)
    note(bench, True)
    assert bench.events() == [] and bench.store.devices() == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_of_a_quick_return_does_not_matter(bench: Bench, order: tuple[int, ...]) -> None:
    """Of several workers each takes some of what a device and its broker say, and none waits for the others."""
    begin(bench)
    steps: list[Callable[[], object]] = [
        lambda: note(bench, False, 5_000),
        lambda: note(bench, True, 5_100),
        lambda: bench.feed(sync(1, 1), now_ms=5_200),
    ]
    for number in order:
        steps[number]()
    assert bench.store.devices()[0].is_online
    note(bench, False, 6_000)
    bench.feed(sync(1, 1), now_ms=5_900)
    assert not bench.store.devices()[0].is_online, "what it said before it went says nothing of now"
    assert names(bench)[-1] == DEVICE_DISCONNECTED


def test_none_where_the_settings_name_none(place: Place) -> None:
    bench = open_bench(place, frozenset())
    begin(bench)
    note(bench, False)
    bench.feed(sync(1, 1))
    assert bench.events() == []
    bench.close()
