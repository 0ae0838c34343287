"""The hash trials: 0 misses, and the hash that was replaced is caught."""

from __future__ import annotations

import pytest

from tests.firmware.codec import trials


def check(outcomes: list[trials.Outcome], at_least: int) -> None:
    ours = [outcome for outcome in outcomes if outcome.strip != trials.REPLACED]
    assert [outcome for outcome in ours if outcome.misses] == []
    assert {outcome.strip for outcome in ours} == {name for name, *_ in trials.STRIPS}
    assert all(outcome.trials >= at_least for outcome in ours)
    caught = {outcome.kind for outcome in outcomes if outcome.strip == trials.REPLACED and outcome.misses}
    assert "thin_line" in caught, "trials that cannot fail prove nothing"


def test_no_change_of_an_interface_is_missed() -> None:
    check(trials.run(20_000), at_least=5_000)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nor_in_a_million_of_each_kind() -> None:
    check(trials.run(1_000_000), at_least=250_000)
