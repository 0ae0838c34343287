"""S-PX, payload type 0: pixels as byte-oriented operations (schema/wire.md, "Payload S-PX").

A payload is a sequence of rectangles, each with a header of its own and no state from the one before. A rectangle
never takes more than its header and its raw pixels: one that would is sent raw.
"""

from array import array

from .native import has_viper

if has_viper:
    from .kernels import px
else:
    from .plain import px

PAYLOAD_TYPE = 0
HEADER_BYTES = 6  # at most; columns, and rows below 1,024 in two bytes
_RAW = 0x80


class PixelCoder:
    """Codes rectangles of a frame buffer. `rows` tells how many rows the last call coded."""

    def __init__(self, buffer, pitch, row_bytes, strip_bytes, unit):
        self._buffer = buffer
        self._pitch = pitch
        self._row_bytes = row_bytes
        self._strip_bytes = strip_bytes
        self._unit = unit
        self._cache = array("H", bytes(128))
        self._done = array("H", (0,))
        self.rows = 0

    def bytes_wide(self, column, columns):
        """Bytes of a row of these strips; the last column may be narrower."""
        start = column * self._strip_bytes
        return min(start + columns * self._strip_bytes, self._row_bytes) - start

    def code_into(self, out, k, end, column, columns, row, rows, edge, foot):
        """Code as many rows as fit into out[k:end]; return the new k, unchanged when not one row fits."""
        self.rows = 0
        body = _header_into(out, k, end, column, columns, row, rows)
        if not body:
            return k
        at = row * self._pitch + column * self._strip_bytes
        size = self.bytes_wide(column, columns)
        stop = px.code(
            self._buffer, body, out, self._cache, self._done, at, self._pitch, size // self._unit, rows, self._unit,
            end, edge, foot,
        )  # fmt: skip
        coded = self._done[0]
        raw = not coded or stop - body > coded * size
        if not coded:
            coded = min((end - body) // size, rows)
            if not coded:
                return k
        _set_rows(out, body, rows, coded)
        if raw:
            out[k + 1] |= _RAW
            if coded < rows:
                foot = 255
            stop = px.raw(self._buffer, body, out, at, self._pitch, size, coded, edge, foot)
        self.rows = coded
        return stop

    def columns_that_fit(self, room):
        """How many strips of one row fit into `room` bytes, whatever they show."""
        return max(0, room - HEADER_BYTES) // self._strip_bytes


def _header_into(out, k, end, column, columns, row, rows):
    """Write columns, first row and `rows` (_set_rows may lower it); return where the pixels begin, 0 without room."""
    if k + HEADER_BYTES > end:
        return 0
    out[k] = column
    out[k + 1] = columns - 1
    k += 2
    if row > 127:
        out[k] = 128 | (row & 127)
        k += 1
        row >>= 7
    out[k] = row
    return k + 2 + (rows > 128)


def _set_rows(out, body, reserved, rows):
    """The count of rows less one, in as many bytes as `reserved` rows were given."""
    rows -= 1
    if reserved > 128:
        out[body - 2] = 128 | (rows & 127)
        rows >>= 7
    out[body - 1] = rows
