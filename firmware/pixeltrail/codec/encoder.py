"""The display encoder: tells what changed since the last refresh, and codes it into parts that fit a chunk.

    changed = encoder.refresh()        inside the display's refresh: what is shown is what the buffer holds
    encoder.begin(key=False)
    while not encoder.finished:
        size = encoder.encode_into(out, start, end, budget_px)

Everything is allocated at start: a hash and a mark for each strip, no copy of the frame. An app may draw between calls.
What it drew after the refresh is coded as it stands, noticed by its hash, told by `exact`, and gets a hash that nothing
has, so that it is sent again at the next refresh, when the buffer is what is shown. A delta frame takes dirty strips
only; a keyframe takes all rows from the top, whatever is dirty.

A delta begins with its moves, which read the bridge's picture as it was before the frame. Then each rectangle of dirty
strips is named if it was coded before, and coded otherwise. Moves and references are exact whatever the app drew since,
because they are chosen by the hashes of the refresh.

Masked strips (`set_masks`) are taken for zeros: they have the hash of zeros and rectangles of their own, coded from a
row of zeros. Nothing reads them in the buffer, so nothing that leaves the device, and no time, depends on them.
"""

from array import array

from micropython import const

from . import moves, rects
from . import references as refs
from .coder import (
    ALIKE,
    BUDGET,
    DIRTY,
    EFFORT,
    END,
    FILL,
    HAS_MASKS,
    HAS_TORN,
    IS_KEY,
    IS_NARROW,
    IS_TORN,
    KEY_COLUMN,
    KEY_ROW,
    KNOWN,
    LEAST_EFFORT,
    MASKS,
    OUT,
    PAYLOAD_TYPE,
    RECT,
    SMALL,
    SPACE,
    SPENT,
    START,
    STATE,
    STATES,
    Coder,
    can_share,
    head,
    reset,
    rows_of_space,
)
from .native import has_viper
from .strips import MASK, Strips, natural_strip_width

if has_viper:
    from .kernels import drive, fnv
else:
    from .plain import drive, fnv

# Bits of a pixel by format number: MONO_VLSB, MONO_HLSB, MONO_HMSB, GS2_HMSB, GS4_HMSB, GS8, RGB565, RGB565S, RGB332.
_BITS = (1, 1, 1, 2, 4, 8, 16, 16, 8)
_MONO_VLSB = const(0)
_MAX_SIDE = const(1024)
_MOST_COLUMNS = const(64)  # kernels/refs.py has 6 bits for them
_FOUND = const(4)  # of the dirty map's rectangle: there is one
# An area is a rectangle of strips and its bytes, as numbers in an array: 0 first byte, 1 pitch, 2 bytes of a row; 6
# which bits of a row's last byte are pixels, 7 which bits of the last row; 8 rows, 9 column, 10 columns, 11 row.
_AREA = const(12)
_ROWS = const(35)  # of the numbers
_SEED = b"\xc5\x9d\x1c\x81"  # 0x811c9dc5, little-endian: of a checksum


