"""What is drawn around and above a picture: a device's frame, touches, and a line that says what happened.

Everything is drawn without half tones, so that a GIF gets by with few more colours than the display has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..replay.recording import Mark
from .colours import pack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .stage import Caption

CAPTION_MS: Final = 3_000  # how long a line stands
LIFTED_MS: Final = 300  # how long a touch is shown after the finger has left
_BODY, _EDGE, _TOUCH, _TOUCH_EDGE, _PAPER, _INK = (
    (0x26, 0x29, 0x2E),
    (0x4A, 0x50, 0x59),
    (0xFF, 0x5A, 0x36),
    (0xFF, 0xFF, 0xFF),
    (0x14, 0x16, 0x1A),
    (0xF4, 0xF4, 0xF5),
)
_LONGEST_TEXT: Final = 200


class Overlays:
    """`sides` are the pictures' in pixels. `captions` None leaves no room for a line."""

    def __init__(
        self,
        sides: tuple[int, int],
        scale: int,
        *,
        touches: Sequence[Mark],
        captions: Sequence[Caption] | None,
        has_frame: bool,
    ) -> None:
        self._scale = scale
        width, height = sides[0] * scale, sides[1] * scale
        self._margin = max(12, min(width, height) // 12) if has_frame else 0
        self._letters_px = max(11, min(22, (width + 2 * self._margin) // 20))
        self._line_px = self._letters_px * 2 if captions is not None else 0
        self.size = width + 2 * self._margin, height + 2 * self._margin + self._line_px
        self._screen = (self._margin, self._margin, width, height)
        self._radius = max(4, min(width, height) // 24)
        self._touches = _touch_states(touches)
        self._captions = _caption_states(captions or ())
        self._ground = _from_pillow(self._draw_ground(has_frame))

    def images(
        self, images: Iterable[tuple[int, NDArray[np.uint32]]], from_ms: int, end_ms: int
    ) -> Iterator[tuple[int, NDArray[np.uint32]]]:
        """Compose each picture, and again whenever what is above it changes, up to `end_ms`."""
        touch: tuple[int, int] | None = None
        caption = ""
        image: NDArray[np.uint32] | None = None
        changes = _by_time(self._touches, self._captions)
        change = next(changes, None)
        for shown_ms, following in _with_end(images, end_ms):
            at_ms = max(shown_ms, from_ms)  # the first picture has stood for a while
            while change is not None and change[0] <= at_ms and (following is not None or change[0] < end_ms):
                now_ms, (is_touch, value) = change
                if is_touch:
                    touch = value  # type: ignore[assignment]
                else:
                    caption = str(value)
                change = next(changes, None)
                is_last = change is None or change[0] != now_ms
                if image is not None and from_ms < now_ms < at_ms and is_last:
                    yield now_ms, self._compose(image, touch, caption)
            if following is not None:
                image = following
                yield at_ms, self._compose(image, touch, caption)

    def _compose(
        self, image: NDArray[np.uint32], touch: tuple[int, int] | None, caption: str
    ) -> NDArray[np.uint32]:
        whole = self._ground.copy()
        x, y, width, height = self._screen
        whole[y : y + height, x : x + width] = np.repeat(np.repeat(image, self._scale, 0), self._scale, 1)
        if touch is not None:
            self._draw_touch(whole, touch)
        if caption:
            line = _line(caption, self.size[0], self._line_px, self._letters_px)
            whole[self.size[1] - self._line_px :] = line
        return whole

    def _draw_touch(self, whole: NDArray[np.uint32], touch: tuple[int, int]) -> None:
        x, y, width, height = self._screen
        centre_x = x + min(max(touch[0] * self._scale + self._scale // 2, 0), width - 1)
        centre_y = y + min(max(touch[1] * self._scale + self._scale // 2, 0), height - 1)
        disc, is_disc = _disc(self._radius)
        side = disc.shape[0]
        left, top = centre_x - side // 2, centre_y - side // 2
        cut_left, cut_top = max(0, -left), max(0, -top)
        part = whole[max(0, top) : top + side, max(0, left) : left + side]
        rows, columns = part.shape
        inside = is_disc[cut_top : cut_top + rows, cut_left : cut_left + columns]
        part[inside] = disc[cut_top : cut_top + rows, cut_left : cut_left + columns][inside]

    def _draw_ground(self, has_frame: bool) -> Image.Image:
        ground = Image.new("RGB", self.size, _PAPER)
        if has_frame:
            draw = ImageDraw.Draw(ground)
            right, bottom = self.size[0] - 1, self.size[1] - self._line_px - 1
            line = max(1, self._margin // 6)
            draw.rounded_rectangle((0, 0, right, bottom), self._margin, _BODY, _EDGE, line)
            x, y, width, height = self._screen
            draw.rectangle(
                (x - line, y - line, x + width + line - 1, y + height + line - 1), outline=_EDGE, width=line
            )
        return ground


def _with_end(
    images: Iterable[tuple[int, NDArray[np.uint32]]], end_ms: int
) -> Iterator[tuple[int, NDArray[np.uint32] | None]]:
    yield from images
    yield end_ms, None


def _by_time(
    touches: list[tuple[int, tuple[int, int] | None]], captions: list[tuple[int, str]]
) -> Iterator[tuple[int, tuple[bool, tuple[int, int] | str | None]]]:
    """Both kinds of change in time order; True marks a touch."""
    both: list[tuple[int, tuple[bool, tuple[int, int] | str | None]]] = [
        (at, (True, where)) for at, where in touches
    ]
    both += [(at, (False, text)) for at, text in captions]
    return iter(sorted(both, key=lambda change: change[0]))


def _touch_states(marks: Sequence[Mark]) -> list[tuple[int, tuple[int, int] | None]]:
    """Where a finger is from a moment on. A touch under a mask has no place and shows nothing."""
    states: list[tuple[int, tuple[int, int] | None]] = []
    for number, mark in enumerate(marks):
        values = mark.values
        where = None if values["x"] is None or values["y"] is None else (int(values["x"]), int(values["y"]))
        states.append((mark.at_ms, where))
        if values["phase"] in ("up", "cancel"):
            gone_ms = mark.at_ms + LIFTED_MS
            if number + 1 == len(marks) or marks[number + 1].at_ms > gone_ms:
                states.append((gone_ms, None))
    return states


def _caption_states(captions: Sequence[Caption]) -> list[tuple[int, str]]:
    states: list[tuple[int, str]] = []
    for number, caption in enumerate(captions):
        states.append((caption.at_ms, printable(caption.text)))
        gone_ms = caption.at_ms + CAPTION_MS
        if number + 1 == len(captions) or captions[number + 1].at_ms > gone_ms:
            states.append((gone_ms, ""))
    return states


def printable(text: str) -> str:
    """On one line, without what would turn or hide the letters around it."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST_TEXT])


@lru_cache(256)
def _line(text: str, width: int, height: int, letters_px: int) -> NDArray[np.uint32]:
    """A line of text, cut with an ellipsis where it is too long. Letters have no half tones."""
    image = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(image)
    draw.fontmode = "1"
    font = ImageFont.load_default(letters_px)
    room = width - letters_px
    shown = text
    while shown and draw.textlength(shown + ("" if shown == text else "..."), font) > room:
        shown = shown[:-1]
    shown += "" if shown == text else "..."
    draw.text((letters_px // 2, height // 2), shown, _INK, font, anchor="lm")
    return _from_pillow(image)


@lru_cache(16)
def _disc(radius: int) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    side = 2 * radius + 1
    image = Image.new("RGB", (side, side))
    mask = Image.new("1", (side, side))
    draw = ImageDraw.Draw(image)
    draw.ellipse((0, 0, side - 1, side - 1), _TOUCH, _TOUCH_EDGE, max(1, radius // 4))
    ImageDraw.Draw(mask).ellipse((0, 0, side - 1, side - 1), 1)
    return _from_pillow(image), np.asarray(mask, bool)


def _from_pillow(image: Image.Image) -> NDArray[np.uint32]:
    return pack(np.asarray(image, np.uint8))
