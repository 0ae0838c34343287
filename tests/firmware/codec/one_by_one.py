"""The kernels that code, an operation at a time, without the encoder that chooses them. For MicroPython and CPython."""

from pixeltrail.codec.coder import END, START, Coder, head

_CLOSE_BYTES = 8
_HEAD_BYTES = 84
_RECT_BYTES = 58
COPY, REFERENCE, RECTANGLE, RAW = 1, 2, 3, 4
_NOISE = 2
_LEAST_KEPT = 160


class Operations(Coder):
    """Rectangles that turn out to be noise are raw from then on where they go on below."""

    def __init__(self, buffer, width, height, format, pitch, strip_width, strip_rows):
        Coder.__init__(self, buffer, width, height, format, pitch, strip_width, strip_rows)
        self._buffer = buffer
        self._noise = None

    def open(self, out, start, end):
        self.out = out
        self.numbers[START] = start
        self.numbers[END] = end
        head.open(self.numbers, 0, 0)

    def room(self):
        return self.numbers[END] - self.numbers[2] - _CLOSE_BYTES

    def copy(self, column, columns, row, rows, dy):
        """Take these strips from dy rows further down in the picture before the frame. False: no room."""
        return self._head_fits(COPY, column, columns, row, rows, dy << 1 if dy > 0 else 1 - (dy << 1), 0)

    def reference(self, distance, column, row, is_same_place):
        """Show again the rectangle kept `distance` kept rectangles ago, 1 being the last. False: no room."""
        return self._head_fits(REFERENCE, column, 0, row, 0, distance, 1 if is_same_place else 0)

    def rectangle(self, column, columns, row, rows, above_known):
        """Code the top of a rectangle; return how many rows of it, 0 when there is no room for one."""
        numbers = self.numbers
        if numbers[2] + _RECT_BYTES > numbers[22]:
            return 0
        place = (column, columns, row)
        done = 0
        if self._noise != place:
            self._head(RECTANGLE, column, columns, row, rows, 0, 1 if above_known else 0)
            done = self.pixels(0, 0, self._buffer, self.out, self.table, self.states, numbers, self.space)
            self._noise = place if numbers[3] == _NOISE else None
        if not done and self._noise:
            room = max(0, self.room() - _RECT_BYTES)
            done = min(rows, room // (columns * numbers[52]))
            if done:
                self._head(RAW, column, columns, row, done, 0, 0)
                head.raw(0, 0, self._buffer, self.out, numbers)
        if self._noise:
            self._noise = (column, columns, row + done)
        if done * columns * numbers[40] >= _LEAST_KEPT:
            numbers[29] += 1
        return done

    def close(self):
        """End the part; return its length, 0 if it holds nothing."""
        if not self.numbers[45]:
            return 0
        return head.close(0, 0, self.out, self.table, self.states, self.numbers)

    def _head_fits(self, kind, column, columns, row, rows, number, flag):
        if self.room() < _HEAD_BYTES:
            return False
        self._head(kind, column, columns, row, rows, number, flag)
        return True

    def _head(self, kind, column, columns, row, rows, number, flag):
        numbers = self.numbers
        for i, value in enumerate((kind, column, columns, row, rows, number, flag)):
            numbers[3 + i] = value
        numbers[45] = 1
        head.code(0, 0, self.out, self.table, self.states, numbers, self.space)
