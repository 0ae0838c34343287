"""Flips bits all over frames of many shapes and checks which strips are found. Runs under MicroPython and CPython."""

from array import array

from pixeltrail.codec import strips

# row bytes, rows, pitch, strip bytes, kernel on a 32-bit port
SHAPES = (
    (256, 3, 256, 128, "words32"),
    (480, 5, 480, 64, "words16"),
    (128, 11, 128, 64, "words16"),
    (240, 3, 240, 32, "words8"),
    (128, 8, 128, 16, "words4"),
    (64, 3, 64, 8, "words2"),
    (270, 5, 270, 64, "halves32"),
    (270, 4, 270, 32, "halves16"),
    (99, 3, 99, 32, "bytes32"),
    (37, 6, 37, 4, "anysize"),
    (10, 3, 12, 32, "anysize"),
    (128, 1, 128, 16, "words4"),
)


def expected(byte, row_bytes, strip_bytes, cols):
    """The columns that hold a byte of a row."""
    size = min(strip_bytes, row_bytes)
    found = []
    for c in range(cols):
        start = row_bytes - size if c == cols - 1 else c * strip_bytes
        if start <= byte < start + size:
            found.append(c)
    return found


class Listener:
    """Takes the place of the search for moves."""

    def __init__(self, table, row):
        self._row = row
        self._before = [table.table[c * table.rows + row] for c in range(table.cols)]
        self._old = table.cols * table.rows + row
        self.columns = []
        numbers = array("i", bytes(44))
        numbers[7] = 1  # changed strips of a column
        numbers[10] = 1  # steps
        self.all = (numbers, None, self.search)

    def search(self, table, i, h, dirty, found, numbers):
        column = numbers[0]
        if table[self._old] != self._before[column]:
            raise ValueError("column %d: its old hash was not kept" % column)
        self.columns.append(column)


def check(row_bytes, rows, pitch, strip_bytes, kernel):
    buffer = bytearray(pitch * rows)
    for i in range(len(buffer)):
        buffer[i] = (i * i * 7 + i) & 255
    table = strips.Strips(buffer, rows, pitch, row_bytes, strip_bytes)
    if strips.has_viper:
        size = min(strip_bytes, row_bytes)
        offsets = strips._address(buffer) | pitch | row_bytes - size
        if strips._IS_32_BIT and strips._shape(size, offsets) != kernel:
            raise ValueError("%s: not chosen for %d x %d" % (kernel, row_bytes, rows))
    marks = bytearray(table.cols * ((table.rows + 7) >> 3))
    height = (rows + 7) >> 3
    table.refresh(marks)
    for i in range(0, len(buffer), 3):
        if i % pitch >= row_bytes:
            continue
        buffer[i] ^= 0x80
        row = i // pitch
        columns = expected(i % pitch, row_bytes, strip_bytes, table.cols)
        wanted = bytearray(table.cols * ((table.rows + 7) >> 3))
        for c in columns:
            wanted[c * height + (row >> 3)] |= 1 << (row & 7)
        for how in ("torn", "refresh", "moves"):
            for j in range(len(marks)):
                marks[j] = 0
            if how == "torn":
                top = row - row % 2
                window = table.aimed
                window[0], window[1], window[2], window[3] = 0, table.cols, top, min(rows, row + 1 + row % 3)
                count = table.check(buffer, table.factor(), strips.MASK, table.table, marks, window)
            elif how == "refresh":
                count = table.refresh(marks)
            else:
                buffer[i] ^= 0x41
                listener = Listener(table, row)
                count = table.refresh(marks, listener.all)
                if listener.columns != columns:
                    raise ValueError("%s: told of %r, not %r" % (kernel, listener.columns, columns))
            if marks != wanted or count != len(columns):
                raise ValueError("%s: %s: byte %d of %d x %d" % (kernel, how, i, row_bytes, rows))
    if table.refresh(marks):
        raise ValueError("%s: not clean" % kernel)


for shape in SHAPES:
    check(*shape)
print("shapes", len(SHAPES), "ok")
