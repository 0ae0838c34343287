"""`up` and `demo` as processes: they end when told to, within seconds, and leave no process behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pixeltrail_bridge.wire import messages as m

from tests.bridge.fake_device import fake_device, wait_for
from tests.support.bridge_process import COMMAND, Process, descendants
from tests.support.services import free_port

END_S = 20


@contextmanager
def started(*arguments: str, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A command that prints the page's address; gives the process and the address."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIXELTRAIL_")}
    process = subprocess.Popen(
        [sys.executable, *COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env=environment,
    )
    assert process.stdout is not None
    try:
        seen = ""
        while (found := re.search(r"http://127\.0\.0\.1:\d+/", seen)) is None:
            line = process.stdout.readline()
            assert line, f"it ended without an address:\n{seen}"
            seen += line
        yield process, found[0]
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def up(*more: str) -> list[str]:
    settings = ["bridge.data_dir=data", "mqtt.port=0", "web.port=0", *more]
    return ["up", *(word for setting in settings for word in ("--set", setting))]


def wait_until_gone(processes: list[Process]) -> None:
    wait_for(lambda: not any(process.alive for process in processes), "the end of all it had started")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_up_ends_on_a_signal_and_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    with started(*up(), cwd=tmp_path) as (process, page):
        assert urllib.request.urlopen(f"{page}readyz", timeout=20).read() == b"ok\n"
        children = descendants(process.pid)
        assert any("nats-server" in child.command for child in children)
        process.send_signal(number)
        code = process.wait(END_S)
        assert code == (-signal.SIGKILL if number == signal.SIGKILL else 0)
        wait_until_gone(children)


def test_up_ends_while_a_page_is_open(tmp_path: Path) -> None:
    from websockets.sync.client import connect

    with started(*up(), cwd=tmp_path) as (process, page), connect(page.replace("http", "ws") + "live"):
        process.send_signal(signal.SIGTERM)
        assert process.wait(END_S) == 0


def test_tail_follows_a_bridge_that_runs_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    with (
        started(*up(f"mqtt.port={port}"), cwd=tmp_path),
        fake_device(port, "test-espresso") as device,
        subprocess.Popen(
            [sys.executable, *COMMAND, "tail", "--follow", "--set", "bridge.data_dir=data"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as tail,
    ):
        assert tail.stdout is not None
        try:
            device.find_bridge()
            device.begin()
            device.send(m.Track("Brew Started", {}))
            lines = iter(tail.stdout.readline, "")
            assert any("Brew Started" in line for line in lines)
            device.send(m.Track("Brew Ended", {}))
            assert any("Brew Ended" in line for line in lines)
            tail.send_signal(signal.SIGINT)
            assert tail.wait(END_S) == 0
            assert "Traceback" not in "".join(lines)
        finally:
            tail.kill()


def test_the_demo_ends_on_ctrl_c(tmp_path: Path) -> None:
    with started("demo", cwd=tmp_path) as (process, _):
        children = wait_for(lambda: descendants(process.pid), "its children")
        process.send_signal(signal.SIGINT)
        assert process.wait(END_S) == 0
        wait_until_gone(children)
