"""Segment's limits and retry rules, row by row, against a server that keeps them. docs/segment.md shows the table."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import replace

import pytest
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.sinks import segment
from pixeltrail_bridge.sinks.base import backoff_ms
from pixeltrail_bridge.sinks.segment import SegmentSettings, SegmentSink, SegmentSource
from pixeltrail_bridge.sinks.segment_rules import ZONE_OF_HOST, batch_url

from tests.support.segment_server import Fault, SegmentServer

from .rows import NOW_MS, row

KEY = "test-write-key"


class Clock:
    now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


def run(rows, *, server=None, rounds=1, clock=None, **settings):
    """Deliver `rows`, and then `rounds - 1` times what is to be tried again, each time when its moment has come."""
    server, clock = server or SegmentServer(write_key=KEY), clock or Clock()

    async def work():
        runner = await server.start()
        settings.setdefault("write_key", KEY)
        sink = SegmentSink(SegmentSettings(host=server.url, **settings), now_ms=clock, jitter=lambda: 0.0)
        waiting, history = list(rows), []
        try:
            for _ in range(rounds):
                results = await sink.deliver(waiting)
                history.append(results)
                again = {one.id for one in results if one.state == "retry"}
                waiting = [replace(one, attempts=one.attempts + 1) for one in waiting if one.id in again]
                clock.now_ms = max(
                    [one.next_try_ms for one in results if one.state == "retry"], default=clock.now_ms
                )
                if not waiting:
                    break
        finally:
            await sink.close()
            await runner.cleanup()
        return history, sink

    history, sink = asyncio.run(work())
    return history, sink, server


def outcome(results):
    return {one.id: one.state for one in results}


# ---- where, and as whom


@pytest.mark.parametrize(("host", "zone"), sorted(ZONE_OF_HOST.items()))
def test_a_host_of_the_other_zone_is_a_mistake_in_the_settings(host, zone):
    other = {"US": "eu", "EU": "us"}[zone]
    assert batch_url(zone.lower(), host) == f"https://{host}/v1/batch"
    with pytest.raises(ConfigError, match=rf"zone {zone.lower()}.*segment.zone is {other}"):
        batch_url(other, f"https://{host}/v1/")


@pytest.mark.parametrize("zone", ["us", "eu"])
def test_a_proxy_fits_either_zone(zone):
    assert (
        batch_url(zone, "http://proxy.example:8080/segment") == "http://proxy.example:8080/segment/v1/batch"
    )


def test_the_key_is_in_the_header_and_in_the_body():
    assert run([row(1)])[2].requests[0].status == 200  # the server refuses a key that is missing in either
    assert segment._basic_auth("k") == "Basic azo="  # base64 of "k:": the colon matters


def test_sent_at_belongs_to_the_batch_and_is_of_each_attempt():
    server = SegmentServer(write_key=KEY, faults=deque([Fault("status", 503)]))
    run([row(1)], server=server, rounds=2)
    assert [seen.sent_at for seen in server.requests] == [
        "2026-01-02T03:04:05.678Z",
        "2026-01-02T03:04:06.178Z",
    ]
    assert server.problems == [] and "sentAt" not in server.events[0]


# ---- limits


def padded(number, size):
    """An event of exactly `size` bytes of JSON, some of it not ASCII."""
    one = row(number)
    payload = json.loads(one.payload)
    payload["properties"]["pad"] = "ä"
    fixed = len(json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode())
    payload["properties"]["pad"] += "x" * (size - fixed)
    return replace(one, payload=json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode())


@pytest.mark.parametrize(("size", "state"), [(32 << 10, "sent"), ((32 << 10) + 1, "dead")])
def test_32_kb_an_event_in_bytes_of_utf_8(size, state):
    one = padded(1, size)
    assert len(one.payload) == size
    (results,), _, server = run([one])
    assert outcome(results) == {1: state}
    assert len(server.requests) == (state == "sent")
    assert state == "sent" or "32,768" in results[0].answer


@pytest.mark.parametrize(
    ("count", "size", "batch_events", "requests"),
    [
        (100, 0, 100, [100]),
        (101, 0, 100, [100, 1]),
        (5, 0, 2, [2, 2, 1]),
        (2_501, 0, 2_500, [2_500, 1]),
        (2_501, 0, 9_999, [2_500, 1]),  # more than Segment keeps is never sent, whatever the setting
        (30, 32 << 10, 100, [15, 15]),  # 500 KB
    ],
)
def test_500_kb_and_2_500_events_a_batch(count, size, batch_events, requests):
    tiny = [replace(row(0), id=n, payload=b'{"type":"track","messageId":"%d"}' % n) for n in range(count)]
    rows = [padded(n, size) for n in range(count)] if size else tiny
    (results,), _, server = run(rows, batch_events=batch_events)
    assert set(outcome(results).values()) == {"sent"}
    assert [len(seen.message_ids) for seen in server.requests] == requests
    assert max(seen.body_bytes for seen in server.requests) <= 500_000
    assert len(server.events) == count


def test_a_long_write_key_does_not_make_a_batch_too_large():
    rows = [padded(n, 32 << 10) for n in range(16)]
    server = SegmentServer(write_key="k" * 3_000)
    run(rows, server=server, write_key="k" * 3_000)
    assert {seen.status for seen in server.requests} == {200}


# ---- answers

SENT = [200, 201, 202, 204, 299]
RETRIED = [408, 410, 429, 460, 500, 502, 503, 504, 506, 507, 508, 510, 511, 520, 599]
SPLIT = [400, 413, 422]
PAUSED = [301, 302, 307, 401, 402, 403, 404, 405, 409, 411, 415, 451, 501, 505]


@pytest.mark.parametrize("status", [*SENT, *RETRIED, *SPLIT, *PAUSED])
def test_what_a_status_means(status):
    server = SegmentServer(write_key=KEY, faults=deque([Fault("status", status)]))
    (first, *rest), sink, _ = run([row(1), row(2)], server=server, rounds=2)
    retry_counts = [seen.retry_count for seen in server.requests]
    if status in SENT:
        assert (outcome(first), rest) == ({1: "sent", 2: "sent"}, [])
    elif status in SPLIT:  # the halves went through, so nothing was wrong with either event
        assert (outcome(first), rest) == ({1: "sent", 2: "sent"}, [])
        assert [len(seen.message_ids) for seen in server.requests] == [2, 1, 1]
    else:
        assert outcome(first) == {1: "retry", 2: "retry"}
        assert {one.status for one in first} == {status}
        wait_ms = first[0].next_try_ms - NOW_MS
        assert wait_ms == (500 if status in RETRIED else segment.PAUSE_MS)
        assert outcome(rest[0]) == {1: "sent", 2: "sent"}
        assert retry_counts == [0, 1]
        assert [event["messageId"] for event in server.events] == ["px-kitchen-01-1", "px-kitchen-01-2"]
        assert sink.alarm is None


@pytest.mark.parametrize("status", SPLIT)
def test_a_refused_event_alone_is_a_dead_letter_with_the_answer(status):
    server = SegmentServer(write_key=KEY, faults=deque([Fault("status", status)]))
    (results,), sink, _ = run([row(1)], server=server)
    assert (outcome(results), results[0].status) == ({1: "dead"}, status)
    assert "refused the event" in results[0].answer and sink.alarm is None


@pytest.mark.parametrize("status", [408, 410, 429, 460, 500, 503])
@pytest.mark.parametrize(
    ("retry_after", "wait_ms"),
    [
        ("0", 1_000),
        ("7", 7_000),
        ("300", 300_000),
        ("301", 300_000),
        ("Fri, 02 Jan 2026 03:04:15 GMT", 9_322),
        ("Fri, 02 Jan 2026 04:04:15 GMT", 300_000),
        ("Fri, 02 Jan 2015 03:04:15 GMT", 1_000),
        ("soon", 500),
        (None, 500),
    ],
)
def test_retry_after_counts_with_any_passing_status(status, retry_after, wait_ms):
    server = SegmentServer(write_key=KEY, faults=deque([Fault("status", status, retry_after=retry_after)]))
    (results,), sink, _ = run([row(1)], server=server)
    assert results[0].next_try_ms == NOW_MS + wait_ms
    assert sink.paused_until_ms == (0 if wait_ms == 500 else NOW_MS + wait_ms)  # the whole pipeline waits


@pytest.mark.parametrize("kind", ["close", "half"])
def test_a_network_error_is_tried_again(kind):
    server = SegmentServer(write_key=KEY, faults=deque([Fault(kind)]))
    history, _, _ = run([row(1)], server=server, rounds=2)
    assert [outcome(results) for results in history] == [{1: "retry"}, {1: "sent"}]
    assert (len(server.events), server.duplicates) == (1, 1)


def test_waits_double_to_a_minute_and_there_is_no_last_try():
    """Segment's libraries give up after 10 tries or 12 hours; here an event waits until it is taken."""
    server = SegmentServer(write_key=KEY, faults=deque([Fault("status", 503)] * 40))
    clock = Clock()
    history, sink, _ = run([row(1)], server=server, rounds=41, clock=clock)
    assert outcome(history[-1]) == {1: "sent"}
    assert [seen.retry_count for seen in server.requests] == list(range(41))
    waits = [backoff_ms(n, lambda: 0.0) for n in range(40)]
    assert waits[:9] == [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]
    assert clock.now_ms - NOW_MS == sum(waits)


