"""Recorders that see the same but for masked pixels send the same bytes, in chunks as long, at the same times."""

from __future__ import annotations

import random
from typing import Any
from unittest.mock import patch

import pixeltrail
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixeltrail import controls, wire

from .rig import Rig

WIDTH, HEIGHT = 96, 48
RECTANGLES = st.tuples(
    st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1), st.integers(1, 60), st.integers(1, 40)
)
MASKS = st.lists(RECTANGLES, min_size=1, max_size=3)


class Panel:
    width, height = WIDTH, HEIGHT

    def __init__(self, size: int) -> None:
        self.buffer = bytearray(size)

    def show(self) -> None:
        pass


def pixel(format: int, x: int, y: int) -> tuple[int, int]:
    """The bytes of the buffer that hold a pixel: the first one and the one behind."""
    if format == wire.MONO_VLSB:
        at = (y >> 3) * WIDTH + x
        return at, at + 1
    at = 2 * (y * WIDTH + x)
    return at, at + 2


def is_masked(masks: list[tuple[int, int, int, int]], format: int, at: int) -> bool:
    """True when every pixel in this byte is inside a mask."""
    rows = 8 if format == wire.MONO_VLSB else 1
    px = at if format == wire.MONO_VLSB else at >> 1
    x, y = px % WIDTH, px // WIDTH * rows
    return all(
        any(mx <= x < mx + mw and my <= y + i < my + mh for mx, my, mw, mh in masks) for i in range(rows)
    )


def run(
    format: int, masks: list[tuple[int, int, int, int]], seed: int, secret: int, is_exact: bool
) -> tuple[list[tuple[int, bytes]], Any]:
    """What leaves the device and when, and the recorder. `secret` decides masked bytes alone."""
    size = pixel(format, WIDTH - 1, HEIGHT - 1)[1]
    panel = Panel(size)
    hidden = [at for at in range(size) if is_masked(masks, format, at)]
    dice, other = random.Random(seed), random.Random(secret)
    with patch.object(controls, "new_stream_id", lambda previous=b"": b"12345678"):
        rig = Rig(
            display=pixeltrail.tap(panel, format=format, width=WIDTH, height=HEIGHT, hook="show"),
            masks=masks,
            exact=is_exact,
            max_fps=60,
        )
    sent: list[tuple[int, bytes]] = []
    for _ in range(12):
        for _ in range(dice.randrange(4)):
            at, length, value = dice.randrange(size), dice.randrange(1, 200), dice.randrange(256)
            for i in range(at, min(at + length, size)):
                panel.buffer[i] = value + (i * dice.randrange(3)) & 0xFF
        for at in hidden:
            panel.buffer[at] = other.randrange(256)
        panel.show()
        for _ in range(dice.randrange(1, 6)):
            rig.ticks.ms += 15
            rig.recorder.poll()
            sent += [(rig.ticks.ms, bytes(message)) for message in rig.line.up]
            rig.line.pump(rig.bridge)
    return sent, rig.recorder


@pytest.mark.parametrize("is_exact", [True, False])
@pytest.mark.parametrize("format", [wire.MONO_VLSB, wire.RGB565])
@settings(max_examples=12, deadline=None)
@given(
    masks=MASKS, seed=st.integers(0, 1 << 16), secrets=st.tuples(st.integers(1, 99), st.integers(100, 199))
)
def test_no_byte_size_or_time_depends_on_a_masked_pixel(
    format: int,
    is_exact: bool,
    masks: list[tuple[int, int, int, int]],
    seed: int,
    secrets: tuple[int, int],
) -> None:
    (one, recorder), (other, _) = (run(format, masks, seed, secret, is_exact) for secret in secrets)
    assert one == other
    assert one and recorder.errors == 0
