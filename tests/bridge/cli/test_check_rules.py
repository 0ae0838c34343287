"""`pixeltrail check` and [[rules]]: a wrong one is a fault, and samples are shown before and after."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from pixeltrail_bridge import config
from pixeltrail_bridge.cli import run

from tests.support.requirements import ROOT

HEAD = "[mqtt]\nport = 0\n[web]\nport = 0\n"
RULES = """
[[rules]]
name = "pii"
drop = ["context.ip"]
redact = ["properties.email"]
[[rules]]
name = "gaps stay here"
events = ["Replay Gap"]
drop_event = true
[[rules]]
name = "orders"
events = ["Order *"]
rename = { "properties.orderId" = "properties.order" }
sinks = ["segment"]
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(config.ENVIRONMENT_PREFIX):
            monkeypatch.delenv(name)


def check(text: str, *words: str) -> int:
    Path("pixeltrail.toml").write_text(HEAD + text)
    Path("key").write_text("k")
    Path("key").chmod(0o600)
    return run(["check", "--offline", *words])


SINKS = "[segment]\nwrite_key_file = 'key'\n[jsonl]\npath = 'events.jsonl'\n"


def test_samples_are_shown_before_and_after_with_who_did_what(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(SINKS + RULES) == 0
    printed = capsys.readouterr().out
    assert "rules: 3, in this order: 'pii', 'gaps stay here', 'orders'" in printed
    gap = printed.partition("=== track 'Replay Gap' of kitchen-01\n")[2].partition("\n\n")[0]
    assert gap.splitlines() == [
        "history, segment, jsonl: dropped",
        "    rule 'gaps stay here' dropped the event",
    ]
    app = printed.partition("=== track 'Recipe Saved' of kitchen-01\n")[2].partition("\n\n")[0]
    assert app.splitlines() == [
        "history, segment, jsonl:",
        '  - context.ip: "203.0.113.7"',
        '  - properties.email: "ada@example.com"',
        '  + properties.email: "[redacted]"',
        "    rule 'pii' dropped context.ip",
        "    rule 'pii' redacted properties.email",
    ]
    order = printed.partition("=== track 'Order Completed' of kitchen-01\n")[2].partition("\n\n")[0]
    assert order.splitlines() == [
        "history, jsonl: as it is",
        "segment:",
        '  - properties.orderId: "o-17"',
        '  + properties.order: "o-17"',
        "    rule 'orders' renamed properties.orderId to properties.order",
    ]
    assert "No rule is for 8 of the samples" in printed and "\x1b" not in printed


def test_a_terminal_shows_colours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert check(RULES.replace('sinks = ["segment"]', "")) == 0
    printed = capsys.readouterr().out
    assert "\x1b[31m  - context.ip" in printed and "\x1b[32m  + properties.email" in printed


def test_events_of_ones_own_are_shown_whatever_becomes_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    events = [
        {"type": "track", "event": "A", "anonymousId": "bench-1", "properties": {"email": 5}},
        {"type": 7, "properties": "x\x1b[2J"},
    ]
    Path("mine.jsonl").write_text("".join(json.dumps(one) + "\n" for one in events))
    rules = "[groups]\nlab = ['bench-*']\n[[rules]]\ngroups = ['lab']\nredact = ['properties.*']\n"
    check(rules, "--sample", "mine.jsonl")
    printed = capsys.readouterr().out
    assert "=== track 'A' of bench-1\nhistory, jsonl:\n  - properties.email: 5\n" in printed
    assert "=== 7 of no device\nhistory, jsonl: as it is" in printed


def test_the_documentation_shows_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "rules.md").read_text()
    text, shown = (re.search(rf"^```{kind}\n(.*?)^```", page, re.M | re.S) for kind in ("toml", "text"))
    assert text is not None and shown is not None
    Path("segment-key").write_text("k")
    Path("pepper").write_text("sixteen letters and more")
    check(text.group(1).replace("/etc/pixeltrail/", ""))
    printed = capsys.readouterr().out
    assert shown.group(1).strip() in printed, printed


def test_a_key_that_others_can_read_is_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    rules = "[[rules]]\nredact = ['userId']\nredact_key_file = 'pepper'\n"
    Path("pepper").write_text("sixteen letters and more")
    Path("pepper").chmod(0o644)
    assert check(rules) == 1
    assert "chmod 600" in capsys.readouterr().out
    Path("pepper").chmod(0o600)
    assert check(rules) == 0
    assert "sixteen letters" not in capsys.readouterr().out


def test_a_wrong_rule_is_a_fault_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("[[rules]]\ndrop = ['email']\n") == 1
    assert "pixeltrail.toml:6: rule '1': drop: 'email' must begin with" in capsys.readouterr().out
    assert check("[[rules]]\ndropp = ['email']\n") == 2, "settings that cannot be read"
    assert "pixeltrail.toml:6: rule '1': dropp: a rule has no such setting" in capsys.readouterr().err


def test_amplitude_is_shown_what_rules_leave_of_a_sample(capsys: pytest.CaptureFixture[str]) -> None:
    settings = "[amplitude]\napi_key_file = 'key'\n[[rules]]\ntypes = ['screen']\nrename_event = 'Main'\n"
    assert check(settings + "[[rules]]\ntypes = ['page']\ndrop_event = true\n", "--show") == 0
    printed = capsys.readouterr().out
    assert "Viewed Main" in printed and "Viewed Home" not in printed and "sample page" not in printed
