"""Whatever an app does and whenever it does it: frames not flagged as mixed are what was shown, and all heals.

An app here scrolls bands, opens and closes menus, fills and makes noise; it may draw between the steps of a frame,
refresh in the middle of one, and lose frames on the way.
"""

from __future__ import annotations

import random

import pytest
from pixeltrail_bridge.replay.canvas import Canvas
from pixeltrail_bridge.wire.messages import Frame, FrameFlag, PixelFormat

from tests.firmware.codec.coding import Device, without_unused_bits

FRAMES = 16
CLOSED = FrameFlag.LAST | FrameFlag.MIXED


class App:
    """Draws at random into a device's buffer."""

    def __init__(self, device: Device, seed: random.Random) -> None:
        self.device = device
        self.seed = seed
        self.kept = [bytes(device.buffer)]

    def draw(self) -> None:
        how = self.seed.choice(
            (self._scroll, self._scroll, self._restore, self._restore, self._keep, self._fill)
        )
        how()

    def _rows(self) -> tuple[int, int]:
        first = self.seed.randrange(self.device.rows)
        return first, self.seed.randrange(first, self.device.rows) + 1

    def _scroll(self) -> None:
        d, (top, end), dy = self.device, self._rows(), self.seed.randrange(-12, 13)
        left = self.seed.randrange(d.row_bytes)
        right = self.seed.randrange(left, d.row_bytes) + 1
        before = bytes(d.buffer)
        for row in range(max(top, top - dy), min(end, end - dy)):
            at, source = row * d.pitch, (row + dy) * d.pitch
            d.buffer[at + left : at + right] = before[source + left : source + right]

    def _restore(self) -> None:
        d, (top, end), kept = self.device, self._rows(), self.seed.choice(self.kept)
        d.buffer[top * d.pitch : end * d.pitch] = kept[top * d.pitch : end * d.pitch]

    def _keep(self) -> None:
        self.kept = [*self.kept[-3:], bytes(self.device.buffer)]

    def _fill(self) -> None:
        d, (top, end) = self.device, self._rows()
        left = self.seed.randrange(d.row_bytes)
        width = self.seed.randrange(d.row_bytes - left) + 1
        colour = self.seed.choice((b"\x00", b"\xff", b"\x5a", None))
        for row in range(top, min(end, top + 20)):
            at = row * d.pitch + left
            d.buffer[at : at + width] = colour * width if colour else self.seed.randbytes(width)


class Run:
    def __init__(self, format: PixelFormat, seed: random.Random) -> None:
        width, height = seed.choice((8, 20, 33, 100, 170)), seed.choice((1, 9, 20, 33, 70))
        references = seed.choice((0, 3, 128))
        self.device = Device(
            width, height, format, seed.choice((0, 0, 1, 4)), seed.choice((0, 8, 16)), references
        )
        self.app = App(self.device, seed)
        self.seed = seed
        self.canvas = Canvas(self.device.display, use_numba=False)
        self.needs_key = True

    def refresh(self) -> int:
        changed = self.device.encoder.refresh()
        d = self.device
        rows = (bytes(d.buffer[row * d.pitch : row * d.pitch + d.row_bytes]) for row in range(d.rows))
        self.shown = without_unused_bits(b"".join(rows), d.width, d.height, d.format)
        return changed

    def frame(self, is_calm: bool) -> None:
        """One frame; with is_calm nobody draws during it."""
        is_key = self.needs_key or self.seed.random() < 0.05
        if not is_key and not self.device.encoder.dirty:
            return
        budget = self.seed.choice((1, 300, 1 << 20))
        parts = self.device.frame(is_key, self.seed.choice((400, 1000, 4000)), budget)
        is_mixed = False
        for part in parts:
            if part.flags & FrameFlag.LAST:
                self._judge(part, is_mixed)
            elif not is_calm and self._disturb(is_key):
                is_mixed = True
                if not is_key:  # the recorder ends a delta when another refresh comes
                    self.canvas.apply(Frame(part.flags | CLOSED, part.payload))
                    parts.close()
                    break
                self.canvas.apply(part)
            else:
                self.canvas.apply(part)
        self.needs_key = False

    def _disturb(self, is_key: bool) -> bool:
        if self.seed.random() < 0.5:
            self.app.draw()
        return self.seed.random() < 0.3 and self.refresh() > 0

    def _judge(self, part: Frame, is_mixed: bool) -> None:
        shown = self.canvas.apply(part)
        assert shown is not None
        if not is_mixed and not shown.is_mixed:
            assert self.canvas.picture == self.shown

    def lose(self) -> None:
        self.canvas.discard()
        self.needs_key = True


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("format", PixelFormat, ids=lambda format: format.name)
def test_unflagged_frames_are_exact_and_all_heals(format: PixelFormat, number: int) -> None:
    seed = random.Random(f"{format.name} {number}")
    run = Run(format, seed)
    for _ in range(FRAMES):
        for _ in range(seed.randrange(4)):
            run.app.draw()
        run.refresh()
        run.frame(is_calm=seed.random() < 0.6)
        if seed.random() < 0.1:
            run.lose()
    for _ in range(3):
        run.refresh()
        run.frame(is_calm=True)
    assert run.canvas.picture == run.shown
