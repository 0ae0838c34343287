# Hashing inside areas against hashing everything: the same table and the same dirty bits, for many shapes of displays.

from array import array

from pixeltrail.codec.masked import Masked
from pixeltrail.codec.strips import Strips
from pixeltrail.codec.watched import WatchedStrips
from pixeltrail.taps.areas import add, areas

# width, height, bits of a pixel, rows in a strip, width of a strip
SHAPES = (
    (320, 40, 16, 1, 32),
    (150, 37, 16, 1, 16),
    (135, 24, 16, 1, 16),
    (240, 30, 8, 1, 32),
    (61, 20, 4, 1, 16),
    (128, 64, 8, 8, 16),
    (296, 16, 1, 1, 32),
    (10, 12, 8, 1, 16),
)
TURNS = 30

seed = 7


def dice(most):
    global seed
    seed = (seed * 1103515245 + 12345) & 0x3FFFFFFF
    return (seed >> 8) % most


def check(width, height, bits, strip_rows, strip_width, is_masked):
    rows = height // strip_rows
    row_bytes = (width * bits + 7) // 8
    buffer = bytearray([dice(256) for _ in range(rows * row_bytes)])
    shape = (buffer, rows, row_bytes, row_bytes, strip_width * bits // 8)
    noted = areas()
    some, all = WatchedStrips(noted, strip_width, strip_rows, shape), Strips(*shape)
    marks = [bytearray(all.cols * ((all.rows + 7) >> 3)) for _ in range(2)]
    if is_masked:
        masks = (dice(width), dice(height), 1 + dice(20), 1 + dice(9), 0, dice(height), 40, 2)
        flat = []
        for i in range(0, 8, 4):
            x, y = masks[i], masks[i + 1]
            flat += [x, y, min(masks[i + 2], width - x), min(masks[i + 3], height - y)]
        for strips, marked in zip((some, all), marks):
            strips.see(Masked(flat, all.cols, rows, strip_width, strip_rows, all.overlaps), marked)
    corners = array("i", (0, 0, 0, 0))
    for turn in range(TURNS):
        for _ in range(dice(12) if turn else 0):
            x, y = dice(width), dice(height)
            corners[0], corners[1] = x, y
            corners[2], corners[3] = min(width - 1, x + dice(50)), min(height - 1, y + dice(9))
            add(noted, corners)
            for _ in range(dice(4)):
                bit = (x + dice(corners[2] - x + 1)) * bits
                row = (y + dice(corners[3] - y + 1)) // strip_rows
                buffer[row * row_bytes + bit // 8] ^= 1 << (bit & 7)
        found = some.refresh(marks[0])
        assert all.refresh(marks[1]) == found or not turn, (width, turn)
        assert some.table[: all.cols * rows] == all.table[: all.cols * rows], (width, turn)
        assert marks[0] == marks[1], (width, turn)
        for marked in marks:
            for i in range(len(marked)):
                marked[i] = 0


count = 0
for shape in SHAPES:
    for is_masked in (False, True):
        check(*(shape + (is_masked,)))
        count += 1
print("same", count)
