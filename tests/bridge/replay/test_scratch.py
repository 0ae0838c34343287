"""Coders of a thread share the room they work in: what another one left there never shows."""

from __future__ import annotations

import random

import pytest
from pixeltrail_bridge.errors import FrameError
from pixeltrail_bridge.replay import formats, operations
from pixeltrail_bridge.replay.operations import Painter

from tests.support import sessions


class Poisoned(Painter):
    """Finds other numbers in the room before each part."""

    def __init__(self, *words: object, poison: int) -> None:
        super().__init__(*words)  # type: ignore[arg-type]
        self._poison = poison

    def _scratch(self) -> object:
        values = super()._scratch()
        values[:] = self._poison if self._is_compiled else [self._poison] * len(values)
        return values


@pytest.mark.parametrize("name", ["mono_invaders", "gs4_aclock", "rgb_thermostat"])
@pytest.mark.parametrize("use_numba", [True, False], ids=["compiled", "plain"])
def test_what_was_left_in_the_room_never_shows(name: str, use_numba: bool) -> None:
    coded = sessions.coded(name, 6 if use_numba else 2)
    display = coded.display
    dice = random.Random(name)
    payloads = [
        part.payload[: -4 if number == 0 else None]
        for number, parts in enumerate(coded.frames)
        for part in parts
    ]
    for _ in range(40 if use_numba else 5):  # and what no encoder wrote
        bent = bytearray(dice.choice(payloads))
        for _ in range(dice.randint(1, 4)):
            bent[dice.randrange(len(bent))] = dice.randrange(256)
        payloads.append(bytes(bent))
    pictures = []
    for poison in (0, -1, 0x5A5A):
        coder = Poisoned(display, use_numba, poison=poison)
        coder.reset()
        picture = bytearray(formats.picture_bytes(display.format, display.width, display.height))
        found = []
        for payload in payloads:
            try:
                areas = coder.paint(payload, picture, bytes(picture))
            except FrameError as error:
                found.append(str(error))
                coder.reset()
            else:
                found.append(str(areas))
            found.append(bytes(picture).hex())
        pictures.append(found)
    assert pictures[0] == pictures[1] == pictures[2]


def test_the_room_is_as_large_as_the_largest_display_asked_for() -> None:
    small, large = (sessions.coded(name, 1).display for name in ("mono_invaders", "rgb_thermostat"))
    rooms = []
    for display in (large, small, large):
        coder = operations.Painter(display)
        coder.reset()
        rooms.append(coder._scratch())
    assert rooms[0] is rooms[1] is rooms[2]
