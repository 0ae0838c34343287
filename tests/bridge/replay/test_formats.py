from __future__ import annotations

import numpy as np
import pytest
from pixeltrail_bridge.replay import formats
from pixeltrail_bridge.wire.messages import PixelFormat as F

BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def pixel(
    format: F, picture: bytes, width: int, height: int, x: int, y: int, palette: bytes | None = None
) -> tuple:
    rgb = formats.to_rgb(picture, format, width, height, palette)
    assert rgb.shape == (height, width, 3) and rgb.dtype == "uint8"
    return tuple(int(value) for value in rgb[y, x])


@pytest.mark.parametrize(
    ("format", "picture", "width", "height", "x", "y"),
    [
        (F.MONO_VLSB, b"\x00\x02", 2, 3, 1, 1),
        (F.MONO_HLSB, b"\x00\x00\x40\x00", 9, 2, 1, 1),
        (F.MONO_HMSB, b"\x00\x00\x02\x00", 9, 2, 1, 1),
        (F.GS2_HMSB, b"\x0c\x00", 5, 1, 1, 0),
        (F.GS4_HMSB, b"\x0f\x00", 3, 1, 1, 0),
        (F.GS8, b"\x00\xff", 2, 1, 1, 0),
        (F.RGB332, b"\x00\xff", 2, 1, 1, 0),
        (F.RGB565, b"\x00\x00\xff\xff", 2, 1, 1, 0),
    ],
)
def test_the_one_white_pixel(format: F, picture: bytes, width: int, height: int, x: int, y: int) -> None:
    assert len(picture) == formats.picture_bytes(format, width, height)
    for column in range(width):
        for row in range(height):
            expected = WHITE if (column, row) == (x, y) else BLACK
            assert pixel(format, picture, width, height, column, row) == expected


def test_byte_order_of_565() -> None:
    assert pixel(F.RGB565, b"\x00\xf8", 1, 1, 0, 0) == (255, 0, 0)
    assert pixel(F.RGB565S, b"\xf8\x00", 1, 1, 0, 0) == (255, 0, 0)
    assert pixel(F.RGB565S, b"\x07\xe0", 1, 1, 0, 0) == (0, 255, 0)


def test_rgb332() -> None:
    assert pixel(F.RGB332, b"\xe0", 1, 1, 0, 0) == (255, 0, 0)
    assert pixel(F.RGB332, b"\x03", 1, 1, 0, 0) == (0, 0, 255)


def test_palette() -> None:
    palette = bytes((1, 2, 3, 4, 5, 6))
    assert pixel(F.GS4_HMSB, b"\x10", 2, 1, 0, 0, palette) == (4, 5, 6)
    assert pixel(F.GS4_HMSB, b"\x10", 2, 1, 1, 0, palette) == (1, 2, 3)
    assert pixel(F.GS4_HMSB, b"\x20", 2, 1, 0, 0, palette) == BLACK


@pytest.mark.parametrize("format", F)
def test_masks_keep_the_bits_of_pixels(format: F) -> None:
    for width in range(1, 18):
        for height in range(1, 10):
            size = formats.picture_bytes(format, width, height)
            masks = formats.masks(format, width, height)
            row_bytes = formats.bytes_per_row(format, width)
            unused = bytearray(size)
            for i in range(row_bytes - 1, size, row_bytes):
                unused[i] |= ~masks.edge & 255
            for i in range(size - row_bytes, size):
                unused[i] |= ~masks.foot & 255
            assert not formats.to_values(unused, format, width, height).any()
            used = bytes(~byte & 255 for byte in unused)
            assert formats.to_values(used, format, width, height).all()


@pytest.mark.parametrize("palette", [None, bytes(range(60))])
@pytest.mark.parametrize("format", list(F))
def test_the_table_gives_the_same_colours(format: F, palette: bytes | None) -> None:
    width, height = 37, 21
    picture = np.random.default_rng(3).integers(
        0, 256, formats.picture_bytes(format, width, height), np.uint8
    )
    values = formats.to_values(picture.tobytes(), format, width, height)
    rgba = formats.rgba_table(format, palette)[values].view(np.uint8).reshape(height, width, 4)
    assert (rgba[:, :, :3] == formats.to_rgb(picture.tobytes(), format, width, height, palette)).all()
    assert (rgba[:, :, 3] == 255).all()
