"""Any part of a stream lost for good: nothing wrong is shown, and the next keyframe restores the picture."""

from __future__ import annotations

import random

import pytest
from pixeltrail_bridge.replay.canvas import Canvas
from pixeltrail_bridge.wire.messages import Frame, PixelFormat

from tests.firmware.codec.coding import Device
from tests.firmware.codec.round_trips import pictures

FRAMES = 4  # before the second keyframe, and after it


def film(format: PixelFormat) -> tuple[Device, list[tuple[bytes, list[Frame]]]]:
    device = Device(96, 64, format)
    dice = random.Random(int(format))
    frames = []
    for number, picture in enumerate(pictures(device, dice) + pictures(device, dice)):
        device.draw(picture)
        device.encoder.refresh()
        frames.append((picture, list(device.frame(number % FRAMES == 0, room=400))))
    return device, frames


@pytest.mark.parametrize("format", [PixelFormat.MONO_VLSB, PixelFormat.GS4_HMSB, PixelFormat.RGB565])
def test_the_next_keyframe_restores_what_a_lost_part_took(format: PixelFormat) -> None:
    device, frames = film(format)
    parts = [(number, part) for number, (_, coded) in enumerate(frames) for part in coded]
    for lost in range(len(parts)):
        canvas = Canvas(device.display, use_numba=False)
        for index, (number, part) in enumerate(parts):
            if index == lost:
                canvas.discard()
                continue
            shown = canvas.apply(part)
            is_whole = number < parts[lost][0] or number >= FRAMES > parts[lost][0]
            if shown is not None:
                assert canvas.picture == frames[number][0], f"part {lost} lost, frame {number} is wrong"
            elif is_whole:
                assert index + 1 < len(parts) and parts[index + 1][0] == number, f"frame {number} never came"
        if parts[lost][0] < FRAMES:
            assert canvas.synced and canvas.picture == frames[-1][0]
