"""A bridge as a process: each alert reaches the webhook and clears, and systemd hears how it goes."""

from __future__ import annotations

import http.server
import json
import os
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bridge.fake_device import fake_device
from tests.support import services
from tests.support.bridge_process import BridgeProcess, bridge_process

DEVICE = "watched-1"


class Hook:
    """An address that alerts are posted to."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.posts.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *words: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def states(self, kind: str) -> list[str]:
        return [post["state"] for post in self.posts if post["alert"] == kind]

    def newest(self, kind: str) -> str:
        return next(post["text"] for post in reversed(self.posts) if post["alert"] == kind)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


@contextmanager
def watched(tmp_path: Path, hook: Hook, **more: dict[str, Any]) -> Iterator[BridgeProcess]:
    (tmp_path / "hook").write_text(hook.url)
    alerts = {"url_file": str(tmp_path / "hook"), "every_s": 0.1, "lasts_s": 0, "disk_mb": 0}
    settings = {"mqtt": {"port": services.free_port()}, "alerts": alerts | more.pop("alerts", {}), **more}
    with bridge_process(tmp_path / "bridge", settings) as bridge:
        bridge.wait_until(lambda: "bridge started" in bridge.log, "the bridge starts")
        yield bridge


def change(bridge: BridgeProcess, statement: str, *values: Any) -> None:
    """As the passing of time or a fault would have it."""
    with closing(sqlite3.connect(bridge.data / "pixeltrail.db", timeout=30)) as db, db:
        db.execute(statement, values)


def test_a_device_that_falls_silent_is_told_and_its_return(tmp_path: Path, hook: Hook) -> None:
    port = services.free_port()
    settings = {"mqtt": {"port": port}, "alerts": {"device_silent_min": 60}}
    with watched(tmp_path, hook, **settings) as bridge, fake_device(port, DEVICE) as device:
        device.find_bridge()
        device.begin()
        # Its chunk is the last that it says: what is kept of a device before that is written once more.
        bridge.wait_until(lambda: bridge.count("chunks"), "all is kept that the device said")
        assert hook.states("device_silent") == []
        change(bridge, "UPDATE devices SET last_seen_ms = last_seen_ms - 7200000")
        bridge.wait_until(lambda: hook.states("device_silent") == ["firing"], "the alert")
        assert f"{DEVICE} was not heard for 120 min" in hook.newest("device_silent")
        told = [line for line in bridge.log.splitlines() if '"event": "alert"' in line]
        assert told and not any(DEVICE in line for line in told), "logs name nobody"
        device.sync()
        bridge.wait_until(lambda: hook.states("device_silent") == ["firing", "resolved"], "its end")


def test_dead_letters_are_told_until_they_are_gone(tmp_path: Path, hook: Hook) -> None:
    port = services.free_port()
    with watched(tmp_path, hook, mqtt={"port": port}) as bridge, fake_device(port, DEVICE) as device:
        device.find_bridge()
        device.publish(b"no message at all")
        bridge.wait_until(lambda: hook.states("dead_letters") == ["firing"], "the alert")
        change(bridge, "DELETE FROM dead_letters")
        bridge.wait_until(lambda: hook.states("dead_letters") == ["firing", "resolved"], "its end")


def test_a_source_that_is_down_is_told_until_it_is_back(tmp_path: Path, hook: Hook) -> None:
    with services.mosquitto() as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        with watched(tmp_path, hook, mqtt={"url": url}) as bridge:
            bridge.wait_until(lambda: "serving the devices of" in bridge.log, "the bridge serves")
            broker.kill()
            bridge.wait_until(lambda: hook.states("source")[-1:] == ["firing"], "the alert")
            broker.start()
            bridge.wait_until(lambda: hook.states("source")[-1:] == ["resolved"], "its end")


def test_a_backlog_and_a_sink_in_need_are_told(tmp_path: Path, hook: Hook) -> None:
    port = services.free_port()
    (tmp_path / "key").write_text("write-key")
    more = {
        "mqtt": {"port": port},
        "segment": {"write_key_file": str(tmp_path / "key"), "host": "http://127.0.0.1:1"},
        "alerts": {"backlog_min": 60},
    }
    with watched(tmp_path, hook, **more) as bridge, fake_device(port, DEVICE) as device:
        device.find_bridge()
        device.begin()
        bridge.wait_until(lambda: bridge.count("events"), "events wait")
        change(bridge, "UPDATE events SET time_ms = time_ms - 7200000")
        bridge.wait_until(lambda: hook.states("backlog") == ["firing"], "the alert")
        bridge.wait_until(lambda: hook.states("sink")[-1:] == ["firing"], "what the sink says")
        change(bridge, "UPDATE deliveries SET state = 'sent'")
        bridge.wait_until(lambda: hook.states("backlog")[-1] == "resolved", "its end")


def test_little_room_is_told_and_a_restart_with_enough_clears_nothing_wrongly(
    tmp_path: Path, hook: Hook
) -> None:
    with watched(tmp_path, hook, alerts={"disk_mb": 100_000_000}) as bridge:
        bridge.wait_until(lambda: hook.states("disk") == ["firing"], "the alert")
    with watched(tmp_path, hook) as bridge:
        bridge.wait_until(lambda: bridge.log.count("bridge started") == 2, "the bridge starts")
    assert hook.states("disk") == ["firing"]


def test_systemd_hears_ready_reload_watchdog_and_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        heard: list[str] = []

        def until(word: str) -> None:
            while not any(word in line for line in heard):
                heard.append(manager.recv(4_096).decode())

        # bridge_process hands the environment on
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        with bridge_process(tmp_path / "bridge", {"mqtt": {"port": services.free_port()}}) as bridge:
            until("READY=1")
            until("WATCHDOG=1")
            heard.clear()
            os.kill(bridge.pid, 1)
            until("RELOADING=1")
            until("READY=1")
            heard.clear()
            bridge.stop()
            until("STOPPING=1")
