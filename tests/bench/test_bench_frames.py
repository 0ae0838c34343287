"""The measurement of frame times runs beside every fault, and each really comes about; the times it tells itself."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench import bench_frames, frames_faults, frames_report
from tests.bench.__main__ import check_figures


@pytest.fixture(scope="module")
def found() -> dict[str, bench_frames.Pair]:
    """All beside each other, which is quick; a fault that did not happen is an error."""
    every = list(frames_faults.SCENARIOS)
    return bench_frames.measure(seconds=1, rounds=1, names=every, at_once=len(every))


def test_every_scenario_happens_and_the_app_draws_on(found: dict[str, bench_frames.Pair]) -> None:
    assert list(found) == list(frames_faults.SCENARIOS)
    for name, pair in found.items():
        (run,), (twin,) = pair.runs, pair.twins
        assert run.happened > 0, name
        assert len(run.lateness) == len(twin.lateness) == 30, name
        assert run.counts["frames"] > 0 and "frames" not in twin.counts, name
        assert run.counts["off"] == [] and run.polls.max() + run.busy.max() > 0, name


def test_the_figures_and_the_report_name_every_scenario(found: dict[str, bench_frames.Pair]) -> None:
    figures = bench_frames.figures(found, 1, 1, "a machine")
    check_figures(figures)
    text = frames_report.report(figures, ["--seconds", "1", "--report", "/home/somebody/frames.md"])
    assert "`./dev bench frames --seconds 1 --report FILE`" in text
    for name in frames_faults.SCENARIOS:
        assert text.count(f"| {name} |") == 3
    assert frames_report.draw(figures).width > 0


def test_what_a_frame_waited_for_a_processor_is_not_its_own() -> None:
    """Due every period; the third one 20 ms late of which it waited 15, the fourth still 10 ms late for that."""
    period = bench_frames.PERIOD_US
    late = (500, 500, 20_000, 10_000, 500)
    waited = (0, 0, 15_000, 15_000, 15_000)
    rows = [
        [(n + 1) * period, 0, (n + 1) * period + late[n], 0, 0, 0, 0, 0, 0, waited[n]]
        for n in range(len(late))
    ]
    run = bench_frames.Run(np.array(rows), {}, 1)
    assert [round(ms, 1) for ms in run.own_lateness] == [0.5, 0.5, 5.0, 0.0, 0.0]
    assert [round(ms, 1) for ms in run.intervals] == [33.3, 52.8, 23.3, 23.8]
    assert run.waited_ms == 15


def test_a_pause_of_the_app_is_no_interval() -> None:
    period = bench_frames.PERIOD_US
    due = [period, 2 * period, 2 * period + 700_000]
    run = bench_frames.Run(np.array([[at, 0, at, *[0] * 7] for at in due]), {}, 1)
    assert [round(ms, 1) for ms in run.intervals] == [33.3]


def test_a_step_that_blocks_is_said_first() -> None:
    period = bench_frames.PERIOD_US
    counts = dict.fromkeys(
        ("frames", "skipped", "refused", "refused_calls", "mixed", "errors", "line_errors", "acks", "resent"),
        1,
    )
    due = np.arange(1, 31) * period
    pair = bench_frames.Pair()
    for runs, poll in ((pair.runs, 40_000), (pair.twins, 0)):
        rows = [[at, at, at, poll, poll, 0, 0, 0, 0, 0] for at in due]
        runs.append(bench_frames.Run(np.array(rows), {**counts, "off": ["transport"]}, 1))
    text = frames_report.report(bench_frames.figures({"broker frozen": pair}, 1, 1, "a machine"), [])
    assert "The longest poll took 40.00 ms of its own (broker frozen)" in text
    assert "**Above the 5 ms of `max_step_ms`: broker frozen.**" in text and "| transport |" in text