class Encoder:
    """Codes `buffer`, which it reads and never writes.

    pitch: bytes from one row (one page in MONO_VLSB) to the next, 0 when rows lie without gaps. strip_width: pixels, a
    multiple of 8; 0 chooses. references: rectangles that both sides remember, 8 bytes each. areas: where alone the
    buffer changes from refresh to refresh (watched.py). Raises ValueError when a size is out of range or the buffer too
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
        if width > _MOST_COLUMNS * self.strip_width:
            raise ValueError("strip_width %d makes more than %d columns" % (strip_width, _MOST_COLUMNS))
        self.strip_rows = 8 if pages else 1
        rows = (height + 7) >> 3 if pages else height
        row_bytes = (width * bits + 7) >> 3
        pitch = pitch or row_bytes
        if pitch < row_bytes or len(buffer) < (rows - 1) * pitch + row_bytes:
            raise ValueError(
                "a buffer of %d bytes is too short for %d rows of %d" % (len(buffer), rows, pitch)
            )
        strip_bytes = self.strip_width * bits >> 3
        shape = (buffer, rows, pitch, row_bytes, strip_bytes)
        does_share = can_share(format)
        if does_share:
            map_bytes = (row_bytes + strip_bytes - 1) // strip_bytes * ((rows + 7) >> 3)
            shape += (SMALL, (rows_of_space(buffer, width, format, pitch, map_bytes) + 1) >> 1)
        if areas is None:
            self._strips = Strips(*shape)
        else:
            from .watched import WatchedStrips

            self._strips = WatchedStrips(areas, self.strip_width, self.strip_rows, shape)
        has_foot = pages and height & 7
        dirty = rects.make(self._strips.cols, rows, pages)
        self._moves = moves.make(self._strips, rows - (1 if has_foot else 0), self.strip_rows)
        is_odd = (1 if width % self.strip_width else 0) | (2 if has_foot else 0)
        known = refs.make(self._strips, references, is_odd)
        memory = self._strips if does_share else None
        coder = Coder(buffer, width, height, format, pitch, self.strip_width, self.strip_rows, memory)
        self._numbers = coder.numbers
        self._job = self._all_for(buffer, coder, dirty, known)
        self.exact = True
        # True while a strip is to be sent. Those torn by the app count from the next refresh on.
        self.dirty = False
        self.finished = True  # all of this frame is coded

    def _all_for(self, buffer, coder, dirty, known):
        """What kernels/drive.py works with, in the order it says."""
        strips = self._strips
        marks, rect, shape = dirty
        job = [coder.numbers, coder.space, array("i", bytes(4 * _AREA)), coder.rows]
        job += (strips.aimed, marks, rect, known)
        job += (buffer, b"", coder.table, coder.states)
        job += (strips.table, strips.check, strips.factor(), MASK)
        job += (head.code, coder.pixels, refs.find, refs.put)
        job += (rects.bits.settle, shape, self._moves[1], self._moves[0], head.open, head.close)
        job += (b"", b"", b"", head.raw, drive.expect_noise, fnv.add, bytearray(4))
        job += (drive.is_noise, head.clear)
        return job

    def refresh(self):
        """Hash the whole buffer. Returns how many strips have to be sent anew, 0 when nothing changed."""
        job = self._job
        if not (job[RECT][_FOUND] or self._numbers[HAS_TORN]):
            changed = self._strips.refresh(job[DIRTY], self._moves)
        else:
            changed = self._refresh_again()
        if changed:
            rects.seek(job)
            self._look()
        return changed

    def _refresh_again(self):
        """The bridge's picture is not what the table says, so there are no moves to be found."""
        if self._numbers[HAS_TORN]:
            self._numbers[HAS_TORN] = 0
            self._strips.see_all()
        changed = self._strips.refresh(self._job[DIRTY])
        if changed:
            moves.drop(self._moves)
        return changed

    def hint_scroll(self, dy):
        """Before a refresh: rows will show what was `dy` rows below them. A driver that scrolls knows it."""
        moves.hint(self._moves, dy)

    def mark_all(self):
        """Have every strip sent, changed or not."""
        moves.drop(self._moves)
        rects.fill(self._job, self._numbers[_ROWS])
        rects.seek(self._job)
        self._look()

    def set_masks(self, flat):
        """Show zeros in these rectangles: x, y, width and height of each in pixels, within the display, in place of
        those before. Strips that are masked from now on are dirty; others follow with the next refresh. Allocates.
        """
        masked = None
        job = self._job
        job[MASKS] = job[ALIKE] = job[FILL] = b""
        strips = self._strips
        if flat:
            from .masked import Masked

            masked = Masked(
                flat, strips.cols, strips.rows, self.strip_width, self.strip_rows, strips.overlaps
            )
            job[MASKS] = masked.bits
            job[ALIKE] = masked.alike
            job[FILL] = bytearray(strips.cols * strips.aimed[6])
        moves.drop(self._moves)
        strips.see(masked, job[DIRTY])
        self._numbers[HAS_MASKS] = 1 if masked else 0
        rects.seek(job)
        self._look()

    def begin(self, key):
        """Start a frame. There must have been a refresh."""
        numbers = self._numbers
        self.exact = True
        numbers[IS_KEY] = 1 if key else 0
        numbers[IS_NARROW] = numbers[IS_TORN] = 0
        if key:
            numbers[KEY_ROW] = numbers[KEY_COLUMN] = 0
            self.mark_all()
            for i in range(4):
                self._job[STATE][i] = _SEED[i]
            refs.reset(self._job[KNOWN])
            reset(numbers, self._job[STATES], self._job[SPACE])
        self._look()

    def _look(self):
        numbers = self._numbers
        self.dirty = self._job[RECT][_FOUND] > 0
        self.finished = numbers[KEY_ROW] >= numbers[_ROWS] if numbers[IS_KEY] else not self.dirty

    def encode_into(self, out, start, end, budget_px):
        """Code one part into out[start:end]; return its bytes. Stops after about budget_px pixels, at least one row.

        0: nothing is left, or not enough room. A part may bring no whole row; from then on this frame's rectangles are
        split into columns. While `end - start` is small against what earlier calls offered, 0 asks for more, once.
        """
        numbers = self._numbers
        numbers[START] = start
        numbers[END] = end
        numbers[BUDGET] = budget_px
        self._job[OUT] = out
        size = drive.run(numbers, self._job)
        self.exact = not numbers[IS_TORN]
        self._look()
        return size

    def limit(self, effort):
        """Have the next parts end after this many bytes of pixels, or 31 more. Pixels that take many bytes take many
        instructions, up to 4,500 each: bytes bound the time of a part.
        """
        self._numbers[EFFORT] = max(effort, LEAST_EFFORT)

    def spent(self):
        """Bytes that the last part took of its effort. Raw pixels take none."""
        return self._numbers[SPENT]

    def checksum_into(self, out, start):
        """Write the checksum of what the keyframe coded, 4 bytes, little-endian."""
        for i in range(4):
            out[start + i] = self._job[STATE][i]
