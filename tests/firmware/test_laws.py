"""Custody and replay, whatever the line does and whatever the app does meanwhile."""

from __future__ import annotations

import random
from dataclasses import dataclass

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pixeltrail_bridge.wire import messages as m

from .device.parts import Oled
from .model import Line, ModelBridge
from .rig import Rig


@dataclass
class Faults:
    """What the line does to each message, drawn from a seed."""

    seed: int
    loss: float
    repeat: float
    reorder: float

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    def spoil(self, queue: list[bytes]) -> list[bytes]:
        out: list[bytes] = []
        for message in queue:
            if self.dice.random() < self.loss:
                continue
            out.append(message)
            if self.dice.random() < self.repeat:
                out.append(message)
        if len(out) > 1 and self.dice.random() < self.reorder:
            self.dice.shuffle(out)
        return out

    def pump(self, line: Line, bridge: ModelBridge) -> None:
        up = self.spoil(list(line.up))
        line.up.clear()
        down = [answer for message in up for answer in bridge.receive(message)]
        line.down.extend(self.spoil(down))


def watch(rig: Rig) -> dict[tuple[bytes, int], tuple[bytes, bool]]:
    """Every chunk that the outbox admitted from now on and whether it is replay data, by stream and seq."""
    admitted: dict[tuple[bytes, int], tuple[bytes, bool]] = {}
    outbox = rig.recorder._outbox
    commit = outbox.commit

    def spy(seq: int, length: int, marks: int) -> None:
        assert (rig.stream, seq) not in admitted, "a sequence number was used twice"
        start = outbox.start_of_next()
        admitted[rig.stream, seq] = bytes(outbox.buffer[start : start + length]), marks > 255
        commit(seq, length, marks)

    outbox.commit = spy
    return admitted


WHATS = ("touch", "track", "big", "session", "cut", "join", "opt out", "opt in", "stream", "wait")
ACTS = st.lists(
    st.tuples(
        st.sampled_from(("show",) * 3 + WHATS),
        st.integers(0, 2000),
    ),
    min_size=5,
    max_size=60,
)


def act(rig: Rig, what: str, number: int) -> None:
    recorder = rig.recorder
    if what == "show":
        rig.show(number, number * 7 + 1, number % 300)
    elif what == "touch":
        recorder.touch(number % 128, number % 64)
    elif what == "track":
        recorder.track("Pressed", {"number": number})
    elif what == "big":
        recorder.track("Big", {"text": "x" * (number // 2)})
    elif what == "session":
        recorder.new_session()
    elif what == "cut":
        rig.line.cut()
    elif what == "join":
        rig.line.join()
    elif what == "opt out":
        recorder.opt_out(True)
    elif what == "opt in":
        recorder.opt_out(False)
    elif what == "stream":
        rig.line.down.append(b"\x83\x01\x08\x48" + rig.stream)
    else:
        rig.step(ms=number * 3, deliver=False)


# Shrinking whole scenarios takes minutes; the printed example is short enough to read.
@settings(max_examples=40, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    acts=ACTS,
    faults=st.builds(
        Faults,
        seed=st.integers(0, 1 << 16),
        loss=st.sampled_from((0, 0.1, 0.5)),
        repeat=st.sampled_from((0, 0.3)),
        reorder=st.sampled_from((0, 0.5)),
    ),
    holds=st.booleans(),
    exact=st.booleans(),
)
def test_nothing_admitted_is_lost_or_changed(acts, faults, holds, exact):
    rig = Rig(exact=exact, max_chunk=512, outbox_bytes=2048)
    rig.line.holds = holds
    admitted = watch(rig)
    for what, number in acts:
        act(rig, what, number)
        for _ in range(3):
            rig.step(ms=20, deliver=False)
            faults.pump(rig.line, rig.bridge)
    rig.line.join()
    rig.recorder.opt_out(False)
    rig.step(200, ms=100)
    rig.show(3, 99, 40)
    rig.settle()
    rig.step(20, ms=100)
    assert rig.recorder.errors == 0
    assert rig.bridge.conflicts == 0
    for (stream, seq), (data, is_replay) in admitted.items():
        store = rig.bridge.streams[stream]
        assert store.chunks.get(seq, data) == data
        # only an opt-out may leave a gap, and only of replay data
        assert seq in store.chunks or (is_replay and store.covered(seq)), (
            f"chunk {seq} of {stream.hex()} is nowhere"
        )
    pictures = rig.pictures()
    assert pictures[-1] == (bytes(rig.display.buffer), False), "a display that rests ends on an exact frame"


def test_every_exact_picture_was_shown():
    """Frames that are not mixed show what a refresh showed, also while the app draws between refreshes."""
    display = Oled(128, 64)
    rig = Rig(exact=False, display=display, max_fps=120)
    dice = random.Random(7)
    shown = set()
    for _ in range(300):
        rig.draw(dice.randrange(1024), dice.randrange(256), dice.randrange(60))
        if dice.random() < 0.4:
            display.show()
            shown.add(bytes(display.buffer))
        rig.step(ms=10)
    display.show()
    rig.settle()
    pictures = rig.pictures()
    assert len(pictures) > 50
    assert all(picture in shown for picture, is_mixed in pictures if not is_mixed)
    assert pictures[-1] == (bytes(display.buffer), False)


def test_gaps_of_an_opt_out_name_replay_chunks_alone():
    rig = Rig(exact=True)
    for i in range(6):
        rig.show(i * 10, 255, 5)
        rig.recorder.track("Pressed", {"i": i})
        rig.step(8, deliver=False)
    rig.line.cut()  # whatever was on its way is lost
    rig.recorder.opt_out()
    rig.line.join()
    rig.settle()
    gaps = rig.bodies(m.Gap)
    assert gaps and all(gap.reason == m.GapReason.OPT_OUT and gap.first < gap.end for gap in gaps)
    assert rig.frames() == []
    assert [body.properties["i"] for body in rig.bodies(m.Track)] == list(range(6))
