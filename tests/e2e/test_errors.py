"""What goes wrong is told with what to do about it, and a healthy device beside it loses nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cbor2
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from pixeltrail_bridge.simulate import PtyPair

from tests.support import corpus, harness, services
from tests.support.bridge_process import BridgeProcess
from tests.support.vendors import AMPLITUDE, SEGMENT, Vendor

from .rig import World, recorded, rig

HEALTHY, SICK = "healthy-board", "sick-board"
SEQUENCE = "mono_invaders"
FAST = {"max_fps": 60}
STREAM = bytes(range(8))
MISTAKE = 2  # exit code of a person's mistake


def judge_healthy(world: World, ticks: int, *, delivered: bool = True) -> None:
    with world.bridge.store() as store:
        harness.judge_custody(store, HEALTHY)
        harness.judge_every_frame(harness.replay_of(store, HEALTHY), recorded(corpus.load(SEQUENCE)))
        harness.judge_events(store, HEALTHY, ticks, world.server if delivered else None)


# --- what devices send ------------------------------------------------------------


def test_messages_that_cannot_be_read_are_dead_letters_that_say_why(tmp_path: Path) -> None:
    track = [7, "Brewed", {"cups": 2}]
    messages = {
        "structure": b"\xff\x00\x17",
        "cut short": cbor2.dumps([1, STREAM, 0, 0, 0, track])[:-3],
        "version": cbor2.dumps([2, STREAM, 0, 0, 0, track]),
        "records": cbor2.dumps([1, STREAM, 0, 0, 0]),
        "one record": cbor2.dumps([1, STREAM, 1, 0, 0, [7, 7, {}], 0, track]),
    }
    with rig(tmp_path) as world, client(world.mqtt_port) as sick:
        board = world.play(HEALTHY, SEQUENCE, **FAST)
        for message in messages.values():
            for _ in range(3):
                sick.publish(f"pt/v1/{SICK}/up", message)
        sick.publish("pt/v1/no device/up", messages["version"])
        ticks = world.finish(board)["ticks"]
        judge_healthy(world, ticks)
        world.bridge.wait_until(
            lambda: (
                world.bridge.count("dead_letters", "kind = 'record'")
                and "topic of no device" in world.bridge.log
            ),
            "the last of it came",
        )
        with world.bridge.store() as store:
            letters = store.dead_letters()
            brewed = [row for row in store.events(SICK) if row.event == "Brewed"]
            counters = store.counters(SICK)[SICK]
        assert {letter.device_id for letter in letters} == {SICK}
        assert {letter.raw for letter in letters if letter.kind == "undecodable"} == {
            messages[name] for name in ("structure", "cut short", "version", "records")
        }
        assert all("schema/wire.cddl" in one.reason for one in letters if one.kind == "undecodable")
        (version,) = [one.reason for one in letters if one.raw == messages["version"]]
        assert "version must be 1, got 2" in version and "update the device library" in version
        (record,) = [one.reason for one in letters if one.kind == "record"]
        assert "track" in record.lower() and "event" in record
        assert counters["dead_letters"] >= 12, "each one is counted, though kept once"
        assert len(brewed) == 1, "what could be read of the chunk counts"


@contextmanager
def client(port: int) -> Iterator[paho.Client]:
    """Somebody who may publish anything."""
    publisher = paho.Client(CallbackAPIVersion.VERSION2)
    publisher.connect(services.LOOPBACK, port)
    publisher.loop_start()
    try:
        yield publisher
    finally:
        publisher.disconnect()
        publisher.loop_stop()


# --- where the bridge reaches ------------------------------------------------------


def test_a_broker_out_of_reach_is_named_and_the_serial_device_goes_on(tmp_path: Path) -> None:
    nobody = services.free_port()
    with PtyPair() as line:
        settings = {
            "mqtt": {"url": f"mqtt://127.0.0.1:{nobody}"},
            "serial": {"ports": [line.host_path, "/dev/no-such-port"]},
        }
        with rig(tmp_path, settings) as world:
            board = world.play(HEALTHY, SEQUENCE, f"serial://{line.device_path}", **FAST)
            judge_healthy(world, world.finish(board)["ticks"])
            assert f"broker mqtt://127.0.0.1:{nobody} cannot be reached; check mqtt.url" in world.bridge.log
            assert "/dev/no-such-port" in world.bridge.log and "plug the device in" in world.bridge.log


@pytest.mark.parametrize("vendor", [SEGMENT, pytest.param(AMPLITUDE, marks=pytest.mark.slow)], ids=str)
def test_a_wrong_write_key_is_named_and_every_event_waits_for_the_right_one(
    tmp_path: Path, vendor: Vendor
) -> None:
    with rig(tmp_path, vendor=vendor) as world:
        bridge, key = world.bridge, tmp_path / "write-key"
        bridge.stop()
        right = key.read_text()
        key.write_text("not-the-key")
        bridge.start()
        board = world.play(HEALTHY, SEQUENCE, **FAST)
        bridge.wait_until(lambda: not board.running, "the board ended")
        ticks = world.counters(HEALTHY)["ticks"]
        bridge.wait_until(lambda: f"check {vendor.key_setting}" in bridge.log, "the bridge complained")
        assert vendor.refusal in bridge.log
        assert "not-the-key" not in bridge.log, "a secret is in the log"
        assert not world.server.events
        judge_healthy(world, ticks, delivered=False)
        bridge.stop()
        key.write_text(right)
        bridge.start()
        world.settle()
        judge_healthy(world, ticks)


# --- what a person set up -------------------------------------------------------------


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[BridgeProcess]:
    one = BridgeProcess(tmp_path, {"mqtt": {"port": services.free_port()}})
    try:
        yield one
    finally:
        one.close()


def fails(bridge: BridgeProcess, *words: str) -> None:
    """`up` ends with a sentence that has these words, and without a traceback."""
    bridge.start()
    status = bridge.wait(30)
    assert status == MISTAKE, f"ended with {status}\n{bridge.tail}"
    assert "Traceback" not in bridge.log
    for word in words:
        assert word in bridge.log, f"{word!r} is not said\n{bridge.tail}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[mqtt\n", ("not valid TOML", "line 1")),
        ("[mqtt]\nprot = 1\n", ("mqtt.prot", "Did you mean mqtt.port?")),
        ("[mqtt]\nport = 70000\n", ("mqtt.port = 70000", "0 to 65535")),
        ('[mqtt]\nurl = "http://broker"\n', ("mqtt.url", "mqtt://host:1883")),
        ('[segment]\nwrite_key = "k"\n', ("segment.write_key", "secret", "segment.write_key_file")),
        ('[segment]\nwrite_key_file = "nowhere"\n', ("segment.write_key_file", "cannot be read")),
        ("[mqtt]\nenabled = false\n", ("no device can reach the bridge", "serial.ports")),
    ],
    ids=["toml", "unknown", "range", "url", "secret", "key file", "no source"],
)
def test_a_wrong_setting_is_named_with_its_remedy(
    bridge: BridgeProcess, text: str, words: tuple[str, ...]
) -> None:
    bridge.config.write_text(text)
    fails(bridge, *words)


def test_a_settings_file_that_is_not_there_is_named(bridge: BridgeProcess) -> None:
    bridge.config.unlink()
    fails(bridge, "pixeltrail.toml", "no such file", "pixeltrail init")


@pytest.mark.parametrize("section", ["mqtt", "web"])
def test_a_port_that_is_taken_is_named(bridge: BridgeProcess, section: str) -> None:
    with socket.create_server((services.LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        ports = {"mqtt": {"port": services.free_port()}, "web": {"enabled": section == "web"}}
        ports[section] = {**ports[section], "port": port}
        bridge.configure(ports)
        fails(bridge, f"{section}.port", str(port), "taken" if section == "mqtt" else "")


def test_a_second_bridge_on_the_same_data_is_refused(bridge: BridgeProcess) -> None:
    bridge.start()
    bridge.wait_until(lambda: bridge.database, "it made its database")
    second = BridgeProcess(bridge.folder, {"mqtt": {"port": services.free_port()}})
    try:
        fails(second, "another bridge is running", "bridge.data_dir")
    finally:
        second.close()
    assert bridge.running
