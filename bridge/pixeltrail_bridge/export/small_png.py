"""The smallest PNG of a part of a picture: few colours take few bits, one colour takes one pixel.

Exact: what a decoder shows, stretched to the part's size without smoothing, is the part to the pixel.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST_COLOURS = 256  # of a palette
_LEVEL = 9  # deflate; these images are small, and each is made once and read often


def encode_png(rgb: NDArray[np.uint8]) -> tuple[bytes, tuple[int, int]]:
    """A PNG of `rgb` (height, width, 3), and its own width and height: 1 by 1 when all pixels are equal."""
    import numpy as np

    wide = rgb.astype(np.uint32)
    values = (wide[:, :, 0] << 16 | wide[:, :, 1] << 8 | wide[:, :, 2]).astype(np.uint32)
    if (values == values[0, 0]).all():
        rgb, values = rgb[:1, :1], values[:1, :1]
    height, width = values.shape
    return _write(rgb, values), (width, height)


def _write(rgb: NDArray[np.uint8], values: NDArray[np.uint32]) -> bytes:
    import numpy as np
    from PIL import Image

    size = (values.shape[1], values.shape[0])
    colours, indices = np.unique(values, return_inverse=True)
    out = io.BytesIO()
    if len(colours) > _MOST_COLOURS:
        Image.frombytes("RGB", size, rgb.tobytes()).save(out, "PNG", compress_level=_LEVEL)
        return out.getvalue()
    image = Image.frombytes("P", size, indices.astype(np.uint8).tobytes())
    palette = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1).astype(np.uint8)
    image.putpalette(palette.tobytes())
    image.save(out, "PNG", compress_level=_LEVEL, bits=_least_depth(len(colours)))
    return out.getvalue()


def _least_depth(colours: int) -> int:
    """Bits a pixel: a PNG's palette takes 1, 2, 4 or 8."""
    return next(bits for bits in (1, 2, 4, 8) if colours <= 1 << bits)
