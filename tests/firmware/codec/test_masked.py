"""Nothing that leaves an encoder depends on a masked pixel, and all else is exact."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixeltrail_bridge.replay.canvas import Canvas
from pixeltrail_bridge.wire.messages import Frame, FrameFlag, PixelFormat

from tests.firmware.codec.coding import Device, without_unused_bits
from tests.support import ports

FOLDER = Path(__file__).parent
BITS = {PixelFormat.MONO_VLSB: 8, PixelFormat.MONO_HLSB: 1, PixelFormat.MONO_HMSB: 1, PixelFormat.GS2_HMSB: 2}
BITS |= {PixelFormat.GS4_HMSB: 4, PixelFormat.RGB565: 16, PixelFormat.RGB565S: 16}

Flat = tuple[int, ...]


def flat_of(dice: random.Random, width: int, height: int, most: int = 3) -> Flat:
    flat: list[int] = []
    for _ in range(dice.randrange(most + 1)):
        x, y = dice.randrange(width), dice.randrange(height)
        flat += (x, y, dice.randrange(width - x) + 1, dice.randrange(height - y) + 1)
    return tuple(flat)


def strip_bytes(device: Device) -> int:
    return device.encoder.strip_width * BITS.get(device.format, 8) // 8


def strips_of(device: Device, flat: Flat) -> set[tuple[int, int]]:
    """The strips, by column and row, that masks touch; those at the right edge overlap their neighbours."""
    wide, high = device.encoder.strip_width, device.encoder.strip_rows
    last = (device.width - 1) // wide
    strips = set()
    for i in range(0, len(flat), 4):
        x, y, width, height = flat[i : i + 4]
        for column in range(x // wide, (x + width - 1) // wide + 1):
            strips |= {(column, row) for row in range(y // high, (y + height - 1) // high + 1)}
    if device.row_bytes % strip_bytes(device):
        strips |= {(last, row) for column, row in strips if column == last - 1}
    return strips


def spans(device: Device, strips: set[tuple[int, int]], pitch: int) -> Iterator[tuple[int, int]]:
    """Where the bytes of strips are."""
    for column, row in strips:
        start = column * strip_bytes(device)
        end = min(start + strip_bytes(device), device.row_bytes)
        yield row * pitch + start, row * pitch + end


class Twin:
    """Two devices that are shown the same but for masked strips, and a bridge."""

    def __init__(self, dice: random.Random, format: PixelFormat) -> None:
        width, height = dice.choice((8, 20, 33, 100, 170)), dice.choice((1, 9, 33, 70))
        shape = (
            width,
            height,
            format,
            dice.choice((0, 1, 4)),
            dice.choice((0, 8, 16)),
            dice.choice((0, 3, 128)),
        )
        self.dice = dice
        self.devices = (Device(*shape), Device(*shape))
        self.device = self.devices[0]
        self.canvas = Canvas(self.device.display, use_numba=False)
        self.masked: set[tuple[int, int]] = set()
        self.kept = [bytes(self.device.buffer)]

    def mask(self, flat: Flat) -> None:
        self.masked = strips_of(self.device, flat)
        for device in self.devices:
            device.encoder.set_masks(flat)
        # what was masked is from here on the same on both
        self.devices[1].buffer[:] = self.device.buffer

    def draw(self) -> None:
        """Both get the same picture, scrolled, restored or new in places; then what is masked differs."""
        d, dice = self.device, self.dice
        top = dice.randrange(d.rows)
        end = dice.randrange(top, d.rows) + 1
        how = dice.randrange(5)
        before = bytes(d.buffer)
        if how == 0:
            dy = dice.randrange(-12, 13)
            for row in range(max(top, top - dy), min(end, end - dy)):
                d.buffer[row * d.pitch : (row + 1) * d.pitch] = before[(row + dy) * d.pitch :][: d.pitch]
        elif how == 1:
            kept = dice.choice(self.kept)
            d.buffer[top * d.pitch : end * d.pitch] = kept[top * d.pitch : end * d.pitch]
        elif how == 2:
            self.kept = [*self.kept[-3:], before]
        else:
            left = dice.randrange(d.row_bytes)
            width = dice.randrange(d.row_bytes - left) + 1
            colour = dice.choice((b"\x00", b"\xff", b"\x5a", None))
            for row in range(top, min(end, top + 30)):
                at = row * d.pitch + left
                d.buffer[at : at + width] = colour * width if colour else dice.randbytes(width)
        other = self.devices[1].buffer
        other[:] = d.buffer
        for start, stop in spans(d, self.masked, d.pitch):
            other[start:stop] = dice.randbytes(stop - start)

    def refresh(self) -> int:
        d = self.device
        changed = [device.encoder.refresh() for device in self.devices]
        assert changed[0] == changed[1]
        shown = bytearray(b"".join(d.buffer[row * d.pitch :][: d.row_bytes] for row in range(d.rows)))
        for start, stop in spans(d, self.masked, d.row_bytes):
            shown[start:stop] = bytes(stop - start)
        self.shown = without_unused_bits(bytes(shown), d.width, d.height, d.format)
        return changed[0]

    def frame(self, is_key: bool, is_calm: bool) -> None:
        room, budget = self.dice.choice((400, 1000, 4000)), self.dice.choice((1, 300, 1 << 20))
        befores = [bytes(device.buffer) for device in self.devices]
        one, other = (device.frame(is_key, room, budget) for device in self.devices)
        for part in one:
            assert next(other) == part
            shown = self.canvas.apply(part)
            if part.flags & FrameFlag.LAST:
                assert next(other, None) is None
                if not shown.is_mixed:
                    assert self.canvas.picture == self.shown
            elif not is_calm and self.dice.random() < 0.5:
                self.draw()
                befores = [bytes(device.buffer) for device in self.devices]
        assert befores == [bytes(device.buffer) for device in self.devices], "the buffer is the app's"

    def settle(self) -> None:
        for _ in range(3):
            self.refresh()
            if self.device.encoder.dirty:
                self.frame(False, True)
        assert self.canvas.picture == self.shown


@pytest.mark.parametrize("format", PixelFormat, ids=lambda format: format.name)
@settings(max_examples=6, deadline=None, derandomize=True)
@given(number=st.integers(0, 1 << 32))
def test_masked_pixels_decide_nothing_and_the_others_are_exact(format: PixelFormat, number: int) -> None:
    dice = random.Random(number)
    twin = Twin(dice, format)
    twin.mask(flat_of(dice, twin.device.width, twin.device.height))
    for i in range(10):
        if dice.random() < 0.2:
            twin.mask(flat_of(dice, twin.device.width, twin.device.height))
        for _ in range(dice.randrange(4)):
            twin.draw()
        twin.refresh()
        is_key = i == 0 or dice.random() < 0.1
        if is_key or twin.device.encoder.dirty:
            twin.frame(is_key, dice.random() < 0.6)
    twin.settle()


def shown(device: Device, canvas: Canvas, is_key: bool) -> list[Frame]:
    device.encoder.refresh()
    parts = list(device.frame(is_key))
    for part in parts:
        canvas.apply(part)
    return parts


def test_a_mask_that_comes_later_is_painted_and_lifted() -> None:
    device = Device(100, 40, PixelFormat.GS8)
    picture = random.Random(1).randbytes(4000)
    device.draw(picture)
    canvas = Canvas(device.display, use_numba=False)
    shown(device, canvas, True)
    device.encoder.set_masks((20, 10, 1, 5))
    assert device.encoder.dirty
    parts = shown(device, canvas, False)
    assert sum(len(part.payload) for part in parts) < 20
    expected = bytearray(picture)
    for row in range(10, 15):
        expected[row * 100 + 16 : row * 100 + 32] = bytes(16)
    assert canvas.picture == bytes(expected)
    device.draw(bytes(4000))  # what was there cannot be told apart from what was not
    device.draw(picture)
    device.encoder.set_masks(())
    shown(device, canvas, False)
    assert canvas.picture == picture


def test_a_move_that_waits_brings_nothing_back() -> None:
    device = Device(64, 64, PixelFormat.GS8, strip_width=32)
    picture = random.Random(4).randbytes(64 * 96)
    device.draw(picture[: 64 * 64])
    canvas = Canvas(device.display, use_numba=False)
    shown(device, canvas, True)
    device.draw(picture[64 * 20 : 64 * 84])
    device.encoder.refresh()
    device.encoder.set_masks((0, 0, 32, 30))
    for part in device.frame():
        canvas.apply(part)
    expected = bytearray(picture[64 * 20 : 64 * 84])
    for row in range(30):
        expected[row * 64 : row * 64 + 32] = bytes(32)
    assert canvas.picture == bytes(expected)


def test_a_display_masked_whole_is_one_black_picture() -> None:
    device = Device(320, 240, PixelFormat.RGB565)
    device.draw(random.Random(2).randbytes(320 * 240 * 2))
    device.encoder.set_masks((0, 0, 320, 240))
    canvas = Canvas(device.display, use_numba=False)
    parts = shown(device, canvas, True)
    assert sum(len(part.payload) for part in parts) < 300
    assert not any(canvas.picture)
    device.draw(random.Random(3).randbytes(320 * 240 * 2))
    assert device.encoder.refresh() == 0 and not device.encoder.dirty


@pytest.mark.parametrize("masks", [(), (40, 30, 100, 90)])
def test_masks_cost_a_keyframe_little(masks: Flat) -> None:
    """A PIN pad amid a gradient: beside it each row is two rectangles."""
    device = Device(240, 240, PixelFormat.RGB565)
    device.draw(b"".join(bytes((y, x >> 3)) for y in range(240) for x in range(240)))
    device.encoder.set_masks(masks)
    parts = shown(device, Canvas(device.display, use_numba=False), True)
    assert sum(len(part.payload) for part in parts) < 8000


def test_ports_agree_and_nothing_is_allocated() -> None:
    """Viper kernels read more at once than their twins: they too must keep to what is not masked."""
    said = {str(port): port.run(FOLDER / "run_masked.py", heap="2m").split() for port in ports.SOURCE}
    assert len(set(map(tuple, said.values()))) == 1, said
    assert said.popitem()[1][-1] == "done"
