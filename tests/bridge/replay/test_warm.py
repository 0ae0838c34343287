from __future__ import annotations

from pixeltrail_bridge.replay import warm
from pixeltrail_bridge.replay.canvas import Canvas
from pixeltrail_bridge.wire.messages import Display, Frame


def test_the_frames_can_be_painted_by_the_plain_decoder_too() -> None:
    for format, parts in warm._FRAMES:
        canvas = Canvas(Display(32, 8, format, 16, 1, 128, None, 0), use_numba=False)
        shown = [canvas.apply(Frame(flags, bytes.fromhex(payload))) for flags, payload in parts]
        assert [one is not None and one.is_keyframe for one in shown] == [True, False]


def test_it_warms_up() -> None:
    warm.warm_up()
