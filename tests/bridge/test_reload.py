"""Settings read again while the bridge runs: what changes, what needs a restart, and what a mistake leaves alone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pixeltrail_bridge import config
from pixeltrail_bridge.app import reload, running
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.wire import messages as m

from tests.bridge.fake_device import fake_device, wait_for
from tests.support.amplitude_server import running as amplitude
from tests.support.bridge_process import COMMAND
from tests.support.segment_server import running as segment
from tests.support.services import free_port, wait_for_port

DEVICE = "test-espresso"
KEY = "[segment]\nwrite_key_file = 'key'\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text("k")
    (tmp_path / "lab").write_text("other")
    return tmp_path


def load(folder: Path, text: str) -> config.Config:
    (folder / "pixeltrail.toml").write_text(text)
    return config.load(folder / "pixeltrail.toml")


AMPLITUDE = "[amplitude]\napi_key_file = 'key'\n"
MAPPING = "[[amplitude.mappings]]\nname = 'Screen Calls'\nfields = { event_type = 'Seen' }\n"
LAB = "[[segment.keys]]\ndevices = ['lab-*']\nwrite_key_file = 'lab'\n"
RULE = "[[config]]\nsettings = { sample_rate = 0.5 }\n"
OWN = "[[sinks.custom]]\nname = 'own'\nfactory = 'a:b'\n"


@pytest.mark.parametrize(
    ("before", "after", "applied", "needs_restart"),
    [
        ("", "", [], []),
        ("", "[events]\nsession_events = false\n[recording]\nsample_rate = 0.5\n",
         ["events.session_events", "recording.sample_rate"], []),
        ("", "[web]\nport = 1\n[bridge]\nlog_level = 'debug'\n", ["bridge.log_level"], ["web.port"]),
        ("", RULE, ["[[config]]"], []),
        ("", "[privacy]\nblock_devices = ['lab-*']\n[retention]\nevents_days = 9\n",
         ["retention.events_days", "privacy.block_devices"], []),
        (KEY, KEY + "batch_events = 7\ndry_run = true\n", ["segment.batch_events", "segment.dry_run"], []),
        (KEY, KEY + LAB, ["[[segment.keys]]"], []),
        ("", KEY, [], ["segment.write_key", "segment.write_key_file"]),
        ("", LAB, [], ["[[segment.keys]]"]),
        (KEY, "", [], ["segment.write_key", "segment.write_key_file"]),
        ("", OWN, [], ["[[sinks.custom]]"]),
        (AMPLITUDE, AMPLITUDE + "batch_events = 7\n" + MAPPING,
         ["amplitude.batch_events", "[[amplitude.mappings]]"], []),
        ("", AMPLITUDE, [], ["amplitude.api_key", "amplitude.api_key_file"]),
    ],
)  # fmt: skip
def test_what_may_change_now(
    folder: Path, before: str, after: str, applied: list[str], needs_restart: list[str]
) -> None:
    old, new = load(folder, before), load(folder, after)
    changes = reload.plan(old, new)
    assert (list(changes.applied), list(changes.needs_restart)) == (applied, needs_restart)
    assert (changes.config == old) is (not applied)
    again = reload.plan(changes.config, new)
    assert (list(again.applied), list(again.needs_restart)) == ([], needs_restart)


@pytest.mark.parametrize(
    "text",
    [
        *(
            AMPLITUDE + "host = 'api.eu.amplitude.com'\n",
            AMPLITUDE + MAPPING.replace("event_type", "event_tipe"),
        ),
        *(AMPLITUDE + MAPPING + "trigger = 'type ='\n", AMPLITUDE + "group_type_trait = 'a.b'\n"),
        *(
            KEY + "host = 'eu1.api.segmentapis.com'\n",
            "[[config]]\nsettings = { text = '" + "x" * 5_000 + "' }\n",
        ),
    ],
)
def test_what_the_bridge_would_not_start_with_is_refused_whole(folder: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        reload.plan(load(folder, KEY), load(folder, text))


class Up:
    """`pixeltrail up` as a process; `log` holds its lines as dictionaries."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], mqtt_port: int) -> None:
        self.folder, self.process, self.mqtt_port = folder, process, mqtt_port

    @property
    def log(self) -> list[dict[str, Any]]:
        whole, *_ = (self.folder / "log").read_text().rpartition("\n")  # more may be on its way
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def hang_up(self, text: str) -> dict[str, Any]:
        """Send SIGHUP, and the new log line whose event begins with `text`."""
        seen = len(self.log)
        self.process.send_signal(signal.SIGHUP)
        found: list[dict[str, Any]] = wait_for(
            lambda: [line for line in self.log[seen:] if line["event"].startswith(text)],
            f"{text!r} in the log",
        )
        return found[0]


