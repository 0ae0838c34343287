"""S-PX, payload type 0: pixels as byte-oriented operations (schema/wire.md, "Payload S-PX").

A payload is a sequence of rectangles, each with a header of its own and no state from the one before. A rectangle
never takes more than its header and its raw pixels: one that would is sent raw.

Functions here are cut small on purpose. MicroPython borrows heap for the frame of a call with more than 11 locals and
stack slots, and beside a large frame buffer the search for it costs more than coding a small rectangle.
"""

from array import array

from micropython import const

from .native import has_viper

if has_viper:
    from .kernels import px
else:
    from .plain import px

PAYLOAD_TYPE = const(0)
HEADER_BYTES = const(6)  # at most: columns, and rows below 1,024 in two bytes
_RAW = const(0x80)

# An area: the rectangle under way, as the kernels take it.
_AT = const(0)
_SIZE = const(2)  # bytes of a row; 1 is the pitch
_WANTED = const(3)  # rows to code; 4 is the unit
_END = const(5)
_EDGE = const(6)
_FOOT = const(7)
ROWS = const(8)  # rows coded
COLUMN = const(9)
COLUMNS = const(10)
ROW = const(11)


class PixelCoder:
    """Codes rectangles of a frame buffer, one at a time: `aim`, then `code_into`.

    edge and foot are the masks of the last byte of a row and of the last row.
    """

    def __init__(self, buffer, shape, unit, edge, foot):
        rows, self._pitch, self._row_bytes, self._strip_bytes = shape
        self._buffer = buffer
        self._bottom = rows
        self._edge = edge
        self._foot = foot
        self._cache = array("H", bytes(128))
        self.area = array("i", (0, self._pitch, 0, 0, unit, 0, 255, 255, 0, 0, 0, 0))

    def aim(self, column, columns, row, rows):
        """Choose the rectangle, in strips."""
        area = self.area
        area[COLUMN] = column
        area[COLUMNS] = columns
        area[ROW] = row
        area[_WANTED] = rows
        column *= self._strip_bytes
        area[_AT] = row * self._pitch + column
        column += columns * self._strip_bytes
        area[_FOOT] = self._foot if row + rows == self._bottom else 255
        area[_EDGE] = self._edge if column >= self._row_bytes else 255
        if column > self._row_bytes:
            column = self._row_bytes
        area[_SIZE] = column - area[COLUMN] * self._strip_bytes

    def code_into(self, out, k, end):
        """Code as many rows as fit into out[k:end]; return the new k, unchanged when not one row fits."""
        area = self.area
        area[_END] = end
        area[ROWS] = 0
        if k + HEADER_BYTES > end:
            return k
        body = self._header_into(out, k)
        end = self._pixels_into(out, body)
        if not area[ROWS]:
            if not self._choose_raw(body):
                return k
            end = 0
        self._set_rows(out, body)
        if not end or end - body > area[ROWS] * area[_SIZE]:
            out[k + 1] |= _RAW
            end = self._raw_into(out, body)
        return end

    def columns_that_fit(self, room):
        """How many strips of one row fit into `room` bytes, whatever they show."""
        return max(0, room - HEADER_BYTES) // self._strip_bytes

    def _pixels_into(self, out, k):
        k = px.code(self._buffer, k, out, self._cache, self.area)
        if self.area[ROWS] < self.area[_WANTED]:
            self.area[_FOOT] = 255
        return k

    def _raw_into(self, out, k):
        return px.raw(self._buffer, k, out, self.area)

    def _choose_raw(self, body):
        """Not one coded row fits: take as many raw ones as do. A row may be wider coded than raw."""
        area = self.area
        rows = min((area[_END] - body) // area[_SIZE], area[_WANTED])
        area[ROWS] = rows
        if rows == area[_WANTED] and area[ROW] + rows == self._bottom:
            area[_FOOT] = self._foot
        return rows

    def _header_into(self, out, k):
        """Columns, first row, and room for the number of rows; returns where the pixels begin."""
        out[k] = self.area[COLUMN]
        out[k + 1] = self.area[COLUMNS] - 1
        k += 2
        row = self.area[ROW]
        if row > 127:
            out[k] = 128 | (row & 127)
            k += 1
            row >>= 7
        out[k] = row
        return k + (3 if self.area[_WANTED] > 128 else 2)

    def _set_rows(self, out, body):
        """The number of rows less one, in as many bytes as there is room for."""
        rows = self.area[ROWS] - 1
        if self.area[_WANTED] > 128:
            out[body - 2] = 128 | (rows & 127)
            rows >>= 7
        out[body - 1] = rows
