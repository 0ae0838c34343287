"""A backup during load, restored into an empty machine while the devices go on: nothing doubled, gaps named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from pixeltrail_bridge.mapping.calls import message_id
from pixeltrail_bridge.wire.messages import GapReason

from tests.e2e import hammer
from tests.support.bridge_process import COMMAND, wait_until
from tests.support.fleet import EVENT
from tests.support.vendors import taken_of_log


def pixeltrail(world: hammer.Hammer, *words: str) -> str:
    command = [sys.executable, *COMMAND, *words, "--config", str(world.bridge.config)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=world.bridge.folder, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(300)
def test_devices_go_on_with_a_restored_bridge(tmp_path: Path) -> None:
    with hammer.hammer(tmp_path, devices=4, rate=40) as world:
        # Of a session whose start was lost, the recording is not kept: each begins before the backup.
        wait_until(lambda: len(world.journal.read().acked) == 4, "every device has begun")
        world.await_progress(60)
        backup = tmp_path / "backup.tar"
        pixeltrail(world, "backup", str(backup))
        world.await_progress(60)
        world.bridge.kill()
        shutil.rmtree(world.bridge.data)
        assert "Restored into" in pixeltrail(world, "restore", str(backup))
        world.bridge.start()
        world.await_progress(60)
        world.finish()
        world.bridge.stop()

        journal = world.journal.read()
        with world.opened() as store:
            stored = {
                (device.device_id, row.stream, chunk.seq)
                for device in store.devices()
                for row in store.streams(device.device_id)
                for chunk in store.chunks(device.device_id, row.stream)
            }
            named = {
                (device.device_id, gap.stream, seq)
                for device in store.devices()
                for gap in store.gaps(device.device_id)
                if gap.reason == GapReason.FREED
                for seq in range(gap.first, gap.end)
            }
        accepted = {place for place in journal.made if place[2] < journal.acked.get(place[:2], 0)}
        missing = accepted - stored
        assert missing, "nothing was accepted between the backup and the end: the test shows nothing"
        assert missing == named & accepted
        assert not stored & named

        ids: defaultdict[str, set[str]] = defaultdict(set)
        for event in taken_of_log(world.events):
            if event.event == EVENT:
                ids[event.properties["place"]].add(event.message_id)
        for place in stored & accepted:
            made = journal.made[place]
            for index in range(made.calls):
                name = f"{made.device}/{made.stream.hex()}/{made.seq}/{index}"
                assert ids[name] == {message_id(*place, index)}
