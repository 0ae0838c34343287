"""Pictures that board and host draw alike, number by number, into rows of bytes of any format: runs on both."""

NAMES = ("boxes", "scroll")
_LINE_ROWS = 8


def rows_of(width, height, format):
    """Bytes of a row, and rows; MONO_VLSB has pages of eight."""
    bits = {"MONO": 1, "GS2_": 2, "GS4_": 4, "GS8": 8, "RGB3": 8}.get(format[:4], 16)
    if format == "MONO_VLSB":
        return width, (height + 7) // 8
    return (width * bits + 7) // 8, height


def draw(buffer, row_bytes, rows, scene, number):
    """Make picture `number` of the one before it; number 0 needs none."""
    if scene == "scroll":
        _scroll(buffer, row_bytes, rows, number)
    else:
        _boxes(buffer, row_bytes, rows, number)


def _boxes(buffer, row_bytes, rows, number):
    """Six boxes, each of one byte, that go their ways over a background."""
    if number == 0:
        _fill(buffer, row_bytes, 0, 0, row_bytes, rows, 0)
    for box in range(6):
        size = max(1, row_bytes // 8)
        high = max(1, rows // 8)
        if number:
            _fill(buffer, row_bytes, *_place(row_bytes, rows, size, high, box, number - 1), size, high, 0)
    for box in range(6):
        size = max(1, row_bytes // 8)
        high = max(1, rows // 8)
        value = (37 * box + 85 + number // 8) & 0xFF
        _fill(buffer, row_bytes, *_place(row_bytes, rows, size, high, box, number), size, high, value)


def _place(row_bytes, rows, size, high, box, number):
    x = (number * (1 + box % 3) + box * 11) % max(1, row_bytes - size)
    y = (number * (1 + box % 2) + box * 7) % max(1, rows - high)
    return x, y


def _fill(buffer, row_bytes, x, y, size, high, value):
    piece = bytes([value]) * size
    for row in range(y, y + high):
        at = row * row_bytes + x
        buffer[at : at + size] = piece


def _scroll(buffer, row_bytes, rows, number):
    """A page of lines that goes up by a row, or by a line of text where rows are pixels."""
    step = 1 if rows <= 32 else _LINE_ROWS
    if number == 0:
        for row in range(rows):
            buffer[row * row_bytes : (row + 1) * row_bytes] = _line(row_bytes, row // step, row % step, step)
        return
    moved = step * row_bytes
    # Row by row: a heap may have no room for two pictures
    for at in range(0, len(buffer) - moved, row_bytes):
        buffer[at : at + row_bytes] = buffer[at + moved : at + moved + row_bytes]
    first = (rows - 1) // step + number
    for row in range(step):
        at = len(buffer) - moved + row * row_bytes
        buffer[at : at + row_bytes] = _line(row_bytes, first, row, step)


def _line(row_bytes, line, row, step):
    """Words of bytes, with gaps between lines."""
    made = bytearray(row_bytes)
    if step > 1 and row == step - 1:
        return made
    seed = (line * 2654435 + row * 97) & 0xFFFFFF
    for at in range(row_bytes * (3 + line % 5) // 8):
        seed = (seed * 1103 + 12345) & 0xFFFFFF
        made[at] = 0 if seed >> 8 & 7 == 0 else (255 if seed >> 12 & 1 else 15)
    return made