def test_jitter_is_at_most_a_tenth():
    assert {backoff_ms(2, lambda part=part: part) for part in (0.0, 0.5, 0.999)} == {2_000, 2_100, 2_199}


def test_trouble_that_lasts_is_an_alarm_that_ends_with_it():
    server = SegmentServer(write_key=KEY, faults=deque([Fault("status", 503)] * 6))
    _, sink, _ = run([row(1)], server=server, rounds=6)
    assert "503" in sink.alarm
    _, sink, _ = run([row(1)], server=SegmentServer(write_key=KEY), rounds=1)
    assert sink.alarm is None


# ---- several write keys

LAB = SegmentSource("key-lab", ("lab-*", "oven-??"), "segment.keys: lab")


def test_each_device_goes_out_under_its_key():
    rows = [row(1, "lab-001"), row(2, "kitchen-01"), row(3, "oven-07"), row(4, "lab-001")]
    (results,), _, server = run(rows, sources=(LAB,), server=SegmentServer(write_key="key-lab"))
    assert outcome(results) == {1: "sent", 3: "sent", 4: "sent", 2: "retry"}  # the server knows one key alone
    assert [seen.message_ids for seen in server.requests if seen.status == 200] == [
        ("px-lab-001-1", "px-oven-07-3", "px-lab-001-4")
    ]


