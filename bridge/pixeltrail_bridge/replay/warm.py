"""Makes the decoder ready before anybody waits for it: its functions are compiled, or loaded, on first use."""

from __future__ import annotations

from typing import Final

from ..wire.messages import Display, Frame, PixelFormat
from .canvas import Canvas
from .pixels import compiled

# A keyframe and a delta frame of 32x8 pixels, as the device library codes them: one of colours, one of two tones.
_FRAMES: Final = (
    (
        PixelFormat.RGB565,
        ((55, "77c385224fb30d8823df4261b6f8c58b1c0e"), (38, "7ffaadb74b8ae09fffc445")),
    ),
    (
        PixelFormat.MONO_HLSB,
        ((55, "77c3c0aa98f7146097577c8543c6c1a594bff0"), (38, "5e9e99fc7697bfb2a3")),
    ),
)


def warm_up() -> None:
    """Blocks for about a second; for many, once in the life of an installation."""
    compiled()
    for format, parts in _FRAMES:
        canvas = Canvas(Display(32, 8, format, 16, 1, 128, None, 0))
        for flags, payload in parts:
            shown = canvas.apply(Frame(flags, bytes.fromhex(payload)))
            assert shown is not None, "these frames are whole"
        canvas.rgb()
