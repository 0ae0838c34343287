"""[[rules]] read again while the bridge runs: new ones count at once, wrong ones change nothing and are told."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from pixeltrail_bridge.app import reload
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.wire import messages as m

from tests.bridge.fake_device import fake_device, wait_for
from tests.bridge.test_reload import DEVICE, KEY, folder, load, up
from tests.support.bridge_process import COMMAND
from tests.support.services import free_port

__all__ = ["folder"]

RULE = "[[rules]]\ntypes = ['track']\ndrop = ['properties.email']\n"
TO_SEGMENT = "[[rules]]\nsend_to = ['segment']\n"


@pytest.mark.parametrize(
    ("before", "after", "applied", "needs_restart"),
    [
        ("", RULE, ["[[rules]]"], []),
        (RULE, "# a line more\n" + RULE, [], []),
        (RULE, "", ["[[rules]]"], []),
        (KEY, KEY + TO_SEGMENT, ["[[rules]]"], []),
        ("", KEY + TO_SEGMENT, [], ["segment.write_key", "segment.write_key_file", "[[rules]]"]),
    ],
)
def test_rules_change_at_once_unless_a_sink_of_theirs_comes_with_the_next_start(
    folder: Path, before: str, after: str, applied: list[str], needs_restart: list[str]
) -> None:
    old, new = load(folder, before), load(folder, after)
    changes = reload.plan(old, new)
    assert (list(changes.applied), list(changes.needs_restart)) == (applied, needs_restart)
    assert (changes.rules is None) == ("[[rules]]" not in after or bool(needs_restart))


@pytest.mark.parametrize(
    "text", [TO_SEGMENT, RULE + "keep = ['email']\n", RULE + "add = { 'context.device.id' = 'x' }\n"]
)
def test_rules_that_the_bridge_would_not_start_with_are_refused(folder: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="pixeltrail.toml:"):
        reload.plan(load(folder, RULE), load(folder, text))


def problems(port: int) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=10) as answer:
        found: list[str] = json.load(answer)["problems"]
        return found


def test_wrong_rules_keep_the_old_ones_and_log_and_page_say_so(folder: Path) -> None:
    file, page = folder / "pixeltrail.toml", free_port()
    base = f"[web]\nport = {page}\n[jsonl]\npath = 'out.jsonl'\n"
    file.write_text(base + RULE)
    with up(folder) as bridge, fake_device(bridge.mqtt_port, DEVICE) as device:
        device.find_bridge()
        device.begin()

        def sent(name: str) -> dict[str, Any]:
            device.send(m.Track(name, {"email": "ada@example.com", "cups": 2}))

            def find() -> list[dict[str, Any]]:
                out = folder / "out.jsonl"
                text = out.read_text() if out.exists() else ""
                whole = text.rpartition("\n")[0]  # more may be on its way
                return [one for one in map(json.loads, whole.splitlines()) if one.get("event") == name]

            found: dict[str, Any] = wait_for(find, f"{name} in the file")[0]["properties"]
            return {key: value for key, value in found.items() if key in ("email", "cups", "size")}

        assert sent("One") == {"cups": 2}
        for wrong in (RULE + "drop_event = 1\n", "[[rules]]\nrename = { 'properties.a' = 'b' }\n"):
            file.write_text(base + wrong)
            error = bridge.hang_up("settings were not read again")["error"]
            assert f"{file.name}:" in error
            wait_for(
                lambda: [one for one in problems(page) if "new settings were refused" in one], "the problem"
            )
        command = [sys.executable, *COMMAND, "doctor", "--offline", "--set", f"mqtt.port={bridge.mqtt_port}"]
        told = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        assert told.returncode == 1 and "FAULT  bridge: new settings were refused" in told.stdout, told
        assert f"FAULT  rules: {file.name}:6: rule '1': rename: 'b' must begin with" in told.stdout
        assert sent("Two") == {"cups": 2}, "the old rules are in force"
        file.write_text(base + "[[rules]]\nrename = { 'properties.cups' = 'properties.size' }\n")
        assert bridge.hang_up("settings read again")["changed"] == ["[[rules]]"]
        assert problems(page) == []
        assert sent("Three") == {"email": "ada@example.com", "size": 2}
    assert "ada@" not in (folder / "log").read_text()
