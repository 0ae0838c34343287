"""The store of a bridge is replaced by an empty one while a device is at work. Time is turned by hand.

A device follows the bridge that it knows until that has been silent for two minutes, and then the next that answers.
What it had freed by then is a gap at the new store; from there on everything is there, and pictures are exact.
"""

from __future__ import annotations

from pathlib import Path

from pixeltrail_bridge.mapping.chunks import MappingSettings, map_chunk, map_sync
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_downlink

from tests.firmware.model import ModelBridge
from tests.firmware.rig import Rig
from tests.support import harness
from tests.support.ingest import Bench

DEVICE = "rig-1"
SILENT_MS = 120_000


class RealBridge(ModelBridge):
    """The product's ingest and store behind the rig's line; `now_ms` is the host's clock."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.bench = Bench(path, map_chunk=map_chunk, map_sync=map_sync, mapping=MappingSettings())
        self.now_ms = 1_800_000_000_000
        self._told = 0

    def receive(self, message: bytes) -> list[bytes]:
        self.now_ms += 1
        self.bench.feed(message, device_id=DEVICE, now_ms=self.now_ms)
        sent = self.bench.channel.sent
        news, self._told = sent[self._told :], len(sent)
        return [encode_downlink(answer) for _, answer in news]


def test_a_new_store_under_a_live_device_goes_on_from_a_keyframe(tmp_path: Path) -> None:
    old, new = RealBridge(tmp_path / "old.db"), RealBridge(tmp_path / "new.db")
    rig = Rig(bridge=old)
    for number in range(20):
        rig.recorder.track("Before", {"n": number})
        rig.show(number, number + 1)
        rig.settle()
    rig.bridge = new
    rig.recorder.track("Between", {})
    rig.show(30, 99)
    rig.step(100, ms=1_000)
    assert not rig.recorder.drained, "the bridge it follows may come back"
    rig.step(SILENT_MS // 1_000, ms=1_000)
    rig.settle()
    for number in range(20):
        rig.recorder.track("After", {"n": number})
        rig.show(number, 255 - number)
        rig.settle()

    store = new.bench.store
    events = [row.event for row in store.events(DEVICE, limit=1_000) if row.type == "track"]
    assert events == ["Between"] + ["After"] * 20
    freed = [gap for gap in store.gaps(DEVICE) if gap.reason == m.GapReason.FREED]
    assert len(freed) == 1 and freed[0].first == 0, freed
    replay = harness.replay_of(store, DEVICE)
    assert not replay.errors and replay.pictures[0].is_keyframe
    assert replay.pictures[-1].data == bytes(rig.display.buffer)
    assert len(harness.without_repeats(picture.data for picture in replay.pictures)) >= 20
    before = [row.event for row in old.bench.store.events(DEVICE, limit=1_000) if row.type == "track"]
    assert before == ["Before"] * 20
