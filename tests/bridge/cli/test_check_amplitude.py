"""`pixeltrail check` and the Amplitude sink: keys, mappings, and what they make of events."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pixeltrail_bridge import config
from pixeltrail_bridge.cli import run

from tests.support import amplitude_server

PORTS = ("--set", "mqtt.port=0", "--set", "web.port=0")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(config.ENVIRONMENT_PREFIX):
            monkeypatch.delenv(name)


def check(*words: str) -> int:
    return run(["check", *PORTS, *words])


@pytest.mark.parametrize(
    ("key", "code", "word"),
    [("right-key", 0, "did not refuse"), ("wrong-key", 1, "refused amplitude.api_key")],
)
def test_it_asks_amplitude_without_sending_an_event(
    key: str, code: int, word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIXELTRAIL_AMPLITUDE__API_KEY", key)
    monkeypatch.setenv("PIXELTRAIL_AMPLITUDE__SECRET_KEY", "hidden-secret")
    with amplitude_server.running(api_key="right-key") as server:
        assert check("--set", f"amplitude.host={server.url}") == code
        assert server.events == []
    printed = capsys.readouterr().out
    assert word in printed and "amplitude.secret_key (200)" in printed
    assert key not in printed and "hidden-secret" not in printed


def test_nobody_there_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PIXELTRAIL_AMPLITUDE__API_KEY", "k")
    assert check("--set", "amplitude.host=http://127.0.0.1:1") == 1
    assert "amplitude.host" in capsys.readouterr().out


def test_each_kind_of_event_is_tried_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pixeltrail.toml").write_text(
        '[[amplitude.mappings]]\nname = "Track Calls"\nfields = { event_type = { "@template" = "Kettle {{event}}" } }\n'
    )
    assert check("--show") == 0
    printed = capsys.readouterr().out
    for line in (
        "no API key, so nothing goes there",
        "sample track 'Brew Started': Track Calls -> httpapi Kettle Brew Started",
        "sample track 'Order Completed': Order Completed Calls -> httpapi Order Completed, httpapi Product Purchased",
        "sample identify 'user-7': Identify Calls -> identify",
        "sample group 'office-3': nothing is sent (no mapping takes it)",
        "after: POST https://api2.amplitude.com/identify",
        '"api_key": "***"',
    ):
        assert line in printed, line
    before, after = printed.partition("=== track 'Brew Started'\nbefore: ")[2].partition("\nafter: POST ")[
        ::2
    ]
    assert json.loads(before)["event"] == "Brew Started"
    sent = json.loads(after.partition("\n")[2].partition("\n\n=== ")[0])
    assert sent["events"][0]["event_type"] == "Kettle Brew Started"


def test_own_samples_that_would_be_lost_are_faults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = [
        {"type": "track", "event": "Fine", "anonymousId": "phone-1"},
        {"type": "track", "anonymousId": "phone-1"},
        {"type": "track", "event": "Short", "userId": "ab"},
        {"type": "track", "event": "Out", "integrations": {"All": False}},
    ]
    (tmp_path / "s.jsonl").write_text("\n".join(json.dumps(event) for event in events) + "\n\n")
    assert check("--sample", "s.jsonl") == 1
    printed = capsys.readouterr().out
    assert "ok     sample track 'Fine'" in printed
    assert (
        "FAULT  sample track: would be a dead letter: mapping 'Track Calls': event_type is missing" in printed
    )
    assert "user_id 'ab' has less than 5 characters" in printed
    assert "nothing is sent (its integrations exclude Actions Amplitude)" in printed
    assert check("--sample", "s.jsonl", "--set", "amplitude.min_id_length=2") == 1
    assert "characters" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "line 1 is no JSON"),
        ("{}\n5", "line 2 is no event"),
        (None, "cannot be read"),
        ("{}\n" * 1_001, "at most"),
    ],
)
def test_samples_that_cannot_be_read_are_named(
    text: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / "s.jsonl").write_text(text)
    assert check("--sample", "s.jsonl") != 0
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ('trigger = "type ="', ("pixeltrail.toml", "'Track Calls'", "trigger", "character")),
        ('fields = { event_tipe = "x" }', ("event_tipe", "logEventV2 has no such field")),
        ('fields = { event_type = { "@path" = 5 } }', ("fields.event_type.@path", "expected text, got 5")),
        ("fields = { time = 2026-01-01 }", ("fields.time", "expected text, a number")),
    ],
)
def test_a_mapping_that_is_wrong_is_named_with_file_key_and_remedy(
    mapping: str, words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pixeltrail.toml").write_text(f'[[amplitude.mappings]]\nname = "Track Calls"\n{mapping}\n')
    assert check() == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAULT")]
    for word in words:
        assert word in line, (word, line)


def test_a_key_file_that_others_can_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key").write_text("k")
    (tmp_path / "key").chmod(0o644)
    (tmp_path / "pixeltrail.toml").write_text("[amplitude]\napi_key_file = 'key'\n")
    assert check("--offline") == 1
    printed = capsys.readouterr().out
    assert "chmod 600" in printed and "not asked (--offline)" in printed


def test_what_amplitude_cuts_or_ignores_is_noted(capsys: pytest.CaptureFixture[str]) -> None:
    deep: dict[str, object] = {}
    for _ in range(40):
        deep = {"a": deep}
    events = [
        {"event": "Deep", "properties": deep},
        {"event": "Nested", "properties": {"a": [[1], 2]}},
        {"event": "Fine", "properties": {"a": [{"b": [1]}]}},
        {"event": "Grouped", "properties": {f"g{number}": number for number in range(6)}},
    ]
    common = {"type": "track", "anonymousId": "kitchen-01", "timestamp": "2026-01-02T03:04:05.678Z"}
    lines = [json.dumps({**common, **one, "messageId": str(number)}) for number, one in enumerate(events)]
    Path("mine.jsonl").write_text("\n".join(lines))
    mapping = (
        "[[amplitude.mappings]]\nname = 'Track Calls'\nfields = { groups = { '@path' = '$.properties' } }\n"
    )
    Path("pixeltrail.toml").write_text(mapping)
    assert check("--sample", "mine.jsonl") == 0, "a note is no fault"
    notes = [line for line in capsys.readouterr().out.splitlines() if "note:" in line and "sample" in line]
    assert [
        next(word for word in ("levels deep", "list within", "keeps 5") if word in note) for note in notes
    ] == [
        "levels deep",
        "list within",
        "keeps 5",
    ]
    assert "41 levels" in notes[0] and "'Nested'" in notes[1] and "groups has 6" in notes[2]
