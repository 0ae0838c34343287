"""Which rectangles are masked; pixels are the encoder's part."""

from __future__ import annotations

import random

import pytest
from pixeltrail.masks import Masks


class Painter:
    def __init__(self):
        self.told = []

    def set_masks(self, flat):
        self.told.append(flat)


def made(given=(), mask_all=False, encoder=None, size=(100, 50)):
    masks = Masks(given, mask_all, False)
    masks.use(encoder, *size)
    return masks


def test_masks_are_clipped_to_the_display():
    masks = made([(90, 40, 50, 50), (200, 0, 5, 5), (3, 4, 5, 6)])
    assert masks.flat == (90, 40, 10, 10, 3, 4, 5, 6)
    assert masks.covers(3, 4) and masks.covers(7, 9) and not masks.covers(8, 9) and not masks.covers(7, 10)


def test_the_bridge_adds_and_takes_back_its_own():
    masks = made([(1, 1, 5, 5)])
    masks.set_remote(((10, 10, 5, 5),))
    assert masks.flat == (1, 1, 5, 5, 10, 10, 5, 5)
    assert not masks.remove((10, 10, 5, 5)), "the application cannot lift a mask of the bridge"
    changes = masks.changes
    masks.set_remote(((10, 10, 5, 5),))
    assert masks.changes == changes
    masks.set_remote(())
    assert masks.flat == (1, 1, 5, 5)
    assert masks.remove((1, 1, 5, 5)) and masks.flat == ()


def test_too_many_mask_everything():
    assert made([(i, 0, 1, 1) for i in range(33)]).flat == (0, 0, 100, 50)


@pytest.mark.parametrize("seed", range(5))
def test_mask_all_covers_every_pixel_but_the_visible_ones(seed):
    dice = random.Random(seed)
    visible = [
        (dice.randrange(90), dice.randrange(45), dice.randrange(1, 40), dice.randrange(1, 30))
        for _ in range(3)
    ]
    masks = made(mask_all=visible)
    for x in range(100):
        for y in range(50):
            is_visible = any(
                left <= x < left + wide and top <= y < top + high for left, top, wide, high in visible
            )
            assert masks.covers(x, y) != is_visible


def test_mask_all_without_exceptions():
    assert made(mask_all=True).flat == (0, 0, 100, 50)


def test_an_encoder_is_told_and_one_that_cannot_blocks():
    painter = Painter()
    masks = made([(1, 2, 3, 4)], encoder=painter)
    masks.add((5, 6, 7, 8))
    assert painter.told == [(1, 2, 3, 4), (1, 2, 3, 4, 5, 6, 7, 8)] and not masks.is_blocking
    masks = made(encoder=object())
    assert not masks.is_blocking
    masks.add((1, 2, 3, 4))
    assert masks.is_blocking


def test_a_turned_display_has_its_masks_clipped_anew():
    masks = made([(0, 0, 100, 10)])
    masks.use(None, 50, 100)
    assert masks.flat == (0, 0, 50, 10)
