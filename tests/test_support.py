"""The helpers in tests/support do what their docstrings say."""

from __future__ import annotations

import queue
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from tests.support import micropython, node, requirements, services
from tests.support.arrows import Table
from tests.support.corpus import Sequence

_PIXELS_PER_BYTE = {"MONO_VLSB": 8, "MONO_HLSB": 8, "GS4": 2, "GS8": 1, "RGB565": 0.5, "RGB565S": 0.5}
_WAIT_S = 60  # for faults: a busy machine takes its time


def echo(port: int, payload: bytes) -> bytes:
    """Publish to a topic this client subscribes to, and return what comes back."""
    subscribed: queue.Queue[int] = queue.Queue()
    received: queue.Queue[bytes] = queue.Queue()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    client.on_connect = lambda c, *_: c.subscribe("pt/test")
    client.on_subscribe = lambda _c, _u, mid, *_: subscribed.put(mid)
    client.on_message = lambda _c, _u, message: received.put(message.payload)
    client.connect(services.LOOPBACK, port)
    client.loop_start()
    try:
        subscribed.get(timeout=_WAIT_S)
        client.publish("pt/test", payload)
        return received.get(timeout=_WAIT_S)
    finally:
        client.disconnect()
        client.loop_stop()


def test_sequences_hold_whole_pictures(sequence: Sequence):
    pictures = list(sequence.frames)
    assert len(pictures) == len(sequence) == sequence.meta["frames"]
    assert sequence.frame_bytes == sequence.width * sequence.height / _PIXELS_PER_BYTE[sequence.format]
    assert {len(picture) for picture in pictures} == {sequence.frame_bytes}
    assert sequence.t_ms == sorted(sequence.t_ms)
    assert sequence.frame(1) == pictures[1]


@pytest.mark.parametrize("broker", [services.mosquitto, services.nats])
def test_a_broker_carries_messages_and_survives_a_kill(broker):
    with broker() as service:
        assert echo(service.port, b"before") == b"before"
        first_pid = service.pid
        service.kill()
        with pytest.raises(TimeoutError):
            services.wait_for_port(service.port, timeout_s=0)
        service.restart()
        assert service.pid != first_pid
        assert echo(service.port, b"after") == b"after"


def test_a_broker_that_cannot_start_shows_its_log():
    with (
        pytest.raises(RuntimeError, match="nonsense"),
        services.mosquitto(extra="nonsense true", port=services.free_port()),
    ):
        pass


def test_a_free_port_is_none_that_the_kernel_gives_away():
    """To a connection, say, before the server that it is meant for listens there."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = [services.free_port(), *services.free_ports(20)]
    assert len(set(ports)) == 21 and max(ports) < first


def test_micropython_runs_source_and_reports_failure():
    assert micropython.run("import sys; print(sys.implementation.name)").strip() == "micropython"
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        micropython.run("1 // 0")


def test_micropython_takes_a_heap_size():
    free_bytes = int(micropython.run("import gc; gc.collect(); print(gc.mem_free())", heap="180k"))
    assert 100_000 < free_bytes < 180 * 1024


def test_node_runs_source_and_loads_the_amplitude_destination():
    script = """
        require("nock");
        const { Destination } = require("@segment/actions-core");
        const amplitude = require("@segment/action-destinations/dist/destinations/amplitude").default;
        console.log(new Destination(amplitude).name, process.argv[1]);
    """
    requirements.require_node_package("@segment/action-destinations")
    assert node.run(script, "argument").split() == ["Actions", "Amplitude", "argument"]


def test_a_missing_program_names_its_remedy():
    with pytest.raises(requirements.MissingTool, match=r"\./dev test"):
        requirements.require("no-such-program")


def test_arrows_follow_rows_and_what_they_name():
    table = Table(["wire:", "mapping: wire", "mapping.calls: wire", "store: mapping.calls", "app: store"])
    assert table.permits("store.sqlite", "mapping.calls")
    assert table.permits("store.sqlite", "store.base")
    assert table.permits("app", "wire.decode")
    assert table.permits("wire", "errors")
    assert not table.permits("store.sqlite", "mapping.rules")
    assert not table.permits("mapping.calls", "mapping.rules")
    assert not table.permits("wire.decode", "app")
    assert table.row_of("unlisted") is None
