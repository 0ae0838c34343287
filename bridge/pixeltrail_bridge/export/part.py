"""The wanted part of a recording, as a recording: for formats that keep the session's own time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..replay.marks import Mark
from ..replay.recording import Picture
from .options import MAX_DRAWN_PX, check_budget
from .stage import Source


class Part:
    """From `from_ms` to `to_ms` (None: the end). What stands at its start is shown from there on.

    LocalError from `pictures` when they have more than `max_drawn_px` pixels together.
    """

    def __init__(
        self,
        whole: Source,
        from_ms: int = 0,
        to_ms: int | None = None,
        max_drawn_px: int = MAX_DRAWN_PX,
    ) -> None:
        self._max_drawn_px = max_drawn_px
        self._whole, self._from_ms, self._to_ms = whole, from_ms, to_ms
        self.device_id, self.session_id, self.start_ms = whole.device_id, whole.session_id, whole.start_ms
        self.is_open = whole.is_open
        self.end_ms = whole.end_ms if to_ms is None else min(whole.end_ms, whole.start_ms + to_ms)

    def pictures(self, from_ms: int = 0, to_ms: int | None = None) -> Iterator[Picture]:
        drawn_px = 0
        ends = [one for one in (to_ms, self._to_ms) if one is not None]
        for picture in self._whole.pictures(max(from_ms, self._from_ms), min(ends, default=None)):
            drawn_px += picture.display.width * picture.display.height
            check_budget(drawn_px, self._max_drawn_px)
            if picture.at_ms < self._from_ms:
                late_ms = self._from_ms - picture.at_ms
                picture = replace(picture, at_ms=self._from_ms, host_ms=picture.host_ms + late_ms)
            yield picture

    def marks(self) -> Iterator[Mark]:
        return (mark for mark in self._whole.marks() if self.holds(mark.at_ms))

    def holds(self, at_ms: int) -> bool:
        return self._from_ms <= at_ms and (self._to_ms is None or at_ms <= self._to_ms)
