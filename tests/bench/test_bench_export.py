"""Each format is measured, on sessions as long as they should be, and the figures have their names and arithmetic."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench import bench_export
from tests.support import corpus


@pytest.mark.parametrize("format", bench_export.FORMATS)
def test_a_format_is_measured(format: str, tmp_path: Path) -> None:
    session = bench_export.make("mono_invaders", corpus.DEFAULT_FOLDER, 0.4)
    run = bench_export.measure("mono_invaders", session, format, tmp_path)
    assert run.session_s >= 24 and run.pictures > 127 and run.size_bytes > 1_000
    assert run.speed > 0 and not list(tmp_path.iterdir())


def test_figures() -> None:
    runs = [
        bench_export.Run("a", "gif", 600.0, 100, 2.0, 1.0, 5_000),
        bench_export.Run("b", "gif", 300.0, 100, 7.0, 2.0, 5_000),
        bench_export.Run("b", "ptr", 300.0, 100, 1.0, 1.0, 5_000),
    ]
    figures = bench_export.figures(runs)
    bench.check_figures(figures)
    assert [(one["name"], one["value"]) for one in figures] == [
        ("export.speed", 100.0),
        ("export.speed, ptr", 300.0),
    ]
    assert figures[0]["detail"]["slowest"] == 42.9
    assert figures[0]["detail"]["per_cpu_second"] == 300
