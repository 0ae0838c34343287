"""Hashes of a buffer that changes only where its tap says: strips outside those areas are not even read.

What a hash table promises stays true: outside of the areas the buffer is what it was at the refresh before. Moves are
looked for where there is one area; of several, each column would be scanned more than once, and `old` (strips.py) would
be that of the last scan alone.
"""

from micropython import const

from .strips import Strips

_EVERYWHERE = const(0xFFFF)  # see taps/areas.py
_DO = const(10)
_STORE = const(1)
_PAUSE = const(2)


class WatchedStrips(Strips):
    """areas: as taps/areas.py has them; cleared by each pass. strip_px, strip_rows: the size of a strip in pixels."""

    def __init__(self, areas, strip_px, strip_rows, shape):
        super().__init__(*shape)
        self._areas = areas
        self._strip_px = strip_px
        self._strip_rows = strip_rows
        self._first = self._end = self._top = self._stop = 0  # an area, while it is cut along masks
        areas[0] = _EVERYWHERE

    def refresh(self, dirty):
        if self._areas[0] == _EVERYWHERE:
            self._take_all()
            return Strips.refresh(self, dirty)
        return self._look(dirty)

    def refresh_telling(self, dirty, moves):
        if self._areas[0] == _EVERYWHERE:
            self._take_all()
            return Strips.refresh_telling(self, dirty, moves)
        if self._areas[0] == 1 and self._seen is None:
            self._areas[0] = 0
            self._aim(1)
            return self._look_telling(dirty, moves)
        changed = self._look(dirty)
        if changed:
            moves.drop()
        return changed

    def see(self, masked, dirty):
        Strips.see(self, masked, dirty)
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
        self._whole[_DO] = _STORE
        changed = 0
        while areas[0]:
            areas[0] -= 1
            self._aim(1 + 4 * areas[0])
            if self._seen is None:
                changed += self._go_on(dirty)
            else:
                changed += self._look_beside_masks(dirty)
        self._whole[_DO] = self._telling
        return changed

    def _look_telling(self, dirty, moves):
        """As Strips.refresh_telling, in the window."""
        whole = self._whole
        found = changed = self._go_on(dirty)
        if not found:
            return 0
        moves.begin()
        while found and whole[0] <= whole[1] and whole[_DO] & _PAUSE:
            if not moves.search(whole[0] - 1, dirty):
                whole[_DO] = _STORE
            found = self._go_on(dirty)
            changed += found
        whole[_DO] = self._telling
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
                changed += self._go_on(dirty)
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
