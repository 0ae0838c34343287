"""Requests, order, limits and answers of the Amplitude sink, against a server that keeps Amplitude's rules."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import replace

import pytest
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.mapping.calls import REPLAY_CHUNKS, OutboxRow
from pixeltrail_bridge.sinks.amplitude import (
    AmplitudeSettings,
    AmplitudeSink,
    MappingOptions,
    MappingRule,
    rounds,
    sink,
    transport,
)
from pixeltrail_bridge.sinks.amplitude.rules import make_urls

from tests.bridge.sinks.rows import NOW_MS
from tests.support.amplitude_server import AmplitudeServer
from tests.support.segment_server import Fault

from .kit import KEY, names, outcome, row, run

GROUPS = MappingOptions(group_type_trait="kind")


# ---- what goes into a request


def test_events_of_many_devices_share_requests_and_keep_the_order_of_each():
    devices = [f"oven-{n:02d}" for n in range(20)]
    rows = [row(n, devices[n % 20]) for n in range(250)]
    (results,), one, server = run(rows)
    assert set(outcome(results).values()) == {"sent"}
    assert [len(seen.items) for seen in server.requests] == [100, 100, 50]
    for device_id in devices:
        mine = [f"Event {r.id}" for r in rows if r.device_id == device_id]
        assert names(server, device_id) == mine
    assert (server.problems, one.alarm) == ([], None)


def test_an_event_keeps_its_place_among_identify_and_group_calls():
    kinds = ["track", "identify", "track", "group", "track", "identify", "identify", "track"]
    rows = [row(n, device, kind) for n, kind in enumerate(kinds) for device in ("oven-01", "oven-02")]
    rows = [replace(one, id=place) for place, one in enumerate(rows)]
    _, _, server = run(rows, options=GROUPS)
    order = [
        (seen.endpoint, item.get("device_id"))
        for seen in server.requests
        for item in seen.items
        if seen.endpoint != "groupidentify"
    ]
    for device in ("oven-01", "oven-02"):
        expected = ["identify" if kind in ("identify", "group") else "httpapi" for kind in kinds]
        assert [endpoint for endpoint, one in order if one == device] == expected
    assert len(server.requests) < len(rows)  # both devices' calls go out together


def test_pieces_of_recordings_are_passed_over_and_keep_nothing_waiting():
    first, last = row(1), row(3)
    event = json.loads(first.payload) | {"event": REPLAY_CHUNKS, "properties": {"data": "A" * 18_000}}
    piece = replace(row(2), payload=json.dumps(event).encode())
    (results,), _, server = run([first, piece, last])
    assert set(outcome(results).values()) == {"sent"}
    (told,) = [one.answer for one in results if one.id == piece.id]
    assert told.startswith("not sent: Amplitude cuts text")
    assert names(server, first.device_id) == ["Event 1", "Event 3"]


def test_forms_hold_arrays_and_no_options_unless_asked():
    _, _, server = run([row(1, kind="identify"), row(2, kind="identify")])
    (seen,) = server.requests
    assert (seen.content_type, len(seen.items)) == ("application/x-www-form-urlencoded", 2)
    assert seen.options is None
    _, _, server = run([row(1, kind="identify"), row(2)], options=MappingOptions(min_id_length=3))
    assert [one.options for one in server.requests] == [{"min_id_length": 3}] * 2


def test_requests_say_who_sends_them():
    _, _, server = run([row(1)])
    assert server.requests[0].user_agent.startswith("pixeltrail-bridge/")


def test_the_batch_endpoint():
    _, _, server = run([row(1)], options=MappingOptions(use_batch_endpoint=True))
    assert [seen.endpoint for seen in server.requests] == ["batch"]


def test_two_mappings_of_one_event_are_two_events():
    """Amplitude keeps one of the events that have the same insert_id."""
    rules = (MappingRule("Again", "logEvent", 'type = "track"', fields={"event_type": "Copy"}),)
    _, _, server = run([row(1)], rules=rules)
    assert [(e["event_type"], e["insert_id"]) for e in server.events] == [
        ("Event 1", "px-kitchen-01-1"),
        ("Copy", "px-kitchen-01-1.2"),
    ]
    _, _, server = run([row(1)] * 1, rules=(*rules, MappingRule("More", "logEvent", 'type = "track"')))
    assert len(server.events) == 3 and server.duplicates == 0


@pytest.mark.parametrize("kind", ["group", "alias"])
def test_what_no_mapping_takes_is_settled_and_says_so(kind):
    (results,), _, server = run([row(1, kind=kind)])
    assert outcome(results) == {1: "sent"}
    assert f"no mapping takes this {kind} call" in results[0].answer
    assert server.requests == []


def test_an_event_that_excludes_amplitude_is_not_sent():
    (results,), _, server = run([row(1, integrations={"All": False}), row(2)])
    assert "exclude" in results[0].answer
    assert names(server) == ["Event 2"]


@pytest.mark.parametrize("payload", [b"{", b"[]", b'{"type":1}', b"null"])
def test_what_is_no_event_is_a_dead_letter_or_nothing_and_holds_up_nobody(payload):
    (results,), _, server = run([OutboxRow(1, "kitchen-01", "m", "track", payload, 0), row(2)])
    assert outcome(results)[2] == "sent" and outcome(results)[1] in ("dead", "sent")
    assert names(server) == ["Event 2"]


def test_an_event_that_a_mapping_refuses_is_a_dead_letter_with_the_field():
    (results,), _, server = run([row(1), row(2, event=""), row(3)])
    assert outcome(results) == {1: "sent", 2: "dead", 3: "sent"}
    (dead,) = [one for one in results if one.state == "dead"]
    assert dead.answer == "mapping 'Track Calls': event_type is missing"
    assert names(server) == ["Event 1", "Event 3"]


# ---- limits


def test_requests_stay_below_1_mb():
    rows = [row(n, properties={"pad": "x" * 30_000}) for n in range(60)]
    (results,), _, server = run(rows)
    assert set(outcome(results).values()) == {"sent"}
    assert [seen.status for seen in server.requests] == [200, 200]
    assert max(seen.body_bytes for seen in server.requests) <= 1_000_000


def test_an_event_above_1_mb_is_a_dead_letter_that_says_so():
    (results,), _, server = run([row(1), row(2, properties={"pad": "x" * 1_000_000}), row(3)])
    assert outcome(results) == {1: "sent", 2: "dead", 3: "sent"}
    assert "1 MB" in next(one.answer for one in results if one.state == "dead")


@pytest.mark.parametrize(("batch_events", "sizes"), [(10, [10, 10, 5]), (1, [1] * 25), (2_000, [25])])
def test_as_many_events_as_the_setting_says(batch_events, sizes):
    _, _, server = run([row(n) for n in range(25)], batch_events=batch_events)
    assert [len(seen.items) for seen in server.requests] == sizes


def test_413_is_halved_and_grows_again():
    server = AmplitudeServer(max_events=10)
    (results,), _, _ = run([row(n) for n in range(64)], server=server)
    assert set(outcome(results).values()) == {"sent"}
    assert names(server) == [f"Event {n}" for n in range(64)]
    assert len(server.requests) < 20


def test_413_for_one_event_is_a_dead_letter():
    server = AmplitudeServer(max_events=0)
    (results,), _, _ = run([row(1), row(2)], server=server)
    assert outcome(results) == {1: "dead", 2: "dead"}


# ---- culprits


def test_events_that_amplitude_names_are_given_up_on_alone():
    server = AmplitudeServer()
    rows = [row(n, context__device__id=..., anonymousId=...) if n in (3, 7) else row(n) for n in range(10)]
    (results,), _, _ = run(rows, server=server)
    assert {n for n, state in outcome(results).items() if state == "dead"} == {3, 7}
    assert names(server) == [f"Event {n}" for n in range(10) if n not in (3, 7)]
    assert "'device_id' is missing" in next(one.answer for one in results if one.state == "dead")
    assert [seen.status for seen in server.requests] == [400, 200]


def test_ids_that_are_too_short_are_dead_letters():
    server = AmplitudeServer()
    (results,), _, _ = run([row(1, "ab"), row(2)], server=server, options=MappingOptions(min_id_length=3))
    assert outcome(results) == {1: "dead", 2: "sent"}


def test_events_of_a_silenced_device_are_dead_letters_and_others_go_on():
    server = AmplitudeServer(silenced={"oven-01"})
    (results,), _, _ = run([row(1, "oven-01"), row(2, "oven-02"), row(3, "oven-01")], server=server)
    assert outcome(results) == {1: "dead", 2: "sent", 3: "dead"}
    assert "silenced" in results[0].answer


def test_a_refusal_that_names_nobody_is_halved_until_the_culprit_is_alone():
    server = AmplitudeServer(refuse_ids={"px-kitchen-01-5", "px-kitchen-01-11"})
    (results,), _, _ = run([row(n) for n in range(16)], server=server)
    assert {n for n, state in outcome(results).items() if state == "dead"} == {5, 11}
    assert names(server) == [f"Event {n}" for n in range(16) if n not in (5, 11)]
    assert all("Something about an event" in one.answer for one in results if one.state == "dead")


def test_a_purchase_of_which_a_part_is_refused_is_a_dead_letter_and_the_rest_is_sent():
    server = AmplitudeServer(refuse_ids={"px-kitchen-01-1-2"})
    order = row(1, event="Order Completed", properties={"products": [{"price": 1}, {"price": 2}]})
    (results,), _, _ = run([order, row(2)], server=server)
    assert outcome(results) == {1: "dead", 2: "sent"}
    assert names(server) == ["Order Completed", "Product Purchased", "Event 2"]


# ---- throttling


def test_only_throttled_devices_wait_and_the_others_go_on_at_once():
    server = AmplitudeServer(throttled={"oven-01"})
    rows = [row(n, f"oven-0{n % 3}") for n in range(9)]
    (results,), one, _ = run(rows, server=server)
    waiting = [r.id for r in rows if r.device_id == "oven-01"]
    assert {n for n, state in outcome(results).items() if state == "retry"} == set(waiting)
    assert {r.next_try_ms for r in results if r.state == "retry"} == {NOW_MS + 30_000}
    assert len(server.events) == 6
    assert (one.paused_until_ms, one.alarm) == (0, None)


def test_devices_of_a_throttled_user_wait():
    server = AmplitudeServer(throttled_users={"user-1"})
    rows = [row(1, "oven-01", userId="user-1"), row(2, "oven-02", userId="user-2"), row(3, "oven-01")]
    (results,), _, _ = run(rows, server=server)
    assert outcome(results) == {1: "retry", 2: "sent", 3: "retry"}


def test_a_used_up_quota_waits_for_an_hour_and_drops_nothing():
    server = AmplitudeServer(over_quota={"oven-01"})
    (results,), _, _ = run([row(1, "oven-01"), row(2, "oven-02")], server=server)
    assert outcome(results) == {1: "retry", 2: "sent"}
    assert results[0].next_try_ms == NOW_MS + 3_600_000 or results[1].next_try_ms == NOW_MS + 3_600_000


def test_what_was_throttled_goes_out_later_in_order():
    server = AmplitudeServer(throttled={"oven-01"})
    rows = [row(n, "oven-01") for n in range(5)]
    (results,), _, _ = run(rows, server=server)
    assert set(outcome(results).values()) == {"retry"}
    server.throttled.clear()
    run(rows, server=server)
    assert names(server) == [f"Event {n}" for n in range(5)]


def test_429_that_names_nobody_pauses_everything():
    server = AmplitudeServer(faults=deque([Fault("status", 429, retry_after="7")]))
    (results,), one, _ = run([row(1), row(2, "oven-01")], server=server)
    assert {r.next_try_ms for r in results} == {NOW_MS + 7_000} == {one.paused_until_ms}
    server = AmplitudeServer(faults=deque([Fault("status", 429)]))
    (results,), one, _ = run([row(1)], server=server)
    assert results[0].next_try_ms == NOW_MS + 30_000


def test_one_device_goes_at_the_pace_that_amplitude_takes():
    rows = [row(n, "oven-01") for n in range(400)] + [row(n, "oven-02") for n in range(400, 410)]
    (results,), _, server = run(rows)
    waiting = [one for one in results if one.state == "retry"]
    assert len(names(server, "oven-01")) == 300  # ten seconds' worth at once
    assert len(names(server, "oven-02")) == 10
    assert {one.id for one in waiting} == set(range(300, 400))
    assert {one.next_try_ms - NOW_MS for one in waiting} == {3_334}  # the time of 100 events
    assert {one.answer for one in waiting} == {rounds.PACED}
    history, _, server = run(rows, rounds=9)
    assert len(history) < 5
    assert names(server, "oven-01") == [f"Event {n}" for n in range(400)]
    (results,), _, server = run(rows, device_events_per_s=0)
    assert len(server.events) == 410


# ---- failures of the host


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 599])
def test_passing_faults_are_tried_again_with_the_same_ids(status):
    server = AmplitudeServer(faults=deque([Fault("status", status)]))
    (first, second), one, _ = run([row(1), row(2)], server=server, rounds=2)
    assert {(r.state, r.status, r.next_try_ms) for r in first} == {("retry", status, NOW_MS + 500)}
    assert set(outcome(second).values()) == {"sent"}
    assert [seen.items for seen in server.requests][0] == [seen.items for seen in server.requests][1]
    assert one.alarm is None


def test_waits_double_to_a_minute_and_there_is_no_last_try():
    server = AmplitudeServer(faults=deque([Fault("status", 503)] * 40))
    history, one, _ = run([row(1)], server=server, rounds=41)
    waits = [
        results[0].next_try_ms - before
        for results, before in zip(
            history[:40], [NOW_MS, *(results[0].next_try_ms for results in history)], strict=False
        )
    ]
    assert waits[:8] == [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]
    assert set(waits[8:]) == {60_000}
    assert outcome(history[-1]) == {1: "sent"}


def test_long_trouble_is_an_alarm():
    server = AmplitudeServer(faults=deque([Fault("status", 503)] * 6))
    _, one, _ = run([row(1)], server=server, rounds=5)
    assert one.alarm is None
    server = AmplitudeServer(faults=deque([Fault("status", 503)] * 6))
    _, one, _ = run([row(1)], server=server, rounds=6)
    assert "503" in one.alarm and "kept" in one.alarm


def test_a_device_that_was_paced_does_not_wait_longer_for_it():
    """Each turn that it waited for counts as an attempt, and none of them failed."""
    server = AmplitudeServer(faults=deque([Fault("status", 503)]))
    (results,), one, _ = run([replace(row(1), attempts=500)], server=server)
    assert results[0].next_try_ms == NOW_MS + 500
    assert one.alarm is None


@pytest.mark.parametrize("status", [301, 302, 402, 404, 405, 415])
def test_another_answer_pauses_the_sink_and_drops_nothing(status):
    server = AmplitudeServer(faults=deque([Fault("status", status)]))
    (results,), one, _ = run([row(1), row(2)], server=server)
    assert {(r.state, r.status) for r in results} == {("retry", status)}
    assert one.paused_until_ms == NOW_MS + sink.PAUSE_MS
    assert "amplitude.host" in one.alarm


def test_a_wrong_key_pauses_with_an_alarm_that_does_not_show_it_and_is_healed_by_the_right_one():
    (results,), one, server = run([row(1)], api_key="wrong-secret-key")
    assert outcome(results) == {1: "retry"} and server.events == []
    assert one.paused_until_ms == NOW_MS + sink.PAUSE_MS
    assert "amplitude.api_key" in one.alarm
    assert "wrong-secret-key" not in one.alarm + results[0].answer + repr(one.settings)
    one.update(replace(one.settings, api_key=KEY))
    assert (one.alarm, one.paused_until_ms) == (None, 0)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_of_a_proxy_does_the_same(status):
    server = AmplitudeServer(faults=deque([Fault("status", status)]))
    (results,), one, _ = run([row(1)], server=server)
    assert outcome(results) == {1: "retry"} and "amplitude.api_key" in one.alarm


@pytest.mark.parametrize("kind", ["close", "half"])
def test_a_lost_answer_sends_the_same_event_again_which_counts_once(kind):
    server = AmplitudeServer(faults=deque([Fault(kind)]))
    (first, second), one, _ = run([row(1)], server=server, rounds=2)
    assert (outcome(first), outcome(second)) == ({1: "retry"}, {1: "sent"})
    assert (len(server.events), server.duplicates) == (1, 1)
    assert one.alarm is None


def test_without_insert_id_it_would_count_twice():
    """What the setting is for."""
    server = AmplitudeServer(faults=deque([Fault("close")]))
    run([row(1)], server=server, rounds=2, options=MappingOptions(insert_id_from_message_id=False))
    assert len(server.events) == 2


def test_a_slow_server_costs_a_retry(monkeypatch):
    monkeypatch.setattr(transport, "TIMEOUT_S", 0.05)
    server = AmplitudeServer(faults=deque([Fault("slow", delay_s=0.3)]))
    (results,), one, _ = run([row(1)], server=server)
    assert outcome(results) == {1: "retry"}
    assert "cannot be reached" in one.alarm


def test_a_web_page_with_200_is_no_answer():
    server = AmplitudeServer(faults=deque([Fault("page")]))
    (results,), one, _ = run([row(1)], server=server)
    assert outcome(results) == {1: "retry"}
    assert "amplitude.host" in one.alarm


def test_a_broken_answer_with_200_counts_as_taken():
    server = AmplitudeServer(faults=deque([Fault("wrong_json")]))
    (results,), _, _ = run([row(1)], server=server)
    assert outcome(results) == {1: "sent"}


def test_what_follows_a_failure_waits_with_it():
    server = AmplitudeServer(faults=deque([Fault("status", 503)]))
    (results,), _, _ = run([row(n, f"oven-{n:03d}") for n in range(250)], server=server)
    assert {(r.state, r.next_try_ms) for r in results} == {("retry", NOW_MS + 500)}
    assert len(server.requests) == 1


def test_a_delivery_ends_in_time_and_the_rest_goes_on_in_the_next(monkeypatch):
    monkeypatch.setattr(rounds, "BUDGET_S", -1.0)
    (results,), _, server = run([row(1), row(2)])
    assert outcome(results) == {1: "retry", 2: "retry"}
    assert {r.next_try_ms for r in results} == {NOW_MS}


# ---- settings


def test_dry_run_sends_nothing_and_keeps_everything():
    (results,), one, server = run([row(1), row(2, kind="identify")], dry_run=True)
    assert outcome(results) == {1: "dead", 2: "dead"}
    assert all(r.answer.startswith("dry run") for r in results)
    assert server.requests == [] and "amplitude.dry_run" in one.alarm


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"api_key": ""}, "amplitude.api_key"),
        ({"zone": "moon"}, "amplitude.zone"),
        ({"zone": "us", "host": "api.eu.amplitude.com"}, 'zone = "eu"'),
        ({"zone": "eu", "host": "https://api2.amplitude.com"}, 'zone = "us"'),
        ({"options": MappingOptions(group_type_trait="a.b")}, "group_type_trait"),
        ({"options": MappingOptions(group_value_trait="b")}, "set both"),
        ({"rules": (MappingRule("X"),), "file": "p.toml"}, r"p.toml: amplitude.mappings 'X': action"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, text):
    with pytest.raises(ConfigError, match=text):
        AmplitudeSink(AmplitudeSettings(**{"api_key": KEY, **settings}))


def test_a_mistake_in_new_settings_changes_nothing():
    one = AmplitudeSink(AmplitudeSettings(KEY))
    before = (one.settings, one.mapper, one.urls)
    with pytest.raises(ConfigError):
        one.update(AmplitudeSettings("k", rules=(MappingRule("X", "fly"),)))
    assert (one.settings, one.mapper, one.urls) == before


def test_keys_stay_out_of_sight():
    assert "secret" not in repr(AmplitudeSettings("secret", "secret"))


@pytest.mark.parametrize(
    ("zone", "host", "httpapi", "usermap"),
    [
        ("us", None, "https://api2.amplitude.com/2/httpapi", "https://api.amplitude.com/usermap"),
        ("EU", None, "https://api.eu.amplitude.com/2/httpapi", "https://api.eu.amplitude.com/usermap"),
        ("eu", "http://proxy:8080/a/", "http://proxy:8080/a/2/httpapi", "http://proxy:8080/a/usermap"),
        (
            "us",
            "api2.amplitude.com",
            "https://api2.amplitude.com/2/httpapi",
            "https://api2.amplitude.com/usermap",
        ),
    ],
)
def test_where_it_goes(zone, host, httpapi, usermap):
    urls = make_urls(zone, host)
    assert (urls["httpapi"], urls["usermap"]) == (httpapi, usermap)


def test_events_arrive_as_they_were_made():
    _, _, server = run([row(1, properties={"text": 'a "b" \\ ä 😀', "list": [1, 2.5, None, {"a": []}]})])
    (event,) = server.events
    assert event["event_properties"] == {"text": 'a "b" \\ ä 😀', "list": [1, 2.5, None, {"a": []}]}
    assert json.dumps(event)
