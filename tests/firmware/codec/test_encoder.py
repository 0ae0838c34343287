from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixeltrail.codec.encoder import Encoder
from pixeltrail_bridge.replay.canvas import Canvas
from pixeltrail_bridge.replay.formats import picture_bytes
from pixeltrail_bridge.wire.messages import PixelFormat

from tests.firmware.codec.coding import Device, without_unused_bits

FORMATS = list(PixelFormat)


def edit(picture: bytearray, seed: random.Random) -> None:
    """What an app does to a picture: flat areas, noise, single bytes, moved blocks."""
    for _ in range(seed.randrange(1, 4)):
        start = seed.randrange(len(picture))
        size = min(len(picture) - start, seed.choice((1, 2, 7, 40, 400)))
        how = seed.randrange(4)
        if how == 0:
            picture[start : start + size] = bytes([seed.choice((0, 255, 0x5A))]) * size
        elif how == 1:
            picture[start : start + size] = seed.randbytes(size)
        elif how == 2:
            source = seed.randrange(len(picture) - size + 1)
            picture[start : start + size] = picture[source : source + size]
        else:
            picture[start : start + size] = bytes(seed.choices(b"\x00\xff\x81\x18\x3c", k=size))


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)
@settings(max_examples=25, deadline=None)
@given(
    width=st.integers(1, 400),
    height=st.integers(1, 40),
    gap=st.integers(0, 5),
    strip_width=st.sampled_from((0, 8, 16, 32, 64)),
    room=st.one_of(st.integers(400, 600), st.integers(600, 4000)),
    budget_px=st.sampled_from((1, 500, 1 << 20)),
    seed=st.randoms(use_true_random=False),
)
def test_round_trip(
    format: PixelFormat, width: int, height: int, gap: int, strip_width: int, room: int, budget_px: int,
    seed: random.Random,
) -> None:  # fmt: skip
    device = Device(width, height, format, gap, strip_width)
    canvas = Canvas(device.display, use_numba=False)
    picture = bytearray(picture_bytes(format, width, height))
    for number in range(4):
        edit(picture, seed)
        device.draw(picture)
        device.encoder.refresh()
        parts = list(device.frame(number == 0, room, budget_px))
        shown = [canvas.apply(part) for part in parts]
        assert shown[-1] is not None and not any(shown[:-1])
        assert not shown[-1].is_mixed and device.encoder.exact and not device.encoder.dirty
        assert canvas.picture == without_unused_bits(picture, width, height, format)


def test_nothing_changed_is_nothing_to_send() -> None:
    device = Device(128, 64, PixelFormat.MONO_VLSB)
    assert device.encoder.refresh() > 0
    list(device.frame(True))
    assert device.encoder.refresh() == 0
    assert not device.encoder.dirty
    device.encoder.begin(False)
    assert device.encoder.finished


def test_a_delta_covers_little_more_than_what_changed() -> None:
    device = Device(320, 240, PixelFormat.RGB565)
    canvas = Canvas(device.display, use_numba=False)
    device.encoder.refresh()
    list(map(canvas.apply, device.frame(True)))
    device.buffer[(100 * 320 + 50) * 2] = 7
    assert device.encoder.refresh() == 1
    (part,) = device.frame()
    shown = canvas.apply(part)
    assert shown is not None and shown.rectangles == ((32, 100, 32, 1),)
    assert len(part.payload) < 16


def test_noise_costs_no_more_than_its_pixels_and_headers() -> None:
    device = Device(320, 100, PixelFormat.RGB565)
    device.draw(random.Random(1).randbytes(64000))
    device.encoder.refresh()
    parts = list(device.frame(True))
    assert sum(len(part.payload) for part in parts) <= 64000 + 6 * len(parts) + 4


def test_a_row_too_wide_for_a_part_is_split_into_columns() -> None:
    device = Device(400, 3, PixelFormat.RGB565)
    canvas = Canvas(device.display, use_numba=False)
    for number in range(2):
        device.draw(random.Random(number).randbytes(2400))
        device.encoder.refresh()
        shown = [canvas.apply(part) for part in device.frame(number == 0, room=300)][-1]
        assert canvas.picture == device.buffer
        assert shown is not None and all(width < 400 for _, _, width, _ in shown.rectangles)


def test_a_small_rest_of_a_chunk_is_refused_once() -> None:
    device = Device(320, 10, PixelFormat.RGB565)
    encoder = device.encoder
    device.draw(random.Random(1).randbytes(6400))
    encoder.refresh()
    encoder.begin(True)
    out = bytearray(1000)
    assert encoder.encode_into(out, 0, 1000, 1 << 20) > 600
    # one row takes 640 bytes: more room would serve it better
    assert encoder.encode_into(out, 600, 1000, 1 << 20) == 0
    assert not encoder.finished
    assert encoder.encode_into(out, 600, 1000, 1 << 20) > 0  # no better offer came


def test_no_room_at_all() -> None:
    device = Device(32, 2, PixelFormat.RGB565)
    device.encoder.refresh()
    device.encoder.begin(True)
    out = bytearray(100)
    for end in range(10):
        assert device.encoder.encode_into(out, 0, end, 1 << 20) == 0
        assert out[end:] == bytes(100 - end)


