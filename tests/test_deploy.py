"""What operators install: the service file, the container file and the dashboard say what is true."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from pixeltrail_bridge.sources.base import LinkState
from pixeltrail_bridge.store.figures import LastHeard
from pixeltrail_bridge.watch.metrics import render
from prometheus_client.parser import text_string_to_metric_families

from tests.bridge.watch.looks import readings
from tests.support.requirements import ROOT, require

DEPLOY = ROOT / "deploy"


def test_systemd_understands_the_service_and_finds_it_locked_up(tmp_path: Path) -> None:
    text = (DEPLOY / "pixeltrail.service").read_text()
    unit = tmp_path / "pixeltrail.service"
    unit.write_text(text.replace("/opt/pixeltrail/bin/pixeltrail", "/bin/true"))
    analyze = str(require("systemd-analyze"))
    checked = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    command = [analyze, "security", "--offline=true", "--threshold=30", str(unit)]  # 3.0 of 10, 10 the worst
    judged = subprocess.run(command, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout


def test_every_figure_of_the_dashboard_is_one_the_bridge_has() -> None:
    full = readings(
        sources={"mqtt": LinkState("mqtt", True)},
        dead_letters={"record": 1},
        gaps={1: 1},
        backup_ms=1,
        listed=[LastHeard("oven-07", 1, True)],
        device_counters={"oven-07": {"frames": 1}},
    )
    families = text_string_to_metric_families(render(full).decode())
    known = {sample.name for family in families for sample in family.samples}
    dashboard = json.loads((DEPLOY / "grafana.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    names = {name for expression in asked for name in re.findall(r"\b(?:pixeltrail|process)_\w+", expression)}
    assert names - known == set()
    assert len(names) > 20


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((DEPLOY / "grafana.json").read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


@pytest.mark.parametrize("line", re.findall(r"^COPY (.*)$", (DEPLOY / "Containerfile").read_text(), re.M))
def test_the_container_file_copies_what_is_there(line: str) -> None:
    *sources, _ = line.split()
    assert [source for source in sources if not (ROOT / source).exists()] == []
