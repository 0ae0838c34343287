"""Composes what an export shows: the pictures of a recording, scaled, with what was asked for around and above them.

A `Shot` is a whole image at a moment of the export. Its pixels are 0x00RRGGBB, which compare and look up faster than
three bytes. Without overlays the image is the display's own and `zoom` says how large each pixel is to be drawn, so
that writers may compare and code small images; with overlays it is drawn at full size and `zoom` is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..errors import LocalError
from ..replay.recording import Mark, Picture
from ..wire.messages import Display
from . import pacing
from .colours import packed, zoomed
from .options import MAX_PICTURE_PX, Options, Progress, check_budget

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .overlays import Overlays

_BACKGROUND = 0  # beside a picture of a smaller display of the same session


@dataclass(frozen=True, slots=True)
class Caption:
    """What a line below the picture says from a moment on."""

    at_ms: int
    text: str


class Source(Protocol):
    """A recording, as replay.recording.Recording gives it."""

    device_id: str
    session_id: int
    start_ms: int
    end_ms: int
    is_open: bool

    def pictures(self, from_ms: int = 0, to_ms: int | None = None) -> Iterator[Picture]: ...
    def marks(self) -> Iterator[Mark]: ...
    def shown_displays(self) -> Iterator[tuple[int, Display]]: ...


@dataclass(frozen=True, slots=True)
class Shot:
    """An image and how large its pixels are drawn; not to be changed."""

    image: NDArray[np.uint32]
    zoom: int

    @property
    def width(self) -> int:
        return int(self.image.shape[1]) * self.zoom

    @property
    def height(self) -> int:
        return int(self.image.shape[0]) * self.zoom

    def rgb(self) -> NDArray[np.uint8]:
        """(height, width, 3) of R, G, B, zoomed."""
        packed = zoomed(self.image, self.zoom)
        return np.stack(
            [(packed >> 16).astype(np.uint8), (packed >> 8).astype(np.uint8), packed.astype(np.uint8)], -1
        )


def enlarge_small(width: int) -> int:
    """The usual scale: displays of a few pixels are hard to see on a large screen."""
    return max(1, min(4, 480 // max(1, width)))


class Stage:
    """One export's shots. `usual_scale` chooses by the display's width. `duration_ms` is known once all were taken."""

    def __init__(
        self,
        source: Source,
        options: Options,
        usual_scale: Callable[[int], int],
        captions: Sequence[Caption] = (),
    ) -> None:
        self._source, self._options = source, options
        self._marks = list(source.marks())
        self._length_ms = _length_of(source, options, self._marks)
        self._sides = self._find_sides()
        scale = self._scale = options.scale or usual_scale(self._sides[0])
        self._overlays = self._make_overlays(captions)
        width, height = self.size
        if width * height > MAX_PICTURE_PX:
            raise LocalError(f"pictures of {width}x{height} px are too large; choose a --scale below {scale}")
        self.duration_ms = 0

    @property
    def _end_ms(self) -> int:
        return self._options.from_ms + self._length_ms

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of every shot, zoomed."""
        if self._overlays is not None:
            return self._overlays.size
        return self._sides[0] * self._scale, self._sides[1] * self._scale

    def shots(self, progress: Progress | None = None) -> Iterator[tuple[int, Shot]]:
        """Each image that differs from the one before it, with the time since the first. LocalError: none there."""
        start_ms = self._options.from_ms
        items: Iterator[tuple[int, Shot | None]] = self._compose(progress)
        if self._options.skip_idle:
            items = pacing.cut_idle(items)
        items = pacing.faster(items, self._options.speed)
        drawn = 0
        for at_ms, shot in items:
            self.duration_ms = at_ms
            if shot is None:
                break  # the end
            drawn += shot.width * shot.height
            check_budget(drawn, self._options.max_drawn_px)
            yield at_ms, shot
        if not drawn:
            raise LocalError(
                f"session {self._source.session_id} of {self._source.device_id} has no picture between"
                f" {start_ms / 1000:.1f} s and {(start_ms + self._length_ms) / 1000:.1f} s; choose another part of it"
            )

    def _compose(self, progress: Progress | None) -> Iterator[tuple[int, Shot | None]]:
        """Times from the first image on; the last item is the end, which a running session may have passed."""
        now_ms, first_ms = 0, None
        for at_ms, shot in self._scenes(progress):
            now_ms = max(0, at_ms - self._options.from_ms)
            first_ms = now_ms if first_ms is None else first_ms
            yield now_ms - first_ms, shot
        yield max(self._length_ms, now_ms) - (first_ms or 0), None

    def _scenes(self, progress: Progress | None) -> Iterator[tuple[int, Shot]]:
        pictures = self._source.pictures(self._options.from_ms, self._options.to_ms)
        images = self._images(pictures if progress is None else self._watched(pictures, progress))
        if self._overlays is None:
            for at_ms, image in images:
                yield at_ms, Shot(image, self._scale)
            return
        for at_ms, image in self._overlays.images(images, self._options.from_ms, self._end_ms):
            yield at_ms, Shot(image, 1)

    def _watched(self, pictures: Iterable[Picture], progress: Progress) -> Iterator[Picture]:
        for picture in pictures:
            progress(min(1.0, max(0.0, (picture.at_ms - self._options.from_ms) / self._length_ms)))
            yield picture

    def _images(self, pictures: Iterable[Picture]) -> Iterator[tuple[int, NDArray[np.uint32]]]:
        """Each picture that differs from the one before it, on a ground that all displays of the session fit."""
        width, height = self._sides
        before: tuple[Display, bytes] | None = None
        for picture in pictures:
            if before is not None and picture.pixels == before[1] and picture.display == before[0]:
                continue
            before = picture.display, picture.pixels
            image = packed(picture)
            if image.shape != (height, width):
                ground = np.full((height, width), _BACKGROUND, np.uint32)
                top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
                ground[top : top + image.shape[0], left : left + image.shape[1]] = image
                image = ground
            yield picture.at_ms, image

    def _find_sides(self) -> tuple[int, int]:
        """Of the part's displays, the largest width and height. What is known of a running session's end is old."""
        from_ms, to_ms = self._options.from_ms, self._options.to_ms
        first = next(self._source.pictures(from_ms, to_ms), None)
        sides = [(first.display.width, first.display.height)] if first is not None else []
        sides += [
            (display.width, display.height)
            for at_ms, display in self._source.shown_displays()
            if from_ms <= at_ms and (to_ms is None or at_ms <= to_ms)
        ]
        return max((w for w, _ in sides), default=1), max((h for _, h in sides), default=1)

    def _make_overlays(self, captions: Sequence[Caption]) -> Overlays | None:
        options = self._options
        if not (options.frame or options.touches or options.captions):
            return None
        from .overlays import Overlays

        return Overlays(
            self._sides,
            self._scale,
            touches=[mark for mark in self._marks if mark.kind == "touch"] if options.touches else [],
            captions=list(captions) if options.captions else None,
            has_frame=options.frame,
        )


def _length_of(source: Source, options: Options, marks: Sequence[Mark]) -> int:
    """Of the wanted part. What is known of a running session's end is old, so nothing is refused there."""
    end_ms = max(1, source.end_ms - source.start_ms, marks[-1].at_ms if marks else 0)
    if options.from_ms >= end_ms and not source.is_open:
        raise LocalError(
            f"from = {options.from_ms / 1000:.1f} s is not before the session's end, {end_ms / 1000:.1f} s"
        )
    return max(1, (end_ms if options.to_ms is None else min(options.to_ms, end_ms)) - options.from_ms)
