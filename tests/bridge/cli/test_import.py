"""`pixeltrail import`: what was taken, what was not and why, and an exit code that tells."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pixeltrail_bridge.cli import run
from pixeltrail_bridge.mapping.calls import REPLAY_CHUNKS
from pixeltrail_bridge.store.sqlite import SqliteStore

from tests.support import every_kind, warehouse
from tests.support.film import DEVICE

EVENTS = list[warehouse.Event]


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> EVENTS:
    store = SqliteStore(tmp_path_factory.mktemp("original") / "store.db", ("segment",))
    every_kind.recorded(store)
    found = [json.loads(row.payload) for row in store.events(DEVICE, limit=100_000)]
    store.close()
    return found


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def lines(events: EVENTS) -> bytes:
    return b"".join(map(warehouse.s3_line, events))


def test_into_a_folder_where_no_bridge_has_run(
    events: EVENTS, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse.write(tmp_path, "all.json", lines(events))
    assert run(["import", "all.json"]) == 0
    printed = capsys.readouterr()
    pieces = sum(event.get("event") == REPLAY_CHUNKS for event in events)
    assert printed.out.startswith(f"{pieces} pieces: ") and not printed.err
    assert f"{DEVICE}: sessions " in printed.out and "missing" not in printed.out
    assert run(["sessions", DEVICE]) == 0
    assert run(["import", "all.json", "all.json"]) == 0
    assert " 0 chunks added" in capsys.readouterr().out
    assert run(["export", DEVICE, "-o", "a.ptr"]) == 0


def test_each_line_that_is_wrong_is_told_with_its_place_and_the_rest_is_taken(
    events: EVENTS, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pieces = [event for event in events if event.get("event") == REPLAY_CHUNKS]
    broken = json.loads(json.dumps(pieces[0]))
    broken["properties"]["end_seq"] = "many"
    foreign = {"messageId": "ajs-1", "type": "track", "event": "Clicked"}
    data = lines([broken]) + b"{\n" + json.dumps(foreign).encode() + b"\n" + lines(pieces)
    warehouse.write(tmp_path, "mixed.json", data)
    warehouse.write(tmp_path, "table.parquet", b"PAR1....")
    code = run(["import", "mixed.json", "table.parquet", "nowhere.gz", "--report", "report.jsonl"])
    printed = capsys.readouterr()
    assert code == 1 and "Traceback" not in printed.err
    told = printed.err.splitlines()
    assert told[0].startswith("mixed.json, line 1: end_seq: must be a whole number from 1 to")
    assert told[1].startswith("mixed.json, line 2: is no JSON")
    assert told[2] == "table.parquet: is a Parquet file; export JSON lines or CSV, plain or in gzip"
    assert told[3].startswith("nowhere.gz: cannot be read")
    assert "1 events and rows were left out" in printed.out and "4 lines or files" in printed.out
    report = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert [(one["file"], one["line"], one["field"]) for one in report[:2]] == [
        ("mixed.json", 1, "end_seq"),
        ("mixed.json", 2, ""),
    ]
    assert len(report) == 4
    store = SqliteStore(tmp_path / "pixeltrail-data" / "pixeltrail.db")
    assert {row.device_id for row in store.sessions()} == {DEVICE}
    store.close()


def test_missing_pieces_are_printed(
    events: EVENTS, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pieces = [event for event in events if event.get("event") == REPLAY_CHUNKS]
    warehouse.write(tmp_path, "some.json", lines([*pieces[:1], *pieces[2:]]))
    assert run(["import", "some.json"]) == 0
    lost: dict[str, Any] = pieces[1]["properties"]
    last = lost["end_seq"] - 1
    expected = f"missing: {DEVICE} stream {lost['stream']} seq {lost['from_seq']} to {last}, shown as a gap"
    assert expected in capsys.readouterr().out
    assert run(["import", "--json", "some.json"]) == 0
    assert json.loads(capsys.readouterr().out)["missing"] == []  # nothing new, so nothing was looked at


def test_rules_hold_for_what_is_made_anew_and_not_twice_for_what_was_sent(
    events: EVENTS, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rules name a sink, which an import does not have."""
    (tmp_path / "pixeltrail.toml").write_text(
        """
        [[rules]]
        events = ["Pressed"]
        rename = { "properties.number" = "properties.amount" }

        [[rules]]
        events = ["Done"]
        send_to = ["jsonl"]
        """
    )
    pressed = [event for event in events if event.get("event") == "Pressed"]
    pieces = [event for event in events if event.get("event") == REPLAY_CHUNKS]
    warehouse.write(tmp_path, "some.json", lines([pressed[0], *pieces]))
    assert run(["import", "some.json"]) == 0, capsys.readouterr().err
    store = SqliteStore(tmp_path / "pixeltrail-data" / "pixeltrail.db")
    found = [json.loads(row.payload) for row in store.events(limit=100_000) if row.event == "Pressed"]
    names = {one["messageId"]: set(one["properties"]) & {"number", "amount"} for one in found}
    assert len(found) == len(pressed) > 1
    assert names.pop(pressed[0]["messageId"]) == {"number"}, "what was sent had been through the rules"
    assert all(one == {"amount"} for one in names.values())
    assert not store._all("SELECT 1 FROM deliveries")
    store.close()


def test_a_folder_that_cannot_be_written(events: EVENTS, capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("")
    Path("all.json").write_bytes(lines(events[:1]))
    assert run(["import", "all.json", "--set", "bridge.data_dir=file/x"]) == 2
    assert "name a folder" in capsys.readouterr().err


def test_of_whom_was_forgotten_nothing_comes_back(
    events: EVENTS, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse.write(tmp_path, "all.json", lines(events))
    assert run(["import", "all.json"]) == 0
    assert run(["forget", "--device", DEVICE, "--yes"]) == 0
    capsys.readouterr()
    assert run(["import", "all.json"]) == 0
    assert "forgotten" in capsys.readouterr().out
    store = SqliteStore(tmp_path / "pixeltrail-data" / "pixeltrail.db")
    assert not store.sessions() and not store.events() and not store.devices()
    store.close()
    shutil.rmtree(tmp_path / "pixeltrail-data")
