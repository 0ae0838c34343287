"""The broker inside: comes up, comes back, and never outlives us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pixeltrail_bridge.errors import ConfigError, LocalError
from pixeltrail_bridge.sources import nats_server
from pixeltrail_bridge.sources.base import LinkState
from pixeltrail_bridge.sources.mqtt import MqttSource
from pixeltrail_bridge.sources.nats_server import NatsServer

from tests.bridge.sources.kit import WAIT_S, Collector


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_gone(pid: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_devices_can_connect_also_after_a_crash(tmp_path: Path) -> None:
    states, collector = Collector(), Collector()
    server = NatsServer(tmp_path, port=0, on_state=states.state)
    server.start()
    source = MqttSource(server.url, b"bridge-1")
    source.start(collector.receive, collector.state)
    collector.wait_up()
    pid = server.pid
    os.kill(pid, signal.SIGKILL)
    states.wait_down("ended with -9")
    states.wait_up()
    collector.wait_up()
    assert server.pid != pid
    source.stop()
    pid = server.pid
    server.stop()
    wait_gone(pid)


def test_what_is_wiped_while_it_is_down_is_gone_when_it_is_back(tmp_path: Path) -> None:
    """A device is forgotten while the broker waits to be started again."""
    states, kept = Collector(), tmp_path / "jetstream" / "of a forgotten device"

    def note(state: LinkState) -> None:
        if not state.is_up:
            server.wipe()
        states.state(state)

    server = NatsServer(tmp_path, port=0, on_state=note)
    server.start()
    kept.write_text("its last state")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    states.wait_down("ended with -9")
    states.wait_up()
    assert not kept.exists()
    server.stop()


def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pixeltrail_bridge.sources.nats_server import NatsServer\n"
        "server = NatsServer(sys.argv[1], port=0); server.start(); print(server.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    pid = int(parent.stdout.readline())
    assert is_alive(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_gone(pid)


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        server = NatsServer(tmp_path, port=other.getsockname()[1])
        with pytest.raises(LocalError, match="is taken"):
            server.start()


def test_a_machine_without_the_program_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_server.importlib.metadata, "files", lambda name: [])
    monkeypatch.setattr(nats_server.shutil, "which", lambda name, path: None)
    with pytest.raises(ConfigError, match=r"set mqtt\.url"):
        NatsServer(tmp_path).start()
