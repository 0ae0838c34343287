"""What outlives a reboot, and what a power cut can do to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pixeltrail.state import State


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_values_outlive_a_start(tmp_path):
    path = str(tmp_path / "kept")
    state = State(path)
    assert state.get("boot", 0) == 0 and state.is_kept
    assert state.put("boot", 1) and state.put("config", {"rate": 0.5, "masks": [1, 2]})
    again = State(path)
    assert (again.get("boot"), again.get("config")) == (1, {"rate": 0.5, "masks": [1, 2]})
    again.put("config", None)
    assert State(path).values == {"boot": 1}


def test_nothing_is_written_for_a_value_that_is_kept_already(tmp_path):
    path = str(tmp_path / "kept")
    state = State(path)
    state.put("boot", 1)
    before = [file.stat().st_mtime_ns for file in files(tmp_path)]
    assert state.put("boot", 1) and state.put("never", None)
    assert [file.stat().st_mtime_ns for file in files(tmp_path)] == before


@pytest.mark.parametrize("saves", [1, 2, 3])
def test_a_save_cut_at_any_byte_leaves_the_values_before_or_after_it(tmp_path, saves):
    path = str(tmp_path / "kept")
    for turn in range(saves):
        State(path).put("turn", turn)
    newest = max(files(tmp_path), key=lambda file: file.read_text().split(",")[0])
    whole = newest.read_bytes()
    for size in range(len(whole)):
        newest.write_bytes(whole[:size])
        found = State(path).get("turn")
        # behind the seal there is the end of its line alone
        assert found == (saves - 1 if size >= len(whole) - 1 else saves - 2 if saves > 1 else None)


@pytest.mark.parametrize(
    "text", ["", "\n", "[]\n", "nonsense\nnonsense\n", '[5, {"boot": 9}]\n00000000\n', "\xff\xfe\n\n"]
)
def test_a_spoilt_file_is_as_good_as_none(tmp_path, text):
    path = str(tmp_path / "kept")
    (tmp_path / "kept.0").write_bytes(text.encode("latin-1"))
    assert State(path).values == {}
    State(path).put("boot", 1)
    assert State(path).get("boot") == 1


def test_without_a_path_values_live_in_memory():
    state = State("")
    assert not state.put("boot", 1) and state.get("boot") == 1
    assert (state.errors, state.is_kept) == (0, False)


def test_a_storage_that_fails_is_counted(tmp_path):
    state = State(str(tmp_path / "nowhere" / "kept"))
    assert not state.put("boot", 1)
    assert (state.get("boot"), state.errors) == (1, 1)
