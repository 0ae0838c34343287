"""The scenarios of `pixeltrail hil`: on sim with a bounded pace, on a board with `--device=PORT --board=NAME`."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pixeltrail_bridge.boards.catalogue import BoardError, find_board
from pixeltrail_bridge.cli import run as cli
from pixeltrail_bridge.hil import judge, report, runner, suite
from pixeltrail_bridge.hil.scenarios import NAMES, SCENARIOS, Scenario, bounded

_LOOPBACK = {"broker": "127.0.0.1"}


def one(
    pytestconfig: pytest.Config, scenario: Scenario, folder: Path, link: dict[str, object]
) -> runner.Result:
    device = pytestconfig.getoption("--device")
    board = find_board(pytestconfig.getoption("--board"))
    is_whole = device != suite.SIM or pytestconfig.getoption("--all")
    chosen = scenario if is_whole else bounded(scenario)
    (result,) = suite.run_suite(board, device, [chosen], folder, link, say=print).results
    return result


@pytest.mark.timeout(900)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_over_the_serial_line(scenario: Scenario, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    result = one(pytestconfig, scenario, tmp_path, {})
    assert not result.problems
    assert result.verdict.frames > 0 and result.figures["polls"]["count"] > 0
    assert result.figures["grown"] < 1024, "the heap grew while the board was at work"


def test_a_broker_that_restarts(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    if pytestconfig.getoption("--device") != suite.SIM:
        pytest.fail(
            "over MQTT a board needs its network: use `pixeltrail hil BOARD --device PORT --broker HOST`"
        )
    (scenario,) = (one for one in SCENARIOS if one.restarts_bridge)
    assert not one(pytestconfig, scenario, tmp_path, _LOOPBACK).problems


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["pico-2-w-st7789", "cyd-ili9341", "t-display-s3"])
def test_every_format_over_mqtt(name: str, tmp_path: Path) -> None:
    found = suite.run_suite(find_board(name), suite.SIM, SCENARIOS, tmp_path, _LOOPBACK, say=print)
    assert found.passed, [result.problems for result in found.results]


def test_every_scenario_has_its_name() -> None:
    assert (
        *("capture", "scroll", "burst", "link loss", "broker restart", "reboot", "low memory", "long run"),
    ) == NAMES
    assert [found.name for found in runner.only(["long-run", "linkloss"], SCENARIOS)] == [
        "long run",
        "link loss",
    ]
    with pytest.raises(BoardError, match="--scenario must be one of capture"):
        runner.only(["nothing"], SCENARIOS)


# --- the report ---


def result_of(problems: tuple[str, ...] = ()) -> runner.Result:
    verdict = judge.Verdict(36, 1, 2, 0, not problems, 6000, 1, 40, 1)
    times = {
        "count": 90,
        "mean_us": 800,
        "longest_us": 12_400,
        "buckets": [0] * 9 + [80, 9, 0, 0, 1] + [0] * 6,
    }
    figures = {
        "stats": {"refused": 3, "refused_calls": 1, "resent": 2},
        "polls": times,
        "refreshes": times,
        "calls": times,
        "grown": 16,
        "free_after": 50_000,
    }
    return runner.Result(SCENARIOS[0], verdict, figures, 40, problems)


def made(device: str = "/dev/ttyACM0", problems: tuple[str, ...] = ()) -> report.Report:
    return report.Report("A <board>", device, "MQTT", "128x64 MONO_VLSB", (result_of(), result_of(problems)))


def test_the_report_is_json_with_every_figure() -> None:
    found = json.loads(report.as_json(made()))
    first = found["scenarios"][0]
    assert found["passed"] and first["mixed_share"] == round(2 / 36, 4)
    assert (first["refused_frames"], first["refused_calls"], first["bytes"]) == (3, 1, 6000)
    assert first["poll"]["longest_us"] == 12_400 and first["heap_free_after_bytes"] == 50_000


def test_the_report_is_a_table_for_a_readme() -> None:
    text = report.as_markdown(made())
    assert text.startswith("Measured on A <board>, 128x64 MONO_VLSB, over MQTT, at /dev/ttyACM0.")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4 and len({row.count("|") for row in rows}) == 1
    assert "5.6 %" in rows[2] and "12.4 ms" in rows[2]
    assert "*unmeasured*" in report.as_markdown(made("sim"))


def test_the_page_needs_nothing_else_and_is_well_formed() -> None:
    page = report.as_html(made(problems=("the last frame is not the last picture",)))
    assert "A &lt;board&gt;" in page and "the last frame is not the last picture" in page
    assert not re.search(r"(src|href)=|url\(|@import", page)
    drawings = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(drawings) == 3
    for drawing in drawings:
        assert len(ElementTree.fromstring(drawing)) > 2
    assert not made(problems=("x",)).passed


def test_the_command_writes_all_three(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert cli(["hil", "--scenario", "capture", "--out", str(out)]) == 0
    printed = capfd.readouterr().out
    assert "capture: passed" in printed and "unmeasured" in printed
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.json", "report.md"]
    assert json.loads((out / "report.json").read_text())["scenarios"][0]["frames"] > 5


def test_a_port_without_micropython_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli(["hil", "--device", str(tmp_path / "none")]) == 2
    assert "there is no port" in capfd.readouterr().err
    assert cli(["hil", "linux-luma"]) == 2
    assert "runs no MicroPython" in capfd.readouterr().err


def test_what_must_not_be_is_told_in_words() -> None:
    burst = replace(SCENARIOS[2])
    verdict = judge.Verdict(10, 1, 0, 2, False, 100, 0, 350, 1)
    told = list(runner.problems_of(burst, verdict, {"stats": {"refused_calls": 4, "errors": 1}}))
    assert told == [
        "2 frames show what the board never showed",
        "the last frame is not the last picture",
        "10 calls are missing, and 4 were refused and told",
        "1 errors were contained",
    ]
