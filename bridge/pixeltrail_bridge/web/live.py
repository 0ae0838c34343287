"""Live pictures: from the projector's thread to the page, for any number of viewers.

The hub keeps one RGBA picture for each device. A viewer keeps no queue of pictures, only what it has not been sent
yet: a few rectangles for each device, or the whole picture. When there is room it takes the rectangles' present
content. So a viewer's memory is bounded, a slow one sees fewer pictures but never a wrong one, and what it holds
after a message is the device's picture at one moment, pixel for pixel.

Pictures come from any thread and are never refused or waited for. A viewer lives on the event loop; `wake` is the
only thing that crosses over. Room is what the viewer says: it confirms each message once it is painted, and at most
WINDOW of them are on the way.

Beside pixels a viewer is sent JSON: `devices` (descriptions that changed, with a width of 0 where there is no picture
any more; of one that was forgotten `is_gone`), `committed` (a device may have new events), and as they come touch, key,
log, vitals, masks, opt_out and gap, with `index`, `at_ms` and the values of marks.py.

A message with pixels is little-endian: version (1), flags, device index (2), width and height of the display (2, 2),
time in ms since 1970 (8, float), then for each rectangle x, y, width, height (2 each) and its RGBA rows.
"""

from __future__ import annotations

import asyncio
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .places import Places

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Rectangle = tuple[int, int, int, int]
Marked = tuple[int, list[Rectangle] | None]  # a device's index; what of it was not sent yet, None: all
VERSION = 1
FULL, KEY, MIXED = 1, 2, 4
HEAD = struct.Struct("<BBHHHd")
BLOCK = struct.Struct("<HHHH")
WINDOW = 4  # messages with pixels on the way to one viewer: hides a round trip of 100 ms at 30 frames/s
MOST_RECTANGLES = 24  # of one device and viewer; beyond, their bounding box is cheaper than their heads
MOST_NOTICES = 64  # touches, keys and the like a viewer has not been sent; beyond, the oldest are dropped
DESCRIBE_S = 0.5  # between two looks at what changed in the devices' descriptions
_RATE_SPAN_S = 2.0


@dataclass(slots=True)
class LiveDevice:
    """What the page shows of one device. Written under the hub's lock."""

    index: int
    device_id: str
    picture: NDArray[np.uint8] | None = None  # rows, columns, RGBA
    shown_ms: float = 0.0
    flags: int = 0
    is_synced: bool = False
    frames: int = 0
    keyframes: int = 0
    mixed: int = 0
    gaps: int = 0
    errors: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=128))
    touched_ms: float | None = None
    is_gone: bool = False  # forgotten; its index stays taken

    def describe(self, now_s: float) -> dict[str, Any]:
        """The device as JSON, without pixels."""
        height, width = self.picture.shape[:2] if self.picture is not None else (0, 0)
        recent = sum(1 for at in self.recent if now_s - at <= _RATE_SPAN_S)
        return {
            "frames": self.frames,
            "keyframes": self.keyframes,
            "mixed": self.mixed,
            "decode_errors": self.errors,
            **self.facts,  # with the store's counts, which began before this process
            "index": self.index,
            "id": self.device_id,
            "width": width,
            "height": height,
            "synced": self.is_synced,
            "fps": round(recent / _RATE_SPAN_S, 1),
            "replay_gaps": self.gaps,
            "last_touch_ms": self.touched_ms or self.facts.get("last_touch_ms"),
        }


