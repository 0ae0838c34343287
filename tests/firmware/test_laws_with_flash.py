"""The laws of test_laws_with_bridge.py for a device that keeps in flash what does not fit its outbox.

Its power fails while it writes, reads and deletes, and the flash keeps what such a flash keeps. One law is added: a
chunk that has left RAM is the bridge's or arrives later, however many starts that takes.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from .flash import Flash
from .test_laws_with_bridge import Laws, run
from .world import DEVICE, World

ROOM = 1 << 40


class LawsWithFlash(Laws):
    seen: Counter[str] = Counter()

    @initialize(
        exact=st.booleans(),
        has_date=st.booleans(),
        keeps=st.sampled_from(("nothing", "part", "noise")),
        budget=st.integers(0, 4_000),
    )
    def begin(self, exact: bool, has_date: bool, keeps: str, budget: int) -> None:
        """Every run begins without a line, and the power fails before it comes to rest."""
        self._folder = tempfile.TemporaryDirectory()
        self.flash = Flash(keeps)
        self.budget = budget
        self.world = World(Path(self._folder.name), exact, has_date, flash=self.flash)
        self.work(20, False)

    @rule(turns=st.integers(5, 30), has_line=st.booleans())
    def work(self, turns: int, has_line: bool) -> None:
        self._line(has_line)
        self.world.work(turns)

    @rule(budget=st.integers(0, 4_000), turns=st.integers(1, 30), has_line=st.booleans())
    def lose_power(self, budget: int, turns: int, has_line: bool) -> None:
        """While chunks are written, or while they are sent and deleted."""
        self._line(has_line)
        self.world.lose_power(budget, turns)

    def _line(self, is_there: bool) -> None:
        (self.world.line.join if is_there else self.world.line.cut)()

    @rule(room=st.sampled_from((700, ROOM, ROOM)))
    def fill_or_empty_the_storage(self, room: int) -> None:
        self.flash.room = room

    def _rest(self) -> None:
        self.flash.room = ROOM
        self.world.lose_power(self.budget, 10)
        super()._rest()

    def _judge_the_last_picture(self) -> None:
        super()._judge_the_last_picture()
        world = self.world
        self.seen["spilled"] += world.spilled
        self.seen["restored"] += world.restores > 0
        assert not self.flash.files, "flash keeps what the bridge has"
        for stream, seq in world.kept:
            data, is_replay = world.admitted[stream, seq]
            if world.restores or (is_replay and world.was_out):
                continue  # the custody law says what of these there must be
            stored = [chunk.data for chunk in world.store.chunks(DEVICE, stream, seq, seq + 1)]
            assert stored == [data], f"seq {seq} had left RAM and is not stored"


def test_the_laws_hold_with_chunks_in_flash() -> None:
    run(LawsWithFlash, 15, 15)
    assert LawsWithFlash.seen["spilled"] > 200, "hardly anything was left in flash alone"


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_the_laws_hold_with_chunks_in_flash_for_long() -> None:
    run(LawsWithFlash, 300, 100)
