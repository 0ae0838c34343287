"""The decoder under bytes that no encoder wrote. `python -m tests.bridge.replay.hammer 10000000` is the long run."""

from __future__ import annotations

import pytest
from pixeltrail_bridge.errors import FrameError
from pixeltrail_bridge.replay import coded, formats
from pixeltrail_bridge.replay.operations import PICTURES_PER_PART, Painter
from pixeltrail_bridge.wire.limits import MAX_FRAME_RECTS, MAX_MESSAGE_BYTES
from pixeltrail_bridge.wire.messages import Display, PixelFormat

from tests.bridge.replay import hammer


def test_a_hundred_thousand_payloads_paint_or_are_refused() -> None:
    tally = hammer.run(100_000)
    assert tally.cases == 100_000
    assert min(tally.painted, tally.refused) > 1000, "cases of one kind only prove little"


def test_both_decoders_agree_on_them() -> None:
    plain = [hammer.Target(display, use_numba=False) for display in hammer.DISPLAYS[:2]]
    fast = [hammer.Target(display, use_numba=True) for display in hammer.DISPLAYS[:2]]
    source = hammer.payloads(2, hammer.golden())
    for number in range(600):
        payload = next(source)
        assert plain[number % 2].hit(payload) == fast[number % 2].hit(payload), payload.hex()


@pytest.mark.parametrize("format", [PixelFormat.MONO_VLSB, PixelFormat.GS8, PixelFormat.RGB565])
@pytest.mark.parametrize("byte", [0x00, 0x55, 0x80, 0xFF])
def test_a_bomb_is_refused_within_its_bounds(format: PixelFormat, byte: int) -> None:
    """The largest payload on the largest display: what is done before it is refused is counted, not timed."""
    rows = 8 if format == PixelFormat.MONO_VLSB else 1
    display = Display(1024, 1024, format, 32, rows, 128, None, 0)
    painter = Painter(display)
    painter.reset()
    picture = bytearray(formats.picture_bytes(format, 1024, 1024))
    try:
        areas = painter.paint(bytes([byte]) * MAX_MESSAGE_BYTES, picture, bytes(picture))
    except FrameError as error:
        assert "byte " in str(error)
    else:
        assert len(areas) <= MAX_FRAME_RECTS
        assert sum(width * high for _, _, width, high in areas) <= PICTURES_PER_PART * len(picture)


def test_pixels_without_bytes_are_counted_before_they_are_decoded() -> None:
    """After its end a payload reads as zeros, which could go on for ever: the budget ends it."""
    budget = 3 * 64
    state = [0] * 8
    data: list[int] = []
    coded.start(data, state)
    values = [0] * (64 * 100)
    done = coded.colour(
        data, state, _states(), [0] * 2000, 904, [0] * 128, [0] * 8, values, 64, 0, 100, 8, 0, budget
    )
    assert done in (coded.TOO_MUCH, coded.BAD_RAW)


def _states() -> list[int]:
    from pixeltrail_bridge.replay.states import STATES

    return list(STATES)
