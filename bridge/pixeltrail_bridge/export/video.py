"""MP4, with PyAV (the extra `video`): H.264 that plays everywhere, or the very pixels.

The usual file is yuv420p, which keeps one colour for four pixels: so every pixel of the display is drawn as two by two
at least, and both its brightness and its colour survive. `lossless` is H.264 in RGB without quantisation, for editors
and desktop players; not every browser shows it.

Frames keep their own times, in ms, and a player shows each until the next. The index stands in front of the pictures
(`faststart`), so that a browser begins to play before it has all of the file.
"""

from __future__ import annotations

from fractions import Fraction
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from ..errors import LocalError
from .colours import zoomed
from .options import Progress
from .stage import Shot, Stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_SCALE: Final = 2
_TIME_BASE: Final = Fraction(1, 1000)
_RATE: Final = 60  # told to the coder, which plans by it; each frame has its own time
_KEYFRAME_EVERY: Final = 250
_USUAL: Final = {"crf": "16", "preset": "veryfast", "tune": "animation"}
_LOSSLESS: Final = {"crf": "0", "preset": "veryfast"}
# Numbers of ITU-T H.273. The matrix is the one that programs assume for small pictures that do not name it.
_MATRIX_BT601, _PRIMARIES_BT709, _TRANSFER_SRGB, _RANGE_LIMITED = 6, 1, 13, 1


def usual_scale(width: int) -> int:
    """More than the least for displays of a few pixels."""
    return max(LEAST_SCALE, min(4, 480 // max(1, width)))


def check(scale: int, lossless: bool) -> None:
    """LocalError: PyAV or its H.264 coder is not there, or the scale would blur colours."""
    av = _library()
    coder = _coder(lossless)
    if coder not in av.codecs_available:
        raise LocalError(
            f"this build of PyAV has no {coder}; the one from PyPI has: pip install --force-reinstall av"
        )
    if 0 < scale < LEAST_SCALE and not lossless:
        raise LocalError(
            f"scale = {scale}: MP4 keeps one colour for two by two pixels; choose --scale {LEAST_SCALE} or more, or "
            "--lossless"
        )


def write_video(
    stage: Stage, file: BinaryIO, progress: Progress | None = None, lossless: bool = False
) -> None:
    """`file` must lie in a folder: it is opened again by its name to put the index in front."""
    with _library().open(file.name, "w", "mp4", options={"movflags": "+faststart"}) as container:
        video = _Video(container, stage.size, lossless)
        shown: tuple[int, Shot] | None = None
        for at_ms, shot in stage.shots(progress):
            if shown is not None and at_ms > shown[0]:
                video.show(shown[1], shown[0], at_ms)
            shown = at_ms, shot
        if shown is not None:
            video.show(shown[1], shown[0], max(stage.duration_ms, shown[0] + 1))
        video.finish()


class _Video:
    """The one stream of a file that is being written."""

    def __init__(self, container: Any, size: tuple[int, int], lossless: bool) -> None:
        self._container = container
        self._lasts_ms: dict[int, int] = {}  # by start; of frames that the coder still holds
        stream = self._stream = container.add_stream(_coder(lossless), rate=_RATE)
        stream.width, stream.height = (side + side % 2 for side in size)
        stream.pix_fmt = "bgr0" if lossless else "yuv420p"
        stream.options = _LOSSLESS if lossless else _USUAL
        coder = stream.codec_context
        stream.time_base = coder.time_base = _TIME_BASE
        coder.gop_size, coder.max_b_frames = _KEYFRAME_EVERY, 0
        if not lossless:
            coder.colorspace, coder.color_primaries = _MATRIX_BT601, _PRIMARIES_BT709
            coder.color_trc, coder.color_range = _TRANSFER_SRGB, _RANGE_LIMITED

    def show(self, shot: Shot, start_ms: int, end_ms: int) -> None:
        stream = self._stream
        frame = _library().VideoFrame.from_ndarray(_bgra(shot, stream.width, stream.height), format="bgra")
        if stream.pix_fmt == "yuv420p":
            # The mean of what a sample covers, which is one pixel of the display: sharper filters, the usual ones
            # among them, let its neighbours' colours in (a thermostat's red on black: 35 dB against 54).
            frame = frame.reformat(format="yuv420p", interpolation="AREA")
        frame.pts, frame.time_base = start_ms, _TIME_BASE
        self._lasts_ms[start_ms] = end_ms - start_ms
        self._write(frame)

    def finish(self) -> None:
        self._write(None)

    def _write(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            start_ms = round(packet.pts * packet.time_base / _TIME_BASE)
            packet.duration = round(self._lasts_ms.pop(start_ms) * _TIME_BASE / packet.time_base)
            self._container.mux(packet)


def _bgra(shot: Shot, width: int, height: int) -> NDArray[np.uint8]:
    """Zoomed; a column or row that only makes a side even repeats its neighbour."""
    image = zoomed(shot.image, shot.zoom)
    if image.shape != (height, width):
        image = np.pad(image, ((0, height - image.shape[0]), (0, width - image.shape[1])), "edge")
    return np.ascontiguousarray(image, "<u4").view(np.uint8).reshape(height, width, 4)


def _coder(lossless: bool) -> str:
    return "libx264rgb" if lossless else "libx264"


def _library() -> ModuleType:
    try:
        import av
    except ImportError:
        raise LocalError("MP4 needs PyAV, which is not installed: pip install 'pixeltrail[video]'") from None
    return av