class Hub:
    """All live devices and viewers. Every method may be called from any thread."""

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], float] = lambda: time.time() * 1000,
    ) -> None:
        self._monotonic = monotonic
        self._wall_ms = wall_ms
        self._lock = threading.Lock()
        self._devices: dict[str, LiveDevice] = {}
        self._by_index: list[LiveDevice] = []
        self._viewers: set[Viewer] = set()
        self.places = Places()
        self._forgets = 0  # how often something was forgotten
        self.on_watch: Callable[[frozenset[str] | None], None] = lambda watched: None  # on the event loop

    # --- from the bridge ------------------------------------------------------

    def show(
        self,
        device_id: str,
        width: int,
        height: int,
        rectangles: Iterable[Rectangle],
        rgba: Callable[[int, int, int, int], bytes],
        *,
        is_keyframe: bool = False,
        is_mixed: bool = False,
    ) -> None:
        """A new picture: `rgba` gives the bytes of a rectangle, row by row, and is called before this returns."""
        import numpy as np  # with the first picture: a bridge that starts has devices to answer first

        with self._lock:
            device = self._device(device_id)
            areas = _simplify(list(rectangles))
            if device.picture is None or device.picture.shape[:2] != (height, width):
                device.picture = np.zeros((height, width, 4), np.uint8)
                areas = [(0, 0, width, height)]
            for x, y, w, h in areas:
                device.picture[y : y + h, x : x + w] = np.frombuffer(rgba(x, y, w, h), np.uint8).reshape(
                    h, w, 4
                )
            device.flags = (KEY if is_keyframe else 0) | (MIXED if is_mixed else 0)
            device.shown_ms = self._wall_ms()
            device.recent.append(self._monotonic())
            device.is_synced = True
            device.frames += 1
            device.keyframes += is_keyframe
            device.mixed += is_mixed
            for viewer in self._viewers:
                viewer.mark(device, areas)

    @property
    def age(self) -> int:
        """Goes up with each time that something is forgotten: what was read before that counts for nothing."""
        with self._lock:
            return self._forgets

    def recall(
        self, device_id: str, width: int, height: int, rgba: bytes, shown_ms: float, as_of: int
    ) -> bool:
        """What a device showed before this process began; nothing when it has shown something since.

        `as_of`: the hub's age before that was read. False: it is another one by now.
        """
        with self._lock:
            if as_of != self._forgets:
                return False
            device = self._device(device_id)
            if device.picture is None:
                self._repaint(device, width, height, rgba, shown_ms)
            return True

    def repaint(self, device_id: str, width: int, height: int, rgba: bytes, shown_ms: float) -> None:
        """The whole picture as it stands, whatever was shown before; no new frame."""
        with self._lock:
            device = self._device(device_id)
            device.is_synced = True
            self._repaint(device, width, height, rgba, shown_ms)

    def _repaint(self, device: LiveDevice, width: int, height: int, rgba: bytes, shown_ms: float) -> None:
        import numpy as np

        device.picture = np.frombuffer(rgba, np.uint8).reshape(height, width, 4).copy()
        device.shown_ms = shown_ms
        for viewer in self._viewers:
            viewer.mark(device, None)

    def touch(self, device_id: str, x: int | None, y: int | None, phase: int) -> None:
        with self._lock:
            device = self._device(device_id)
            at_ms = device.touched_ms = round(self._wall_ms())
            self._notify(
                {"type": "touch", "index": device.index, "at_ms": at_ms, "x": x, "y": y, "phase": phase}
            )

    def tell(self, device_id: str, kind: str, values: Mapping[str, Any]) -> None:
        """A key, a log line, vitals or something else that stands beside the picture, as JSON."""
        with self._lock:
            device = self._device(device_id)
            at_ms = round(self._wall_ms())
            if kind == "key":
                device.touched_ms = at_ms
            self._notify({**values, "type": kind, "index": device.index, "at_ms": at_ms})

    def lose(self, device_id: str, *, is_error: bool) -> None:
        """A gap or a frame that could not be decoded: the picture stays as it was until the next keyframe."""
        with self._lock:
            device = self._device(device_id)
            device.is_synced = False
            if is_error:
                device.errors += 1
            else:
                device.gaps += 1

    def set_facts(self, device_id: str, facts: Mapping[str, Any], as_of: int | None = None) -> bool:
        """What the store or the link knows of a device; merged into what was known. `as_of`: as recall() has it."""
        with self._lock:
            if as_of not in (None, self._forgets):
                return False
            self._device(device_id).facts.update(facts)
            return True

    def tell_committed(self, device_id: str) -> None:
        """The device's list of events may have grown."""
        with self._lock:
            device = self._devices.get(device_id)
            if device is None:
                return  # nobody was told of it, so nobody has a list
            for viewer in self._viewers:
                viewer.committed(device.index)

    def forget(self, known: set[str], without_picture: set[str]) -> None:
        """Devices that are not `known` any more go; of others the picture, until the next one comes."""
        with self._lock:
            self._forgets += 1
            for device_id in [one for one in self._devices if one not in known]:
                device = self._devices.pop(device_id)
                device.is_gone, device.picture, device.facts, device.device_id = True, None, {}, ""
                for viewer in self._viewers:
                    viewer.drop(device.index)
            for device_id in without_picture & self._devices.keys():
                device = self._devices[device_id]
                device.picture, device.is_synced = None, False
                for viewer in self._viewers:
                    viewer.drop(device.index)

    # --- from the page --------------------------------------------------------

    def devices(self) -> list[dict[str, Any]]:
        now = self._monotonic()
        with self._lock:
            return [device.describe(now) for device in self._by_index if not device.is_gone]

    def attach(self, viewer: Viewer) -> None:
        """From now on the viewer is told of everything; it begins with the full picture of each device."""
        with self._lock:
            self._viewers.add(viewer)
            for device in self._by_index:
                if device.picture is not None:
                    viewer.mark(device, None)
        self.on_watch(self.watched)

    def detach(self, viewer: Viewer) -> None:
        with self._lock:
            self._viewers.discard(viewer)
        self.on_watch(self.watched)

    @property
    def watched(self) -> frozenset[str] | None:
        """Devices that somebody looks at; None: all."""
        with self._lock:
            names = {viewer.only for viewer in self._viewers}
        return None if None in names else frozenset(name for name in names if name is not None)

    def now(self) -> float:
        return self._monotonic()

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    def encode(self, index: int, areas: list[Rectangle] | None) -> bytes | None:
        """The present content of some rectangles of a device, None for all of it, as one message.

        None: it was forgotten since they were marked.
        """
        with self._lock:
            return self._encode(index, areas)

    def encode_next(self, take: Callable[[], Marked | None]) -> bytes | None:
        """The first of what `take` gives that is still known, as one message; None when there is nothing.

        It is taken and read at one moment: a frame between the two would be shown in part, where it lies under them.
        """
        with self._lock:
            while (marked := take()) is not None:
                if (message := self._encode(*marked)) is not None:
                    return message
        return None

    def _encode(self, index: int, areas: list[Rectangle] | None) -> bytes | None:
        device = self._by_index[index]
        picture = device.picture
        if picture is None:
            return None
        height, width = picture.shape[:2]
        if areas is not None and any(x + w > width or y + h > height for x, y, w, h in areas):
            areas = None  # the display changed since they were marked
        flags = device.flags | (FULL if areas is None else 0)
        parts = [HEAD.pack(VERSION, flags, index, width, height, device.shown_ms)]
        for x, y, w, h in [(0, 0, width, height)] if areas is None else areas:
            parts += (BLOCK.pack(x, y, w, h), picture[y : y + h, x : x + w].tobytes())
        return b"".join(parts)

    def _device(self, device_id: str) -> LiveDevice:
        device = self._devices.get(device_id)
        if device is None:
            device = self._devices[device_id] = LiveDevice(len(self._by_index), device_id)
            self._by_index.append(device)
        return device

    def _notify(self, notice: dict[str, Any]) -> None:
        for viewer in self._viewers:
            viewer.notice(notice)


