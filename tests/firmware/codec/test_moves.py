from __future__ import annotations

import random

import pytest
from pixeltrail.codec import moves
from pixeltrail.codec.strips import Strips

COLUMNS, ROWS, STRIP = 3, 100, 64
PITCH = COLUMNS * STRIP


class Screen:
    """A display of three columns of strips, and the moves of its last refresh: column, columns, row, rows, dy."""

    def __init__(self, movable: int = ROWS) -> None:
        self.buffer = bytearray(random.Random(1).randbytes(PITCH * ROWS))
        self.strips = Strips(self.buffer, ROWS, PITCH, PITCH, STRIP)
        self.moves = moves.make(self.strips, movable, 1)
        self.dirty = bytearray(COLUMNS * ((ROWS + 7) >> 3))
        self.refresh()

    def refresh(self) -> list[tuple[int, ...]]:
        self.dirty[:] = bytes(len(self.dirty))
        moves.drop(self.moves)
        self.strips.refresh(self.dirty, self.moves)
        numbers, found, _ = self.moves
        found = [tuple(found[5 * i : 5 * i + 5]) for i in range(numbers[5])]
        return [(*place, source - place[2]) for *place, source in found]

    def scroll(self, column: int, columns: int, top: int, end: int, dy: int) -> None:
        """Rows top to end show what was dy rows below them."""
        before = bytes(self.buffer)
        for row in range(top, end):
            at = row * PITCH + column * STRIP
            source = at + dy * PITCH
            self.buffer[at : at + columns * STRIP] = before[source : source + columns * STRIP]


def moves_of(screen: Screen) -> list[tuple[int, ...]]:
    return screen.refresh()


@pytest.mark.parametrize("dy", [-64, -7, 1, 30, 64])
def test_a_scrolled_band_is_one_move(dy: int) -> None:
    screen = Screen()
    top, end = max(0, -dy), min(ROWS, ROWS - dy)
    screen.scroll(0, 3, top, end, dy)
    assert moves_of(screen) == [(0, 3, top, end - top, dy)]


def test_columns_that_move_apart() -> None:
    screen = Screen()
    screen.scroll(0, 1, 10, 40, 5)
    screen.scroll(1, 2, 20, 50, -3)
    assert moves_of(screen) == [(0, 1, 10, 30, 5), (1, 2, 20, 30, -3)]


def test_two_bands_of_one_column() -> None:
    screen = Screen()
    screen.scroll(1, 1, 0, 30, 4)
    screen.scroll(1, 1, 60, 90, -6)
    assert moves_of(screen) == [(1, 1, 0, 30, 4), (1, 1, 60, 30, -6)]


@pytest.mark.parametrize(("rows", "is_move"), [(7, False), (8, True)])
def test_few_rows_are_no_move(rows: int, is_move: bool) -> None:
    screen = Screen()
    screen.scroll(0, 1, 10, 10 + rows, 40)
    assert bool(moves_of(screen)) == is_move


def test_further_than_the_search_reaches() -> None:
    screen = Screen()
    screen.scroll(0, 3, 0, 30, 65)
    assert moves_of(screen) == []
    moves.hint(screen.moves, 65)
    screen.scroll(0, 3, 0, 30, 65)
    screen.scroll(0, 3, 0, 30, 66)
    moves.hint(screen.moves, 66)
    assert [move[4] for move in moves_of(screen)] == [66]


def test_a_last_page_of_fewer_rows_does_not_move() -> None:
    screen = Screen(movable=ROWS - 1)
    screen.scroll(0, 3, 50, ROWS - 1, 1)
    assert moves_of(screen) == [(0, 3, 50, ROWS - 2 - 50, 1)]


def test_noise_is_given_up() -> None:
    """Rows that come from nowhere cost a bounded number of steps."""
    screen = Screen()
    for number in range(3):
        screen.buffer[:] = random.Random(number + 2).randbytes(len(screen.buffer))
        assert moves_of(screen) == []


def test_more_moves_than_the_list_holds() -> None:
    screen = Screen()
    for row in range(0, 96, 12):
        for column in range(3):
            screen.scroll(column, 1, row, row + 12, (column + row) % 5 + 1 if row < 80 else -(column + 1))
    found = moves_of(screen)
    assert 0 < len(found) <= 12
