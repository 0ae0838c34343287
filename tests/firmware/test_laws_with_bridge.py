"""The device's own code and the bridge's own core, with a line between them that does its worst.

Recorder, link, capture and codec on one side; decoding, ingest, mapping, a store and the replay on the other. Nothing
runs by itself: a rule is what an app, a line or an operator does, and time is what the world says it is. The laws are
judged over all that the store holds, at the end of each run, when the line has become good and the display has rested.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pixeltrail
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pixeltrail_bridge.ingest import Arrival, Ingest, IngestSettings
from pixeltrail_bridge.mapping.chunks import MappingSettings, map_chunk, map_sync
from pixeltrail_bridge.replay.timeline import Moment, Timeline
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_uplink

from tests.support.stores import Place, SqlitePlace

from .device.parts import Oled, Ticks
from .model import Line

DEVICE = "laws-1"
EPOCH = 1_767_323_045_000
WIDTH, HEIGHT = 32, 24
PRIVATE = 0x80  # only what is drawn during an opt-out has this bit
MASK = (0, 0, WIDTH, 8)  # the first page, which no law looks at
MASKED = WIDTH
TIMEOUT_MS = 20_000
KEYFRAME_S = 5


class World:
    """A device, a line and a bridge. `made`: numbers of the calls since the last start."""

    def __init__(self, folder: Path, exact: bool, has_date: bool) -> None:
        self.folder = folder
        self.exact, self.has_date = exact, has_date
        self.place: Place = SqlitePlace(folder / "store")
        self.copies: list[Place] = []
        self.restores = 0
        self.now_ms = EPOCH
        self.up: list[bytes] = []
        self.display = Oled(WIDTH, HEIGHT)
        self.shown: set[bytes] = set()
        self.is_out = self.is_masked = False
        self.calls = 0
        self.admitted: dict[tuple[bytes, int], tuple[bytes, bool]] = {}
        self.acked: dict[bytes, int] = {}
        self.open()
        self.boot()

    # --- the bridge ---

    def open(self) -> None:
        self.store = self.place.open(())
        values = IngestSettings(
            mapping=MappingSettings(sample_rate=1.0), ack_interval_ms=0, linger_ms=0, min_free_bytes=0
        )
        self.ingest = Ingest(self.store, values, map_chunk=map_chunk, map_sync=map_sync)

    def send(self, device_id: str, data: bytes) -> bool:
        """The bridge's channel."""
        self.line.down.append(data)
        return True

    def commit(self, messages: list[bytes]) -> None:
        for data in messages:
            assert self.ingest.receive(Arrival(DEVICE, data, self.now_ms, self))
        self.ingest.commit_queued()
        for row in self.store.streams(DEVICE):
            self.acked[row.stream] = max(row.watermark, self.acked.get(row.stream, 0))

    def restart(self) -> None:
        self.store.close()
        self.open()

    def restore(self, index: int) -> None:
        """An older copy takes the place of the store."""
        self.store.close()
        self.place = self.copies[index].copy()
        self.restores += 1
        self.acked = {}
        self.open()

    # --- the device ---

    def boot(self) -> None:
        self.line = Line()
        self.ticks = Ticks()
        self.ticks.date = self.now_ms if self.has_date else None
        self.display = Oled(WIDTH, HEIGHT)
        self.recorder = pixeltrail.Recorder(
            self.display,
            self.line,
            clock=self.ticks.clock,
            device_id=DEVICE,
            sample_rate=1.0,
            exact=self.exact,
            max_chunk=512,
            outbox_bytes=2048,
            max_fps=60,
            keyframe_interval_s=KEYFRAME_S,
            session_timeout_ms=TIMEOUT_MS,
            vitals_interval_s=7,
            log_level=0,
            state_file=str(self.folder / "state"),
        )
        self.is_masked = False
        self.first_call = self.calls
        self.streams = [self.recorder._link.newest.name]
        self._watch()

    def _watch(self) -> None:
        """Every chunk that the outbox admits, and whether it is replay data, by stream and seq."""
        outbox = self.recorder._outbox
        commit = outbox.commit

        def spy(seq: int, length: int, marks: int) -> None:
            name = self.recorder._link.newest.name
            assert (name, seq) not in self.admitted, "a sequence number was used twice"
            start = outbox.start_of_next()
            self.admitted[name, seq] = bytes(outbox.buffer[start : start + length]), marks > 255
            commit(seq, length, marks)

        outbox.commit = spy

    def draw(self, at: int, value: int, length: int) -> None:
        buffer = self.display.buffer
        for i in range(length):
            buffer[(at + i) % len(buffer)] = value * (i + 1) & (PRIVATE - 1) | (PRIVATE if self.is_out else 0)

    def show(self) -> None:
        if not self.is_out:
            self.shown.add(unmasked(bytes(self.display.buffer)))
        self.display.show()

    def track(self, size: int) -> None:
        self.recorder.track("Call", {"n": self.calls, "text": "x" * size})
        self.calls += 1

    def opt_out(self, is_out: bool) -> None:
        self.recorder.opt_out(is_out)
        self.is_out = is_out
        if not is_out:  # nothing private is left on the display
            for i, value in enumerate(self.display.buffer):
                self.display.buffer[i] = value & (PRIVATE - 1)

    def step(self, count: int, ms: int) -> None:
        for _ in range(count):
            self.now_ms += ms
            self.ticks.ms += ms
            if self.has_date:
                self.ticks.date = self.now_ms
            self.recorder.poll()
            if self.is_out:
                assert not any(is_replay(data) for data in self.line.up), (
                    "replay data is sent after an opt-out"
                )
            self.up += self.line.up
            self.line.up.clear()
            name = self.recorder._link.newest.name
            if name not in self.streams:
                self.streams.append(name)

    def deliver(self) -> None:
        """All of it, in order."""
        messages, self.up = self.up, []
        self.commit(messages)

    # --- what there is to see ---

    def chunks(self, stream: bytes) -> list[m.Chunk]:
        found = [decode_uplink(chunk.data) for chunk in self.store.chunks(DEVICE, stream)]
        return [chunk for chunk in found if isinstance(chunk, m.Chunk)]

    def gaps(self, stream: bytes) -> list:
        return [gap for gap in self.store.gaps(DEVICE) if gap.stream == stream]

    def moments(self, stream: bytes) -> list[tuple[Moment, bytes | None]]:
        timeline = Timeline(use_numba=False)
        found = []
        for chunk in self.chunks(stream):
            for moment in timeline.feed(chunk):
                picture = bytes(timeline.canvas.picture) if moment.shown and timeline.canvas else None
                found.append((moment, picture))
        return found


