"""A short run of every target, what was found before, and that guidance guides. `python -m tests.fuzz` runs longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import targets
from .runs import Limit, fuzz

# As many as take a few seconds; the codec paints pictures in plain Python.
RUNS = {
    "serial": 3_000,
    "chunk": 10_000,
    "codec": 300,
    "downlink": 10_000,
    "post": 15_000,
    "query": 4_000,
    "signed": 6_000,
}
_TOY_RUNS = 1_000_000
_LEAST_SHARE = 0.7  # of a decoder's lines


@pytest.mark.parametrize("name", targets.NAMES)
def test_what_was_found_once_and_every_seed(name: str) -> None:
    for data in targets.all_seeds(name):
        targets.load(name).one(data)


@pytest.mark.parametrize("name", targets.NAMES)
def test_a_short_run_finds_nothing_and_goes_beyond_its_seeds(name: str, tmp_path: Path) -> None:
    outcome = fuzz(name, Limit(runs=RUNS[name]), tmp_path)
    assert not outcome.found, outcome.log
    assert outcome.executions >= RUNS[name]
    assert outcome.inputs > 5, "it learned nothing"
    assert outcome.lines >= _LEAST_SHARE * outcome.of_lines, outcome.missed


def test_a_planted_fault_is_found_by_who_sees_what_is_reached(tmp_path: Path) -> None:
    outcome = fuzz("toy", Limit(runs=_TOY_RUNS), tmp_path)
    assert outcome.found and "Planted" in outcome.log
    (file,) = outcome.found
    with pytest.raises(targets.load("toy").Planted):
        targets.load("toy").one(Path(file).read_bytes())


def test_the_same_fault_is_not_found_blindly(tmp_path: Path) -> None:
    outcome = fuzz("toy", Limit(runs=_TOY_RUNS), tmp_path, blind=True)
    assert not outcome.found and not outcome.edges
