"""Operations of S-CX (payload type 1): copies, references and rectangles, painted into a picture.

A `Painter` keeps what passes from part to part: the model, and the rectangles that may be referred to. The pictures are
its caller's. coded.py has the arithmetic.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ..errors import FrameError
from ..wire.limits import MAX_FRAME_RECTS
from ..wire.messages import Display, PixelFormat
from . import coded, formats
from .pixels import Geometry
from .states import STATES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Area = tuple[int, int, int, int]
"""Left byte, top row, bytes wide, rows."""

MONO_CONTEXTS: Final = 2048
COLOUR_CONTEXTS: Final = 904
HEAD_CONTEXTS: Final = 58 + 2 * 128 + 32 + 5 + 16 + 45
COLOURS: Final = 128
# Smaller rectangles cannot be referred to; strips at the right edge count whole.
KEPT_PX: Final = 160
# All operations of a part together. Copies, and what comes after them, each cover a picture at most once; a rectangle
# that ended early has pixels of one row twice.
PICTURES_PER_PART: Final = 3

_rooms = threading.local()
_FAULTS: Final = {
    coded.BAD_NUMBER: "a number that no encoder writes",
    coded.BAD_RAW: "the payload ends inside a rectangle",
    coded.TOO_MUCH: "the operations cover more than they may",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A rectangle that may be referred to: where it was, and its bytes row by row."""

    left: int
    top: int
    width: int
    rows: int
    data: bytes


