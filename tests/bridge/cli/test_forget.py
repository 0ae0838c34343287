"""`pixeltrail forget` and `dsar` on the command line: what they print, what they end with, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pixeltrail_bridge.cli import run
from pixeltrail_bridge.store.sqlite import SqliteStore

from tests.support.histories import House, files_with

DEVICE, OTHER, USER = "kitchen-01", "hall-02", "anna@example.com"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "pixeltrail-data"
    data.mkdir()
    store = SqliteStore(data / "pixeltrail.db")
    house = House(store, data)
    house.tell(DEVICE, USER)
    house.tell(OTHER, None)
    store.close()
    return data


def devices(capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert run(["devices", "--json"]) == 0
    return [json.loads(line)["device"] for line in capsys.readouterr().out.splitlines()]


def test_a_report_without_the_id(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "exports").mkdir()
    (folder / "exports" / "0a1b").write_text(f"a file with {DEVICE}")
    assert run(["forget", "--device", DEVICE, "--yes", "--report", "report.json"]) == 0
    printed = capsys.readouterr().out
    report = json.loads(Path("report.json").read_text())
    assert DEVICE not in printed and DEVICE not in json.dumps(report)
    assert "Nothing of it was found afterwards" in printed
    assert report["clean"] and report["rows"]["devices"] == {"before": 2, "erased": 1, "after": 1}
    assert report["files"]["exports"] == 1 and report["found_afterwards"] == {}
    assert devices(capsys) == [OTHER] and not files_with(folder, DEVICE.encode())


def test_what_is_left_ends_with_1_and_says_where(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "notes.txt").write_text(f"{DEVICE} is in the kitchen; {DEVICE}2 is not")
    assert run(["forget", "--device", DEVICE, "--yes"]) == 1
    assert "still found in notes.txt" in capsys.readouterr().out


def test_copies_of_before_an_update_go_and_others_stay(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "backups").mkdir()
    for name in ("pixeltrail-schema0006-20260101T000000.db", "pixeltrail-20260101.backup"):
        (folder / "backups" / name).write_bytes((folder / "pixeltrail.db").read_bytes())
    assert run(["forget", "--device", DEVICE, "--yes", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [path.name for path in (folder / "backups").iterdir()] == ["pixeltrail-20260101.backup"]
    assert report["files"]["backups"] == 1 and report["earlier_backups"] == 1


def test_a_device_may_come_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["forget", "--device", DEVICE, "--readmit"]) == 2
    assert "nothing of this name was forgotten" in capsys.readouterr().err
    assert run(["forget", "--device", DEVICE, "--yes"]) == 0
    assert run(["forget", "--device", DEVICE, "--readmit"]) == 0
    store = SqliteStore(folder / "pixeltrail.db")
    gone = store.commit_batch(lambda tx: tx.tombstones)
    assert gone.find("device", DEVICE) is not None and not gone.refuses("device", DEVICE)
    store.close()


def test_an_older_copy_and_its_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    older = (folder / "pixeltrail.db").read_bytes()
    assert run(["forget", "--user", USER, "--yes"]) == 0
    stones = (folder / "erasures.jsonl").rename(folder.parent / "elsewhere.jsonl")
    for path in folder.glob("pixeltrail.db*"):
        path.unlink()
    (folder / "pixeltrail.db").write_bytes(older)
    assert files_with(folder, USER.encode())
    assert run(["forget", "--again", "--erasures", str(stones)]) == 0
    assert not files_with(folder, USER.encode())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name one of"),
        (["--device", DEVICE, "--user", USER], "name one of"),
        (["--session", "5"], "DEVICE/SESSION"),
    ],
)
def test_what_is_not_clear_is_refused(
    words: list[str], says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = devices(capsys)
    assert run(["forget", *words, "--yes"]) == 2
    assert says in capsys.readouterr().err
    assert devices(capsys) == before


def test_vendors_are_asked_where_they_are_set_up(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("token").write_text("segment-token-1\n")
    settings = ["--set", "privacy.segment_token_file=token", "--set", "privacy.segment_source=src1"]
    assert run(["forget", "--user", USER, "--yes", "--json", *settings]) == 0
    assert json.loads(capsys.readouterr().out)["vendors"] == [{"vendor": "segment", "state": "waiting"}]
    assert run(["forget", "--device", OTHER, "--yes", *settings]) == 0
    capsys.readouterr()
    assert run(["forget", "--status", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["state"] for one in told] == ["unsupported", "waiting"]
    assert all(USER not in json.dumps(one) for one in told)
    assert run(["forget", "--user", USER, "--yes", "--set", "privacy.amplitude_deletion=true"]) == 2
    assert "amplitude.secret_key_file" in capsys.readouterr().err


def test_retention_and_refused_requests_are_shown_by_doctor(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["doctor", "--json", "--set", "retention.events_days=90", "--set", "mqtt.enabled=false"])
    findings = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (retention,) = [one["text"] for one in findings if one["what"] == "retention"]
    assert "events 90 days" in retention


def test_access(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dsar", "out", "--user", USER]) == 0
    assert (Path("out") / "events.jsonl").read_text() and "Written to out" in capsys.readouterr().out
    assert run(["dsar", "out", "--user", USER]) == 2
    assert "exists" in capsys.readouterr().err
    assert run(["dsar", "other"]) == 2
