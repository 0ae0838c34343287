"""The device's own code and the bridge's own core, with a line between them that does its worst.

Recorder, link, capture and codec on one side; decoding, ingest, mapping, a store and the replay on the other. Nothing
runs by itself: a rule is what an app, a line or an operator does, and time is what the world says it is. The laws are
judged over all that the store holds, at the end of each run, when the line has become good and the display has rested.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

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
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire import signed
from pixeltrail_bridge.wire.decode import decode_uplink
from pixeltrail_bridge.wire.encode import encode_downlink, encode_uplink

from .world import DEVICE, KEYFRAME_S, MASK, PRIVATE, TIMEOUT_MS, WIDTH, World, unmasked


class Laws(RuleBasedStateMachine):
    is_signed = False

    @initialize(exact=st.booleans(), has_date=st.booleans())
    def begin(self, exact: bool, has_date: bool) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self._folder.name), exact, has_date, self.is_signed)

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
        self.world.reboot()

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
        assert world.recorder.errors <= world.flash_faults()
        letters = [
            (letter.kind, letter.reason)
            for letter in world.store.dead_letters()
            if not (self.is_signed and letter.kind == "signature")
        ]
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


class LawsAmongForgers(Laws):
    """The same with a device that must sign, and somebody on the line who has heard everything, and has no key."""

    is_signed = True

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[bytes] = []  # going up
        self.told: list[bytes] = []  # going down

    def _listen(self) -> None:
        self.heard += [data for data in self.world.up if data not in self.heard]
        self.told += [data for data in self.world.line.down if data not in self.told]

    @rule(next_seq=st.integers(0, 40), is_new=st.booleans())
    def forge_what_goes_down(self, next_seq: int, is_new: bool) -> None:
        stream = self.world.recorder._link.newest.name if is_new else self.world.streams[0]
        forged = (
            m.Ack(stream, next_seq, 1, self.world.store.bridge_id),
            m.OptOutOrder(True),
            m.OptOutOrder(False),
            m.Config({"capture_enabled": False}, 1_000_000),
            m.NewStream(stream),
        )
        self.world.line.down.extendleft(encode_downlink(message) for message in forged)
        self.world.step(len(forged), 20)

    @rule(seq=st.integers(0, 40))
    def forge_what_goes_up(self, seq: int) -> None:
        world, stream = self.world, self.world.recorder._link.newest.name
        own = (
            m.Chunk(stream, seq, 0, (m.Record(0, 0, m.Track("Forged", {"n": -1})),)),
            m.Sync(stream, seq, seq, 0, None, 1, None, DEVICE),
        )
        world.commit([encode_uplink(message) for message in own])
        world.commit([signed.sign(bytes(32), 1, bytes(8), b"", encode_uplink(message)) for message in own])

    @rule(data=st.data())
    def say_again_what_was_heard(self, data: st.DataObject) -> None:
        """Also of earlier starts, to either side, and to the wrong one."""
        self._listen()
        for known in (self.heard, self.told):
            if known:
                again = data.draw(st.lists(st.sampled_from(known), max_size=5))
                self.world.line.down.extend(again)
                self.world.commit(again)
        self.world.step(3, 10)


def run(machine: type[Laws], examples: int, steps: int) -> None:
    # Shrinking a whole run takes minutes; the printed one is short enough to read.
    run_state_machine_as_test(
        machine,
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
    run(Laws, 20, 40)


def test_the_laws_hold_among_forgers() -> None:
    run(LawsAmongForgers, 8, 40)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("machine", [Laws, LawsAmongForgers])
def test_the_laws_hold_for_long(machine: type[Laws]) -> None:
    run(machine, 400, 120)


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