def test_a_key_that_is_refused_holds_up_nobody_else():
    clock = Clock()
    rows = [row(1, "lab-001"), row(2, "kitchen-01"), row(3, "lab-002")]
    (first,), sink, server = run(rows, sources=(LAB,), clock=clock)
    assert outcome(first) == {1: "retry", 3: "retry", 2: "sent"}
    assert sink.paused_until_ms == 0 and "segment.keys: lab" in sink.alarm and "key-lab" not in sink.alarm
    assert [seen.status for seen in server.requests] == [401, 200]


def test_while_a_key_is_paused_it_is_not_asked_again():
    server, clock = SegmentServer(write_key=KEY), Clock()

    async def work():
        runner = await server.start()
        sink = SegmentSink(SegmentSettings(KEY, host=server.url, sources=(LAB,)), now_ms=clock)
        for _ in range(3):
            await sink.deliver([row(1, "lab-001"), row(2)])
        asked = sum(seen.status == 401 for seen in server.requests)
        clock.now_ms += segment.PAUSE_MS
        await sink.deliver([row(1, "lab-001")])
        sink.update(SegmentSettings(KEY, host=server.url, sources=(replace(LAB, write_key=KEY),)))
        results = await sink.deliver([row(1, "lab-001")])
        await sink.close()
        await runner.cleanup()
        return asked, results, sink

    asked, results, sink = asyncio.run(work())
    assert (asked, outcome(results), sink.alarm) == (1, {1: "sent"}, None)
    assert sum(seen.status == 401 for seen in server.requests) == 2


def test_when_every_key_is_refused_the_sink_pauses():
    _, sink, _ = run([row(1, "lab-001"), row(2)], sources=(LAB,), server=SegmentServer(write_key="other"))
    assert sink.paused_until_ms == NOW_MS + segment.PAUSE_MS


def test_a_device_without_a_key_waits_and_is_named():
    (results,), sink, server = run(
        [row(1, "lab-001"), row(2)], sources=(replace(LAB, write_key=KEY),), write_key=""
    )
    assert outcome(results) == {1: "sent", 2: "retry"}
    assert "kitchen-01" in sink.alarm and "[[segment.keys]]" in sink.alarm
    assert len(server.requests) == 1


# ---- dry run


def test_a_dry_run_makes_everything_but_the_request():
    rows = [row(n) for n in range(150)] + [row(150, padding=33_000)]
    (results,), sink, server = run(rows, dry_run=True)
    assert server.requests == []
    assert set(outcome(results).values()) == {"dead"}
    assert [one.answer.partition(":")[0] for one in results if one.id != 150] == ["dry run"] * 150
    assert "100 events" in results[-150].answer and "50 events" in results[-1].answer
    assert "segment.dry_run" in sink.alarm and "dlq retry" in sink.alarm


def test_settings_that_make_no_sense_change_nothing():
    sink = SegmentSink(SegmentSettings(KEY))
    for wrong in (SegmentSettings(), SegmentSettings(KEY, zone="eu", host="api.segment.io")):
        with pytest.raises(ConfigError):
            sink.update(wrong)
        assert sink.settings == SegmentSettings(KEY) and sink.url == "https://api.segment.io/v1/batch"
