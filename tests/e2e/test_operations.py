"""The walk-through of docs/operations.md: every command of it, in its order, with ten devices behind it.

What is beyond a test machine stands in a sandbox: paths of the system, and systemd. Packages are not fetched: what `pip
install` would make is a script that starts the command of this environment.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from pixeltrail_bridge.wire import messages as m

from tests.bridge.fake_device import FakeDevice, wait_for
from tests.support import services
from tests.support.requirements import ROOT

from .test_watch import Hook

PAGE = (ROOT / "docs" / "operations.md").read_text()
SYSTEM = re.compile(r"(?<![\w.])/(opt|etc/pixeltrail|etc/systemd|var/lib|var/backups|usr/local|usr/src)\b")
DEVICES = [f"oven-{number:02}" for number in range(1, 11)]


def commands() -> list[str]:
    """The lines after the prompts of the page's console blocks, in their order."""
    found = re.findall(r"^```console\n(.*?)^```", PAGE, re.M | re.S)
    return [line[2:] for block in found for line in block.splitlines() if line.startswith(("# ", "$ "))]


class Machine:
    """A machine of its own, as far as the page's commands can tell."""

    def __init__(self, root: Path) -> None:
        self.root, self.cwd = root, root
        for folder in ("etc/systemd/system", "var/lib", "usr/local/bin", "shims"):
            (root / folder).mkdir(parents=True)
        (root / "usr/src").mkdir()
        (root / "usr/src/pixeltrail").symlink_to(ROOT)
        self._script("shims/useradd", 'echo "$@" >> "$SANDBOX/useradd"')
        self._script("shims/install", 'for word; do case "$word" in /*) mkdir -p "$word";; esac; done')
        self._script("shims/systemctl", f'exec {sys.executable} {ROOT}/tests/support/systemctl.py "$@"')

    def _script(self, name: str, line: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def run(self, command: str, code: int = 0) -> str:
        words = shlex.split(command)
        if words[0] == "runuser":
            return ""  # whoever runs the tests is every user
        if words[0] == "cd":
            self.cwd = Path(self.local(words[1]))
            return ""
        if words[:3] == ["python3", "-m", "venv"]:
            command = command.replace("venv", "venv --without-pip", 1)
        if words[0].endswith("/pip"):
            source = Path(self.local(words[-1]).partition("[")[0])
            assert (source / "pyproject.toml").is_file()
            start = "from pixeltrail_bridge.cli import main; main()"
            self._script("opt/pixeltrail/bin/pixeltrail", f"exec {sys.executable} -c '{start}' \"$@\"")
            return ""
        path = f"{self.root}/shims:{self.root}/usr/local/bin:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "SANDBOX": str(self.root)}
        done = subprocess.run(
            ["bash", "-c", self.local(command)],
            cwd=self.cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        journal = self.root / "journal"
        told = journal.read_text()[-3_000:] if journal.exists() else ""
        assert done.returncode == code, (
            f"{command} ended with {done.returncode}\n{done.stdout}{done.stderr}\n{told}"
        )
        return done.stdout

    def local(self, text: str) -> str:
        """With the page's addresses and folders as they are here."""
        text = text.replace("bridge.example.org", "localhost").replace("192.168.1.10", "127.0.0.1")
        return SYSTEM.sub(lambda found: f"{self.root}/{found[1]}", text)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path / "machine")
    yield machine
    if (machine.root / "etc/systemd/system/pixeltrail.service").exists():
        machine.run("systemctl stop pixeltrail")


def connect(stack: ExitStack, machine: Machine, port: int, name: str) -> FakeDevice:
    """With the key and the authority that `keys add --out` wrote for it."""
    folder = machine.cwd / "keys" / name
    settings = (folder / "settings.py").read_text()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    user, password = (re.search(rf'{word}="([^"]+)"', settings) for word in ("user", "password"))
    assert user and password
    client.username_pw_set(user[1], password[1])
    (authority,) = [
        path for path in folder.iterdir() if path.suffix in (".pem", ".crt", ".der") and "ca" in path.name
    ]
    client.tls_set(str(authority))
    device = FakeDevice(client, name)
    client.connect("127.0.0.1", port)
    client.loop_start()
    stack.callback(client.loop_stop)
    stack.callback(client.disconnect)
    wait_for(device.is_connected, f"{name} to be let in")
    client.subscribe(f"pt/v1/{name}/down")
    return device


@pytest.mark.timeout(300)
def test_the_walk_through(machine: Machine) -> None:
    hook = Hook()
    port, web = services.free_port(), services.free_port()
    script = iter(commands())

    def until(last: str) -> str:
        """Run the page's commands up to this one; returns what it printed."""
        for command in script:
            printed = machine.run(command, code=int(command == "pixeltrail doctor" and is_troubled))
            if command == last:
                return printed
        raise AssertionError(f"the page does not show {last!r} here")

    is_troubled = True
    with ExitStack() as stack:
        stack.callback(hook.close)
        until("pixeltrail init")
        config = machine.root / "etc/pixeltrail"
        (settings,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.M | re.S)
        more = f"\n[web]\nport = {web}\n"
        (config / "pixeltrail.toml").write_text(
            machine.local(settings)
            .replace("port = 8883", f"port = {port}")
            .replace("[alerts]", "[alerts]\nevery_s = 0.2")
            + more
        )
        (config / "alert-address").write_text(hook.url)
        (config / "alert-address").chmod(0o600)
        until("pixeltrail check")
        assert "active (running)" in until("systemctl status pixeltrail")
        assert until("pixeltrail health") == "ok\n"

        assert "oven-10" in until("pixeltrail keys list")
        ovens = [connect(stack, machine, port, name) for name in DEVICES]
        for oven in ovens:
            oven.find_bridge()
            oven.begin()
            oven.send_picture(key=True)
            oven.send(m.Track("Baked", {"loaves": 2}))
        wait_for(lambda: machine.run("pixeltrail tail -n 500").count("Baked") == len(DEVICES), "their events")
        printed = until("pixeltrail devices")
        assert all(name in printed for name in DEVICES)

        ovens[2].publish(b"nonsense")
        wait_for(lambda: hook.states("dead_letters") == ["firing"], "the alert")
        assert "pixeltrail dlq list --kind undecodable" in hook.newest("dead_letters")
        assert "dead letters" in until("pixeltrail doctor")
        assert "oven-03" in until("pixeltrail dlq list --device oven-03")
        assert "oven-03" in until("pixeltrail sessions oven-03")
        until("pixeltrail export oven-03 --output oven-03.gif")
        assert (machine.cwd / "oven-03.gif").stat().st_size > 100
        assert "stay dead" in until("pixeltrail dlq retry --kind undecodable")
        assert "Deleted 1" in until("pixeltrail dlq purge --device oven-03")
        is_troubled = False
        until("pixeltrail doctor")
        wait_for(lambda: hook.states("dead_letters") == ["firing", "resolved"], "the alert's end")

        until("pixeltrail backup --check /var/backups/pixeltrail/before-upgrade.tar")
        until("systemctl restart pixeltrail")
        assert until("pixeltrail health") == "ok\n"
        wait_for(ovens[0].is_connected, "the device to be back")
        ovens[0].send(m.Track("Baked after the backup", {}))
        wait_for(
            lambda: "Baked after the backup" in machine.run("pixeltrail tail -n 500"),
            "an event after the backup",
        )
        until("pixeltrail restore --replace /var/backups/pixeltrail/before-upgrade.tar")
        assert until("pixeltrail health") == "ok\n"
        events = [json.loads(line) for line in machine.run("pixeltrail tail -n 500 --json").splitlines()]
        assert sum(one.get("event") == "Baked" for one in events) == len(DEVICES)
        assert not any(one.get("event") == "Baked after the backup" for one in events)
        until("systemctl reload pixeltrail")
        assert next(script, None) is None, "the page shows more than is run here"
