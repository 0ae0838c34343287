"""SIGKILL at random moments: what was acked is stored, and nothing is doubled."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(("kind", "kills"), [("sqlite", 12), ("postgres", 6)])
def test_kills(kind: str, kills: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    place = tmp_path / "kills.db" if kind == "sqlite" else request.getfixturevalue("postgres_server").url
    command = [sys.executable, "-m", "tests.support.kills", str(place), str(kills)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=True)
    result = json.loads(answer.stdout)
    assert (result["lost"], result["doubled"]) == (0, 0), result
    assert result["detail"]["accepted_before_the_last_run"] > 0, "the kills came before anything was acked"
    assert result["detail"]["not_acked_at_the_end"] == 0 and result["detail"]["dead_letters"] == 0
    assert result["events"] == 3 * result["accepted"] and result["detail"]["not_owed_to_the_sink"] == 0
