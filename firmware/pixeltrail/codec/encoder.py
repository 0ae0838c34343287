"""The display encoder: tells what changed since the last refresh, and codes it into parts that fit a chunk.

    changed = encoder.refresh()        inside the display's refresh: what is shown is what the buffer holds
    encoder.begin(key=False)
    while not encoder.finished:
        size = encoder.encode_into(out, start, end, budget_px)

Everything is allocated at start: a hash and two marks for each strip, no copy of the frame. An app may draw between
calls. What it drew after the refresh is coded as it stands, noticed by its hash, told by `exact`, and marked to be sent
again at the next refresh, when the buffer is what is shown. A delta frame takes dirty strips only; a keyframe takes all
rows from the top, whatever is dirty.

A delta begins with its moves, which read the bridge's picture as it was before the frame. Then each rectangle of dirty
strips is named if it was coded before, and coded otherwise. Moves and references are exact whatever the app drew since,
because they are chosen by the hashes of the refresh.

Masked strips (`set_masks`) are taken for zeros: they have the hash of zeros and rectangles of their own, coded from a
row of zeros. Nothing reads them in the buffer, so nothing that leaves the device, and no time, depends on them.
"""

from micropython import const

from .area import COLUMN, COLUMNS, ROW, ROWS, Area
from .coder import (
    BUDGET,
    END,
    HAS_MASKS,
    HAS_TORN,
    IS_EMPTY,
    LARGEST,
    PAYLOAD_TYPE,
    PIXELS,
    SIZE,
    SPENT,
    START,
    Coder,
)
from .fnv import Fnv
from .masked import Masked
from .moves import Moves
from .native import has_viper
from .rects import DirtyMap
from .references import References
from .strips import Strips, natural_strip_width

if has_viper:
    from .kernels import drive
else:
    from .plain import drive

# Bits of a pixel by format number: MONO_VLSB, MONO_HLSB, MONO_HMSB, GS2_HMSB, GS4_HMSB, GS8, RGB565, RGB565S, RGB332.
_BITS = (1, 1, 1, 2, 4, 8, 16, 16, 8)
_MONO_VLSB = const(0)
_LEFT_IN_HIGH_BITS = (1, 4)  # MONO_HLSB, GS4_HMSB
_MAX_SIDE = const(1024)

# What drive.run leaves to this module.
_NEXT = const(1)
_NOISE = const(2)
_OUT = const(9)  # in its list
_FOUND = const(4)  # of the dirty map's rectangle: there is one
_ROWS_DONE = const(7)  # of the numbers


