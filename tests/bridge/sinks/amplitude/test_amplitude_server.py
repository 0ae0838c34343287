"""The server that stands for Amplitude is as strict as Amplitude, or the tests against it prove little."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.amplitude_server import AmplitudeServer, running

KEY = "test-api-key"
EVENT = {"device_id": "kitchen-01", "event_type": "Brew", "session_id": -1, "insert_id": "a", "time": 1}


def post(server: AmplitudeServer, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(server.url + path, body, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def send(server: AmplitudeServer, *events: Any, key: str = KEY, **more: Any) -> tuple[int, dict[str, Any]]:
    return post(server, "/2/httpapi", json.dumps({"api_key": key, "events": events, **more}).encode())


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"device_id": None}, {"events_with_missing_fields": {"device_id": [1]}}),
        ({"event_type": ""}, {"events_with_missing_fields": {"event_type": [1]}}),
        ({"time": "now"}, {"events_with_invalid_fields": {"time": [1]}}),
        ({"session_id": "x"}, {"events_with_invalid_fields": {"session_id": [1]}}),
        ({"session_id": 1.5}, {"events_with_invalid_fields": {"session_id": [1]}}),
        ({"event_properties": []}, {"events_with_invalid_fields": {"event_properties": [1]}}),
        ({"quantity": 1.5}, {"events_with_invalid_fields": {"quantity": [1]}}),
        ({"device_id": "ab"}, {"events_with_invalid_id_lengths": {"device_id": [1]}}),
        ({"device_id": "quiet"}, {"silenced_devices": ["quiet"], "silenced_events": [1]}),
    ],
)
def test_events_that_are_wrong_are_named_and_nothing_is_taken(change, answer):
    with running(silenced={"quiet"}) as server:
        status, found = send(server, EVENT, EVENT | change, options={"min_id_length": 3})
        assert status == 400 and found.items() >= answer.items()
        assert server.events == []


def test_who_may_send_and_how_much():
    with running(max_events=2) as server:
        assert send(server, EVENT, key="other")[1]["error"] == "Invalid API key: other"
        assert post(server, "/2/httpapi", b"{}")[1]["missing_field"] == "api_key"
        assert post(server, "/2/httpapi", b"{")[0] == 400
        assert send(server)[1]["missing_field"] == "events"
        assert send(server, EVENT, EVENT, EVENT)[0] == 413
        assert send(server, EVENT | {"event_properties": {"pad": "x" * (1 << 20)}})[0] == 413
        assert server.events == []


def test_throttling_names_devices_users_and_quotas():
    with running(throttled={"a"}, throttled_users={"u"}, over_quota={"q"}) as server:
        events = [EVENT | {"device_id": device} for device in ("a", "b", "q", "a")] + [
            EVENT | {"user_id": "u"}
        ]
        status, found = send(server, *events)
        assert status == 429
        assert (found["throttled_devices"], found["throttled_users"]) == ({"a": 2}, {"u": 1})
        assert (found["exceeded_daily_quota_devices"], found["throttled_events"]) == ({"q": 1}, [0, 2, 3, 4])
        assert server.events == []


def test_an_insert_id_counts_once_for_its_device():
    with running() as server:
        assert send(server, EVENT, EVENT, EVENT | {"device_id": "oven-01"})[1]["events_ingested"] == 3
        assert (len(server.events), server.duplicates) == (2, 1)


def test_forms_are_taken_with_one_identification_or_several():
    one = {"device_id": "kitchen-01", "user_properties": {"a": 1}}
    with running() as server:
        for identification in (one, [one, one]):
            form = urlencode({"api_key": KEY, "identification": json.dumps(identification)}).encode()
            assert post(server, "/identify", form)[0] == 200
        assert [item for _, item in server.identifications] == [one] * 3
        assert post(server, "/identify", urlencode({"api_key": KEY}).encode())[0] == 400
        form = urlencode({"api_key": KEY, "identification": "[{}]"}).encode()
        assert post(server, "/groupidentify", form)[1]["events_with_missing_fields"] == {
            "group_type": [0],
            "group_value": [0],
        }
        form = urlencode({"api_key": KEY, "mapping": '[{"user_id": "u", "global_user_id": "g"}]'}).encode()
        assert post(server, "/usermap", form)[0] == 200


def test_what_a_person_would_not_want_is_a_problem():
    replay = {"[Amplitude] Session Replay ID": "kitchen-01/7"}
    with running() as server:
        send(server, EVENT | {"event_properties": replay, "session_id": 8, "insert_id": "b"})
        send(server, EVENT | {"user_properties": {"$set": {}, "a": 1}, "insert_id": "c"})
        send(server, {name: value for name, value in EVENT.items() if name != "session_id"})
        assert [problem.partition(": ")[2] for problem in server.problems] == [
            "Replay ID 'kitchen-01/7' does not fit its device and session",
            "operations beside plain user properties",
            "no session_id",
        ]
