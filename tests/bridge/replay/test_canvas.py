from __future__ import annotations

from collections.abc import Iterator

import pytest
from pixeltrail_bridge.errors import FrameError
from pixeltrail_bridge.replay.canvas import Canvas
from pixeltrail_bridge.wire.messages import Frame, FrameFlag, PixelFormat

from tests.firmware.codec.coding import CORPUS_FORMATS, Device
from tests.support import corpus

KEY, FIRST, LAST, MIXED = FrameFlag.KEY, FrameFlag.FIRST, FrameFlag.LAST, FrameFlag.MIXED


@pytest.fixture
def device() -> Device:
    device = Device(64, 32, PixelFormat.GS8)
    device.draw(bytes(i * 7 & 255 for i in range(64 * 32)))
    device.encoder.refresh()
    return device


@pytest.fixture
def canvas(device: Device) -> Canvas:
    return Canvas(device.display, use_numba=False)


def change(device: Device, at: int = 0) -> Iterator[Frame]:
    device.buffer[at] ^= 1
    device.encoder.refresh()
    return device.frame(room=200)


def test_sequence_round_trip(sequence: corpus.Sequence) -> None:
    device = Device(sequence.width, sequence.height, CORPUS_FORMATS[sequence.format])
    canvas = Canvas(device.display)
    for number, picture in enumerate(sequence.frames):
        device.draw(picture)
        device.encoder.refresh()
        shown = [canvas.apply(part) for part in device.frame(number == 0)][-1]
        assert shown is not None and not shown.is_mixed
        assert canvas.picture == picture, f"frame {number}"


def test_a_frame_becomes_visible_with_its_last_part(device: Device, canvas: Canvas) -> None:
    parts = list(device.frame(True, room=300))
    assert len(parts) > 2
    for part in parts[:-1]:
        assert canvas.apply(part) is None
        assert not canvas.synced and canvas.picture == bytes(2048)
    shown = canvas.apply(parts[-1])
    assert shown is not None and shown.is_keyframe and shown.parts == len(parts)
    assert shown.size_bytes == sum(len(part.payload) for part in parts) - 4
    assert sum(w * h for _, _, w, h in shown.rectangles) == 2048
    assert canvas.synced and canvas.picture == device.buffer


def test_rectangles_end_at_the_display() -> None:
    device = Device(21, 13, PixelFormat.MONO_VLSB)
    canvas = Canvas(device.display, use_numba=False)
    device.encoder.refresh()
    (part,) = device.frame(True)
    shown = canvas.apply(part)
    assert shown is not None and shown.rectangles == ((0, 0, 21, 13),)


class TestLoss:
    def test_nothing_new_until_the_next_keyframe(self, device: Device, canvas: Canvas) -> None:
        list(map(canvas.apply, device.frame(True, room=300)))
        canvas.discard()
        before = bytes(canvas.picture)
        assert [canvas.apply(part) for part in change(device)] == [None]
        assert canvas.ignored == 1 and canvas.picture == before
        parts = list(device.frame(True, room=300))
        assert canvas.apply(parts[1]) is None  # its beginning is lost as well
        assert canvas.ignored == 2
        list(map(canvas.apply, parts))
        assert canvas.synced and canvas.picture == device.buffer

    def test_an_unfinished_frame_is_discarded(self, device: Device, canvas: Canvas) -> None:
        list(map(canvas.apply, device.frame(True)))
        before = bytes(canvas.picture)
        device.buffer[:] = bytes(2048)
        device.encoder.refresh()
        canvas.apply(next(device.frame(budget_px=100)))
        canvas.discard()
        assert canvas.discarded == 1 and canvas.picture == before

    def test_a_new_first_part_discards_the_frame_under_way(self, device: Device, canvas: Canvas) -> None:
        parts = list(device.frame(True, room=300))
        canvas.apply(parts[0])
        list(map(canvas.apply, parts))
        assert canvas.discarded == 1 and canvas.synced

    def test_a_later_part_without_the_first(self, device: Device, canvas: Canvas) -> None:
        list(map(canvas.apply, device.frame(True)))
        with pytest.raises(FrameError, match="without the first"):
            canvas.apply(Frame(LAST, b""))
        assert not canvas.synced


class TestBadFrames:
    def test_wrong_checksum(self, device: Device, canvas: Canvas) -> None:
        parts = list(device.frame(True, room=4000))
        bad = Frame(parts[-1].flags, parts[-1].payload[:-1] + bytes([parts[-1].payload[-1] ^ 1]))
        with pytest.raises(FrameError, match="checksum"):
            list(map(canvas.apply, [*parts[:-1], bad]))
        assert not canvas.synced and canvas.picture == bytes(2048) and canvas.discarded == 1
        list(map(canvas.apply, parts))
        assert canvas.picture == device.buffer

    def test_a_keyframe_that_does_not_cover_the_display(self, canvas: Canvas) -> None:
        with pytest.raises(FrameError, match="painted 0 bytes of 2048"):
            canvas.apply(Frame(KEY | FIRST | LAST, bytes(4)))

    def test_a_keyframe_without_checksum(self, canvas: Canvas) -> None:
        with pytest.raises(FrameError, match="no room for the checksum"):
            canvas.apply(Frame(KEY | FIRST | LAST, b"abc"))

    def test_key_and_delta_parts_mixed_up(self, canvas: Canvas) -> None:
        canvas.apply(Frame(KEY | FIRST, b""))
        with pytest.raises(FrameError, match="mixed up"):
            canvas.apply(Frame(LAST, b""))

    def test_a_payload_type_from_the_future(self, canvas: Canvas) -> None:
        with pytest.raises(FrameError, match="payload type 2"):
            canvas.apply(Frame(KEY | FIRST | 2 << 5, b""))

    def test_the_picture_stays_when_a_payload_breaks_off(self, device: Device, canvas: Canvas) -> None:
        list(map(canvas.apply, device.frame(True)))
        before = bytes(canvas.picture)
        device.draw(bytes(2048))
        device.encoder.refresh()
        (part,) = device.frame()
        with pytest.raises(FrameError):
            canvas.apply(Frame(part.flags, part.payload[:-1]))
        assert canvas.picture == before and not canvas.synced


def test_a_mixed_frame_may_end_without_payload(device: Device, canvas: Canvas) -> None:
    list(map(canvas.apply, device.frame(True)))
    shown = canvas.apply(Frame(FIRST | LAST | MIXED, b""))
    assert shown is not None and shown.is_mixed and shown.rectangles == ()


def test_rgba_of_a_rectangle(device: Device, canvas: Canvas) -> None:
    list(map(canvas.apply, device.frame(True)))
    assert canvas.rgb().shape == (32, 64, 3)
    expected = b"".join(bytes([device.buffer[y * 64 + x]] * 3 + [255]) for y in (5, 6) for x in (3, 4, 5))
    assert canvas.rgba(3, 5, 3, 2) == expected
