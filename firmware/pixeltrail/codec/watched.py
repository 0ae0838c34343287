"""Hashes of a buffer that changes only where its tap says: strips outside those areas are not even read.

What a hash table promises stays true: outside of the areas the buffer is what it was at the refresh before. Moves are
looked for where there is one area; of several, each column would be scanned more than once, and `old` (strips.py) would
be that of the last scan alone.
"""

from micropython import const

from .strips import Strips, kernel

_EVERYWHERE = const(0xFFFF)  # see taps/areas.py
_COUNT = const(5)  # of moves


class WatchedStrips(Strips):
    """areas: as taps/areas.py has them; cleared by each pass. strip_px, strip_rows: the size of a strip in pixels."""

    def __init__(self, areas, strip_px, strip_rows, shape):
        super().__init__(*shape)
        self._areas = areas
        self._strip_px = strip_px
        self._strip_rows = strip_rows
        # an area, while it is cut along masks, and where in `_seen`
        self._first = self._end = self._top = self._stop = self._at = 0
        areas[0] = _EVERYWHERE

    def refresh(self, dirty, moves=()):
        if self._areas[0] == _EVERYWHERE:
            self._take_all()
            return Strips.refresh(self, dirty, moves)
        if self._areas[0] == 1 and not self._seen:
            self._areas[0] = 0
            self._aim(1)
            return kernel.look(0, 0, dirty, moves, self._job, b"")
        changed = self._look(dirty)
        if changed and moves:
            moves[0][_COUNT] = 0
        return changed

    def see(self, masked, dirty):
        Strips.see(self, masked, dirty)
        self.see_all()

    def see_all(self):
        self._areas[0] = _EVERYWHERE

    def _take_all(self):
        self._areas[0] = 0
        whole = self._whole
        whole[1] = self.cols
        whole[2] = 0
        whole[3] = self.rows

    def _aim(self, at):
        """Let the window be the strips of an area, which is at areas[at]."""
        areas = self._areas
        whole = self._whole
        end = areas[at + 2] // self._strip_px + 1
        if self.overlaps and end == self.cols - 1:
            end = self.cols  # the last column begins inside this one
        whole[0] = areas[at] // self._strip_px
        whole[1] = min(end, self.cols)
        whole[2] = areas[at + 1] // self._strip_rows
        whole[3] = min(areas[at + 3] // self._strip_rows + 1, self.rows)

    def _look(self, dirty):
        areas = self._areas
        changed = 0
        while areas[0]:
            areas[0] -= 1
            self._aim(1 + 4 * areas[0])
            if not self._seen:
                changed += kernel.look(0, 0, dirty, (), self._job, b"")
            else:
                changed += self._look_beside_masks(dirty)
        return changed

    def _look_beside_masks(self, dirty):
        whole = self._whole
        self._first = whole[0]
        self._end = whole[1]
        self._top = whole[2]
        self._stop = whole[3]
        changed = self._at = 0
        while self._seen[self._at] < self._end:
            if self._seen[self._at] >= self._first and self._cut():
                changed += kernel.look(0, 0, dirty, (), self._job, b"")
            self._at += 3
        return changed

    def _cut(self):
        """Let the window be what a run of visible rows has of the area; false when that is nothing."""
        whole = self._whole
        seen = self._seen
        whole[0] = seen[self._at]
        whole[1] = seen[self._at] + 1
        whole[2] = max(seen[self._at + 1], self._top)
        whole[3] = min(seen[self._at + 2], self._stop)
        return whole[2] < whole[3]
