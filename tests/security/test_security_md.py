"""SECURITY.md names, for every threat, a control and a test that there is."""

from __future__ import annotations

import re

import pytest

from tests.support.requirements import ROOT

# What must have a row, whatever else has one.
EXPECTED = (
    *("listens on the network", "downgrade", "false broker", "expired", "another host", "signed by nobody"),
    *(
        "speaks for another",
        "spoofed downlinks",
        "reads what is for another",
        "names no device",
        "sent again",
        "altered",
    ),
    *(
        "Bombs",
        "path in a string",
        "WebSocket",
        "CSRF",
        "guessed",
        "log, a process list",
        "how long a comparison",
    ),
    *(
        "hundred times",
        "dependency",
        "rebinding",
        "becomes a script",
        "who looked",
        "others may read",
        "key is stolen",
        "forges or alters",
        "told to stop signing",
        "an old one again",
    ),
)


def rows() -> list[tuple[str, str, str]]:
    lines = re.findall(r"^\| (.+) \|$", (ROOT / "SECURITY.md").read_text(), re.M)
    return [tuple(part.strip() for part in line.split(" | ")) for line in lines[1:] if " | " in line]  # type: ignore[misc]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:40])
def test_every_row_names_tests_that_there_are(row: tuple[str, str, str]) -> None:
    threat, control, tests = row
    assert threat and control
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`", tests)
    assert named, f"no test for: {threat}"
    for file, name in named:
        text = (ROOT / file).read_text()
        assert f"def {name}(" in text if name else "def test_" in text, f"{file}::{name}"
    assert not re.sub(r"`[^`]+`|[, ]", "", tests), "tests alone"


@pytest.mark.parametrize("threat", EXPECTED)
def test_the_table_has_all_that_is_to_be_feared(threat: str) -> None:
    assert any(threat in row[0] for row in rows())


def test_it_says_how_to_report_and_what_is_supported() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    assert {"## Reporting", "## Supported versions", "## Threats", "## Known limits"} <= set(
        text.splitlines()
    )
