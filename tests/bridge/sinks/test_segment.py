import asyncio
import json
from collections import deque
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.sinks import segment
from pixeltrail_bridge.sinks.segment import SegmentSettings, SegmentSink

from tests.support.segment_server import Fault, SegmentServer

from .rows import NOW_MS, row

KEY = 'a "key" with \\ in it'


def deliver(*batches, server=None, write_key=KEY, **settings):
    """Deliver each batch of rows in turn to one server; the results of each, the sink, the server."""
    server = server or SegmentServer(write_key=KEY)

    async def run():
        runner = await server.start()
        sink = SegmentSink(
            SegmentSettings(write_key, host=server.url, **settings), now_ms=lambda: NOW_MS, jitter=lambda: 0.0
        )
        try:
            return [await sink.deliver(batch) for batch in batches], sink
        finally:
            await sink.close()
            await runner.cleanup()

    results, sink = asyncio.run(run())
    return results, sink, server


def states(results):
    return {one.id: one.state for one in results}


def test_events_arrive_whole_and_in_order():
    rows = [row(number) for number in range(250)]
    (results,), sink, server = deliver(rows)
    assert set(states(results).values()) == {"sent"}
    assert server.events == [json.loads(one.payload) for one in rows]
    assert server.problems == []
    assert [len(seen.message_ids) for seen in server.requests] == [100, 100, 50]
    assert all(seen.was_gzip and seen.retry_count == 0 for seen in server.requests)
    assert {seen.sent_at for seen in server.requests} == {"2026-01-02T03:04:05.678Z"}
    assert sink.alarm is None


def test_without_gzip():
    _, _, server = deliver([row(1)], gzip=False)
    assert not server.requests[0].was_gzip
    assert len(server.events) == 1


def test_batches_stay_below_500_kb():
    (results,), _, server = deliver([row(number, padding=30_000) for number in range(40)])
    assert set(states(results).values()) == {"sent"}
    assert len(server.requests) == 3
    assert max(seen.body_bytes for seen in server.requests) <= 500_000


def test_an_event_above_32_kb_is_a_dead_letter_that_says_so():
    (results,), _, server = deliver([row(1), row(2, padding=32 << 10), row(3)])
    assert states(results) == {1: "sent", 2: "dead", 3: "sent"}
    (dead,) = [one for one in results if one.state == "dead"]
    assert "32,768" in dead.answer
    assert [event["messageId"] for event in server.events] == ["px-kitchen-01-1", "px-kitchen-01-3"]


def test_the_largest_event_fits():
    payload = len(row(1).payload)
    (results,), _, server = deliver([row(1, padding=(32 << 10) - payload)])
    assert states(results) == {1: "sent"}
    assert len(server.events) == 1


@pytest.mark.parametrize("status", [400, 413])
def test_a_refused_batch_is_halved_until_the_culprit_is_alone(status):
    server = SegmentServer(write_key=KEY, refuse_ids={"px-kitchen-01-5"})
    if status == 413:
        server.faults.append(Fault("status", status=413))
    (results,), _, _ = deliver([row(number) for number in range(16)], server=server)
    assert states(results) == {number: "dead" if number == 5 else "sent" for number in range(16)}
    assert [event["event"] for event in server.events] == [f"Event {n}" for n in range(16) if n != 5]


@pytest.mark.parametrize("status", [408, 410, 429, 460, 500, 502, 503, 504])
def test_passing_faults_are_tried_again_with_the_same_ids(status):
    server = SegmentServer(write_key=KEY, faults=deque([Fault("status", status)]))
    rows = [row(1), row(2)]
    (first, second), sink, _ = deliver(rows, [replace(one, attempts=1) for one in rows], server=server)
    assert {(one.state, one.status, one.next_try_ms) for one in first} == {("retry", status, NOW_MS + 500)}
    assert states(second) == {1: "sent", 2: "sent"}
    assert [seen.retry_count for seen in server.requests] == [0, 1]
    assert server.requests[0].message_ids == server.requests[1].message_ids


@pytest.mark.parametrize("status", [401, 403, 404, 302, 501, 505])
def test_a_wrong_set_up_pauses_the_sink_and_drops_nothing(status):
    server = SegmentServer(write_key=KEY)
    server.faults.append(Fault("status", status))
    (results,), sink, _ = deliver([row(1), row(2)], server=server)
    assert {(one.state, one.status) for one in results} == {("retry", status)}
    assert sink.paused_until_ms == NOW_MS + segment.PAUSE_MS
    expected = "segment.write_key" if status in (401, 403) else "segment.host"
    assert expected in sink.alarm


def test_a_wrong_key_is_told_by_the_server_and_healed_by_the_right_one():
    (results,), sink, server = deliver([row(1)], write_key="wrong")
    assert (states(results), server.events) == ({1: "retry"}, [])
    assert "segment.write_key" in sink.alarm
    assert "wrong" not in sink.alarm


