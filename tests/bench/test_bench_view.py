"""The measurement of the viewer runs, finds every picture, and names its figures; how fast it is, it tells itself."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.bench import bench_view
from tests.bench.__main__ import check_figures
from tests.support import corpus

SMALL = "mono_invaders"  # quick to code


def test_every_picture_arrives_and_the_figures_have_their_names(tmp_path: Path) -> None:
    for path in corpus.DEFAULT_FOLDER.glob(f"{SMALL}.*"):
        shutil.copy(path, tmp_path)
    figures = bench_view.measure(changes=4, seek_count=3, minutes=2, corpus_folder=tmp_path)
    check_figures(figures)
    assert [(one["name"], one["unit"]) for one in figures] == [
        ("view.live_p95_ms", "ms"),
        ("view.seek_p95_ms", "ms"),
    ]
    live, seek = figures
    assert live["value"] > 0 and live["detail"]["count"] >= 1
    assert seek["value"] > 0 and seek["detail"]["count"] == 3 and "cores" in seek["detail"]["machine"]
    assert seek["detail"]["session"].startswith(f"2 min of {SMALL}, 128x64")


def test_the_share_that_waits_longest() -> None:
    assert bench_view.p95(range(100)) == 95 and bench_view.p95([7.0]) == 7.0


def test_a_session_is_of_the_size_that_the_target_names() -> None:
    sequence = bench_view._sequence(corpus.DEFAULT_FOLDER)
    assert (sequence.width, sequence.height) == (320, 240)
