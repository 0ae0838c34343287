"""A minute of the soak: the accounts agree, and its judgement finds what is missing."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from pixeltrail_bridge.store.opening import open_store

from tests.e2e import soak
from tests.e2e.soak_plot import draw


@pytest.mark.timeout(300)
def test_a_short_day_leaves_nothing_unexplained(tmp_path: Path) -> None:
    found = soak.run(tmp_path, devices=12, seconds=8, speed=50, idle=0.5, every_s=0.5)
    trends = ("grows", "too short to tell")  # a warm-up is none, and a busy machine looks seldom
    assert [one for one in found.faults_found if not any(words in one for words in trends)] == []
    tally = found.figures["tally"]
    assert tally["acked"] > 100 and found.figures["events"] > 20 and found.figures["sessions"] >= 12
    assert tally["counts"]["loss"] and tally["counts"]["repeat"] and tally["counts"]["reorder"]
    assert draw(found.samples).width > 500

    streams = json.loads((tmp_path / "fleet.json").read_text())["streams"]
    path = tmp_path / "bridge" / "data" / "pixeltrail.db"
    with closing(open_store(path)) as store:
        assert soak.unexplained(store, streams) == []
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM chunks WHERE key = (SELECT min(key) FROM chunks)")
    with closing(open_store(path)) as store:
        (words,) = soak.unexplained(store, streams)
        assert "1 chunks accepted and not stored, 0 first" in words


def test_growth_is_found_out() -> None:
    flat = {"memory_mb": 200.0, "queue": 0.0, "lag_chunks": 10.0, "waiting": 0.0}
    steady = soak.Soak([dict(flat) for _ in range(40)])
    steady.judge_figures()
    assert steady.faults_found == []
    leaking = soak.Soak([flat | {"memory_mb": 200.0 + 5 * number} for number in range(40)])
    leaking.judge_figures()
    assert ["memory_mb grows" in one for one in leaking.faults_found] == [True]
