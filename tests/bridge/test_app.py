"""The whole bridge in this process, with the broker inside and a device made of the wire's own encoder."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pixeltrail_bridge import config
from pixeltrail_bridge.app import Bridge, running
from pixeltrail_bridge.errors import ConfigError, LocalError
from pixeltrail_bridge.wire import messages as m

from tests.bridge.fake_device import HEIGHT, WIDTH, FakeDevice, fake_device, wait_for
from tests.support.services import Postgres
from tests.support.stores import PostgresPlace

DEVICE = "test-espresso"


def settings(folder: Path, *more: str) -> config.Config:
    base = [f"bridge.data_dir={folder}", "mqtt.port=0", "web.port=0", "events.display_window_s=1"]
    return config.load(overrides=[*base, *more])


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    with running(settings(tmp_path / "data")) as bridge:
        yield bridge


@pytest.fixture
def device(bridge: Bridge) -> Iterator[FakeDevice]:
    assert bridge.mqtt_port is not None
    with fake_device(bridge.mqtt_port, DEVICE) as device:
        device.find_bridge()
        yield device


def get(bridge: Bridge, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{bridge.web_port}{path}", timeout=20) as answer:
        return json.load(answer)


def live(bridge: Bridge) -> dict[str, Any]:
    devices: list[dict[str, Any]] = bridge.hub.devices()
    return next((one for one in devices if one["id"] == DEVICE), {})


def test_a_picture_comes_through_pixel_for_pixel_and_a_call_becomes_an_event(
    bridge: Bridge, device: FakeDevice, tmp_path: Path
) -> None:
    device.begin()
    device.picture[:] = os.urandom(len(device.picture))
    device.send_picture(key=True)
    device.picture[5:9] = b"\xaa\x55\xaa\x55"
    device.send_picture()
    device.send(m.Track("Brew Started", {"cups": 2}))
    wait_for(lambda: live(bridge).get("frames") == 2, "two frames")
    message = bridge.hub.encode(live(bridge)["index"], None)
    shown = [message[at] // 255 for at in range(16 + 8, len(message), 4)]
    expected = [device.picture[y // 8 * WIDTH + x] >> y % 8 & 1 for y in range(HEIGHT) for x in range(WIDTH)]
    assert shown == expected

    def delivered() -> Any:
        events = get(bridge, f"/api/devices/{DEVICE}/events")["events"]
        return next(
            (e for e in events if e["event"] == "Brew Started" and e["deliveries"][0]["state"] == "sent"),
            None,
        )

    event = wait_for(delivered, "the event's delivery")
    lines = (tmp_path / "data" / "events.jsonl").read_text().splitlines()
    assert event["payload"] in lines
    payload = json.loads(event["payload"])
    assert payload["properties"]["cups"] == 2
    assert payload["anonymousId"] == payload["context"]["device"]["id"] == DEVICE
    (facts,) = get(bridge, "/api/devices")["devices"]
    assert (facts["board"], facts["app"], facts["session_id"]) == ("sim", "coffee", event["session_id"])
    health = get(bridge, "/api/health")
    assert health["ok"] and health["sinks"]["jsonl"]["dead"] == 0


def test_a_loss_is_shown_and_a_keyframe_mends_it(bridge: Bridge, device: FakeDevice) -> None:
    device.begin()
    device.send_picture(key=True)
    wait_for(lambda: live(bridge).get("frames") == 1, "a frame")
    device.send(m.Frame(int(m.FrameFlag.FIRST | m.FrameFlag.LAST), b"\xff\xff\xff\xff"))
    wait_for(lambda: live(bridge)["synced"] is False, "the loss")
    device.send_picture(key=True)
    wait_for(lambda: live(bridge)["synced"] is True, "the keyframe")


def test_a_second_bridge_on_the_same_data_is_refused(bridge: Bridge, tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="another bridge is running"), running(settings(tmp_path / "data")):
        pass


def test_what_was_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    identities = set()
    for _ in range(2):
        with running(settings(tmp_path / "data", "mqtt.enabled=false", "serial.ports=/dev/none")) as bridge:
            identities.add(bridge.store.bridge_id)
            assert get(bridge, "/api/health")["ok"] is True
            problems = wait_for(lambda: get(bridge, "/api/health")["problems"], "word of the missing port")
            assert "/dev/none" in problems[0]
    assert len(identities) == 1


@pytest.mark.parametrize(
    ("more", "error", "text"),
    [
        (["mqtt.enabled=false"], ConfigError, "serial.ports"),
        (["mqtt.url=http://x"], ConfigError, "mqtt.url"),
        (["bridge.data_dir=/proc/none"], LocalError, "bridge.data_dir"),
        (["web.host=203.0.113.1"], LocalError, "web."),
    ],
)
def test_a_start_that_fails_says_why_and_leaves_nothing(
    tmp_path: Path, more: list[str], error: type[LocalError], text: str
) -> None:
    with pytest.raises(error, match=text), running(settings(tmp_path / "data", *more)):
        pass
    if "data_dir" not in more[0]:
        with running(settings(tmp_path / "data", "mqtt.enabled=false", "serial.ports=/dev/none")):
            pass  # neither lock nor port nor database is held


def test_a_bridge_on_postgres(postgres_server: Postgres, tmp_path: Path) -> None:
    place = PostgresPlace(postgres_server.url)
    with running(settings(tmp_path / "data", f"store.url={place.url}")) as bridge:
        assert bridge.mqtt_port is not None
        with fake_device(bridge.mqtt_port, DEVICE) as device:
            device.find_bridge()
            device.begin()
            device.send(m.Track("Brew Started", {"cups": 2}))
            events = tmp_path / "data" / "events.jsonl"
            wait_for(lambda: events.exists() and "Brew Started" in events.read_text(), "the event")
            wait_for(
                lambda: place.query("SELECT 1 FROM deliveries WHERE state = 'sent'"), "the word of the sink"
            )
        assert get(bridge, "/api/health")["ok"]
    assert not (tmp_path / "data" / config.DATABASE_NAME).exists()


def test_a_device_that_its_broker_has_lost_is_told_of(tmp_path: Path) -> None:
    with running(settings(tmp_path / "data", "events.device_events=true")) as bridge:
        assert bridge.mqtt_port is not None
        with fake_device(bridge.mqtt_port, DEVICE) as device:
            device.find_bridge()
            device.begin()
            events = tmp_path / "data" / "events.jsonl"
            told = lambda: events.read_text() if events.exists() else ""  # noqa: E731
            wait_for(lambda: "Device Connected" in told(), "the hello")
            device._client.publish(f"pt/v1/{DEVICE}/state", b"offline", retain=True)
            wait_for(lambda: "Device Disconnected" in told(), "the word of the broker")
            device.sync()
            wait_for(lambda: told().count("Device Connected") == 2, "the sync of a device that is back")
