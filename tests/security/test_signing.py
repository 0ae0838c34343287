"""Signed messages, through a bridge with a broker that lets everybody write everything: the device library on one side,
and beside it somebody who hears all and has no key."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pixeltrail
import pytest
from pixeltrail_bridge.app import Bridge
from pixeltrail_bridge.cli import run
from pixeltrail_bridge.keys.signing import SigningKeys, SigningRing, key_text
from pixeltrail_bridge.simulate import PtyPair
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire import signed
from pixeltrail_bridge.wire.encode import encode_downlink

from tests.firmware.device.parts import Oled
from tests.security.kit import LOOPBACK, WAIT_S, MqttClient, bridge, chunk, is_serving, sync, wait_until

DEVICE = "kitchen-01"
UP, DOWN = f"pt/v1/{DEVICE}/up", f"pt/v1/{DEVICE}/down"


class Device:
    """On a broker's port, or on the terminal of this path."""

    def __init__(self, where: int | str, key: str | None) -> None:
        link = pixeltrail.Serial(where) if isinstance(where, str) else pixeltrail.MQTT(LOOPBACK, where)
        self.link = pixeltrail.signed(link, key) if key else link
        self.recorder = pixeltrail.Recorder(
            Oled(), self.link, device_id=DEVICE, sample_rate=1.0, log_level=0, vitals_interval_s=0
        )

    def run_until(self, condition: Callable[[], object]) -> None:
        deadline_s = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline_s, self.recorder.stats()
            self.recorder.poll()
            time.sleep(0.005)

    def send(self, event: str) -> None:
        """A call, until it is acked."""
        self.recorder.track(event)
        self.recorder.flush()
        self.run_until(lambda: self.recorder.drained)

    def refused(self) -> int:
        return int(self.recorder.stats()["refused_downlinks"])

    def close(self) -> None:
        self.link.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Bridge, SigningRing, str]]:
    ring = SigningRing(tmp_path / "keys")
    key = key_text(ring.add(DEVICE, 0))
    ring.set_rule(DEVICE, True)
    with bridge(tmp_path, "web.enabled=false") as one:
        wait_until(lambda: is_serving(one))
        yield one, ring, key


def events(one: Bridge) -> list[str]:
    return [
        event.event for event in one.store.events(limit=1_000) if event.event in ("Own", "Forged", "Brewed")
    ]


def not_genuine(one: Bridge) -> int:
    return one.store.counters(DEVICE).get(DEVICE, {}).get("not_genuine", 0)


def captured(client: MqttClient) -> tuple[list[bytes], list[bytes]]:
    """What the device sent, its hello and more, and what it was told; a client may hear it later than the device."""
    ups: list[bytes] = []
    downs: list[bytes] = []
    while len(ups) < 2 or not any(map(signed.is_signed, downs)) or not client.seen.empty():
        topic, data = client.seen.get(timeout=WAIT_S)
        {UP: ups, DOWN: downs}.get(topic, []).append(data)
    return ups, downs


def test_nobody_speaks_for_a_device_or_for_the_bridge(
    world: tuple[Bridge, SigningRing, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, _, key = world
    with MqttClient(one.mqtt_port or 0) as thief:
        assert thief.entered() and thief.subscribe(f"pt/v1/{DEVICE}/+")
        device = Device(one.mqtt_port or 0, key)
        device.send("Own")
        ups, downs = captured(thief)
        assert all(signed.is_signed(data) for data in ups + downs[1:])
        (row,) = one.store.streams(DEVICE)

        forged = [sync(DEVICE, row.stream, 99), chunk(row.stream, row.watermark), chunk(b"stream-9", 0)]
        altered = [data[:-30] + bytes((data[-30] ^ 1,)) + data[-29:] for data in ups]
        for data in (*forged, *altered, *(data for data in downs if signed.is_signed(data)), *ups):
            thief.publish(UP, data)
        fakes = len(forged) + len(altered) + sum(map(signed.is_signed, downs))
        wait_until(lambda: not_genuine(one) >= fakes)

        before = device.refused()
        spoofed: list[m.Downlink] = [
            m.OptOutOrder(True),
            m.Config({"capture_enabled": False}, 86_400),
            m.NewStream(row.stream),
            m.Ack(row.stream, row.watermark + 5, 1, b"bridge-2"),
        ]
        for message in spoofed:
            thief.publish(DOWN, encode_downlink(message))
        for data in ups:
            thief.publish(DOWN, data)
        device.run_until(lambda: device.refused() >= before + len(spoofed) + len(ups))
        device.send("Own")
        device.close()
    assert events(one) == ["Own", "Own"]
    assert [found.stream for found in one.store.streams(DEVICE)] == [row.stream]
    session = device.recorder._session
    assert not session.opted_out and device.recorder._remote.capture_enabled
    reasons = {letter.reason for letter in one.store.dead_letters() if letter.kind == "signature"}
    assert len(reasons) == 2, "one letter for what was not signed, one for what was signed wrongly"
    run(["doctor", "--set", f"bridge.data_dir={tmp_path}", "--set", "web.enabled=false"])
    assert f"messages of {DEVICE} were refused" in " ".join(capsys.readouterr().out.split())


def test_a_device_without_its_key_is_not_heard(world: tuple[Bridge, SigningRing, str]) -> None:
    """A board whose key was lost, and whoever says it is one: a demand cannot be talked down."""
    one, _, _ = world
    device = Device(one.mqtt_port or 0, None)
    device.recorder.track("Own")
    device.recorder.flush()
    device.run_until(lambda: not_genuine(one) >= 3)
    assert not device.recorder.drained and device.recorder.stats()["acks"] == 0
    assert one.store.streams(DEVICE) == []
    device.close()


def test_a_key_is_changed_while_the_bridge_runs(world: tuple[Bridge, SigningRing, str]) -> None:
    one, ring, first = world
    device = Device(one.mqtt_port or 0, first)
    device.send("Own")
    second = key_text(ring.rotate(DEVICE, 1))
    device.send("Own")
    device.close()
    device = Device(one.mqtt_port or 0, second)
    device.send("Own")
    device.close()
    ring.finish(DEVICE)
    look = SigningKeys(ring.folder)
    wait_until(lambda: one.ingest._settings.keys_of(DEVICE) == look(DEVICE))  # it looks once a second
    before = not_genuine(one)
    device = Device(one.mqtt_port or 0, first)
    device.recorder.track("Forged")
    device.recorder.flush()
    device.run_until(lambda: not_genuine(one) > before and device.link.connected)
    assert not device.recorder.drained
    device.close()
    assert events(one) == ["Own"] * 3


def test_on_a_serial_line_the_same(tmp_path: Path) -> None:
    """Where nobody but a sync says who is there: with the key it is the device, without it nobody."""
    ring = SigningRing(tmp_path / "keys")
    key = key_text(ring.add(DEVICE, 0))
    ring.set_rule(DEVICE, True)
    with PtyPair() as line:
        ports = f"serial.ports={line.host_path}"
        with bridge(tmp_path, "web.enabled=false", "mqtt.enabled=false", ports) as one:
            device = Device(line.device_path, key)
            device.send("Own")
            device.close()
            assert events(one) == ["Own"] and not_genuine(one) == 0
            device = Device(line.device_path, None)
            device.recorder.track("Forged")
            device.recorder.flush()
            device.run_until(lambda: not_genuine(one) >= 2)
            assert not device.recorder.drained
            device.close()
            assert events(one) == ["Own"]
