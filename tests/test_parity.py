"""docs/parity.md: every row names tests that exist, or says why not; and no row comes or goes unnoticed."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.support.requirements import ROOT

PAGE = ROOT / "docs" / "parity.md"
COUNTS = {  # rows of each page of theirs; who adds or takes away one says so here
    "Wrapper for Segment's browser library": 16,
    "Session replay beside Segment": 33,
    "Plugin for React Native": 60,
    "Plugin for iOS": 44,
    "The Amplitude (Actions) destination": 276,
}
REASON = "*deliberately not*: "
LEAST_REASON = 30  # letters: less explains nothing
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@dataclass(frozen=True)
class Row:
    page: str
    theirs: str
    ours: str
    shown: str


def read() -> list[Row]:
    rows = []
    for section in PAGE.read_text().split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        lines = [line for line in text.splitlines() if line.startswith("|")]
        assert lines[:2] == ["| theirs | ours | shown by |", "|---|---|---|"], title
        for line in lines[2:]:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert len(cells) == 3, f"{title}: a row has three cells: {line}"
            rows.append(Row(title, *cells))
    return rows


ROWS = read()


@cache
def names_in(file: str) -> frozenset[str]:
    """Functions of a file that pytest takes for tests, without importing it."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    body = ast.parse(path.read_text()).body
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(one.name for one in body if isinstance(one, functions))


def faults(row: Row) -> list[str]:
    if row.shown.startswith(REASON):
        reason = row.shown.removeprefix(REASON)
        return [] if len(reason) >= LEAST_REASON else [f"{reason!r} is no reason"]
    named = NAMED.findall(row.shown)
    if not named:
        return ["it names neither a test nor a reason"]
    left = NAMED.sub("", row.shown).replace(",", "").strip()
    found = [f"{left!r} is neither"] if left else []
    found += [f"there is no test {file}::{name}" for file, name in named if name not in names_in(file)]
    return found if row.ours not in ("", "not") else [*found, "it does not say what ours is"]


def test_every_row_names_a_test_or_a_reason() -> None:
    wrong = {f"{row.page}: {row.theirs}": found for row in ROWS if (found := faults(row))}
    assert not wrong


@pytest.mark.parametrize("page", COUNTS)
def test_no_row_comes_or_goes_unnoticed(page: str) -> None:
    theirs = [row.theirs for row in ROWS if row.page == page]
    assert len(theirs) == COUNTS[page]
    assert len(set(theirs)) == len(theirs), "an item stands there twice"


def test_the_page_says_itself_how_many_rows_there_are() -> None:
    overview = PAGE.read_text().partition("\n## ")[0]
    assert dict(re.findall(r"^\| \[(.+?)\]\(#[\w-]+\) \| (\d+) \|$", overview, re.M)) == {
        page: str(count) for page, count in COUNTS.items()
    }
    assert {row.page for row in ROWS} == set(COUNTS)


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ("", "neither a test nor a reason"),
        ("see docs/device.md", "neither a test nor a reason"),
        ("*deliberately not*: no", "is no reason"),
        ("`tests/test_parity.py::test_that_is_not_there`", "there is no test"),
        ("`tests/no_such_file.py::test_a`", "there is no test"),
        ("`tests/test_parity.py::test_every_row_names_a_test_or_a_reason` and more", "'and more' is neither"),
    ],
)
def test_what_shows_nothing_is_found(shown: str, words: str) -> None:
    assert words in " ".join(faults(Row("a page", "an item", "something", shown)))


def test_the_readme_leads_here() -> None:
    assert "(docs/parity.md)" in (Path(ROOT) / "README.md").read_text()


def test_the_limitations_lead_to_pages_that_are_there() -> None:
    text = (ROOT / "docs" / "limitations.md").read_text()
    assert {"Not known", "What misses its target", "The device"} <= set(re.findall(r"^## (.+)$", text, re.M))
    pages = set(re.findall(r"\]\(([\w/-]+\.md)", text))
    assert pages and not [link for link in pages if not (ROOT / "docs" / link).is_file()]
