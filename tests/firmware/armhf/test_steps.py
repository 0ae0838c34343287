"""The longest steps of a recorder, against budgets.toml."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest

from tests.firmware.armhf import steps

SLACK = 1.03  # paths are of other lengths on another machine, and sockets answer when they do
BUDGETS = tomllib.loads((Path(__file__).parent / "budgets.toml").read_text())["steps"]
QUICK = ("idle", "keyframe", "outbox_full")


def test_no_budget_is_longer_than_a_step() -> None:
    """Captures that are `exact` and key exchanges are not among these: docs/reports/steps.md lists them apart."""
    longer = {
        (panel, scenario, kind): most
        for panel, scenarios in BUDGETS.items()
        for scenario, kinds in scenarios.items()
        for kind, most in kinds.items()
        if most > steps.STEP
    }
    assert not longer


def test_every_scenario_has_a_budget() -> None:
    assert {panel: set(found) for panel, found in BUDGETS.items()} == {
        panel: set(steps.SCENARIOS) for panel in steps.PANELS
    }


@pytest.mark.parametrize(
    ("panel", "scenario"),
    [
        pytest.param(panel, scenario, marks=() if scenario in QUICK else pytest.mark.slow)
        for panel in steps.PANELS
        for scenario in steps.SCENARIOS
    ],
)
def test_no_step_is_longer_than_its_budget(panel: str, scenario: str) -> None:
    counted = dataclasses.asdict(steps.measure(panel, scenario))
    counted.pop("key_exchange")
    budget = BUDGETS[panel][scenario]
    assert budget.keys() == {kind for kind, count in counted.items() if count}
    limits = {kind: min(most * SLACK, steps.STEP) for kind, most in budget.items()}
    longer = {kind: (counted[kind], most) for kind, most in limits.items() if counted[kind] > most}
    assert not longer, f"counted and limit: {longer}"
