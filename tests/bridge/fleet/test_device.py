"""A device of the fleet keeps the custody protocol, whatever the road does, and what it shows can be decoded."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixeltrail_bridge.errors import PeerError
from pixeltrail_bridge.fleet.device import OUTBOX_BYTES, Device
from pixeltrail_bridge.fleet.faults import Faults, Road
from pixeltrail_bridge.fleet.scripts import Script, load_script
from pixeltrail_bridge.mapping.chunks import MappingSettings, map_chunk, map_sync
from pixeltrail_bridge.sessions.state import GapRow
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_downlink, decode_uplink
from pixeltrail_bridge.wire.encode import encode_downlink
from pixeltrail_bridge.wire.recording_file import Head, encode_chunk, encode_head

from tests.support import harness, sessions
from tests.support.ingest import Bench

NAME = "fleet-0001"


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Script:
    """Twenty pictures of a recorded sequence, a touch and a call."""
    path = tmp_path_factory.mktemp("scripts") / "invaders.ptr"
    coded = sessions.coded("mono_invaders", 20)
    said = [
        (300, m.Screen("Home", {})),
        (500, m.Touch(60, 60, 0)),
        (700, m.Track("Boost Started", {"minutes": 20})),
    ]
    head = Head(sessions.DEVICE_ID, sessions.SESSION_ID, sessions.START_MS, sessions.START_MS + 60_000)
    chunks = sessions.session(coded, inputs=said)
    path.write_bytes(
        encode_head(head) + b"".join(encode_chunk(chunk, sessions.SESSION_ID) for chunk in chunks)
    )
    return load_script(path)


def test_a_script_holds_the_frames_of_the_recording(script: Script) -> None:
    coded = sessions.coded("mono_invaders", 20)
    frames = [scene.parts for scene in script.scenes if scene.is_frame]
    assert frames == list(coded.frames)
    assert script.display == coded.display
    assert script.scenes[0].is_keyframe and script.scenes[0].at_ms == 0
    assert [type(scene.parts[0]) for scene in script.scenes if not scene.is_frame] == [
        m.Screen,
        m.Touch,
        m.Track,
    ]


class World:
    """A device, the product's ingest, and the road between them; the clock is turned by hand."""

    def __init__(self, folder: Path, script: Script, faults: Faults, seed: int) -> None:
        self.now_ms = 1_000_000
        dice = random.Random(seed)
        self.device = Device(NAME, script, dice, self.now_ms, speed=4, idle_share=0.3)
        self.bench = Bench(folder, map_chunk=map_chunk, map_sync=map_sync, mapping=MappingSettings())
        self.counts: Counter[str] = Counter()
        self._up, self._down = Road(faults, dice, self.counts), Road(faults, dice, self.counts)
        self.is_up = True
        self._told = 0

    def step(self, ms: int) -> None:
        self.now_ms += ms
        self.device.play(self.now_ms)
        if not self.is_up:
            return
        for data in self.device.send(self.now_ms):
            self.say(data)

    def say(self, data: bytes) -> None:
        for one in self._up.pass_on(data):
            self.bench.feed(one, device_id=NAME, now_ms=1_800_000_000_000 + self.now_ms)
        sent = self.bench.channel.sent
        news, self._told = sent[self._told :], len(sent)
        for _, answer in news:
            for one in self._down.pass_on(encode_downlink(answer)):
                with contextlib.suppress(PeerError):  # damaged
                    self.device.take(decode_downlink(one), self.now_ms)

    def connect(self) -> None:
        self.is_up = True
        self.say(self.device.connected(self.now_ms))

    def drain(self) -> None:
        self.device.ending = True
        for _ in range(2_000):
            self.step(1_000)
            if self.device.is_drained:
                return
        raise AssertionError("the device did not get rid of what it holds")


def test_what_it_shows_is_what_was_recorded(script: Script, tmp_path: Path) -> None:
    world = World(tmp_path / "store.db", script, Faults(), seed=1)
    world.connect()
    for _ in range(1_500):
        world.step(20)
    world.drain()
    replay = harness.replay_of(world.bench.store, NAME)
    assert not replay.errors
    recorded = set(sessions.coded("mono_invaders", 20).pictures)
    assert {picture.data for picture in replay.pictures} == recorded
    assert len(world.bench.store.sessions(NAME)) == world.device.counts["sessions"] > 1
    (ledger,) = world.device.ledgers
    assert ledger.acked == ledger.made > 20
    made = [
        row.event for row in world.bench.store.events(NAME, limit=10_000) if row.type in ("track", "screen")
    ]
    assert len(made) == ledger.calls


def test_a_full_outbox_is_told_and_the_next_picture_is_exact(script: Script, tmp_path: Path) -> None:
    world = World(tmp_path / "store.db", script, Faults(), seed=2)
    world.connect()
    world.step(10)
    world.is_up = False
    for _ in range(20_000):
        world.step(20)
        assert world.device._held_bytes <= OUTBOX_BYTES
    assert world.device.counts["refused"]
    world.connect()
    for _ in range(1_500):
        world.step(20)
    world.drain()
    gaps: list[GapRow] = world.bench.store.gaps(NAME)
    assert sum(gap.frames for gap in gaps) > 0
    replay = harness.replay_of(world.bench.store, NAME)
    assert not replay.errors
    assert {picture.data for picture in replay.pictures} <= set(sessions.coded("mono_invaders", 20).pictures)


@given(
    seed=st.integers(0, 1 << 30),
    steps=st.lists(st.sampled_from(["go", "cut", "connect", "reboot"]), max_size=30),
)
@settings(max_examples=15, deadline=None)
def test_nothing_accepted_is_lost_whatever_the_road_does(
    script: Script, tmp_path_factory: pytest.TempPathFactory, seed: int, steps: list[str]
) -> None:
    faults = Faults(loss=10, repeat=10, reorder=10)
    world = World(tmp_path_factory.mktemp("world") / "store.db", script, faults, seed)
    world.connect()
    for step in steps:
        if step == "reboot":
            world.device.reboot(world.now_ms)
            world.connect()
        elif step == "cut":
            world.is_up = False
        elif step == "connect":
            world.connect()
        for _ in range(20):
            world.step(50)
    world.connect()
    world.drain()
    store = world.bench.store
    for ledger in world.device.ledgers:
        seqs = [chunk.seq for chunk in store.chunks(NAME, ledger.stream)]
        assert seqs[: ledger.acked] == list(range(ledger.acked))
    assert world.device.ledgers[-1].acked == world.device.ledgers[-1].made
    assert not store.dead_letters()


def test_damage_is_a_dead_letter_and_holds_up_nothing(script: Script, tmp_path: Path) -> None:
    world = World(tmp_path / "store.db", script, Faults(damage=5), seed=3)
    world.connect()
    for _ in range(1_500):
        world.step(20)
    world.drain()
    assert world.counts["damage"] > 5
    assert world.device.ledgers[-1].acked == world.device.ledgers[-1].made


def test_every_message_can_be_read(script: Script) -> None:
    device = Device(NAME, script, random.Random(5), 0)
    seen: Counter[type] = Counter()
    for now_ms in range(0, 60_000, 25):
        device.play(now_ms)
        for data in device.send(now_ms):
            assert len(data) <= 1_100
            seen[type(decode_uplink(data))] += 1
        device.take(m.Ack(device.stream, device._next, 16, b"bridge-1"), now_ms)
    assert seen[m.Chunk] > 10 and seen[m.Sync] >= 1
