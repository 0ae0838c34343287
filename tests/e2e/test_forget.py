"""Forgetting while the bridge runs and while it does not: afterwards no file and no log line has the device's ID."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import corpus
from tests.support.bridge_process import COMMAND
from tests.support.histories import files_with

from .rig import World, rig
from .test_mobile import KEY, app_world

GONE, STAYS = "kitchen-that-goes-01", "lamp-that-stays-02"


def forget(world: World, *options: str) -> dict[str, object]:
    words = [
        *COMMAND,
        "forget",
        "--device",
        GONE,
        "--yes",
        "--json",
        "-c",
        str(world.bridge.config),
        *options,
    ]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert GONE not in done.stdout + done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def shortest() -> str:
    """A sequence that is soon played."""
    found = [one for one in corpus.load_all(corpus.DEFAULT_FOLDER) if one.name.startswith("mono_")]
    return min(found, key=lambda one: len(list(one.frames))).name


@pytest.mark.parametrize("is_running", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_nothing_of_a_device_is_left(tmp_path: Path, is_running: bool) -> None:
    settings = {
        "packing": {"enabled": True, "after_h": 0.0},
        "jsonl": {"path": str(tmp_path / "bridge" / "out" / "events.jsonl")},
        "bridge": {"log_level": "debug", "log_format": "json"},
    }
    with rig(tmp_path, settings, embedded=True) as world:
        sequence = shortest()
        boards = [world.play(device, sequence) for device in (GONE, STAYS)]
        for board in boards:
            world.finish(board)
        stays = "device = (SELECT no FROM devices WHERE device_id = ?)"
        kept = world.bridge.query(f"SELECT * FROM events WHERE {stays} ORDER BY id", STAYS)
        assert kept and files_with(world.bridge.folder, GONE.encode())
        if not is_running:
            world.bridge.stop()
        report = forget(world, "--report", str(tmp_path / "report.json"))
        assert report["clean"] and report["rows"]["devices"]["erased"] == 1  # type: ignore[index]
        assert GONE not in (tmp_path / "report.json").read_text()
        if is_running:
            world.bridge.wait_until(
                lambda: not files_with(world.bridge.folder, GONE.encode()), "nothing of it is left"
            )
        after = world.bridge.query(f"SELECT * FROM events WHERE {stays} ORDER BY id", STAYS)
        assert after[: len(kept)] == kept, "others' rows are as they were"
        if is_running:
            again = world.play(GONE, sequence)
            world.finish(again)
            assert not world.bridge.query("SELECT 1 FROM devices WHERE device_id = ?", GONE)
            world.bridge.stop()
        left = files_with(world.bridge.folder, GONE.encode())
        assert [name for name in left if "jetstream" not in name] == []


def test_logs_name_nobody(tmp_path: Path) -> None:
    """Events that are taken, refused and broken, and a device that records."""
    with app_world(tmp_path, keep_ip=True) as app:
        told = ("user-log-4711", "Anna Logge", "log-secret-value", "phone-log-1", "198.51.100.77")
        event = {
            "type": "identify",
            "userId": told[0],
            "anonymousId": told[3],
            "traits": {"name": told[1]},
            "context": {"ip": told[4]},
            "messageId": "log-1",
        }
        track = {
            **event,
            "type": "track",
            "event": "Ordered",
            "properties": {"code": told[2]},
            "messageId": "log-2",
        }
        assert (
            app.post("/v1/batch", {"batch": [event, track, {**track, "event": "", "messageId": "log-3"}]})
            == 200
        )
        assert app.post("/v1/batch", {"batch": [track]}, key="a-wrong-key") == 401
        assert app.post("/v1/batch", b'{"batch": [{"userId": "user-log-4711", ') == 400
        app.events(["log-1", "log-2"])
        board = app.world.play(GONE, shortest())
        app.world.finish(board)
        app.world.bridge.stop()
        for text in (*told, GONE, KEY, "a-wrong-key"):
            assert text not in app.world.bridge.log, text
