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
from .pixels import PAYLOAD_TYPE, PixelCoder
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
        self._edge = _edge_mask(format, width * bits & 7)
        self._foot = (1 << (height & 7)) - 1 if pages and height & 7 else 255
        self._strips = Strips(buffer, rows, pitch, row_bytes, strip_bytes)
        self._cols = self._strips.cols
        self._dirty = DirtyMap(self._cols, rows, pages)
        self._torn = bytearray(self._strips.map_bytes)
        self._has_torn = False
        self._coder = PixelCoder(buffer, pitch, row_bytes, strip_bytes, 2 if bits == 16 else 1)
        self._fnv = Fnv(buffer, pitch, strip_bytes)
        self._is_key = False
        self._row = 0  # of a keyframe: everything above it, and left of _column in it, is coded
        self._column = 0
        self._largest_room = 0
        self._starved = False
        self._coded_px = 0  # by the last _encode
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
        room = end - start
        if room > self._largest_room:
            self._largest_room = room
        while budget_px > 0 and not self.finished:
            if self._is_key:
                after = self._encode_key(out, k, end, budget_px, k == start)
            else:
                after = self._encode_delta(out, k, end, budget_px, k == start)
            if after == k:
                break
            budget_px -= self._coded_px
            k = after
        self._starved = k == start and not self.finished
        return k - start

    def checksum_into(self, out, start):
        """Write the checksum of what the keyframe coded, 4 bytes, little-endian."""
        self._fnv.write_into(out, start)

    def _encode_delta(self, out, k, end, budget_px, is_first):
        dirty = self._dirty
        return self._encode(out, k, end, dirty.column, dirty.columns, dirty.row, dirty.rows, budget_px, is_first)

    def _encode_key(self, out, k, end, budget_px, is_first):
        rows = self._rows - self._row
        if self._column:
            rows = 1  # the rest of a row that was split
        columns = self._cols - self._column
        return self._encode(out, k, end, self._column, columns, self._row, rows, budget_px, is_first)

    def _encode(self, out, k, end, column, columns, row, rows, budget_px, is_first):
        """Code the top of a rectangle and take it off the dirty map; return the new k."""
        strip_px = self.strip_width * self.strip_rows
        rows = min(rows, max(1, budget_px // (columns * strip_px)))
        after = self._code(out, k, end, column, columns, row, rows)
        if after == k and is_first and self._may_split(end - k):
            if not self._is_key:
                # Begin at a dirty strip, or what was coded before would come again, without end.
                columns += column
                column = self._dirty.first_in_row(column, row)
                columns -= column
            columns = min(columns, self._coder.columns_that_fit(end - k))
            if columns:
                rows = 1 if self._is_key else min(rows, max(1, budget_px // (columns * strip_px)))
                after = self._code(out, k, end, column, columns, row, rows)
        rows = self._coder.rows
        if after != k:
            self._settle(column, columns, row, rows)
        self._coded_px = columns * rows * strip_px
        return after

    def _code(self, out, k, end, column, columns, row, rows):
        edge = self._edge if column + columns == self._cols else 255
        foot = self._foot if row + rows == self._rows else 255
        return self._coder.code_into(out, k, end, column, columns, row, rows, edge, foot)

    def _may_split(self, room):
        return self._starved or room * 4 >= self._largest_room * 3

    def _settle(self, column, columns, row, rows):
        """What was coded is no longer dirty, unless the app drew there after the refresh."""
        self._dirty.clear(column, columns, row, rows)
        if self._strips.torn(self._torn, column, column + columns, row, row + rows):
            self._has_torn = True
            self.exact = False
        if not self._is_key:
            self._dirty.seek(row)
            return
        edge = self._edge if column + columns == self._cols else 255
        foot = self._foot if row + rows == self._rows else 255
        self._fnv.add(column, self._coder.bytes_wide(column, columns), row, rows, edge, foot)
        self._column = column + columns
        if self._column == self._cols:
            self._column = 0
            self._row = row + rows
        if self._row >= self._rows:
            self._dirty.seek()


def _edge_mask(format, used_bits):
    """Which bits of the last byte of a row belong to pixels."""
    if not used_bits:
        return 255
    if format in _LEFT_IN_HIGH_BITS:
        return 255 << (8 - used_bits) & 255
    return (1 << used_bits) - 1