def is_replay(data: bytes) -> bool:
    message = decode_uplink(data)
    return isinstance(message, m.Chunk) and message.is_replay


def unmasked(picture: bytes) -> bytes:
    return picture[MASKED:]


class Laws(RuleBasedStateMachine):
    @initialize(exact=st.booleans(), has_date=st.booleans())
    def begin(self, exact: bool, has_date: bool) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self._folder.name), exact, has_date)

    # --- the app ---

    @rule(at=st.integers(0, 95), value=st.integers(1, 255), length=st.integers(0, 40), is_shown=st.booleans())
    def draw(self, at: int, value: int, length: int, is_shown: bool) -> None:
        self.world.draw(at, value, length)
        if is_shown:
            self.world.show()
        self.world.step(2, 10)

    @rule(
        seed=st.integers(0, 1 << 16),
        turns=st.integers(3, 15),
        ms=st.sampled_from((5, 20)),
        arrives=st.booleans(),
    )
    def animate(self, seed: int, turns: int, ms: int, arrives: bool) -> None:
        """The app draws between refreshes and while its frames are coded."""
        world, dice = self.world, random.Random(seed)
        for _ in range(turns):
            world.draw(dice.randrange(96), dice.randrange(1, 256), dice.randrange(40))
            if dice.random() < 0.6:
                world.show()
            world.step(dice.randrange(4), ms)
            if arrives:
                world.deliver()

    @rule(count=st.integers(1, 12), size=st.sampled_from((0, 40, 300)))
    def call(self, count: int, size: int) -> None:
        for _ in range(count):
            self.world.track(size)
        self.world.step(1, 10)

    @rule(x=st.integers(0, WIDTH - 2), count=st.integers(1, 20))
    def touch(self, x: int, count: int) -> None:
        for _ in range(count):
            self.world.recorder.touch(WIDTH - 1 if self.world.is_out else x, 9)
        self.world.step(1, 10)

    @rule()
    def begin_a_session(self) -> None:
        self.world.recorder.new_session()

    @rule(is_out=st.booleans())
    def opt_out(self, is_out: bool) -> None:
        self.world.opt_out(is_out)

    @rule()
    def mask_or_unmask(self) -> None:
        world = self.world
        (world.recorder.unmask if world.is_masked else world.recorder.mask)(*MASK)
        world.is_masked = not world.is_masked

    @rule(ms=st.sampled_from((1, 50, 700, 2_500, TIMEOUT_MS, 65_000)), count=st.integers(1, 5))
    def time_passes(self, ms: int, count: int) -> None:
        self.world.step(count, ms)

    @rule()
    def reboot(self) -> None:
        self.world.boot()

    # --- the line ---

    @rule()
    def cut(self) -> None:
        self.world.line.cut()
        self.world.step(1, 10)

    @rule()
    def join(self) -> None:
        self.world.line.join()

    @rule(
        seed=st.integers(0, 1 << 16),
        loss=st.sampled_from((0, 0, 0.2, 0.6)),
        repeat=st.sampled_from((0, 0.3)),
        late=st.sampled_from((0, 0.3)),
        is_shuffled=st.booleans(),
        is_deaf=st.booleans(),
    )
    def deliver(
        self, seed: int, loss: float, repeat: float, late: float, is_shuffled: bool, is_deaf: bool
    ) -> None:
        """What is on the line reaches the bridge, or some of it; what the bridge says is lost when it `is_deaf`."""
        world, dice = self.world, random.Random(seed)
        for _ in range(3):
            messages = [data for data in world.up if dice.random() >= loss]
            world.up = [data for data in messages if dice.random() < late]
            messages += [data for data in messages if dice.random() < repeat]
            if is_shuffled:
                dice.shuffle(messages)
            world.commit(messages)
            if is_deaf:
                world.line.down.clear()
            world.step(5, 20)

    @rule()
    def lose_all_on_the_line(self) -> None:
        self.world.up.clear()
        self.world.line.down.clear()

    @rule()
    def ask_for_a_keyframe(self) -> None:
        self.world.ingest.send(DEVICE, m.KeyframeRequest(self.world.recorder._link.newest.name))

    # --- the bridge ---

    @rule()
    def restart(self) -> None:
        self.world.restart()

    @precondition(lambda self: len(self.world.copies) < 2)
    @rule()
    def back_up(self) -> None:
        self.world.copies.append(self.world.place.copy())

    @precondition(lambda self: self.world.copies)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        self.world.restore(data.draw(st.integers(0, len(self.world.copies) - 1)))

    # --- laws ---

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self._judge_what_is_stored()
            self._rest()
            self._judge_what_is_stored()
            self._judge_the_last_picture()
        finally:
            self.world.store.close()
            self._folder.cleanup()

    def _rest(self) -> None:
        """A good line, the user's consent, and a display that rests."""
        world = self.world
        world.line.join()
        self._drain()
        if world.is_masked:
            world.recorder.unmask(*MASK)
        # A bridge that did not hear of the consent, or has forgotten it, says so in answer to a sync: the user is asked
        # once more.
        for _ in range(2):
            world.opt_out(False)
            self._drain()
            world.step(4, 10_000)
            self._drain()
        world.opt_out(False)
        # Behind a hole a keyframe comes with the next change after its interval.
        for value in (1, 2):
            world.draw(20, value, 9)
            world.show()
            world.step(2, KEYFRAME_S * 1000)
            self._drain()

    def _drain(self) -> None:
        world = self.world
        for _ in range(1500):
            world.step(1, 100)
            world.deliver()
            if world.recorder.idle and world.recorder.drained:
                world.step(3, 100)
                return
        raise AssertionError(f"not drained: {world.recorder.stats()}")

    def _judge_what_is_stored(self) -> None:
        world = self.world
        assert world.recorder.errors == 0
        letters = [(letter.kind, letter.reason) for letter in world.store.dead_letters()]
        assert not letters, letters
        for row in world.store.streams(DEVICE):
            self._judge_custody(row.stream)
            self._judge_replay(row.stream)

    def _judge_custody(self, stream: bytes) -> None:
        """What the device was told is committed is there as it was admitted, or a gap tells that it is not."""
        world = self.world
        stored = {chunk.seq: chunk.data for chunk in world.store.chunks(DEVICE, stream)}
        covered = {seq for gap in world.gaps(stream) for seq in range(gap.first, gap.end)}
        for (name, seq), (data, is_replay) in world.admitted.items():
            if name != stream:
                continue
            assert stored.get(seq, data) == data, f"seq {seq} is stored with other bytes"
            # replay data of an opt-out is acked and not kept
            if seq < world.acked.get(stream, 0):
                assert seq in stored or seq in covered or is_replay, f"seq {seq} is acked and nowhere"

    def _judge_replay(self, stream: bytes) -> None:
        for moment, picture in self.world.moments(stream):
            where = f"seq {moment.seq} record {moment.index}"
            assert moment.error is None, f"{where}: {moment.error}"
            assert moment.body != m.Touch(WIDTH - 1, 9, m.Phase.DOWN), f"{where}: a touch during an opt-out"
            if picture is None:
                continue
            assert not any(byte & PRIVATE for byte in unmasked(picture)), f"{where}: drawn during an opt-out"
            if not moment.shown.is_mixed:
                assert unmasked(picture) in self.world.shown, f"{where}: an exact frame that was never shown"

    def _judge_the_last_picture(self) -> None:
        world = self.world
        newest = world.recorder._link.newest
        (row,) = (row for row in world.store.streams(DEVICE) if row.stream == newest.name)
        assert row.watermark == world.recorder._chunk.seq, "not all is acked"
        pictures = [(shown, data) for shown, data in world.moments(newest.name) if data is not None]
        assert pictures, "nothing is shown"
        moment, data = pictures[-1]
        assert (data, moment.shown.is_mixed) == (bytes(world.display.buffer), False)
        if not world.restores:
            self._judge_calls()
            for (stream, seq), (data, is_replay) in world.admitted.items():
                if stream in world.streams and not is_replay:
                    kept = [chunk.data for chunk in world.store.chunks(DEVICE, stream, seq, seq + 1)]
                    assert kept == [data], f"seq {seq} was admitted and is not stored"

    def _judge_calls(self) -> None:
        """Every call since the last start is stored once, or counted in a gap record."""
        world = self.world
        numbers = [
            record.body.properties["n"]
            for stream in world.streams
            for chunk in world.chunks(stream)
            for record in chunk.records
            if isinstance(record.body, m.Track)
        ]
        assert len(set(numbers)) == len(numbers), "a call is stored twice"
        missing = set(range(world.first_call, world.calls)) - set(numbers)
        told = sum(gap.calls for stream in world.streams for gap in world.gaps(stream))
        assert len(missing) == told, f"{len(missing)} calls are missing, gaps tell of {told}"