class Viewer:
    """One page that looks on. `mark` and `notice` come from the hub, under its lock; the rest is the event loop's.

    Who needs both locks takes the hub's first.
    """

    def __init__(self, hub: Hub, loop: asyncio.AbstractEventLoop, only: str | None = None) -> None:
        self.wake = asyncio.Event()
        self.merged = 0  # pictures that were replaced by a newer one before they were sent
        self._hub = hub
        self._loop = loop
        self.only = only
        self._lock = threading.Lock()
        self._dirty: dict[int, list[Rectangle] | None] = {}  # in the order to be sent
        self._notices: deque[dict[str, Any]] = deque(maxlen=MOST_NOTICES)
        self._committed: set[int] = set()  # devices with new events; told as often as descriptions are
        self._told: dict[int, dict[str, Any]] = {}
        self._described_s = float("-inf")
        self._sent = 0
        self._painted = 0

    def mark(self, device: LiveDevice, areas: list[Rectangle] | None) -> None:
        if self.only not in (None, device.device_id):
            return
        with self._lock:
            if device.index in self._dirty:
                self.merged += 1
                waiting = self._dirty[device.index]
                if waiting is not None and areas is not None:
                    areas = _simplify([area for area in waiting if area not in areas] + areas)
                else:
                    areas = None
            self._dirty[device.index] = areas
        self._call()

    def drop(self, index: int) -> None:
        """There is no picture of a device any more."""
        with self._lock:
            self._dirty.pop(index, None)

    def notice(self, notice: dict[str, Any]) -> None:
        with self._lock:
            self._notices.append(notice)
        self._call()

    def committed(self, index: int) -> None:
        with self._lock:
            self._committed.add(index)

    def confirm(self, painted: int) -> None:
        """The page has painted this many messages in all. A number never sent counts as all that were."""
        self._painted = max(self._painted, min(painted, self._sent))
        self.wake.set()

    def news(self) -> list[dict[str, Any]]:
        """What changed in the devices' descriptions, then notices, as JSON; sent without asking for room."""
        now = self._hub.now()
        with self._lock:
            has_new = not self._told.keys() >= self._dirty.keys()
        is_due = has_new or now - self._described_s >= DESCRIBE_S
        changed: list[dict[str, Any]] = []
        if is_due:
            self._described_s = now
            changed = self._changed_devices()
        with self._lock:
            committed = self._committed & self._told.keys() if is_due else set()
            self._committed -= committed
            notices = [{"type": "committed", "index": index} for index in sorted(committed)]
            notices += [notice for notice in self._notices if notice["index"] in self._told]
            self._notices.clear()
        return ([{"type": "devices", "devices": changed}] if changed else []) + notices

    def _changed_devices(self) -> list[dict[str, Any]]:
        devices = self._hub.devices()
        changed: list[dict[str, Any]] = []
        for index in self._told.keys() - {device["index"] for device in devices}:
            del self._told[index]
            changed.append({"index": index, "is_gone": True})
        for device in devices:
            if self.only in (None, device["id"]) and self._told.get(device["index"]) != device:
                self._told[device["index"]] = device
                changed.append(device)
        return changed

    def next_picture(self) -> bytes | None:
        """The next message with pixels, None when nothing is new or there is no room."""
        if self._sent - self._painted >= WINDOW:
            return None
        message = self._hub.encode_next(self._take)
        self._sent += message is not None
        return message

    def _take(self) -> Marked | None:
        with self._lock:
            index = next((index for index in self._dirty if index in self._told), None)
            return None if index is None else (index, self._dirty.pop(index))

    def _call(self) -> None:
        if not self.wake.is_set():
            with suppress(RuntimeError):  # the loop is closed: the viewer is gone and about to be detached
                self._loop.call_soon_threadsafe(self.wake.set)


def _simplify(areas: list[Rectangle]) -> list[Rectangle]:
    if len(areas) <= MOST_RECTANGLES:
        return areas
    left = min(x for x, _, _, _ in areas)
    top = min(y for _, y, _, _ in areas)
    right = max(x + w for x, _, w, _ in areas)
    bottom = max(y + h for _, y, _, h in areas)
    return [(left, top, right - left, bottom - top)]
