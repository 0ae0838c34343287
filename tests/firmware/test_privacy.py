"""Opt-out, masks and what else is never recorded."""

from __future__ import annotations

import pytest
from pixeltrail import wire
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_downlink

from .rig import Rig

KEY = wire.FRAME_KEY


def tell(rig, down):
    rig.line.down.append(encode_downlink(down))
    rig.step()


def test_opt_out_ends_recording_and_tells_the_bridge():
    heard = []
    rig = Rig(on_opt_out=heard.append)
    rig.show()
    rig.settle()
    rig.recorder.opt_out()
    rig.show(50)
    rig.recorder.touch(1, 1)
    rig.recorder.track("A")
    rig.settle()
    assert heard == [True]
    assert len(rig.frames()) == 1 and rig.bodies(m.Touch) == [] and m.Track("A", {}) in rig.bodies()
    assert rig.bodies(m.OptOut) == [m.OptOut(True)]
    assert rig.recorder.replay_id() is None
    rig.recorder.start()
    tell(rig, m.OptOutOrder(False))
    rig.show(60)
    rig.settle()
    assert len(rig.frames()) == 1, "only the application lifts its own opt-out"
    rig.recorder.opt_out(False)
    rig.show(70)
    rig.settle()
    assert rig.bodies(m.OptOut) == [m.OptOut(True), m.OptOut(False)]
    assert rig.frames()[-1] & KEY and len(rig.frames()) == 2


def test_the_bridge_may_opt_out_and_in():
    rig = Rig()
    tell(rig, m.OptOutOrder(True))
    rig.show()
    rig.settle()
    assert rig.frames() == []
    tell(rig, m.OptOutOrder(False))
    rig.show(3)
    rig.settle()
    assert len(rig.frames()) == 1


def test_the_bridge_repeating_old_news_does_not_opt_out_again():
    rig = Rig()
    rig.recorder.opt_out()
    rig.settle()
    rig.recorder.opt_out(False)
    rig.line.down.append(encode_downlink(m.OptOutOrder(True)))
    rig.step()
    rig.settle()
    rig.show()
    rig.settle()
    assert len(rig.frames()) == 1


def test_an_opt_out_from_the_start():
    rig = Rig(opt_out=True)
    rig.show()
    rig.settle()
    assert rig.frames() == [] and rig.bodies(m.OptOut) == [m.OptOut(True)]


# --- over reboots ---


@pytest.mark.parametrize("who", ["app", "bridge"])
def test_an_opt_out_outlives_a_reboot(tmp_path, who):
    state_file = str(tmp_path / "kept")
    rig = Rig(state_file=state_file)
    if who == "app":
        rig.recorder.opt_out()
    else:
        tell(rig, m.OptOutOrder(True))
    rig.settle()
    rig = Rig(state_file=state_file)
    tell(rig, m.Config({"sample_rate": 1.0, "capture_enabled": True}, 60))
    rig.recorder.start()
    rig.show()
    rig.settle()
    assert rig.frames() == [] and rig.bodies(m.OptOut) == [m.OptOut(True)]
    rig.recorder.opt_out(False)
    rig = Rig(state_file=state_file)
    rig.show()
    rig.settle()
    assert len(rig.frames()) == 1 and rig.bodies(m.OptOut) == []


def test_an_opt_out_that_is_not_kept_says_so(capsys, tmp_path):
    for settings in ({"on_opt_out": print}, {"state_file": str(tmp_path / "kept")}, {}):
        assert "not kept" not in capsys.readouterr().out
        Rig(log_level=2, **settings).recorder.opt_out()
    assert capsys.readouterr().out.count("an opt-out is not kept over restarts") == 1


# --- masks ---


class Painter:
    """An encoder that also takes note of its masks."""

    def __init__(self, encoder):
        self._encoder = encoder
        self.masks = None

    def __getattr__(self, name):
        return getattr(self._encoder, name)

    def set_masks(self, flat):
        self.masks = flat
        self._encoder.set_masks(flat)


def masked(**settings):
    rig = Rig(**settings)
    recorder = rig.recorder
    painter = Painter(recorder._sight.encoder)
    recorder._capture.use(painter)
    recorder._masks.use(painter, 128, 64)
    return rig, painter


def test_touches_inside_a_mask_carry_no_coordinates():
    rig, painter = masked(masks=[(10, 10, 20, 20)])
    rig.recorder.touch(15, 15)
    rig.recorder.touch(30, 15)
    rig.settle()
    assert rig.bodies(m.Touch) == [m.Touch(None, None, m.Phase.DOWN), m.Touch(30, 15, m.Phase.DOWN)]
    assert rig.bodies(m.Masks)[-1] == m.Masks(((10, 10, 20, 20),))
    assert painter.masks == (10, 10, 20, 20)


