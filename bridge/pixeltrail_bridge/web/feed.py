"""From the projector to the hub: what each moment of a stream means for the live picture. Runs on its thread."""

from __future__ import annotations

from typing import Final

from ..replay import formats, marks
from ..replay.canvas import Canvas
from ..replay.timeline import Moment
from ..wire.messages import Gap, Touch
from .live import Hub

_TOLD: Final = ("key", "log", "vitals", "masks", "opt_out", marks.GAP)  # beside the picture, as they come


class Feed:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._unsynced: set[str] = set()

    def take(self, device_id: str, canvas: Canvas | None, moment: Moment) -> None:
        """Called with each moment in order; the canvas stands at it and is read before this returns."""
        body = moment.body
        if isinstance(body, Touch):
            self._hub.touch(device_id, body.x, body.y, body.phase)
        elif (found := marks.describe(body)) is not None and found[0] in _TOLD:
            self._hub.tell(device_id, *found)
        if canvas is not None:
            self._follow(device_id, canvas, moment)

    def begin(self, device_id: str, canvas: Canvas, shown_ms: float) -> None:
        """Show the whole picture as it stands."""
        display = canvas.display
        values = formats.to_values(canvas.picture, display.format, display.width, display.height)
        rgba = formats.rgba_table(display.format, display.palette)[values]
        self._unsynced.discard(device_id)
        self._hub.repaint(device_id, display.width, display.height, rgba.tobytes(), shown_ms)

    def _follow(self, device_id: str, canvas: Canvas, moment: Moment) -> None:
        if moment.shown is not None:
            self._unsynced.discard(device_id)
            self._show(device_id, canvas, moment)
        elif moment.error is not None:
            self._unsynced.add(device_id)
            self._hub.lose(device_id, is_error=True)
        elif not canvas.synced and device_id not in self._unsynced or isinstance(moment.body, Gap):
            self._unsynced.add(device_id)
            self._hub.lose(device_id, is_error=False)

    def _show(self, device_id: str, canvas: Canvas, moment: Moment) -> None:
        assert moment.shown is not None
        display = canvas.display
        values = formats.to_values(canvas.picture, display.format, display.width, display.height)
        table = formats.rgba_table(display.format, display.palette)

        def rgba(x: int, y: int, w: int, h: int) -> bytes:
            return table[values[y : y + h, x : x + w]].tobytes()

        self._hub.show(
            device_id,
            display.width,
            display.height,
            moment.shown.rectangles,
            rgba,
            is_keyframe=moment.shown.is_keyframe,
            is_mixed=moment.shown.is_mixed,
        )