def run(examples: int, steps: int) -> None:
    # Shrinking a whole run takes minutes; the printed one is short enough to read.
    run_state_machine_as_test(
        Laws,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize=True,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_laws_hold_whatever_happens() -> None:
    run(20, 40)


@pytest.mark.slow
def test_the_laws_hold_for_long() -> None:
    run(400, 120)


def test_a_device_goes_on_past_a_chunk_that_nobody_can_read(tmp_path: Path) -> None:
    """Not even its head: the bytes were spoilt where they lie, so the device sends them again and again."""
    world = World(tmp_path, exact=True, has_date=False)
    stream, bad = world.streams[0], b""
    for turn in range(300):
        if turn < 40:
            world.track(10)
        world.step(5, 100)
        for data in world.up:
            message = decode_uplink(data)
            if not bad and isinstance(message, m.Chunk) and message.seq > 3 and not message.is_replay:
                bad, seq = data, message.seq
        world.up = [b"\xff" + data[1:] if data == bad else data for data in world.up]
        world.deliver()
    assert world.recorder._link.is_drained(), "the device still waits"
    (letter,) = world.store.dead_letters()
    assert (letter.stream, letter.seq, letter.raw[1:]) == (stream, seq, bad[1:])
    lost = {record.body.properties["n"] for record in decode_uplink(bad).records}
    stored = {
        record.body.properties["n"]
        for chunk in world.chunks(stream)
        for record in chunk.records
        if isinstance(record.body, m.Track)
    }
    refused = sum(gap.calls for gap in world.gaps(stream))
    assert lost.isdisjoint(stored) and len(stored) + len(lost) + refused == world.calls
