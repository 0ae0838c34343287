"""What `pixeltrail size` computes is what 32 bits measure, and what the READMEs of the boards say."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from pixeltrail_bridge.boards import size
from pixeltrail_bridge.boards.catalogue import BoardError, Display, all_boards, find_board
from pixeltrail_bridge.cli import run as cli

from tests.firmware.armhf import costs, measures

_BUDGETED = [board.id for board in all_boards() if board.heap_kb]
_CLOSE = 0.05  # the library changes by a few hundred bytes from day to day
_FORMATS = {name: number for number, name in enumerate(costs.FORMATS)}


@pytest.mark.parametrize("name", _BUDGETED)
def test_the_readme_has_the_table_that_size_prints(name: str) -> None:
    """After a change: `python -m tests.boards.readmes` writes them anew."""
    board = find_board(name)
    text = (board.folder / "README.md").read_text()
    found = re.search(r"<!-- size -->\n(.*?)<!-- /size -->", text, re.S)
    assert found is not None, f"{name}/README.md has no budget"
    assert found.group(1) == size.as_markdown(size.budget(board))


@pytest.mark.parametrize("name", [board.id for board in all_boards()])
def test_a_readme_shows_the_display_and_marks_what_nobody_measured(name: str) -> None:
    board = find_board(name)
    text = (board.folder / "README.md").read_text()
    assert "(screens.png)" in text and (board.folder / "screens.png").is_file()
    assert board.is_simulated or "unmeasured" in text


@pytest.mark.parametrize(
    ("width", "height", "format", "link"),
    [(128, 64, "MONO_VLSB", "serial"), (240, 240, "RGB565S", "mqtt"), (320, 240, "GS4_HMSB", "serial")],
)
def test_the_sum_is_what_32_bits_measure(width: int, height: int, format: str, link: str) -> None:
    display = Display(width, height, format, "any")
    board = replace(find_board("pico-w-ssd1306"), display=display, link=link)
    found = size.budget(board, size.Plan(display, "armv6m", link))
    measured = measures.weigh(width, height, _FORMATS[format], link, "armv6m")
    outbox = size.default_outbox(display.frame_bytes)
    whole = measured.code + measured.recorder + measured.outbox + outbox + measured.transport
    computed = sum(row.size_bytes for row in found.rows if row.what not in ("frame", "its machine code"))
    assert computed == pytest.approx(whole, rel=_CLOSE), "run python -m tests.firmware.armhf.costs"


@pytest.mark.parametrize("key", ["MONO_VLSB_narrow", "GS4_HMSB_wide", "RGB565_wide"])
def test_machine_code_is_as_large_as_the_files(key: str) -> None:
    (width, number) = next((width, number) for name, width, number in costs.displays() if name == key)
    loaded = costs.modules(width, number)
    for architecture in costs.ARCHITECTURES:
        kept = size.costs()["kernels"][architecture][key]
        assert kept == pytest.approx(costs.machine_code(loaded, architecture), rel=_CLOSE), architecture


def test_what_does_not_fit_says_what_would_make_room(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = (find_board("pico-w-ssd1306").folder / "board.toml").read_text()
    (tmp_path / "board.toml").write_text(re.sub("heap_kb = .*", "heap_kb = 120", text))
    assert cli(["size", str(tmp_path), "--link", "mqtts", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["verdict"] == "does not fit" and found["left_bytes"] < 0
    assert found["remedies"][0]["what"].startswith("freeze the library")
    assert found["used_bytes"] == sum(row["bytes"] for row in found["rows"])
    assert cli(["size", str(tmp_path), "--link", "mqtts"]) == 0
    printed = capfd.readouterr().out
    assert "What would make room:" in printed and "serial in place of MQTT" in printed
    assert cli(["size", str(tmp_path), "--link", "mqtts", "--frozen", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["verdict"] == "fits"


def test_frozen_code_takes_no_heap() -> None:
    board = find_board("pico-w-ssd1306")
    plain = size.budget(board)
    frozen = size.budget(board, replace(size.plan_of(board), is_frozen=True))
    assert plain.used_bytes - frozen.used_bytes > 100_000 and frozen.flash_bytes == 0


def test_a_board_without_a_heap_has_no_budget() -> None:
    with pytest.raises(BoardError, match="no heap of a fixed size"):
        size.budget(find_board("linux-luma"))
    assert cli(["size", "nowhere"]) == 2
