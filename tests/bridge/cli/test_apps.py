"""`pixeltrail apps` and what `doctor` says of apps, on the store of a bridge that served some."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pixeltrail_bridge import config
from pixeltrail_bridge.app import diagnosis
from pixeltrail_bridge.cli import run
from pixeltrail_bridge.mobile.enrichment import EnrichSettings
from pixeltrail_bridge.mobile.intake import Intake, IntakeSettings, Received
from pixeltrail_bridge.sessions.state import DeviceState
from pixeltrail_bridge.store.sqlite import SqliteStore

NOW = 1_767_323_045_000
DEVICE = "thermostat-1"


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Tapped", "messageId": f"m-{number}", "anonymousId": "anon-1", **fields}


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A device, an app, and events of all sorts."""
    monkeypatch.chdir(tmp_path)
    path = config.load(None).bridge.database
    path.parent.mkdir()
    store = SqliteStore(path, ("sink",))
    events = [
        event(1, context={"device": {"id": "phone-1"}}, userId="user-7"),
        event(
            2, context={"device": {"id": "phone-1"}}, integrations={"Actions Amplitude": {"session_id": -1}}
        ),
        event(3, anonymousId=None, userId="user-8"),
        event(4, context={"pixeltrail": {"link": "0000000"}}),
    ]

    def work(tx: Any) -> None:
        tx.add_device(DEVICE, msgspec.json.encode(DeviceState()), NOW)
        Intake(IntakeSettings(EnrichSettings(sample_rate=1))).take(tx, [Received(one, NOW) for one in events])

    store.commit_batch(work)
    store.close()
    return path


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    capsys.readouterr()
    assert run(["apps", "list", "--json"]) == 0
    found = map(json.loads, capsys.readouterr().out.splitlines())
    return {one["app"]: one for one in found}


def test_apps_are_listed(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(capsys)
    assert found.keys() == {"phone-1", "anon-1", "user-8"}
    assert found["phone-1"]["session_id"] == NOW
    assert run(["apps", "list"]) == 0
    assert "phone-1" in capsys.readouterr().out


def test_an_app_is_paired_and_let_go(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["apps", "pair", "phone-1", DEVICE]) == 0
    assert listed(capsys)["phone-1"]["device_id"] == DEVICE
    assert run(["apps", "unpair", "phone-1"]) == 0
    assert listed(capsys)["phone-1"]["device_id"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pair", "phone-9", DEVICE], "pixeltrail apps list"),
        (["pair", "phone-1", "thermostat-9"], "pixeltrail devices"),
        (["unpair", "phone-9"], "pixeltrail apps list"),
    ],
)
def test_who_is_not_known_is_named(
    database: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run(["apps", *arguments]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "field", "value"),
    [
        (["opt-out", "phone-1"], "opted_out", True),
        (["opt-out", "phone-1", "--undo"], "opted_out", False),
        (["stop", "phone-1"], "stopped", True),
        (["start", "phone-1"], "stopped", False),
    ],
)
def test_recording_is_switched(
    database: Path, capsys: pytest.CaptureFixture[str], command: list[str], field: str, value: bool
) -> None:
    assert run(["apps", *command]) == 0
    assert listed(capsys)["phone-1"][field] is value


def test_doctor_says_what_is_missing_and_why(database: Path) -> None:
    store = SqliteStore(database)
    texts = [finding.text for finding in diagnosis.check_apps(store)]
    store.close()
    assert [text.partition(";")[0] for text in texts] == [
        "1 of 4 events (25.0 %) have no device ID",
        "1 of 4 events (25.0 %) say that they are in no session (-1)",
        "1 of 4 events (25.0 %) carried a link token that no running session has",
    ]


def test_doctor_says_that_all_is_well(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "well.db")
    assert list(diagnosis.check_apps(store)) == []
    store.commit_batch(lambda tx: Intake(IntakeSettings()).take(tx, [Received(event(1), NOW)]))
    (finding,) = diagnosis.check_apps(store)
    store.close()
    assert (finding.level, finding.text) == ("ok", "all 1 events have a device ID and a session")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ([], "mobile.write_key_file"),
        (["mobile.write_key_file=key", "mobile.block_ips=somewhere"], "mobile.block_ips"),
        (["mobile.write_key_file=key"], "any free port"),
        (["mobile.write_key_file=key", "mobile.host=0.0.0.0"], "TLS"),
    ],
)
def test_check_looks_at_what_apps_need(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text("app-key\n")
    given = ["mobile.enabled=true", "mobile.port=0", "mqtt.port=0", "web.port=0", *settings]
    run(["check", "--offline", *(word for one in given for word in ("--set", one))])
    found = [line for line in capsys.readouterr().out.splitlines() if "apps:" in line]
    assert words in "\n".join(found)
