"""The display encoder: tells what changed since the last refresh, and codes it into parts that fit a chunk.

    changed = encoder.refresh()        inside the display's refresh: what is shown is what the buffer holds
    encoder.begin(key=False)
    while not encoder.finished:
        size = encoder.encode_into(out, start, end, budget_px)

Everything is allocated at start: a hash and two marks for each strip, no copy of the frame. An app may draw between
calls. What it drew after the refresh is coded as it stands, noticed by its hash, told by `exact`, and marked to be sent
again at the next refresh, when the buffer is what is shown. A delta frame takes dirty strips only; a keyframe takes all
rows from the top, whatever is dirty.
"""

from .fnv import Fnv
from .pixels import COLUMN, COLUMNS, PAYLOAD_TYPE, ROW, ROWS, PixelCoder
from .rects import DirtyMap
from .strips import Strips, natural_strip_width

# Bits of a pixel by format number: MONO_VLSB, MONO_HLSB, MONO_HMSB, GS2_HMSB, GS4_HMSB, GS8, RGB565, RGB565S, RGB332.
_BITS = (1, 1, 1, 2, 4, 8, 16, 16, 8)
_MONO_VLSB = 0
_LEFT_IN_HIGH_BITS = (1, 4)  # MONO_HLSB, GS4_HMSB
_MAX_SIDE = 1024


class Encoder:
    """Codes `buffer`, which it reads and never writes.

    pitch: bytes from one row (one page in MONO_VLSB) to the next, 0 when rows lie without gaps. strip_width: pixels, a
    multiple of 8; 0 chooses. references is for coders that keep some; S-PX does not. Raises ValueError when a size is
    out of range or the buffer too short.
    """

    payload_type = PAYLOAD_TYPE

    def __init__(self, buffer, width, height, format, pitch=0, strip_width=0, references=128):
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
            raise ValueError("a buffer of %d bytes is too short for %d rows of %d" % (len(buffer), rows, pitch))
        strip_bytes = self.strip_width * bits >> 3
        self._rows = rows
        self._strips = Strips(buffer, rows, pitch, row_bytes, strip_bytes)
        self._cols = self._strips.cols
        self._dirty = DirtyMap(self._cols, rows, pages)
        self._torn = bytearray(self._strips.map_bytes)
        self._has_torn = False
        edge = _edge_mask(format, width * bits & 7)
        foot = (1 << (height & 7)) - 1 if pages and height & 7 else 255
        shape = (rows, pitch, row_bytes, strip_bytes)
        self._coder = PixelCoder(buffer, shape, 2 if bits == 16 else 1, edge, foot)
        self._fnv = Fnv(buffer, self._coder.area)
        self._strip_px = self.strip_width * self.strip_rows
        self._is_key = False
        self._row = 0  # of a keyframe: everything above it, and left of _column in it, is coded
        self._column = 0
        self._largest_room = 0
        self._starved = False
        self._budget_px = 0  # what is left of it in this part
        self._part_is_empty = True
        self.exact = True

    def refresh(self):
        """Hash the whole buffer. Returns how many strips have to be sent anew, 0 when nothing changed."""
        changed = self._strips.refresh(self._dirty.bits)
        if self._has_torn:
            self._has_torn = False
            if self._dirty.take(self._torn):
                changed += 1
        if changed:
            self._dirty.seek()
        return changed

    def mark_all(self):
        """Have every strip sent, changed or not."""
        self._dirty.fill()
        self._dirty.seek()

    @property
    def dirty(self):
        """True while a strip is to be sent. Strips torn by the app count from the next refresh on."""
        return self._dirty.found

    @property
    def finished(self):
        """True when all of this frame is coded."""
        if self._is_key:
            return self._row >= self._rows
        return not self._dirty.found

    def begin(self, key):
        """Start a frame. There must have been a refresh."""
        self.exact = True
        self._is_key = key
        if key:
            self.mark_all()
            self._row = 0
            self._column = 0
            self._fnv.reset()

    def encode_into(self, out, start, end, budget_px):
        """Code one part into out[start:end]; return its bytes. Stops after about budget_px pixels, at least one row.

        0: nothing is left, or not enough room. A rectangle too wide for a row of its raw pixels is split into columns,
        unless `end - start` is small against what earlier calls offered: then 0 asks for more room, once.
        """
        k = start
        self._offer(end - start)
        self._budget_px = budget_px
        self._part_is_empty = True
        while self._budget_px > 0 and not self.finished:
            k = self._rectangle_into(out, k, end)
        self._starved = k == start and not self.finished
        return k - start

    def checksum_into(self, out, start):
        """Write the checksum of what the keyframe coded, 4 bytes, little-endian."""
        self._fnv.write_into(out, start)

    def _offer(self, room):
        if room > self._largest_room:
            self._largest_room = room
        self._may_split = self._starved or room * 4 >= self._largest_room * 3

    def _rectangle_into(self, out, k, end):
        """Code the top of the next rectangle and take it off the dirty map; return the new k. A full part ends."""
        if self._is_key:
            self._aim_key()
        else:
            self._aim_delta()
        stop = self._coder.code_into(out, k, end)
        if stop == k and self._part_is_empty and self._may_split and self._narrow(end - k):
            stop = self._coder.code_into(out, k, end)
        if stop == k:
            self._budget_px = 0
            return k
        self._part_is_empty = False
        self._settle()
        return stop

    def _aim_delta(self):
        dirty = self._dirty
        self._aim(dirty.column, dirty.columns, dirty.row, dirty.rows)

    def _aim_key(self):
        # The rest of a row that was split is one row.
        self._aim(self._column, self._cols - self._column, self._row, 1 if self._column else self._rows - self._row)

    def _aim(self, column, columns, row, rows):
        if rows * columns * self._strip_px > self._budget_px:
            rows = max(1, self._budget_px // (columns * self._strip_px))
        self._coder.aim(column, columns, row, rows)

    def _narrow(self, room):
        """Aim at as many columns as fit; false when none does. A keyframe goes on in raster order, row by row."""
        fitting = self._coder.columns_that_fit(room)
        if not fitting:
            return False
        if self._is_key:
            self._aim(self._column, min(fitting, self._cols - self._column), self._row, 1)
        else:
            self._narrow_delta(fitting)
        return True

    def _narrow_delta(self, fitting):
        # Begin at a dirty strip, or what was coded before would come again, without end.
        dirty = self._dirty
        column = dirty.first_in_row(dirty.column, dirty.row)
        self._aim(column, min(fitting, dirty.column + dirty.columns - column), dirty.row, dirty.rows)

    def _settle(self):
        """What was coded is no longer dirty, unless the app drew there after the refresh."""
        area = self._coder.area
        self._budget_px -= area[COLUMNS] * area[ROWS] * self._strip_px
        self._dirty.clear(area)
        self._strips.window(area[COLUMN], area[COLUMNS], area[ROW], area[ROWS])
        if self._strips.torn(self._torn):
            self._has_torn = True
            self.exact = False
        if self._is_key:
            self._settle_key(area)
        else:
            self._dirty.seek(area[ROW])

    def _settle_key(self, area):
        self._fnv.add()
        self._column = area[COLUMN] + area[COLUMNS]
        if self._column == self._cols:
            self._column = 0
            self._row = area[ROW] + area[ROWS]
        if self._row >= self._rows:
            self._dirty.seek()


def _edge_mask(format, used_bits):
    """Which bits of the last byte of a row belong to pixels."""
    if not used_bits:
        return 255
    if format in _LEFT_IN_HIGH_BITS:
        return 255 << (8 - used_bits) & 255
    return (1 << used_bits) - 1
