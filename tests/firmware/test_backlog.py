"""Custody through flash: every chunk is in the outbox, in a closed file or the bridge's, whatever the power does."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from pixeltrail import message
from pixeltrail.backlog import Backlog
from pixeltrail.chunk import Chunk
from pixeltrail.faults import Faults
from pixeltrail.flash import FlashLink
from pixeltrail.outbox import CALLS, Outbox
from pixeltrail.spool import Spool
from pixeltrail.streams import MAX_STREAMS
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_uplink

from .flash import Flash, until_cut
from .model import Line, ModelBridge
from .rig import Rig


class Device:
    """One start of a device: a link over the flash that earlier starts left."""

    def __init__(self, flash: Flash, boot: int = 1, limit: int = 65_536, outbox: int = 2048) -> None:
        self.line = Line()
        self.outbox = Outbox(outbox)
        self.chunk = Chunk(self.outbox, 512)
        self.name = b"stream-%d" % boot
        self.link = FlashLink(self.outbox, self.chunk, self.line, "device-1", boot, lambda: None)
        self.link.begin_stream(self.name, 0)
        self.spool = Spool("spool", limit, 512, flash)
        self.faults = Faults()
        self.link.use_backlog(Backlog(self.spool, self.outbox), self.faults)
        self.now = 0
        self.put_count = 0
        self.told: list[tuple[int, int]] = []

    def put(self, count: int = 1, is_replay: bool = False) -> int:
        """Hand over chunks while there is room; returns how many were taken."""
        for taken in range(count):
            if not self.chunk.open(is_replay, CALLS, self.now):
                return taken
            properties = {"n": self.chunk.seq, "text": "x" * 60}
            message.track(self.chunk.begin_record(self.now), "Event", properties, None)
            if not self.chunk.end_record():
                self.chunk.drop_record()
                return taken
            self.chunk.close()
            self.put_count += 1
        return count

    def step(self, ms: int = 10, bridge: ModelBridge | None = None) -> None:
        self.now += ms
        self.link.step(self.now, self.now)
        if bridge is not None:
            self.line.pump(bridge)

    def fill(self, count: int) -> None:
        """Chunks one by one, with steps between as a recorder has them."""
        for _ in range(count):
            assert self.put() == 1, "the outbox is full"
            for _ in range(3):
                self.step(3)

    def deliver(self, bridge: ModelBridge, limit: int = 3000) -> None:
        self.line.join()
        for _ in range(limit):
            self.step(50, bridge)
            if self.link.is_drained():
                return
        raise AssertionError(f"not drained: {self.link.streams[0].__dict__}, {self.spool.__dict__}")


def seqs(bridge: ModelBridge, stream: bytes) -> list[int]:
    return sorted(bridge.streams[stream].chunks) if stream in bridge.streams else []


def test_an_outage_far_longer_than_the_outbox_loses_nothing() -> None:
    flash, bridge = Flash(), ModelBridge()
    device = Device(flash)
    device.fill(3)
    device.deliver(bridge)
    device.line.cut()
    device.fill(150)
    assert device.spool.used > 10_000 > 4 * device.outbox.size
    device.deliver(bridge)
    assert seqs(bridge, device.name) == list(range(153))
    assert bridge.streams[device.name].gaps == [] and bridge.conflicts == 0
    assert flash.files == {} and device.link.resent <= 16


def test_a_line_that_works_writes_no_flash() -> None:
    flash, bridge = Flash(), ModelBridge()
    device = Device(flash)
    for _ in range(300):
        device.put(2)
        device.step(bridge=bridge)
    device.deliver(bridge)
    assert flash.writes == 0 and len(seqs(bridge, device.name)) == device.put_count


def test_a_bridge_that_is_silent_counts_as_an_outage() -> None:
    device = Device(Flash())
    for _ in range(100):
        device.put()
        for _ in range(5):
            device.step(200)
        device.line.up.clear()
    assert device.put_count == 100 and device.spool.segments


def test_the_limit_holds_and_then_the_outbox_refuses() -> None:
    flash = Flash()
    device = Device(flash, limit=3 * 4096)
    device.line.cut()
    while device.put():
        device.step()
        device.step()
        assert sum(-(-len(data) // 4096) * 4096 for data in flash.files.values()) <= 3 * 4096
    bridge = ModelBridge()
    device.deliver(bridge)
    assert seqs(bridge, device.name) == list(range(device.put_count))


def test_earlier_starts_come_first_and_oldest_first() -> None:
    flash, bridge = Flash(), ModelBridge()
    kept = []
    for boot in range(1, 8):
        device = Device(flash, boot, limit=1 << 20)
        device.line.cut()
        device.fill(40)
        kept.append(device.put_count - device.outbox.count)
    order = []
    device = Device(flash, 8, limit=1 << 20)
    assert device.link.can_begin_stream(), f"kept streams are none of the {MAX_STREAMS}"
    device.fill(3)
    device.line.join()
    while not device.link.is_drained():
        device.step(50)
        order += [decode_uplink(data).stream for data in device.line.up]
        device.line.pump(bridge)
    assert [name for at, name in enumerate(order) if name != order[at - 1]] == [
        b"stream-%d" % boot for boot in range(1, 9)
    ]
    for boot, count in enumerate(kept, 1):
        store = bridge.streams[b"stream-%d" % boot]
        assert sorted(store.chunks) == list(range(count)) and store.gaps == []
        assert all(sync.boot == boot for sync in store.syncs)
    assert flash.files == {}


def test_what_was_in_ram_before_it_is_a_hole_that_syncs_tell_of() -> None:
    """The bridge has 0-4; 5 and 6 went up in the power cut; flash begins with 7."""
    flash, bridge = Flash(), ModelBridge()
    device = Device(flash)
    device.fill(5)
    device.deliver(bridge)
    device.put(2)
    for _ in range(2):
        device.outbox.free()
    device.line.cut()
    device.fill(40)
    after = Device(flash, 2)
    after.deliver(bridge)
    store = bridge.streams[b"stream-1"]
    assert sorted(store.chunks)[:6] == [0, 1, 2, 3, 4, 7]
    assert [(gap.first, gap.end) for gap in store.gaps] == [(5, 7)]


def test_a_bridge_that_has_more_than_flash_ends_the_stream() -> None:
    """The cut came between the ack and the deletion: nothing may wait for ever."""
    flash, bridge = Flash(), ModelBridge()
    device = Device(flash)
    device.line.cut()
    device.fill(40)
    files = dict(flash.files)
    device.deliver(bridge)
    device.fill(5)
    device.deliver(bridge)
    flash.files = files
    after = Device(flash, 2)
    after.deliver(bridge)
    assert flash.files == {} and bridge.conflicts == 0 and bridge.streams[b"stream-1"].gaps == []


@pytest.mark.parametrize("keeps", ["nothing", "part", "noise"])
@pytest.mark.parametrize("seed", range(2))
def test_the_power_fails_at_any_moment(keeps: str, seed: int) -> None:
    """Spilling, sending and deleting, cut anywhere: what had left the outbox arrives, as it was."""
    dice = random.Random(seed)
    for cut in range(seed, 6000, 37):
        flash, bridge = Flash(keeps), ModelBridge(judge=False)
        device = Device(flash)

        def work(device: Device = device, bridge: ModelBridge = bridge) -> None:
            device.line.cut()
            device.fill(30)
            device.line.join()
            for _ in range(25):
                device.put()
                device.step(50, bridge if dice.random() < 0.7 else None)

        failed = until_cut(flash, cut, work)
        ram = {device.outbox.seq(at) for at in positions(device.outbox)}
        if not failed:
            device.deliver(bridge)
            ram = set()
        after = Device(flash, 2)
        after.fill(3)
        after.deliver(bridge)
        got = set(seqs(bridge, b"stream-1"))
        assert got | ram >= set(range(device.put_count)), (cut, failed)
        assert bridge.conflicts == 0 and seqs(bridge, b"stream-2") == [0, 1, 2]
        if not failed:
            return
    raise AssertionError("the power never held")


def positions(outbox: Outbox) -> list[int]:
    at, found = outbox.oldest(), []
    for _ in range(outbox.count):
        found.append(at)
        at = outbox.after(at)
    return found


def test_a_storage_that_fails_leaves_the_chunks_where_they_are() -> None:
    flash, bridge = Flash(), ModelBridge()
    device = Device(flash)
    device.line.cut()
    flash.room = 300
    while device.put():
        device.step()
    assert device.spool.faults >= 1 and flash.files == {}
    writes = flash.writes
    for _ in range(100):
        device.step(100)
    assert flash.writes == writes, "it rests for a minute"
    flash.room = 1 << 40
    device.step(60_000)
    for _ in range(20):
        device.step()
    assert device.spool.segments
    device.deliver(bridge)
    assert seqs(bridge, device.name) == list(range(device.put_count))


def test_a_storage_that_fails_again_and_again_is_written_no_more() -> None:
    """What lies in it is sent all the same."""
    flash, bridge = Flash(), ModelBridge()
    device = Device(flash)
    device.line.cut()
    device.fill(40)
    assert device.spool.segments
    flash.room = 0
    while device.put():
        device.step()
    for _ in range(3):
        device.step(60_000)
        device.step()
    assert device.faults.names() == ["spool"]
    flash.room = 1 << 40
    writes = flash.writes
    for _ in range(20):
        device.step(60_000)
    assert flash.writes == writes
    device.deliver(bridge)
    assert seqs(bridge, device.name) == list(range(device.put_count))


def test_a_chunk_being_written_from_flash_keeps_its_bytes() -> None:
    flash, bridge = Flash(), ModelBridge()
    device = Device(flash)
    device.line.cut()
    device.fill(60)
    device.line.holds = True
    device.line.join()
    for _ in range(400):
        device.put()
        device.step(20, bridge)
    device.deliver(bridge, 6000)
    assert seqs(bridge, device.name) == list(range(device.put_count))


def test_opt_out_drops_replay_data_from_flash_too() -> None:
    flash, bridge = Flash(), ModelBridge()
    device = Device(flash)
    device.line.cut()
    for n in range(60):
        device.put(is_replay=n % 3 == 0)
        for _ in range(3):
            device.step(3)
    told: list[tuple[int, int]] = []
    device.link.purge(lambda first, end: told.append((first, end)))
    for _ in range(200):  # a frame each
        device.step()
    dropped = sorted(seq for first, end in told for seq in range(first, end))
    assert dropped == list(range(0, 60, 3))
    device.line.join()
    for _ in range(200):
        device.step(50, bridge)
    assert seqs(bridge, device.name)[:2] == [1, 2]
    assert not set(seqs(bridge, device.name)) & set(dropped)


def test_opt_out_of_an_earlier_start_leaves_holes_that_syncs_tell_of() -> None:
    flash, bridge = Flash(), ModelBridge()
    device = Device(flash)
    device.line.cut()
    for n in range(60):
        device.put(is_replay=n % 3 != 1)
        for _ in range(3):
            device.step(3)
    after = Device(flash, 2)
    after.link.purge(lambda first, end: after.told.append((first, end)))
    after.deliver(bridge)
    got = seqs(bridge, b"stream-1")
    assert got and all(seq % 3 == 1 for seq in got) and after.told == []
    assert bridge.streams[b"stream-1"].watermark >= got[-1] + 1


# --- with a recorder ---


def test_a_recorder_says_that_flash_fails_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    rig = Rig(
        flash_spool_bytes=1 << 20,
        flash_spool_folder=str(tmp_path / "file" / "spool"),
        outbox_bytes=8192,
        log_level=2,
    )
    rig.line.cut()
    for turn in range(60):
        rig.recorder.track("Turn", {"n": turn, "text": "x" * 100})
        rig.step(10, ms=1_000)
    stats = rig.recorder.stats()
    assert stats["off"] == ["spool"] and stats["errors"] == 3
    assert capsys.readouterr().out.count("spool turned off after three times") == 1
    rig.line.join()
    rig.settle()
    assert "spool turned off" in rig.bodies(m.Log)[-1].text
    rig.recorder.start()
    assert rig.recorder.stats()["off"] == []


@pytest.mark.parametrize("is_out", [False, True])
def test_a_recorder_delivers_what_an_earlier_start_left(tmp_path: Path, is_out: bool) -> None:
    """Frames, calls and touches of a start that never had a line; an opt-out kept over the reboot drops the replay."""
    settings = {
        "flash_spool_bytes": 1 << 20,
        "flash_spool_folder": str(tmp_path / "spool"),
        "outbox_bytes": 8192,
    }
    before = Rig(**settings)
    before.line.cut()
    for turn in range(200):
        before.show(turn * 37, turn, 60)
        before.recorder.track("Turn", {"n": turn})
        before.step(10, ms=20)
    stream = before.stream
    assert list((tmp_path / "spool").iterdir())
    after = Rig(bridge=before.bridge, opt_out=is_out, **settings)
    after.settle()
    kinds = {type(body) for body in after.bridge.bodies(stream)}
    assert m.Track in kinds and (m.Frame in kinds) is not is_out
    turns = [body.properties["n"] for body in after.bridge.bodies(stream) if isinstance(body, m.Track)]
    assert turns == list(range(len(turns))) and len(turns) > 100
    assert not list((tmp_path / "spool").iterdir())
