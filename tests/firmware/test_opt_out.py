"""Opt-outs that change again before the bridge could be told of them."""

from __future__ import annotations

from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_downlink

from .rig import Rig


def make() -> Rig:
    rig = Rig(max_chunk=512, outbox_bytes=2048)
    rig.show()
    rig.settle()
    return rig


def fill(rig: Rig) -> None:
    """Not even an opt-out fits the outbox any more."""
    rig.line.cut()
    rig.recorder._outbox._limits = (0, 0, 0)


def join(rig: Rig) -> None:
    outbox = rig.recorder._outbox
    outbox._limits = (outbox.size // 2, outbox.size - 256, outbox.size)
    rig.line.join()
    rig.step(300, ms=100)
    rig.settle()


def frames_after(rig: Rig, act: str) -> int:
    before = rig.recorder.stats()["frames"]
    rig.show(len(act), 70 + len(act), 30)
    rig.recorder.touch(1, 1)
    rig.step(50)
    return rig.recorder.stats()["frames"] - before


def test_an_opt_out_counts_though_its_lifting_was_never_told() -> None:
    rig = make()
    rig.recorder.opt_out()
    rig.settle()
    fill(rig)
    rig.recorder.opt_out(False)
    rig.recorder.opt_out()
    assert frames_after(rig, "out") == 0
    touches = len(rig.bodies(m.Touch))
    join(rig)
    assert frames_after(rig, "joined") == 0 and len(rig.bodies(m.Touch)) == touches
    assert rig.recorder.errors == 0


def test_a_lifting_counts_though_the_opt_out_was_never_told() -> None:
    rig = make()
    fill(rig)
    rig.recorder.opt_out()
    rig.line.down.append(encode_downlink(m.NewStream(rig.stream)))
    rig.line.join()
    rig.step(3, deliver=False)
    rig.recorder.opt_out(False)
    join(rig)
    assert frames_after(rig, "in") == 1


def test_the_app_lifts_what_the_bridge_ordered_and_was_not_told_of_yet() -> None:
    rig = make()
    fill(rig)
    rig.line.join()
    order = encode_downlink(m.OptOutOrder(True))
    rig.line.down.append(order)
    rig.step(1, deliver=False)
    assert rig.recorder._session.opted_out_by_bridge
    rig.recorder.opt_out(False)
    rig.line.down.append(order)  # repeated before the bridge could hear
    rig.step(1, deliver=False)
    assert not rig.recorder._session.opted_out
    join(rig)
    assert rig.bodies(m.OptOut)[-1] == m.OptOut(False)
    assert frames_after(rig, "in") == 1


def test_a_lifting_is_told_again_by_the_next_stream() -> None:
    rig = make()
    rig.recorder.opt_out()
    rig.settle()
    rig.recorder.opt_out(False)
    rig.step(1, deliver=False)
    rig.line.up.clear()  # the bridge does not hear of it
    rig.line.down.append(encode_downlink(m.NewStream(rig.stream)))
    rig.step(5, deliver=False)
    rig.line.down.append(encode_downlink(m.OptOutOrder(True)))
    rig.step(1, deliver=False)
    assert not rig.recorder._session.opted_out
    join(rig)
    assert rig.bodies(m.OptOut) == [m.OptOut(False)]
    assert frames_after(rig, "in") == 1