class Encoder:
    """Codes `buffer`, which it reads and never writes.

    pitch: bytes from one row (one page in MONO_VLSB) to the next, 0 when rows lie without gaps. strip_width: pixels, a
    multiple of 8; 0 chooses. references: rectangles that both sides remember, 14 bytes each. areas: where alone the
    buffer changes between refreshes (watched.py). Raises ValueError when a size is out of range, or the buffer too
    short.
    """

    payload_type = PAYLOAD_TYPE

    def __init__(self, buffer, width, height, format, pitch=0, strip_width=0, references=128, areas=None):
        if not 0 <= format < len(_BITS):
            raise ValueError("format %d is none of 0 to %d" % (format, len(_BITS) - 1))
        if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
            raise ValueError("display %dx%d: a side is 1 to %d px" % (width, height, _MAX_SIDE))
        if strip_width % 8 or not 0 <= strip_width <= 248:
            raise ValueError("strip_width %d is no multiple of 8 up to 248" % strip_width)
        pages = format == _MONO_VLSB
        bits = 8 if pages else _BITS[format]
        self.strip_width = strip_width or natural_strip_width(width, pages)
        self.strip_rows = 8 if pages else 1
        rows = (height + 7) >> 3 if pages else height
        row_bytes = (width * bits + 7) >> 3
        pitch = pitch or row_bytes
        if pitch < row_bytes or len(buffer) < (rows - 1) * pitch + row_bytes:
            raise ValueError(
                "a buffer of %d bytes is too short for %d rows of %d" % (len(buffer), rows, pitch)
            )
        strip_bytes = self.strip_width * bits >> 3
        self._rows = rows
        self._buffer = buffer
        self._pitch = pitch
        self._masked = None
        self._fill = b""  # a row of zeros, while anything is masked
        self._is_fill = False  # the rectangle under way is masked
        if areas is None:
            self._strips = Strips(buffer, rows, pitch, row_bytes, strip_bytes)
        else:
            from .watched import WatchedStrips

            shape = (buffer, rows, pitch, row_bytes, strip_bytes)
            self._strips = WatchedStrips(areas, self.strip_width, self.strip_rows, shape)
        self._cols = self._strips.cols
        self._dirty = DirtyMap(self._cols, rows, pages)
        self._rect = self._dirty.rect
        self._torn = bytearray(self._strips.map_bytes)
        edge = _edge_mask(format, width * bits & 7)
        foot = (1 << (height & 7)) - 1 if pages and height & 7 else 255
        self._area = Area((rows, pitch, row_bytes, strip_bytes), edge, foot)
        self._above = Area((rows, pitch, row_bytes, strip_bytes), 255, 255)
        self._fnv = Fnv(buffer, self._area.q)
        self._moves = Moves(self._strips, rows - (foot != 255), self.strip_rows)
        is_odd = (1 if edge != 255 or row_bytes % strip_bytes else 0) | (2 if foot != 255 else 0)
        self._references = References(self._strips, references, is_odd)
        self._coder = Coder(buffer, width, height, format, pitch, self.strip_width, self.strip_rows)
        self._strip_px = self.strip_width * self.strip_rows
        self._rows_above = self._coder.rows_above
        self._is_key = False
        self._row = 0  # of a keyframe: everything above it, and left of _column in it, is coded
        self._column = 0
        self._starved = False
        self._numbers = self._coder.numbers
        self._is_narrow = False  # a row did not fit: split rectangles into columns
        self.exact = True
        self.dirty = (
            False  # True while a strip is to be sent. Those torn by the app count from the next refresh on.
        )
        self.finished = True  # all of this frame is coded
        self._job = self._coder.job(self._area.q, self._strips, self._dirty, self._references, self._moves)

    def refresh(self):
        """Hash the whole buffer. Returns how many strips have to be sent anew, 0 when nothing changed."""
        if not (self._rect[_FOUND] or self._numbers[HAS_TORN]):
            changed = self._strips.refresh_telling(self._dirty.bits, self._moves)
        else:
            changed = self._refresh_again()
        if changed:
            self._dirty.seek()
            self._look()
        return changed

    def _refresh_again(self):
        """The bridge's picture is not what the table says, so there are no moves to be found."""
        changed = self._strips.refresh(self._dirty.bits)
        if self._numbers[HAS_TORN]:
            self._numbers[HAS_TORN] = 0
            if self._dirty.take(self._torn):
                changed += 1
        if changed:
            self._moves.drop()
        return changed

    def hint_scroll(self, dy):
        """Before a refresh: rows will show what was `dy` rows below them. A driver that scrolls knows it."""
        self._moves.hint(dy)

    def mark_all(self):
        """Have every strip sent, changed or not."""
        self._moves.drop()
        self._dirty.fill()
        self._dirty.seek()
        self._look()

    def set_masks(self, flat):
        """Show zeros in these rectangles: x, y, width and height of each in pixels, within the display, in place of
        those before. Strips that are masked from now on are dirty; others follow with the next refresh. Allocates.
        """
        masked = None
        fill = b""
        if flat:
            strips = self._strips
            masked = Masked(flat, self._cols, self._rows, self.strip_width, self.strip_rows, strips.overlaps)
            fill = bytearray(self._cols * self._coder.strip_bytes)
        self._moves.drop()
        self._strips.see(masked, self._dirty.bits)
        self._fill = fill
        self._masked = masked
        self._numbers[HAS_MASKS] = 1 if masked else 0
        self._is_fill = False
        self._dirty.seek()
        self._look()

    def begin(self, key):
        """Start a frame. There must have been a refresh."""
        self.exact = True
        self._is_key = key
        self._is_narrow = False
        if key:
            self.mark_all()
            self._row = 0
            self._column = 0
            self._fnv.reset()
            self._references.reset()
            self._coder.reset()
        self._look()

    def _look(self):
        self.dirty = self._rect[_FOUND] > 0
        self.finished = self._row >= self._rows if self._is_key else not self.dirty

    def encode_into(self, out, start, end, budget_px):
        """Code one part into out[start:end]; return its bytes. Stops after about budget_px pixels, at least one row.

        0: nothing is left, or not enough room. A part may bring no whole row; from then on this frame's rectangles are
        split into columns. While `end - start` is small against what earlier calls offered, 0 asks for more, once.
        """
        numbers = self._numbers
        numbers[START] = start
        numbers[END] = end
        numbers[BUDGET] = budget_px
        numbers[IS_EMPTY] = 1
        self._job[_OUT] = out
        self._coder.out = out
        if self._is_key or self._is_narrow:
            return self._encode_slowly()
        return self._encode()

    def _encode(self):
        numbers = self._numbers
        why = drive.run(self._job, numbers, 1)
        while why:
            self._do(why)
            why = drive.run(self._job, numbers, 0)
        return self._ended(numbers[SIZE])

    def _do(self, why):
        """What drive.run leaves to this module."""
        if why == _NEXT:
            self._next_rectangle()
        elif why == _NOISE:
            self._coder.notice_noise(self._numbers[_ROWS_DONE])
        elif self._may_split():
            self._moves.drop()
        else:
            self._numbers[BUDGET] = 0  # ask for more room

    def _encode_slowly(self):
        numbers = self._numbers
        self._coder.open(self._coder.out, numbers[START], numbers[END])
        while numbers[BUDGET] and (self._row < self._rows if self._is_key else self._rect[_FOUND]):
            self._next_rectangle()
        return self._ended(self._coder.close())

    def _ended(self, size):
        self._look()
        self._starved = not (size or self.finished)
        if size and self._numbers[IS_EMPTY] and self._may_split():
            self._is_narrow = True
        return size

    def _may_split(self):
        """True when more room is not to be expected."""
        numbers = self._numbers
        return self._starved or (numbers[END] - numbers[START]) * 4 >= numbers[LARGEST] * 3

    def limit(self, effort):
        """Have the next parts end after this many bytes of pixels, or little more: see `Coder.effort`."""
        self._coder.limit(effort)

    def spent(self):
        """Bytes that the last part took of its effort. Raw pixels take none."""
        return self._numbers[SPENT]

    def checksum_into(self, out, start):
        """Write the checksum of what the keyframe coded, 4 bytes, little-endian."""
        self._fnv.write_into(out, start)

    # --- rectangles ---

    def _next_rectangle(self):
        """Name or code the top of the next rectangle and take it off the dirty map. A full part ends."""
        if self._is_key:
            # The rest of a row that was split is one row.
            self._aim(
                self._column,
                self._cols - self._column,
                self._row,
                1 if self._column else self._rows - self._row,
            )
            if self._masked is not None:
                self._cut()
        else:
            dirty = self._dirty
            self._aim(dirty.column, dirty.columns, dirty.row, dirty.rows)
            if self._masked is not None:
                self._cut()
            if self._refer():
                return
        if not self._code_some():
            self._numbers[BUDGET] = 0

    def _code_some(self):
        may_narrow = self._numbers[IS_EMPTY] and self._may_split()
        room = self._coder.room()
        if self._coder.is_try_due(self._area.q[COLUMN], self._area.q[ROW]):
            return self._narrow(True) and self._code()
        if not self._is_narrow:
            if self._code():
                return True
            may_narrow = may_narrow and self._coder.room() == room  # refused before it cost anything
        return may_narrow and self._narrow(False) and self._code()

    def _aim(self, column, columns, row, rows):
        self._area.aim(column, columns, row, rows)

    def _cut(self):
        """Leave of a rectangle what is all masked or all not. A keyframe's rows stay in raster order."""
        masked = self._masked
        area = self._area
        if self._is_key:
            self._is_fill = masked.cut(area, self._column)
            if area.q[COLUMNS] < self._cols:
                self._aim(area.q[COLUMN], area.q[COLUMNS], area.q[ROW], 1)
        elif masked.has(area.q):
            self._is_fill = masked.cut(area, self._dirty.first_in_row(area.q[COLUMN], area.q[ROW]))
        else:
            self._is_fill = False

    def _refer(self):
        """Name the rectangle if the bridge remembers it."""
        found = self._references.find(self._area.q)
        if not found or not self._reference(found):
            return False
        q = self._area.q
        self._spend(q[COLUMNS] * q[ROWS])  # its hash took as long as one pixel a strip
        self._dirty.settle(q)
        return True

    def _spend(self, px):
        numbers = self._numbers
        numbers[IS_EMPTY] = 0
        numbers[BUDGET] = max(0, numbers[BUDGET] - px)

    def _reference(self, found):
        q = self._area.q
        return self._coder.reference(found >> 1, q[COLUMN], q[ROW], found & 1)

    def _code(self):
        """Code as many rows as budget and room allow; false when there is none."""
        q = self._area.q
        px = q[COLUMNS] * self._strip_px
        if q[ROWS] * px > self._numbers[BUDGET]:
            q[ROWS] = max(1, self._numbers[BUDGET] // px)
        rows = self._blank(q) if self._is_fill else self._rectangle(q, self._is_above_known())
        if not rows:
            return False
        self._aim(q[COLUMN], q[COLUMNS], q[ROW], rows)
        self._numbers[PIXELS] += rows * px
        self._spend(rows * px)
        self._settle()
        return True

    def _rectangle(self, q, is_above_known):
        return self._coder.rectangle(q[COLUMN], q[COLUMNS], q[ROW], q[ROWS], is_above_known)

    def _blank(self, q):
        self._coder.read(self._fill, 0)
        try:
            return self._rectangle(q, False)
        finally:
            self._coder.read(self._buffer, self._pitch)

    def _is_above_known(self):
        """True when the bridge has the rows above as the buffer has them."""
        q = self._area.q
        height = min(self._rows_above, q[ROW])
        if not height:
            return True
        self._above.aim(q[COLUMN], q[COLUMNS], q[ROW] - height, height)
        q = self._above.q
        if self._numbers[HAS_TORN] or self._dirty.has(q):
            return False
        if self._masked is not None and self._masked.has(q):
            return False
        self._strips.window(q[COLUMN], q[COLUMNS], q[ROW], q[ROWS])
        if not self._strips.torn(self._torn):
            return True
        # The bridge has these strips as the refresh left them, so they are not torn. No other one is.
        self._dirty.clear_in(self._torn, q)
        return False

    def _narrow(self, to_one_row):
        """Aim at columns of which a row surely fits, in raster order in a keyframe; false when there is none."""
        q = self._area.q
        if not self._is_key:
            # Begin at a dirty strip, or what was coded before would come again, without end.
            columns = q[COLUMN] + q[COLUMNS]
            q[COLUMN] = self._dirty.first_in_row(q[COLUMN], q[ROW])
            q[COLUMNS] = columns - q[COLUMN]
        columns = self._coder.columns_that_fit(q[COLUMN], q[ROW])
        if columns < q[COLUMNS]:
            q[COLUMNS] = columns
            to_one_row = to_one_row or self._is_key
        if to_one_row:
            q[ROWS] = 1
        self._aim(q[COLUMN], q[COLUMNS], q[ROW], q[ROWS])
        return q[COLUMNS] > 0

    def _settle(self):
        """What was coded is no longer dirty, unless the app drew there after the refresh."""
        q = self._area.q
        self._dirty.settle(q)
        is_torn = False
        if not self._is_fill:
            self._strips.window(q[COLUMN], q[COLUMNS], q[ROW], q[ROWS])
            is_torn = self._strips.torn(self._torn) > 0
        if is_torn:
            self._numbers[HAS_TORN] = 1
            self.exact = False
        if self._coder.is_kept:
            self._references.add(q, is_torn)
        if self._is_key:
            self._settle_key(q)

    def _settle_key(self, q):
        if self._is_fill:
            self._fnv.add_fill(self._fill)
        else:
            self._fnv.add()
        self._column = q[COLUMN] + q[COLUMNS]
        if self._column == self._cols:
            self._column = 0
            self._row = q[ROW] + q[ROWS]
            if self._row >= self._rows:
                self._dirty.seek()  # a refresh may have marked what was coded


def _edge_mask(format, used_bits):
    """Which bits of the last byte of a row belong to pixels."""
    if not used_bits:
        return 255
    if format in _LEFT_IN_HIGH_BITS:
        return 255 << (8 - used_bits) & 255
    return (1 << used_bits) - 1
