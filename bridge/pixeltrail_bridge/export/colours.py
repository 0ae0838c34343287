"""Pictures as arrays of 0x00RRGGBB, one number a pixel."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ..replay import formats
from ..replay.recording import Picture
from ..wire.messages import PixelFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray

Pixel = TypeVar("Pixel", bound=np.generic)


def packed(picture: Picture) -> NDArray[np.uint32]:
    """(height, width) of 0x00RRGGBB."""
    display = picture.display
    if formats.bits_per_pixel(display.format) < 8:
        return pack(picture.rgb())
    table = _table(display.format, display.palette)
    values = formats.to_values(picture.pixels, display.format, display.width, display.height)
    return table.take(values, mode="wrap")  # twice as fast as [values]; none is out of range


@lru_cache(32)
def _table(format: PixelFormat, palette: bytes | None) -> NDArray[np.uint32]:
    """The colour of every pixel value of 8 or 16 bits."""
    if formats.bits_per_pixel(format) == 16:
        values = np.arange(65_536, dtype="<u2" if format == PixelFormat.RGB565 else ">u2")
        return pack(formats.to_rgb(values.tobytes(), format, 256, 256)).reshape(-1)
    return pack(formats.to_rgb(bytes(range(256)), format, 16, 16, palette)).reshape(-1)


def pack(rgb: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """R, G, B in the last dimension as one number each."""
    wide = rgb.astype(np.uint32)
    return np.asarray(wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2], np.uint32)


def zoomed(image: NDArray[Pixel], zoom: int) -> NDArray[Pixel]:
    if zoom == 1:
        return image
    return np.repeat(np.repeat(image, zoom, 0), zoom, 1)
