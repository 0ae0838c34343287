"""A bridge process on PostgreSQL with a board in lock-step: every picture and event, through kills as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import corpus, harness
from tests.support.services import Postgres, postgres
from tests.support.stores import PostgresPlace

from . import hammer
from .rig import Chaos, recorded, rig

DEVICE = "postgres-board"
SEQUENCE = "mono_invaders"


@pytest.mark.timeout(300)
def test_every_picture_and_event_comes_back_through_kills(tmp_path: Path, postgres_server: Postgres) -> None:
    place = PostgresPlace(postgres_server.url)
    with rig(tmp_path, {"store": {"url": place.url}}) as world:
        board = world.play(DEVICE, SEQUENCE)
        Chaos(world, seed=8).strike(board, 1, victims=("bridge",))
        ticks = world.finish(board)["ticks"]
        assert world.bridge.database is None, "a file was made beside PostgreSQL"
        with world.bridge.store() as store:
            harness.judge_custody(store, DEVICE)
            harness.judge_every_frame(harness.replay_of(store, DEVICE), recorded(corpus.load(SEQUENCE)))
            harness.judge_events(store, DEVICE, ticks, world.server)


@pytest.mark.timeout(300)
def test_kills_of_everything_and_of_the_database_lose_double_and_strand_nothing(tmp_path: Path) -> None:
    with postgres() as database:
        verdict = hammer.run(tmp_path, 10, seed=3, database=database)
    assert verdict.is_good, verdict
    assert verdict.figures["kills"]["database"], "the seed kills no database"
