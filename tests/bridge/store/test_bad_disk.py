"""A disk that fails an fsync, under a whole bridge: it ends at once and says why, and what it acked is there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pixeltrail_bridge.wire import messages as m

from tests.bridge.fake_device import fake_device
from tests.support.bridge_process import bridge_process
from tests.support.requirements import require
from tests.support.services import mosquitto

SOURCE = Path(__file__).resolve().parents[2] / "support" / "bad_fsync.c"


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """While this file exists, the disk of every process that we start is bad; it names what could not be synced."""
    library = tmp_path / "bad_fsync.so"
    subprocess.run([require("gcc"), "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("BAD_FSYNC", str(tmp_path / "failed"))
    return tmp_path / "failed"


def test_a_failed_fsync_ends_the_bridge(disk: Path, tmp_path: Path) -> None:
    with mosquitto() as broker, fake_device(broker.port, "test-espresso") as device:
        settings = {"mqtt": {"url": f"mqtt://127.0.0.1:{broker.port}"}}
        with bridge_process(tmp_path / "bridge", settings) as bridge:
            device.find_bridge()
            device.begin()
            device.send(m.Track("Before", {}))
            bridge.wait_until(lambda: bridge.count("events", "event = ?", "Before"), "the event was stored")
            disk.touch()
            device.send(m.Track("Meanwhile", {}))
            assert bridge.wait() == 1
            failed = disk.read_text().splitlines()
            assert len(failed) == 1, f"it was tried again: {failed}"
            (line,) = (line for line in bridge.log.splitlines() if line.startswith("pixeltrail: database"))
            assert "the disk failed a write" in line and "check the disk, then restart the bridge" in line
            disk.unlink()
            bridge.start()
            bridge.wait_until(lambda: bridge.log.count("serving the devices") == 2, "it started again")
            assert bridge.count("events", "event = ?", "Before") == 1
            device.send(m.Track("After", {}))
            bridge.wait_until(lambda: bridge.count("chunks", "key % (1 << 30) = 3"), "the next chunk came")
            assert bridge.stop() == 0
