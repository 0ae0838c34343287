"""Pictures of a session for the player: a stretch of them as changed rectangles, or one as PNG.

    GET /api/sessions/DEVICE/SESSION/pixels?from=ms&to=ms
    GET /api/sessions/DEVICE/SESSION/frame?t=ms&width=px

`pixels` is a sequence of messages, each behind its length (u32), all little-endian: u32 at_ms, u8 flags (1 keyframe,
2 mixed, 4 whole picture), u16 width, height, count, then `count` times u16 x, y, w, h and w * h RGBA bytes. The first
is the whole picture standing at `from`; a count of 0 says that the frame changed nothing. The header
X-Pixeltrail-Until tells up to which ms the answer is complete.
"""

from __future__ import annotations

import io
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..replay import formats
from ..replay.canvas import Rectangle
from ..replay.recording import Picture, Recording
from .answers import Refused, answering, number, session_of, takes_gzip
from .pool import Pool
from .recordings import Recordings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEY, MIXED, WHOLE = 1, 2, 4
HEAD: Final = struct.Struct("<IBHHH")
BLOCK: Final = struct.Struct("<HHHH")
LENGTH: Final = struct.Struct("<I")
MOST_SPAN_MS: Final = 600_000
MOST_BYTES: Final = 64 << 20  # of RGBA in one answer
MOST_RECTANGLES: Final = 24  # of one picture; beyond, their bounding box is cheaper
MAX_WIDTH: Final = 1_024  # of a thumbnail
_GZIP: Final = 16 + zlib.MAX_WBITS
_QUICK: Final = 1  # compression level: pictures of programs shrink well enough, and a person waits
_FRESH_S: Final = 60
_LONGEST_REST_S: Final = 0.5  # a picture: also what is loaded ahead comes in the end


class PixelRoutes:
    """Both only read, and may be used through a link to one session."""

    def __init__(self, recordings: Recordings, stills: Pool, stretches: Pool) -> None:
        self._recordings, self._stills, self._stretches = recordings, stills, stretches
        self._waiting = 0  # requests for one picture; the event loop's
        self._is_calm = threading.Event()  # none of them
        self._is_calm.set()

    def routes(self) -> list[Route]:
        place = "/api/sessions/{device_id}/{session_id}"
        return [
            Route(f"{place}/pixels", self.pixels),
            Route(f"{place}/frame", self.frame),
        ]

    @answering
    async def pixels(self, request: Request) -> Response:
        place = session_of(request)
        from_ms = number(request.query_params, "from", 0) or 0
        to_ms = number(request.query_params, "to", None)
        if to_ms is not None and to_ms < from_ms:
            raise Refused(400, f"to={to_ms} lies before from={from_ms}")
        is_packed = takes_gzip(request)
        if to_ms == from_ms:
            with self._urgently():
                body, until_ms = await self._stills.run(self._pixels, *place, from_ms, to_ms, is_packed)
        else:
            body, until_ms = await self._stretches.run(
                self._pixels, *place, from_ms, to_ms, is_packed, self._is_calm
            )
        headers = {
            "x-pixeltrail-until": str(until_ms),
            "cache-control": "no-store",
            "vary": "accept-encoding",
        }
        if is_packed:
            headers["content-encoding"] = "gzip"
        return Response(body, 200, headers, "application/octet-stream")

    @answering
    async def frame(self, request: Request) -> Response:
        place = session_of(request)
        at_ms = number(request.query_params, "t", 0) or 0
        width = number(request.query_params, "width", None, MAX_WIDTH)
        with self._urgently():
            body = await self._stills.run(self._frame, *place, at_ms, width)
        if body is None:
            raise Refused(404, f"Nothing was shown yet at {at_ms} ms.")
        return Response(body, 200, {"cache-control": f"private, max-age={_FRESH_S}"}, "image/png")

    @contextmanager
    def _urgently(self) -> Iterator[None]:
        """Who seeks waits for one picture; what is loaded ahead rests meanwhile, since both need the interpreter."""
        self._waiting += 1
        self._is_calm.clear()
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._is_calm.set()

    def _pixels(
        self,
        device_id: str,
        session_id: int,
        from_ms: int,
        to_ms: int | None,
        is_packed: bool,
        is_calm: threading.Event | None = None,
    ) -> tuple[bytes, int]:
        recording = self._recordings.open(device_id, session_id)
        end_ms = from_ms + MOST_SPAN_MS if to_ms is None else min(to_ms, from_ms + MOST_SPAN_MS)
        parts: list[bytes] = []
        pack = zlib.compressobj(_QUICK, zlib.DEFLATED, _GZIP) if is_packed else None
        size, until_ms = 0, end_ms
        for at_ms, message in _messages(recording, from_ms, end_ms):
            if is_calm is not None:
                is_calm.wait(_LONGEST_REST_S)
            if size and size + len(message) > MOST_BYTES and at_ms > from_ms:
                until_ms = at_ms - 1
                break
            size += len(message)
            piece = LENGTH.pack(len(message)) + message
            parts.append(pack.compress(piece) if pack else piece)
        if pack:
            parts.append(pack.flush())
        return b"".join(parts), until_ms

    def _frame(self, device_id: str, session_id: int, at_ms: int, width: int | None) -> bytes | None:
        picture = self._recordings.open(device_id, session_id).picture_at(at_ms)
        return None if picture is None else png(picture.rgb(), width)


def png(rgb: NDArray[np.uint8], width: int | None) -> bytes:
    """`width`: of the PNG, at most the picture's own; None for that."""
    from PIL import Image

    image = Image.fromarray(rgb)
    if width and width < image.width:
        image = image.resize((width, max(1, image.height * width // image.width)), Image.Resampling.BOX)
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=_QUICK)
    return out.getvalue()


def _messages(recording: Recording, from_ms: int, to_ms: int) -> Iterator[tuple[int, bytes]]:
    before: Picture | None = None
    for picture in recording.pictures(from_ms, to_ms):
        yield picture.at_ms, _encode(picture, before)
        before = picture


def _encode(picture: Picture, before: Picture | None) -> bytes:
    display = picture.display
    width, height = display.width, display.height
    is_same_display = before is not None and before.display == display
    areas: list[Rectangle] = [(0, 0, width, height)]
    if before is not None and is_same_display:
        is_same = picture.is_keyframe and picture.pixels == before.pixels
        areas = [] if is_same else _few(list(picture.rectangles))
    flags = (KEY if picture.is_keyframe else 0) | (MIXED if picture.is_mixed else 0)
    flags |= WHOLE if areas == [(0, 0, width, height)] else 0
    parts = [HEAD.pack(min(picture.at_ms, 0xFFFFFFFF), flags, width, height, len(areas))]
    if areas:
        values = formats.to_values(picture.pixels, display.format, width, height)
        table = formats.rgba_table(display.format, display.palette)
        for x, y, w, h in areas:
            parts += (BLOCK.pack(x, y, w, h), table[values[y : y + h, x : x + w]].tobytes())
    return b"".join(parts)


def _few(areas: list[Rectangle]) -> list[Rectangle]:
    if len(areas) <= MOST_RECTANGLES:
        return areas
    left, top = min(x for x, *_ in areas), min(y for _, y, *_ in areas)
    right = max(x + w for x, _, w, _ in areas)
    bottom = max(y + h for _, y, _, h in areas)
    return [(left, top, right - left, bottom - top)]
