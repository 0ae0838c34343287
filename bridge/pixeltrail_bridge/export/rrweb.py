"""A recording as events of rrweb, the format that session replay players for the web read.

The display becomes a page of one `div` (the screen) with images in it. The first image is the whole picture; each
change adds images of the changed rectangles on top and removes those that are wholly covered, or, where that is
smaller, gives the first image a new source. Images are data URLs of PNG files, so nothing is ever fetched. No canvas:
players leave canvas replay switched off, and with it on seek backwards to wrong pictures.

Players go to a moment from the last snapshot before it, so a keyframe (Meta and FullSnapshot, of the same time, node
numbers from the start) stands at the beginning, after every gap, after `keyframe_ms` with activity, and where
MAX_OVERLAYS images would lie on each other. A turned display begins with one too.

Times are ms since 1970 on the host's time line, and never fall. Keys of an event stand in the order type, timestamp,
data, as Amplitude's reader wants them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from heapq import merge
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from ..replay.marks import GAP, Mark
from ..replay.recording import Picture
from .small_png import encode_png

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Event = dict[str, Any]
Rectangle = tuple[int, int, int, int]

KEYFRAME_MS: Final = 45_000
MAX_OVERLAYS: Final = 200  # beyond, players become slow: a seek builds all of them
WHOLE_PX: Final = (
    10_000  # a display this small is smaller as a whole than as rectangles with their descriptions
)
TAG_PREFIX: Final = "pixeltrail."
_COMFORT_PX: Final = 480  # players only scale down: a small display is enlarged to about this
_FULL_SNAPSHOT, _INCREMENTAL, _META, _CUSTOM = 2, 3, 4, 5
_MUTATION, _INTERACTION, _TOUCH_MOVE = 0, 2, 6
_TOUCH_TYPES: Final = {"down": 7, "up": 9, "cancel": 10}
_POINTER_TOUCH: Final = 2
_SCREEN: Final = 5  # node numbers: 1 document, 2 html, 3 head, 4 body, then the screen
_WHOLE: Final = 10
_FIRST_OVERLAY: Final = 11
_DESCRIPTION_BYTES: Final = 200  # of an added image, beside its data
_encode = msgspec.json.Encoder().encode


class Source(Protocol):
    """What is read of a recording; `replay.recording.Recording` is one."""

    @property
    def device_id(self) -> str: ...
    @property
    def start_ms(self) -> int: ...
    def pictures(self) -> Iterator[Picture]: ...
    def marks(self) -> Iterator[Mark]: ...


def rrweb_events(
    recording: Source,
    *,
    scale: int | None = None,
    keyframe_ms: int = KEYFRAME_MS,
    not_before_ms: int = 0,
    events: Iterable[Mark] = (),
) -> Iterator[Event]:
    """The events, one by one; memory does not grow with the recording.

    `scale` enlarges the display by a whole number; None chooses one by its size. `events` are further marks in time
    order, such as track calls. No event is earlier than `not_before_ms`. A recording without any picture has no events.
    """
    writer = _Writer(recording, scale, keyframe_ms, not_before_ms)
    parts: list[Iterable[Picture | Mark]] = [recording.pictures(), recording.marks(), events]
    for item in merge(*parts, key=lambda item: item.at_ms):
        yield from writer.picture(item) if isinstance(item, Picture) else writer.mark(item)


def encode_event(event: Event) -> bytes:
    """An event as JSON."""
    return _encode(event)


def default_scale(width: int, height: int) -> int:
    """How often an edge of a display fits where it can be seen well; 1 for a large one."""
    return max(1, _COMFORT_PX // max(width, height))


class _Writer:
    """`_shown` is what a player shows after the events so far; `_overlays` the images it has on top, oldest first."""

    def __init__(self, recording: Source, scale: int | None, keyframe_ms: int, not_before_ms: int) -> None:
        self._start_ms, self._now_ms = recording.start_ms, not_before_ms
        self._href = f"pixeltrail://{recording.device_id}/"
        self._wanted_scale, self._keyframe_ms = scale, keyframe_ms
        self._scale = 1
        self._shown: NDArray[np.uint8] | None = None
        self._overlays: dict[int, Rectangle] = {}
        self._next_id = _FIRST_OVERLAY
        self._keyframe_at_ms = 0
        self._is_broken = False  # something is missing: begin anew
        self._whole_bytes = 0  # of the newest whole image, as base64
        self._early: list[Mark] = []  # marks before the first picture

    # ---- what comes in ------------------------------------------------------------

    def picture(self, picture: Picture) -> Iterator[Event]:
        rgb = picture.rgb()
        if self._shown is None:
            yield from self._begin(picture, rgb)
            return
        at_ms = self._advance(picture.at_ms)
        if rgb.shape != self._shown.shape or self._is_keyframe_due(at_ms):
            self._shown = rgb
            yield from self._keyframe(at_ms)
            return
        boxes = [box for box in (_trim(self._shown, rgb, one) for one in picture.rectangles) if box]
        self._shown = rgb
        if boxes:
            yield from self._change(at_ms, boxes)

    def mark(self, mark: Mark) -> Iterator[Event]:
        if self._shown is None:
            self._early.append(mark)
            return
        at_ms = self._advance(mark.at_ms)
        if mark.kind == GAP:
            self._is_broken = True
        elif mark.kind in ("touch", "key") and self._is_keyframe_due(at_ms):
            yield from self._keyframe(at_ms)
        yield self._describe(at_ms, mark)

    def _begin(self, picture: Picture, rgb: NDArray[np.uint8]) -> Iterator[Event]:
        """The first picture. Before it a display was black, which only shows where something happened meanwhile."""
        early, self._early = self._early, []
        if early:
            self._shown = rgb * 0
            yield from self._keyframe(self._advance(early[0].at_ms))
            for mark in early:
                yield self._describe(self._advance(mark.at_ms), mark)
            yield from self.picture(picture)
            return
        self._shown = rgb
        yield from self._keyframe(self._advance(picture.at_ms))

    def _advance(self, at_ms: int) -> int:
        self._now_ms = max(self._now_ms, self._start_ms + at_ms)
        return self._now_ms

    def _is_keyframe_due(self, at_ms: int) -> bool:
        return self._is_broken or at_ms - self._keyframe_at_ms >= self._keyframe_ms

    # ---- pictures -----------------------------------------------------------------

    def _keyframe(self, at_ms: int) -> Iterator[Event]:
        assert self._shown is not None
        height, width = self._shown.shape[:2]
        scale = self._scale = self._wanted_scale or default_scale(width, height)
        self._overlays, self._next_id = {}, _FIRST_OVERLAY
        self._keyframe_at_ms, self._is_broken = at_ms, False
        size = {"width": width * scale, "height": height * scale}
        yield _event(_META, at_ms, {"href": self._href, **size})
        style = f"position:relative;width:{size['width']}px;height:{size['height']}px;overflow:hidden"
        screen = _element(_SCREEN, "div", {"style": style}, [self._whole_image()])
        body = _element(4, "body", {"style": "margin:0;background:#000"}, [screen])
        html = _element(2, "html", {}, [_element(3, "head", {}, []), body])
        document = {"type": 0, "id": 1, "childNodes": [html]}
        yield _event(_FULL_SNAPSHOT, at_ms, {"node": document, "initialOffset": {"left": 0, "top": 0}})

    def _whole_image(self) -> Event:
        assert self._shown is not None
        height, width = self._shown.shape[:2]
        source = _data_url(encode_png(self._shown)[0])
        self._whole_bytes = len(source)
        return self._image(_WHOLE, (0, 0, width, height), source, is_natural=False)

    def _change(self, at_ms: int, boxes: list[Rectangle]) -> Iterator[Event]:
        """The smaller of two: the changed rectangles, or the whole picture."""
        assert self._shown is not None
        height, width = self._shown.shape[:2]
        changed = sum(w * h for _, _, w, h in boxes)
        if width * height <= WHOLE_PX or changed * 2 > width * height:
            yield self._replace(at_ms, _data_url(encode_png(self._shown)[0]))
            return
        if len(self._overlays) + len(boxes) > MAX_OVERLAYS:
            yield from self._keyframe(at_ms)
            return
        images = [
            (box, *encode_png(self._shown[box[1] : box[1] + box[3], box[0] : box[0] + box[2]]))
            for box in boxes
        ]
        cost = sum(len(data) * 4 // 3 + _DESCRIPTION_BYTES for _, data, _ in images)
        if cost > self._whole_bytes:
            whole = _data_url(encode_png(self._shown)[0])
            self._whole_bytes = len(whole)
            if len(whole) < cost:
                yield self._replace(at_ms, whole)
                return
        yield self._add(at_ms, images)

    def _replace(self, at_ms: int, source: str) -> Event:
        """Give the whole image another source; what lay on it goes."""
        self._whole_bytes = len(source)
        removes = [_removal(number) for number in self._overlays]
        self._overlays = {}
        return _mutation(at_ms, removes=removes, attributes=[{"id": _WHOLE, "attributes": {"src": source}}])

    def _add(self, at_ms: int, images: list[tuple[Rectangle, bytes, tuple[int, int]]]) -> Event:
        removes, adds = list[Event](), list[Event]()
        for box, _, _ in images:
            for number in [one for one, under in self._overlays.items() if _covers(box, under)]:
                del self._overlays[number]
                removes.append(_removal(number))
        for box, data, size in images:
            number, self._next_id = self._next_id, self._next_id + 1
            self._overlays[number] = box
            node = self._image(number, box, _data_url(data), is_natural=self._scale == 1 and size == box[2:])
            adds.append({"parentId": _SCREEN, "nextId": None, "node": node})
        return _mutation(at_ms, removes=removes, adds=adds)

    def _image(self, number: int, box: Rectangle, source: str, *, is_natural: bool) -> Event:
        """An `img` over a rectangle of the display; `is_natural`: the file itself has the size."""
        left, top, width, height = (edge * self._scale for edge in box)
        size = "" if is_natural else f"width:{width}px;height:{height}px;"
        style = f"position:absolute;left:{left}px;top:{top}px;{size}image-rendering:pixelated"
        return _element(number, "img", {"src": source, "style": style}, [])

    # ---- marks --------------------------------------------------------------------

    def _describe(self, at_ms: int, mark: Mark) -> Event:
        values = mark.values
        if mark.kind == "touch" and values.get("x") is not None and values.get("y") is not None:
            where = {name: values[name] * self._scale + self._scale // 2 for name in ("x", "y")}
            if values.get("phase") == "move":
                position = {**where, "id": _SCREEN, "timeOffset": 0}
                return _event(_INCREMENTAL, at_ms, {"source": _TOUCH_MOVE, "positions": [position]})
            if values.get("phase") in _TOUCH_TYPES:
                kind = {"source": _INTERACTION, "type": _TOUCH_TYPES[values["phase"]], "id": _SCREEN}
                return _event(_INCREMENTAL, at_ms, {**kind, **where, "pointerType": _POINTER_TOUCH})
        return _event(_CUSTOM, at_ms, {"tag": TAG_PREFIX + mark.kind, "payload": values})


def _event(kind: int, at_ms: int, data: Event) -> Event:
    return {"type": kind, "timestamp": at_ms, "data": data}


def _mutation(
    at_ms: int,
    *,
    removes: list[Event],
    adds: list[Event] | None = None,
    attributes: list[Event] | None = None,
) -> Event:
    changes = {"texts": [], "attributes": attributes or [], "removes": removes, "adds": adds or []}
    return _event(_INCREMENTAL, at_ms, {"source": _MUTATION, **changes})


def _removal(number: int) -> Event:
    return {"parentId": _SCREEN, "id": number}


def _element(number: int, tag: str, attributes: Event, children: list[Event]) -> Event:
    return {"type": 2, "id": number, "tagName": tag, "attributes": attributes, "childNodes": children}


def _data_url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _covers(over: Rectangle, under: Rectangle) -> bool:
    """Whether `under` lies wholly within `over`."""
    return (
        over[0] <= under[0]
        and over[1] <= under[1]
        and over[0] + over[2] >= under[0] + under[2]
        and over[1] + over[3] >= under[1] + under[3]
    )


def _trim(old: NDArray[np.uint8], new: NDArray[np.uint8], box: Rectangle) -> Rectangle | None:
    """The smallest rectangle within `box` with all that differs there; None when nothing does."""
    import numpy as np

    x, y, width, height = box
    area = np.s_[y : y + height, x : x + width]
    differs = (old[area] != new[area]).any(axis=2)
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    if not len(rows):
        return None
    left, top = int(columns[0]), int(rows[0])
    return x + left, y + top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top