@contextmanager
def up(folder: Path) -> Iterator[Up]:
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIXELTRAIL_")}
    command = [sys.executable, *COMMAND, "up", "--set", f"mqtt.port={port}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        wait_for_port(port, process=process)
        running = Up(folder, process, port)
        wait_for(lambda: [line for line in running.log if line["event"] == "bridge started"], "the start")
        yield running
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (folder / "log").read_text()
        assert running.log[-1]["event"] == "bridge stopped"
    finally:
        process.kill()
        process.wait()


def test_a_wrong_key_is_mended_without_a_restart_and_a_mistake_changes_nothing(folder: Path) -> None:
    file, base = folder / "pixeltrail.toml", "[web]\nenabled = false\n"
    with segment(write_key="wk-5678") as server:
        (folder / "key").write_text("wk-1234")
        file.write_text(base + KEY + f"host = '{server.url}'\n")
        with up(folder) as bridge, fake_device(bridge.mqtt_port, DEVICE) as device:
            device.find_bridge()
            device.begin()
            device.send(m.Track("First", {}))
            wait_for(lambda: any(seen.status == 401 for seen in server.requests), "the refusal")
            wait_for(lambda: any("alarm" in line for line in bridge.log), "the alarm")

            file.write_text("[segment]\nzone = 'mars'\n")
            assert "segment.zone" in bridge.hang_up("settings were not read again")["error"]
            file.unlink()
            assert "there is no such file" in bridge.hang_up("settings were not read again")["error"]
            os.mkfifo(file)
            assert "nobody writes" in bridge.hang_up("settings were not read again")["error"]
            file.unlink()

            (folder / "key").write_text("wk-5678")
            file.write_text(
                base + KEY + f"host = '{server.url}'\n[events]\nsession_events = false\n[mqtt]\nport = 7\n"
            )
            line = bridge.hang_up("settings read again")
            assert line["changed"] == ["segment.write_key", "events.session_events"]
            device.send(m.Track("Second", {}))
            wait_for(lambda: "Second" in [e.get("event") for e in server.events], "both events")
            device.send(m.SessionEnd(0), m.Track("Third", {}))
            wait_for(lambda: "Third" in [e.get("event") for e in server.events], "the last event")
    assert [e["event"] for e in server.events if e["event"] != "Display Changed"] == [
        "Session Started",  # made before
        "First",
        "Second",
        "Third",
    ]
    text = (folder / "log").read_text()
    assert "wk-" not in text


def test_a_mapping_is_changed_without_a_restart_and_a_mistake_keeps_the_old_one(folder: Path) -> None:
    file, base = folder / "pixeltrail.toml", "[web]\nenabled = false\n" + AMPLITUDE
    with amplitude(api_key="k") as server:
        base += f"host = '{server.url}'\n"
        file.write_text(base)
        with up(folder) as bridge, fake_device(bridge.mqtt_port, DEVICE) as device:
            device.find_bridge()
            device.begin()

            def seen() -> list[str]:
                return [event["event_type"] for event in server.events]

            device.send(m.Screen("One", {}))
            wait_for(lambda: "Viewed One" in seen(), "the preset's name")
            file.write_text(base + MAPPING.replace("'Seen'", "{ '@fly' = 1 }"))
            error = bridge.hang_up("settings were not read again")["error"]
            assert all(word in error for word in ("pixeltrail.toml", "Screen Calls", "event_type", "@fly"))
            device.send(m.Screen("Two", {}))
            wait_for(lambda: "Viewed Two" in seen(), "the old mapping")
            file.write_text(base + MAPPING)
            assert bridge.hang_up("settings read again")["changed"] == ["[[amplitude.mappings]]"]
            device.send(m.Screen("Three", {}))
            wait_for(lambda: "Seen" in seen(), "the new mapping")
    assert server.problems == []


def test_blocks_and_times_count_without_a_restart(folder: Path) -> None:
    base = f"[web]\nenabled = false\n[mqtt]\nport = {free_port()}\n[bridge]\ndata_dir = 'data'\n"
    with running(load(folder, base)) as bridge:
        blocked = base + "[privacy]\nblock_devices = ['test-*']\n[retention]\nrecordings_days = 2\n"
        asyncio.run(bridge.reload(load(folder, blocked)))
        assert bridge.keeper.keep.recordings_ms == 2 * 86_400_000
        assert bridge.mqtt_port is not None
        with fake_device(bridge.mqtt_port, DEVICE) as device:

            def refused() -> int:
                device.sync()  # as devices do: the first ones may come before the bridge listens
                return bridge.store.counters("").get("", {}).get("refused_messages", 0)

            wait_for(refused, "it was refused")
            assert not bridge.store.devices()
        asyncio.run(bridge.reload(load(folder, base)))
        with fake_device(bridge.mqtt_port, DEVICE) as device:
            device.begin()
            wait_for(
                lambda: [row.device_id for row in bridge.store.devices()] == [DEVICE], "it is taken again"
            )
