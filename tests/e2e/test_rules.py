"""Rules in a running bridge: a device's and an app's events, to Segment and to a file, each as the rules say."""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
import time
import urllib.request
from pathlib import Path
from typing import Any

from pixeltrail_bridge.wire import messages as m

from tests.bridge.fake_device import fake_device, wait_for
from tests.bridge.test_reload import up
from tests.support.segment_server import running as segment
from tests.support.services import free_port

DEVICE = "bench-07"
EMAIL, USER, PEPPER = "ada@example.com", "user-7", "sixteen letters and more"
SETTINGS = """
[groups]
lab = ["bench-*"]
[web]
enabled = false
[events]
session_events = false
[segment]
write_key_file = "key"
host = "{host}"
[jsonl]
path = "out.jsonl"
[mobile]
enabled = true
port = {port}
write_key_file = "app-key"
[[rules]]
name = "pseudonyms"
redact = ["properties.email", "traits.email", "userId"]
redact_key_file = "pepper"
[[rules]]
name = "lab stays here"
groups = ["lab"]
events = ["Calibrated"]
send_to = ["jsonl"]
[[rules]]
name = "short names for Segment"
types = ["track"]
sinks = ["segment"]
rename = {{ "properties.temperature_c" = "properties.temp" }}
[[rules]]
name = "noise"
events = ["Heartbeat*"]
drop_event = true
"""


def hashed(text: str) -> str:
    return hmac.new(PEPPER.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def post(port: int, *events: dict[str, Any]) -> None:
    body = json.dumps({"batch": list(events), "writeKey": "app"}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/batch", body, headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 200


def test_every_sink_gets_what_the_rules_leave_and_the_original_stands_nowhere(tmp_path: Path) -> None:
    for name, text in (("key", "wk"), ("app-key", "app"), ("pepper", PEPPER)):
        (tmp_path / name).write_text(text)
    port = free_port()

    def in_file() -> list[dict[str, Any]]:
        file = tmp_path / "out.jsonl"
        whole, *_ = file.read_text().rpartition("\n") if file.exists() else ("",)  # more may be on its way
        return [json.loads(line) for line in whole.splitlines()]

    with segment(write_key="wk") as server:
        (tmp_path / "pixeltrail.toml").write_text(SETTINGS.format(host=server.url, port=port))
        with up(tmp_path) as bridge, fake_device(bridge.mqtt_port, DEVICE) as device:
            device.find_bridge()
            device.begin()
            device.send(
                m.Identify(USER, {"email": EMAIL}),
                m.Track("Calibrated", {"temperature_c": 20}),
                m.Track("Heartbeat", {}),
                m.Track("Brewed", {"temperature_c": 93, "email": EMAIL}),
            )
            wait_for(
                lambda: [one for one in server.events if one.get("event") == "Brewed"], "the device's events"
            )
            begun_ms = server.events[0]["integrations"]["Actions Amplitude"]["session_id"]
            wait_for(
                lambda: time.time() * 1000 > begun_ms + 200, "the session to have begun for the app as well"
            )
            app = {"anonymousId": "phone", "context": {"device": {"id": DEVICE}}, "userId": USER}
            post(
                port,
                {"type": "track", "event": "Heartbeat 2", "messageId": "m-1", "properties": {}, **app},
                {
                    "type": "track",
                    "event": "Tapped",
                    "messageId": "m-2",
                    "properties": {"email": EMAIL},
                    **app,
                },
                {"type": "track", "event": "[Amplitude] No", "properties": {"email": EMAIL}, **app},
            )
            wait_for(lambda: {"Brewed", "Tapped"} <= {one.get("event") for one in server.events}, "Segment")
            wait_for(lambda: {"Brewed", "Tapped"} <= {one.get("event") for one in in_file()}, "the file")
        sent = {one.get("event", one["type"]): one for one in server.events}
        kept = {one.get("event", one["type"]): one for one in in_file()}

    assert {"Calibrated"} == set(kept) - set(sent) and not any("Heartbeat" in name for name in kept)
    assert sent["Brewed"]["properties"]["temp"] == kept["Brewed"]["properties"]["temperature_c"] == 93
    assert "temperature_c" not in sent["Brewed"]["properties"]
    for one in (sent, kept):
        assert one["identify"]["userId"] == one["Brewed"]["userId"] == one["Tapped"]["userId"] == hashed(USER)
        emails = [
            one["identify"]["traits"]["email"],
            *(one[name]["properties"]["email"] for name in ("Brewed", "Tapped")),
        ]
        assert emails == [hashed(EMAIL)] * 3
        assert {event["anonymousId"] for name, event in one.items() if name != "Tapped"} == {DEVICE}
        assert {event["context"]["device"]["id"] for event in one.values()} == {DEVICE}
        replays = {one[name]["properties"]["[Amplitude] Session Replay ID"] for name in ("Brewed", "Tapped")}
        sessions = {event["integrations"]["Actions Amplitude"]["session_id"] for event in one.values()}
        assert replays == {f"{DEVICE}/{sessions.pop()}"} and not sessions
    assert EMAIL not in json.dumps(server.events) + (tmp_path / "log").read_text()
    with sqlite3.connect(tmp_path / "pixeltrail-data" / "pixeltrail.db") as db:
        for table in ("events", "deliveries", "dead_letters"):
            assert EMAIL.encode() not in repr(db.execute(f"SELECT * FROM {table}").fetchall()).encode()
        assert db.execute("SELECT sum(value) FROM counters WHERE name = 'dropped_by_rules'").fetchone() == (
            2,
        )
    db.close()
