"""A whole bridge with this sink: what a device says arrives at Amplitude, linked to its replay."""

from __future__ import annotations

from pathlib import Path

from pixeltrail_bridge import config
from pixeltrail_bridge.app import running
from pixeltrail_bridge.mapping.calls import REPLAY_PROPERTY
from pixeltrail_bridge.wire import messages as m

from tests.bridge.fake_device import fake_device, wait_for
from tests.support import amplitude_server

DEVICE = "test-espresso"
SETTINGS = """
[bridge]
data_dir = "data"
[web]
enabled = false
[mqtt]
port = 0
[amplitude]
api_key_file = "key"
host = "{url}"
group_type_trait = "kind"
increment_traits = ["brews"]
[[amplitude.mappings]]
name = "Alias Calls"
action = "mapUser"
"""


def test_what_a_device_says_arrives_at_amplitude(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("test-api-key\n")
    with amplitude_server.running() as server:
        file = tmp_path / "pixeltrail.toml"
        file.write_text(SETTINGS.format(url=server.url))
        with running(config.load(file)) as bridge:
            assert bridge.mqtt_port is not None
            assert [sink.name for sink in bridge.delivery.sinks] == ["amplitude"]
            with fake_device(bridge.mqtt_port, DEVICE) as device:
                device.find_bridge()
                device.begin()
                device.send(
                    m.Track("Brew Started", {"cups": 2}),
                    m.Screen("Home", {}),
                    m.Identify("user-7", {"plan": "pro", "brews": 1}),
                    m.Group("office-3", {"kind": "office"}),
                    m.Alias("user-7b", None),
                    m.Track("Brew Done", {}),
                )
                wait_for(lambda: any(e["event_type"] == "Brew Done" for e in server.events), "the last event")
    assert server.problems == []
    names = [event["event_type"] for event in server.events]
    assert [name for name in names if name in ("Brew Started", "Viewed Home", "Brew Done")] == [
        "Brew Started",
        "Viewed Home",
        "Brew Done",
    ]
    for event in server.events:
        assert event["device_id"] == DEVICE
        assert event["event_properties"][REPLAY_PROPERTY] == f"{DEVICE}/{event['session_id']}"
        assert event["insert_id"].startswith("px-")
    (done,) = [event for event in server.events if event["event_type"] == "Brew Done"]
    assert done["user_id"] == "user-7b"
    sent = dict(server.identifications)
    assert [endpoint for endpoint, _ in server.identifications] == [
        "identify",
        "identify",
        "groupidentify",
        "usermap",
    ]
    first = server.identifications[0][1]
    assert first["user_properties"] == {"$set": {"plan": "pro"}, "$add": {"brews": 1}}
    assert sent["identify"]["groups"] == {"office": "office-3"}
    assert sent["usermap"] == {"user_id": "user-7", "global_user_id": "user-7b"}