def test_masks_come_and_go():
    rig, painter = masked()
    rig.show()
    rig.settle()
    assert rig.bodies(m.Masks) == []
    rig.recorder.mask(100, 50, 99, 99)
    assert painter.masks == (100, 50, 28, 14)
    rig.show(5)
    rig.settle()
    rig.recorder.unmask(100, 50, 99, 99)
    rig.recorder.unmask(1, 2, 3, 4)
    rig.settle()
    assert rig.bodies(m.Masks) == [m.Masks(((100, 50, 28, 14),)), m.Masks(())]
    assert len(rig.frames()) == 2 and not rig.frames()[1] & KEY, "a mask repaints by a delta"


def test_masks_of_the_bridge_are_added():
    rig, painter = masked(masks=[(0, 0, 8, 8)])
    tell(rig, m.Config({"masks": [8, 8, 8, 8]}, 2))
    assert painter.masks == (0, 0, 8, 8, 8, 8, 8, 8)
    rig.step(3, ms=1000)
    assert painter.masks == (0, 0, 8, 8)


class Unmasking:
    """An encoder without masks, or without memory for them."""

    def __init__(self, encoder, error=None):
        self._encoder = encoder
        self._error = error

    def __getattr__(self, name):
        if name == "set_masks":
            if self._error is None:
                raise AttributeError(name)
            return self._raise
        return getattr(self._encoder, name)

    def _raise(self, flat):
        raise self._error


def test_an_encoder_that_cannot_mask_records_no_picture(capsys):
    rig = Rig(log_level=1)
    recorder = rig.recorder
    recorder._masks._encoder = Unmasking(recorder._sight.encoder)
    recorder.mask(0, 0, 8, 8)
    rig.show()
    recorder.touch(50, 50)
    rig.settle()
    assert rig.frames() == [] and len(rig.bodies(m.Touch)) == 1
    assert capsys.readouterr().out.count("no picture is recorded") == 1


def test_no_picture_is_recorded_until_there_is_memory_for_the_masks():
    rig = Rig()
    recorder = rig.recorder
    encoder = recorder._sight.encoder
    recorder._masks._encoder = Unmasking(encoder, MemoryError())
    recorder.mask(0, 0, 16, 8)
    rig.show()
    rig.step(20, ms=100)
    assert rig.frames() == [] and recorder.errors > 10 and recorder.stats()["off"] == []
    recorder._masks._encoder = encoder
    rig.step(2, ms=100)
    rig.show(16)
    rig.settle()
    assert not any(rig.pictures()[-1][0][:16]) and rig.pictures()[-1][0][16] == 255


PAD = (30, 10, 50, 40)


def type_pin(pin):
    """A PIN pad on a page display: digits light up as they are typed. Returns all that the bridge got."""
    rig = Rig(masks=[PAD], mask_keys=True)
    rig.show(3, 0x3C, 20)
    rig.settle()
    for digit in pin:
        x, y = 32 + digit % 3 * 16, 12 + digit // 3 * 9
        for i in range(8):
            rig.draw(128 * (y >> 3) + x + i, 0xA5 + digit)
        rig.display.show()
        rig.recorder.touch(x, y)
        rig.step(3)
        rig.recorder.key(str(digit), wire.DOWN)
        rig.recorder.touch(x, y, wire.UP)
        rig.step(7)
    rig.show(1000, 0x42, 3)
    rig.settle()
    return rig


def test_a_pin_cannot_be_read_from_anything():
    one, other = type_pin([1, 2, 3, 4]), type_pin([9, 7, 0, 0])
    assert one.bodies() == other.bodies()
    lengths = [[len(c) for _, c in sorted(r.bridge.streams[r.stream].chunks.items())] for r in (one, other)]
    assert lengths[0] == lengths[1]
    assert one.bodies(m.Touch) and all(touch.x is None for touch in one.bodies(m.Touch))
    assert one.bodies(m.Key) == []
    picture = one.pictures()[-1][0]
    assert picture[3] == 0x3C and picture[1000] == 0x42
    assert not any(picture[128 * page + x] for page in range(1, 7) for x in range(16, 80))


def test_a_mask_of_the_bridge_blackens_what_was_shown():
    rig = Rig()
    rig.show(0, 255, 1024)
    rig.settle()
    tell(rig, m.Config({"masks": [0, 0, 16, 8]}, 600))
    rig.show(1000, 7)
    rig.settle()
    assert not any(rig.pictures()[-1][0][:16]) and rig.pictures()[-1][0][16] == 255
    assert [flags & KEY for flags in rig.frames()] == [KEY, 0]


def test_no_key_is_recorded_while_they_are_masked():
    rig = Rig(mask_keys=True)
    rig.recorder.key("1", wire.DOWN)
    rig.recorder.touch(1, 1)
    rig.settle()
    assert rig.bodies(m.Key) == [] and len(rig.bodies(m.Touch)) == 1


def test_not_even_the_step_after_an_opt_out_sends_replay_data():
    rig = Rig()
    rig.settle()
    rig.line.cut()
    for n in range(200):
        rig.recorder.touch(n % 100, 1)
    rig.recorder.flush()
    rig.line.join()
    rig.recorder.opt_out()
    rig.settle()
    assert rig.bodies(m.Touch) == []