def test_budget_bounds_the_work_of_a_part() -> None:
    device = Device(240, 240, PixelFormat.GS8)
    device.encoder.refresh()
    parts = list(device.frame(True, budget_px=2400))
    assert len(parts) == 24


class TestDrawingWhileAFrameIsUnderWay:
    def test_what_was_drawn_after_the_refresh_is_told_and_sent_again(self) -> None:
        device = Device(128, 64, PixelFormat.GS8)
        encoder = device.encoder
        canvas = Canvas(device.display, use_numba=False)
        encoder.refresh()
        list(map(canvas.apply, device.frame(True)))
        device.buffer[5000] = 1
        encoder.refresh()
        device.buffer[5000] = 2  # not shown yet
        (part,) = device.frame()
        shown = canvas.apply(part)
        assert shown is not None and shown.is_mixed and not encoder.exact
        assert not encoder.dirty  # the buffer is not what is shown: nothing to send before the next refresh
        device.buffer[5000] = 1
        assert encoder.refresh() > 0  # the hash is the old one again, the bridge's picture is not
        (part,) = device.frame()
        shown = canvas.apply(part)
        assert shown is not None and not shown.is_mixed
        assert canvas.picture == device.buffer

    def test_what_was_drawn_and_taken_back_between_two_frames_is_sent_again(self) -> None:
        device = Device(64, 64, PixelFormat.RGB565)
        canvas, encoder = Canvas(device.display, use_numba=False), device.encoder
        encoder.refresh()
        list(map(canvas.apply, device.frame(True)))
        device.buffer[2000:2010] = shown = bytes(range(10))
        assert encoder.refresh() == 1
        device.buffer[2000:2010] = b"x" * 10
        list(map(canvas.apply, device.frame()))
        list(map(canvas.apply, device.frame(True)))  # before another refresh, and as torn
        device.buffer[2000:2010] = shown
        assert encoder.refresh() == 1
        list(map(canvas.apply, device.frame()))
        assert canvas.picture == device.buffer

    def test_a_refresh_during_a_keyframe_leaves_a_delta(self) -> None:
        device = Device(128, 64, PixelFormat.GS8)
        encoder = device.encoder
        canvas = Canvas(device.display, use_numba=False)
        device.draw(random.Random(1).randbytes(8192))
        encoder.refresh()
        parts = device.frame(True, room=1000)
        canvas.apply(next(parts))
        device.buffer[0] ^= 1  # coded already
        device.buffer[8000] ^= 1  # still to come
        encoder.refresh()
        shown = [canvas.apply(part) for part in parts][-1]
        assert shown is not None and shown.is_keyframe
        assert encoder.dirty
        list(map(canvas.apply, device.frame()))
        assert canvas.picture == device.buffer and not encoder.dirty

    def test_a_delta_may_be_closed_and_another_goes_on(self) -> None:
        device = Device(128, 64, PixelFormat.GS8)
        encoder = device.encoder
        canvas = Canvas(device.display, use_numba=False)
        encoder.refresh()
        list(map(canvas.apply, device.frame(True)))
        device.draw(random.Random(1).randbytes(8192))
        encoder.refresh()
        parts = device.frame(room=1000)
        first = next(parts)
        parts.close()
        canvas.apply(type(first)(first.flags | 4 | 8, first.payload))
        device.buffer[0] ^= 1
        encoder.refresh()
        list(map(canvas.apply, device.frame()))
        assert canvas.picture == device.buffer


@pytest.mark.parametrize(
    "arguments",
    [
        (bytearray(10), 16, 16, 9),
        (bytearray(10), 0, 16, 0),
        (bytearray(10), 16, 1025, 0),
        (bytearray(31), 16, 16, 0),
        (bytearray(256), 16, 16, 5, 15),
        (bytearray(256), 16, 16, 5, 0, 12),
    ],
)
def test_wrong_arguments(arguments: tuple) -> None:
    with pytest.raises(ValueError):
        Encoder(*arguments)


def test_effort_bounds_the_bytes_of_pixels_in_a_part() -> None:
    """Noise in one half, some of it in the other: parts are short but where pixels are raw, and all is exact."""
    device = Device(320, 60, PixelFormat.RGB565)
    canvas = Canvas(device.display, use_numba=False)
    encoder = device.encoder
    dice = random.Random(3)
    encoder.limit(96)
    for number in range(3):
        noise = dice.randbytes(38400)
        device.draw(bytes(noise[i] if i % 640 < 320 else noise[i] & 0x11 for i in range(38400)))
        encoder.refresh()
        total = 0
        for part in device.frame(number == 0):
            canvas.apply(part)
            assert encoder.spent() <= 96 + 31 + 57
            total += len(part.payload)
        assert canvas.picture == device.buffer
        assert total < 38400 * 1.1


def test_noise_that_ends_is_noticed() -> None:
    device = Device(320, 240, PixelFormat.RGB565)
    device.encoder.limit(96)
    device.draw(random.Random(1).randbytes(640 * 12) + bytes(640 * 228))
    device.encoder.refresh()
    sizes = [len(part.payload) for part in device.frame(True)]
    assert sum(sizes) < 640 * 18