@pytest.mark.parametrize("kind", ["close", "half"])
def test_a_lost_answer_sends_the_same_event_again(kind):
    server = SegmentServer(write_key=KEY)
    server.faults.append(Fault(kind))
    (first, second), sink, _ = deliver([row(1)], [row(1, attempts=1)], server=server)
    assert states(first) == {1: "retry"}
    assert states(second) == {1: "sent"}
    assert (len(server.events), server.duplicates) == (1, 1)
    assert sink.alarm is None


def test_nobody_listening_is_an_alarm_and_a_retry():
    async def run():
        sink = SegmentSink(SegmentSettings("k", host="http://127.0.0.1:1"), now_ms=lambda: NOW_MS)
        results = await sink.deliver([row(1)])
        await sink.close()
        return results, sink

    results, sink = asyncio.run(run())
    assert states(results) == {1: "retry"}
    assert "segment.host" in sink.alarm


def test_a_slow_server_costs_a_retry(monkeypatch):
    monkeypatch.setattr(segment, "TIMEOUT_S", 0.05)
    server = SegmentServer(write_key=KEY)
    server.faults.append(Fault("slow", delay_s=0.3))
    (results,), _, _ = deliver([row(1)], server=server)
    assert states(results) == {1: "retry"}


def test_a_broken_answer_with_200_counts_as_taken():
    server = SegmentServer(write_key=KEY)
    server.faults.append(Fault("wrong_json"))
    (results,), _, _ = deliver([row(1)], server=server)
    assert states(results) == {1: "sent"}


def test_a_web_page_with_200_does_not():
    server = SegmentServer(write_key=KEY)
    server.faults.append(Fault("page"))
    (results,), sink, _ = deliver([row(1)], server=server)
    assert states(results) == {1: "retry"}
    assert "segment.host" in sink.alarm


def test_what_follows_a_failed_batch_waits_with_it():
    server = SegmentServer(write_key=KEY)
    server.faults.append(Fault("status", 503))
    (results,), _, _ = deliver([row(number) for number in range(250)], server=server)
    assert {(one.state, one.next_try_ms) for one in results} == {("retry", NOW_MS + 500)}
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("value", "wait_ms"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("7", 7_000),
        ("0", 0),
        ("86400", 300_000),
        ("9" * 40, 300_000),
        ("Fri, 02 Jan 2026 03:04:15 GMT", 9_322),
        ("Fri, 02 Jan 2015 03:04:15 GMT", 0),
    ],
)
def test_retry_after(value, wait_ms):
    assert segment.parse_retry_after(value, NOW_MS) == wait_ms


@given(st.text(max_size=30))
def test_any_retry_after_is_a_wait_within_bounds_or_nothing(value):
    wait_ms = segment.parse_retry_after(value, NOW_MS)
    assert wait_ms is None or 0 <= wait_ms <= segment.MAX_RETRY_AFTER_MS


def test_a_rate_limit_pauses_the_whole_sink():
    server = SegmentServer(write_key=KEY)
    server.faults.append(Fault("status", 429, retry_after="7"))
    (results,), sink, _ = deliver([row(1)], server=server)
    assert results[0].next_try_ms == sink.paused_until_ms == NOW_MS + 7_000


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "https://api.segment.io/v1/batch"),
        ({"zone": "eu"}, "https://events.eu1.segmentapis.com/v1/batch"),
        ({"host": "http://localhost:8080/"}, "http://localhost:8080/v1/batch"),
        ({"zone": "eu", "host": "eu1.api.segmentapis.com/v1"}, "https://eu1.api.segmentapis.com/v1/batch"),
    ],
)
def test_where_it_goes(settings, url):
    assert SegmentSettings("k", **settings).url() == url


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match="segment.zone"):
        SegmentSink(SegmentSettings("k", zone="moon"))
    with pytest.raises(ConfigError, match="segment.write_key"):
        SegmentSink(SegmentSettings(""))


def test_key_stays_out_of_sight():
    assert "secret" not in repr(SegmentSettings("secret"))


@given(st.lists(st.integers(0, 32_000), max_size=60), st.integers(1, 3_000))
def test_batches_hold_every_event_once_and_stay_within_limits(sizes, events):
    rows = [replace(row(number), payload=b"x" * size) for number, size in enumerate(sizes)]
    batches = segment.make_batches(rows, events)
    assert [one.id for batch in batches for one in batch] == list(range(len(rows)))
    for batch in batches:
        assert 1 <= len(batch) <= min(events, 2_500)
        assert sum(len(one.payload) + 1 for one in batch) + 300 <= segment.MAX_BATCH_BYTES
