from __future__ import annotations

import random
from array import array

from pixeltrail.codec import references as refs

COLS, HEIGHT = 5, 40


COLUMN, COLUMNS, ROW, ROWS = range(4)


class References:
    """What kernels/drive.py does with them."""

    def __init__(self, table: Table, size: int, odd: int) -> None:
        self.arrays = refs.make(table, size, odd)
        self.size = size

    def reset(self) -> None:
        refs.reset(self.arrays)

    def find(self, area: array[int]) -> int:
        self._aim(area)
        found = refs.find(0, 0, self.arrays)
        if found:
            area[ROWS] = self.arrays[3][ROWS]
        return found

    def add(self, area: array[int], is_torn: bool) -> None:
        if self.size:
            self._aim(area)
            entry = self.arrays[3][9]
            refs.put(0, 0, self.arrays)
            if is_torn:
                self.arrays[0][entry] = -1

    def _aim(self, area: array[int]) -> None:
        self.arrays[3][:4] = area


class Table:
    """Hashes of strips without a picture under them."""

    cols, rows = COLS, HEIGHT

    def __init__(self) -> None:
        seed = random.Random(1)
        self.table = array("I", (seed.getrandbits(32) for _ in range((COLS + 1) * HEIGHT)))

    def show(self, column: int, columns: int, row: int, rows: int, seed: int) -> array[int]:
        """Put content number `seed` there; return the area."""
        source = random.Random(seed)
        for r in range(row, row + rows):
            for c in range(column, column + columns):
                self.table[c * HEIGHT + r] = source.getrandbits(32)
        return area(column, columns, row, rows)


def area(column: int, columns: int, row: int, rows: int) -> array[int]:
    return array("i", (column, columns, row, rows))


def test_same_place_is_told_from_another() -> None:
    table = Table()
    references = References(table, 8, 0)
    references.add(table.show(1, 2, 3, 4, 1), False)
    references.add(table.show(0, 3, 20, 2, 2), False)
    assert references.find(area(1, 2, 3, 4)) == 2 * 2 + 1
    assert references.find(table.show(2, 2, 30, 4, 1)) == 2 * 2
    assert references.find(table.show(2, 2, 30, 4, 3)) == 0
    assert references.find(area(0, 3, 20, 2)) == 2 * 1 + 1


def test_the_same_place_is_preferred_to_a_newer_entry() -> None:
    table = Table()
    references = References(table, 8, 0)
    references.add(table.show(1, 2, 3, 4, 1), False)
    references.add(table.show(1, 2, 13, 4, 1), False)
    assert references.find(area(1, 2, 3, 4)) == 2 * 2 + 1
    assert references.find(table.show(3, 2, 3, 4, 1)) == 2 * 1


def test_every_bit_of_every_strip_counts() -> None:
    table = Table()
    references = References(table, 8, 0)
    references.add(area(1, 2, 3, 4), False)
    for strip in (1 * HEIGHT + 3, 2 * HEIGHT + 6):
        for bit in range(32):
            table.table[strip] ^= 1 << bit
            assert references.find(area(1, 2, 3, 4)) == 0
            table.table[strip] ^= 1 << bit
    assert references.find(area(1, 2, 3, 4))


def test_the_oldest_is_forgotten() -> None:
    table = Table()
    references = References(table, 3, 0)
    for number in range(5):
        references.add(table.show(0, 1, 8 * number, 6, number), False)
        assert references.find(area(0, 1, 8 * number, 6)) == 2 * 1 + 1
    assert [references.find(area(0, 1, 8 * number, 6)) for number in range(5)] == [0, 0, 7, 5, 3]


def test_torn_rectangles_count_and_never_match() -> None:
    table = Table()
    references = References(table, 8, 0)
    references.add(area(0, 2, 0, 9), False)
    references.add(area(0, 2, 10, 9), True)
    assert references.find(area(0, 2, 10, 9)) == 0
    assert references.find(area(0, 2, 0, 9)) == 2 * 2 + 1


def test_the_top_of_a_rectangle() -> None:
    """One that took two parts is two entries; it comes again as one."""
    table = Table()
    references = References(table, 8, 0)
    references.add(area(0, 4, 2, 11), False)
    references.add(area(0, 4, 13, 7), False)
    whole = area(0, 4, 2, 18)
    assert references.find(whole) == 2 * 2 + 1
    assert whole[ROWS] == 11
    rest = area(0, 4, 13, 7)
    assert references.find(rest) == 2 * 1 + 1


def test_the_last_column_and_row_are_unlike_others_where_they_are() -> None:
    for odd in (0, 1, 2, 3):
        table = Table()
        references = References(table, 8, odd)
        references.add(table.show(COLS - 2, 2, 0, 4, 1), False)
        assert bool(references.find(table.show(0, 2, 0, 4, 1))) == (odd & 1 == 0)
        references.add(table.show(1, 1, HEIGHT - 4, 4, 2), False)
        assert bool(references.find(table.show(1, 1, 8, 4, 2))) == (odd & 2 == 0)


def test_none_and_reset() -> None:
    table = Table()
    references = References(table, 0, 0)
    references.add(area(0, 1, 0, 8), False)
    assert references.find(area(0, 1, 0, 8)) == 0
    references = References(table, 2, 0)
    references.add(area(0, 1, 0, 8), False)
    references.reset()
    assert references.find(area(0, 1, 0, 8)) == 0
