from __future__ import annotations

import pytest
from pixeltrail_bridge.replay.timeline import Timeline, pictures
from pixeltrail_bridge.wire.messages import Body, Chunk, Frame, Gap, Key, PixelFormat, Record

from tests.firmware.codec.coding import Device

STREAM = bytes(8)


def chunk(seq: int, *bodies: Body) -> Chunk:
    records = tuple(Record(i, 100 * seq + i, body) for i, body in enumerate(bodies))
    return Chunk(STREAM, seq, 100 * seq, records)


@pytest.fixture
def device() -> Device:
    device = Device(32, 8, PixelFormat.RGB565)
    device.encoder.refresh()
    return device


def draw(device: Device, value: int) -> list[Frame]:
    device.draw(bytes([value]) * len(device.buffer))
    device.encoder.refresh()
    return list(device.frame())


def test_pictures_of_a_stream(device: Device) -> None:
    chunks = [
        chunk(0, device.display),
        chunk(1, *device.frame(True)),
        chunk(2, Key("a", 0, 0), *draw(device, 5)),
    ]
    shown = list(pictures(chunks))
    assert [(moment.seq, moment.index, moment.time_ms) for moment, _ in shown] == [(1, 0, 100), (2, 1, 201)]
    assert [picture[0] for _, picture in shown] == [0xA5, 5]


def test_every_record_is_a_moment(device: Device) -> None:
    timeline = Timeline()
    moments = list(timeline.feed(chunk(0, Key("a", 0, 0), Key("a", 2, 0))))
    assert [moment.body for moment in moments] == [Key("a", 0, 0), Key("a", 2, 0)]
    assert timeline.canvas is None


def test_a_missing_chunk_hides_frames_until_a_keyframe(device: Device) -> None:
    timeline = Timeline()
    list(timeline.feed(chunk(0, device.display)))
    list(timeline.feed(chunk(1, *device.frame(True))))
    (late,) = timeline.feed(chunk(3, *draw(device, 5)))
    assert late.shown is None and late.error is None and timeline.lost_chunks == 1
    (whole,) = timeline.feed(chunk(4, *device.frame(True)))
    assert whole.shown is not None and whole.shown.is_keyframe


def test_a_loss_that_is_told_counts_once(device: Device) -> None:
    timeline = Timeline()
    list(timeline.feed(chunk(0, device.display, *device.frame(True))))
    timeline.lost(1, 3)
    list(timeline.feed(chunk(3, *draw(device, 5))))
    assert timeline.lost_chunks == 2
    assert timeline.canvas is not None and not timeline.canvas.synced


def test_a_gap_record_hides_frames(device: Device) -> None:
    timeline = Timeline()
    list(timeline.feed(chunk(0, device.display, *device.frame(True))))
    *_, moment = timeline.feed(chunk(1, Gap(5, 6, 0, 0, 0, 3), *draw(device, 5)))
    assert moment.shown is None


def test_a_gap_that_only_counts_refusals_keeps_the_picture(device: Device) -> None:
    timeline = Timeline()
    list(timeline.feed(chunk(0, device.display, *device.frame(True))))
    *_, moment = timeline.feed(chunk(1, Gap(1, 1, 3, 0, 0, 1), *draw(device, 5)))
    assert moment.shown is not None


def test_a_bad_frame_is_told_and_the_stream_goes_on(device: Device) -> None:
    timeline = Timeline()
    list(timeline.feed(chunk(0, device.display, *device.frame(True))))
    (bad,) = timeline.feed(chunk(1, Frame(6, b"\xff")))
    assert bad.error is not None and "byte 0" in bad.error
    (good,) = timeline.feed(chunk(2, *device.frame(True)))
    assert good.shown is not None and good.error is None


def test_a_display_that_makes_no_sense(device: Device) -> None:
    timeline = Timeline()
    bad = type(device.display)(32, 8, PixelFormat.GS8, 32, 8, 0, None, 0)
    (moment,) = timeline.feed(chunk(0, bad))
    assert moment.error is not None and timeline.canvas is None
    (moment,) = timeline.feed(chunk(1, *device.frame(True)))
    assert moment.shown is None