class Painter:
    """Paints parts. `reset` before the first part of a keyframe."""

    def __init__(self, display: Display, use_numba: bool = True) -> None:
        self.geometry = Geometry.of(display)
        self._display = display
        self._bits = formats.bits_per_pixel(display.format)
        self._base = MONO_CONTEXTS if self._bits == 1 else COLOUR_CONTEXTS
        columns = -(-self.geometry.row_bytes // self.geometry.strip_bytes)
        self._columns = columns
        self._place_bits = ((columns - 1).bit_length(), (self.geometry.rows - 1).bit_length())
        self._use_numba = use_numba
        self._code: ModuleType | None = None
        self._entries: deque[Entry] = deque(maxlen=display.references)
        self._dy = self._count = 0
        self._last = -1

    def reset(self) -> None:
        """Forget all that passes from part to part."""
        self._prepare()
        self._zero(self._states, len(self._states))
        self._zero(self._colours, COLOURS)
        self._entries.clear()
        self._count = 0
        self._last = -1

    def paint(self, payload: bytes, picture: bytearray, before: bytes | bytearray) -> list[Area]:
        """Paint one part and return what it covers. `before` is the picture before the frame. Raises FrameError."""
        self._prepare()
        self._values = self._scratch()
        if not payload:
            return []
        areas: list[Area] = []
        self._dy = 0
        self._budget = PICTURES_PER_PART * self.geometry.row_bytes * self.geometry.rows
        code = self._module()
        data = self._sequence(payload)
        code.start(data, self._s)
        copies = True
        while kind := self._head(code, data):
            if kind == coded.IS_COPY and not copies:
                self._fail("a copy comes after another operation")
            copies = kind == coded.IS_COPY
            if len(areas) == MAX_FRAME_RECTS:
                self._fail("too many operations")
            if kind == coded.IS_COPY:
                area = self._copy(picture, before)
            elif kind == coded.IS_REFERENCE:
                area = self._reference(picture)
            else:
                area = self._rectangle(code, data, picture)
            areas.append(area)
        code.normalise(data, self._s)
        written = int(self._s[coded.TAKEN]) + 1
        if not len(payload) <= written <= len(payload) + 3:
            self._fail(f"{len(payload)} bytes where the operations take {written}")
        return areas

    def _head(self, code: ModuleType, data: Any) -> int:
        kind = code.head(
            data,
            self._s,
            self._table,
            self._states,
            self._base,
            self._place_bits,
            self._op,
            self._dy,
            self._last + 1,
            self._count,
        )
        if self._s[coded.OVERRUN]:
            self._fail("the payload ends before its operations do")
        if kind < 0:
            self._fail(_FAULTS[kind])
        return int(kind)

    def _area(self) -> Area:
        strip, strips, top, rows = (
            int(self._op[i]) for i in (coded.STRIP, coded.STRIPS, coded.ROW, coded.ROWS)
        )
        g = self.geometry
        if strip + strips > self._columns or top + rows > g.rows:
            self._fail(
                f"strips {strip} to {strip + strips} of rows {top} to {top + rows} lie outside the display"
            )
        left = strip * g.strip_bytes
        return left, top, min(strips * g.strip_bytes, g.row_bytes - left), rows

    def _spend(self, size: int) -> None:
        self._budget -= size
        if self._budget < 0:
            self._fail(_FAULTS[coded.TOO_MUCH])

    def _copy(self, picture: bytearray, before: bytes | bytearray) -> Area:
        left, top, width, rows = self._area()
        self._dy = int(self._op[coded.DY_ROWS])
        if top + self._dy < 0 or top + rows + self._dy > self.geometry.rows:
            self._fail(f"a copy takes rows {top + self._dy} to {top + rows + self._dy}, outside the display")
        self._spend(width * rows)
        pitch, columns = self.geometry.row_bytes, slice(left, left + width)
        source = _grid(before, pitch)[top + self._dy : top + self._dy + rows, columns]
        _grid(picture, pitch)[top : top + rows, columns] = source
        return left, top, width, rows

    def _reference(self, picture: bytearray) -> Area:
        which = int(self._op[coded.WHICH])
        oldest = self._count - len(self._entries)
        if not oldest <= which < self._count:
            self._fail(f"rectangle {which} is not among the ones kept, {oldest} to {self._count}")
        self._last = which
        entry = self._entries[which - oldest]
        left, top = entry.left, entry.top
        if not self._op[coded.IS_SAME_PLACE]:
            left, top = int(self._op[coded.STRIP]) * self.geometry.strip_bytes, int(self._op[coded.ROW])
        if left + entry.width > self.geometry.row_bytes or top + entry.rows > self.geometry.rows:
            self._fail("a rectangle shown again lies outside the display")
        self._spend(len(entry.data))
        _put(picture, self.geometry.row_bytes, (left, top, entry.width, entry.rows), entry.data)
        return left, top, entry.width, entry.rows

    def _rectangle(self, code: ModuleType, data: Any, picture: bytearray) -> Area:
        left, top, width, rows = area = self._area()
        if self._op[coded.IS_RAW]:
            done = self._raw(code, data, picture, area)
        elif self._bits == 1:
            done = self._mono(code, data, picture, area)
        else:
            done = self._colour(code, data, picture, area)
        if done < 0:
            self._fail(_FAULTS[done])
        if self._s[coded.OVERRUN]:
            self._fail(_FAULTS[coded.BAD_RAW])
        area = (left, top, width, done)
        if done:
            self._spend(width * done)
            self._clear_unused_bits(picture, area)
            self._keep(picture, area)
        return area

    def _keep(self, picture: bytearray, area: Area) -> None:
        g = self.geometry
        if int(self._op[coded.STRIPS]) * area[3] * g.strip_px * g.row_px < KEPT_PX:
            return
        self._entries.append(Entry(*area, _get(picture, g.row_bytes, area)))
        self._count += 1

    def _raw(self, code: ModuleType, data: Any, picture: bytearray, area: Area) -> int:
        left, top, width, rows = area
        if width * rows > len(data):
            return coded.BAD_RAW
        size = self.geometry.row_bytes
        return int(code.raw_rows(data, self._s, self._shared(picture), size, left, top, width, rows))

    def _pixel_area(self, area: Area) -> Area:
        """In pixels, without what lies beyond the right edge; rows below the last one stay, they are coded."""
        left, top, width, rows = area
        g = self.geometry
        if formats.has_pages(self._display.format):
            return left, top * g.row_px, width, rows * g.row_px
        x = left * 8 // self._bits
        return x, top, min(width * 8 // self._bits, self._display.width - x), rows

    def _colour(self, code: ModuleType, data: Any, picture: bytearray, area: Area) -> int:
        x, y, w, rows = self._pixel_area(area)
        above = min(y, 2) if self._op[coded.IS_ABOVE_KNOWN] else 0
        size, layout, target = self.geometry.row_bytes, self._layout(), self._shared(picture)
        code.load(target, size, layout, self._bits, x, y - above, w, above, self._values, 0, w)
        done = code.colour(
            data,
            self._s,
            self._table,
            self._states,
            self._base,
            self._colours,
            self._modes,
            self._values,
            w,
            above,
            rows,
            self._bits,
            int(self._display.format == PixelFormat.RGB565S),
            self._budget * 8 // self._bits,
        )
        code.store(
            self._shared(picture), size, layout, self._bits, x, y, w, max(done, 0), self._values, above * w, w
        )
        return int(done)

    def _mono(self, code: ModuleType, data: Any, picture: bytearray, area: Area) -> int:
        x, y, w, rows = self._pixel_area(area)
        above = min(y, 3) if self._op[coded.IS_ABOVE_KNOWN] else 0
        size, layout, step = self.geometry.row_bytes, self._layout(), w + 4
        known = (rows + 3) * step
        self._values[:known] = 0 if self._is_compiled else [0] * known
        target = self._shared(picture)
        code.load(target, size, layout, 1, x, y - above, w, above, self._values, (3 - above) * step + 2, step)
        done = int(
            code.mono(
                data, self._s, self._table, self._states, self._base, self._values, w, rows, self._budget * 8
            )
        )
        if done >= 0:
            done //= self.geometry.row_px
        whole = max(done, 0) * self.geometry.row_px
        code.store(target, size, layout, 1, x, y, w, whole, self._values, 3 * step + 2, step)
        return done

    def _layout(self) -> int:
        """How pixels lie in bytes, as `coded.load` takes it."""
        if formats.has_pages(self._display.format):
            return coded.PAGES
        return coded.HIGH_FIRST if formats.is_left_in_high_bits(self._display.format) else coded.LOW_FIRST

    def _clear_unused_bits(self, picture: bytearray, area: Area) -> None:
        left, top, width, rows = area
        g = self.geometry
        if left + width == g.row_bytes and g.masks.edge != 255:
            for i in range((top + 1) * g.row_bytes - 1, (top + rows) * g.row_bytes, g.row_bytes):
                picture[i] &= g.masks.edge
        if top + rows == g.rows and g.masks.foot != 255:
            for i in range((g.rows - 1) * g.row_bytes + left, (g.rows - 1) * g.row_bytes + left + width):
                picture[i] &= g.masks.foot

    def _fail(self, why: str) -> NoReturn:
        raise FrameError(f"frame payload, byte {self._offset()}: {why}")

    def _offset(self) -> int:
        """The byte that the decision last taken depends on."""
        return min(int(self._s[coded.TAKEN]) + 4, int(self._s[coded.SIZE]))

    def _module(self) -> ModuleType:
        if self._code is None:
            self._code = coded.functions(self._use_numba)
        return self._code

    def _prepare(self) -> None:
        """Make the arrays on first use: importing numpy takes longer than decoding a frame."""
        if self._code is not None:
            return
        self._is_compiled = self._module().IS_COMPILED
        g, display = self.geometry, self._display
        pixels = (display.width + 4) * (g.rows * g.row_px + 3)
        self._scratch_size = max(pixels, g.row_bytes * g.rows)
        self._states = self._numbers(self._base + HEAD_CONTEXTS)
        self._colours = self._numbers(COLOURS)
        self._modes = self._numbers(display.width // 16 + 1)
        self._op = self._numbers(10)
        self._s = self._numbers(5)
        self._table = self._sequence(STATES)

    def _scratch(self) -> Any:
        """Room for the values of a rectangle, each thread's own: every coder would hold 8 bytes a pixel otherwise."""
        name = "compiled" if self._is_compiled else "plain"
        kept = getattr(_rooms, name, None)
        if kept is None or len(kept) < self._scratch_size:
            kept = self._numbers(self._scratch_size)
            setattr(_rooms, name, kept)
        return kept

    def _numbers(self, size: int) -> Any:
        if not self._is_compiled:
            return [0] * size
        import numpy as np

        return np.zeros(size, np.int64)

    def _zero(self, numbers: Any, count: int) -> None:
        numbers[:count] = 0 if self._is_compiled else [0] * count

    def _sequence(self, numbers: Sequence[int]) -> Any:
        if not self._is_compiled:
            return numbers
        import numpy as np

        return np.array(list(numbers), np.int64)

    def _shared(self, picture: bytearray) -> Any:
        if not self._is_compiled:
            return picture
        import numpy as np

        return np.frombuffer(picture, np.uint8)


def _grid(picture: bytes | bytearray, pitch: int) -> NDArray[np.uint8]:
    """A picture as rows of bytes, not a copy of it: a loop over rows takes as long as decoding them."""
    import numpy as np

    return np.frombuffer(picture, np.uint8).reshape(-1, pitch)


def _get(picture: bytearray, pitch: int, area: Area) -> bytes:
    left, top, width, rows = area
    return _grid(picture, pitch)[top : top + rows, left : left + width].tobytes()


def _put(picture: bytearray, pitch: int, area: Area, data: bytes) -> None:
    left, top, width, rows = area
    _grid(picture, pitch)[top : top + rows, left : left + width] = _grid(data, width)
