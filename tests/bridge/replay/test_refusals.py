"""What a gap record costs a replay: one that tells of refusals alone costs nothing, one that tells of chunks all."""

from __future__ import annotations

import pytest
from pixeltrail.codec.encoder import Encoder
from pixeltrail_bridge.replay.timeline import Timeline
from pixeltrail_bridge.wire.messages import (
    Body,
    Chunk,
    Display,
    Frame,
    FrameFlag,
    Gap,
    GapReason,
    PixelFormat,
    Record,
)

WIDTH, HEIGHT = 64, 32
STREAM = b"refusals"
REFUSED = Gap(3, 3, 2, 0, 1, GapReason.OUTBOX_FULL)
LOST = Gap(2, 3, 0, 0, 0, GapReason.OPT_OUT)


class Device:
    """A display, and the frames that a recorder makes of it."""

    def __init__(self) -> None:
        self.picture = bytearray(WIDTH * HEIGHT // 8)
        self._encoder = Encoder(self.picture, WIDTH, HEIGHT, PixelFormat.MONO_HLSB)
        self.display = Display(
            WIDTH,
            HEIGHT,
            PixelFormat.MONO_HLSB,
            self._encoder.strip_width,
            self._encoder.strip_rows,
            128,
            None,
            0,
        )

    def frame(self, is_key: bool = False, flags: int = FrameFlag.FIRST | FrameFlag.LAST) -> Frame:
        """The next frame, in which another byte of the display is lit."""
        self.picture[self.picture.index(0)] = 255
        self._encoder.refresh()
        self._encoder.begin(is_key)
        flags |= self._encoder.payload_type << 5
        out = bytearray(4096)
        size = self._encoder.encode_into(out, 0, len(out) - 4, 1 << 20)
        assert self._encoder.finished
        if is_key:
            self._encoder.checksum_into(out, size)
            return Frame(flags | FrameFlag.KEY | FrameFlag.RESET, bytes(out[: size + 4]))
        return Frame(flags, bytes(out[:size]))


def show(timeline: Timeline, seq: int, body: Body) -> bytes | None:
    """The picture that becomes visible with this record, None when none does."""
    (moment,) = timeline.feed(Chunk(STREAM, seq, seq * 100, (Record(0, seq * 100, body),)))
    assert moment.error is None
    return bytes(timeline.canvas.picture) if moment.shown and timeline.canvas else None


@pytest.fixture
def device() -> Device:
    return Device()


@pytest.fixture
def timeline(device: Device) -> Timeline:
    line = Timeline()
    assert show(line, 0, device.display) is None
    assert show(line, 1, device.frame(is_key=True)) == device.picture
    return line


def test_frames_go_on_after_refusals(device: Device, timeline: Timeline) -> None:
    assert show(timeline, 2, device.frame()) == device.picture
    assert show(timeline, 3, REFUSED) is None
    assert show(timeline, 4, device.frame()) == device.picture


def test_after_lost_chunks_nothing_is_shown_before_a_keyframe(device: Device, timeline: Timeline) -> None:
    show(timeline, 2, LOST)
    assert show(timeline, 3, device.frame()) is None
    assert show(timeline, 4, device.frame(is_key=True)) == device.picture


def test_refusals_inside_a_frame_cost_that_frame(device: Device, timeline: Timeline) -> None:
    assert show(timeline, 2, device.frame(flags=FrameFlag.FIRST)) is None
    show(timeline, 3, REFUSED)
    assert timeline.canvas is not None and timeline.canvas.discarded == 1
    assert show(timeline, 4, device.frame()) is None
    assert show(timeline, 5, device.frame(is_key=True)) == device.picture
