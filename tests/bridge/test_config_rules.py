"""[[rules]] in the settings file: what is read, and what is wrong, with line and remedy."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail_bridge import config
from pixeltrail_bridge.app.rules import diagnose, make_rules
from pixeltrail_bridge.config.rules import Lines
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.mapping.calls import Call
from pixeltrail_bridge.store.sqlite import SqliteStore

SINKS = ["segment", "jsonl"]
HEAD = '[groups]\nlab = ["bench-*"]\nnone = []\n\n'
AT = 5  # the line after HEAD


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "pepper").write_text("a long enough secret\n")
    (tmp_path / "short").write_text("pepper\n")
    return tmp_path / "pixeltrail.toml"


def fault(file: Path, text: str, head: str = HEAD) -> str:
    file.write_text(head + text)
    with pytest.raises(ConfigError) as caught:
        make_rules(config.load(file), SINKS)
    return str(caught.value)


def test_a_rule_is_read_with_its_groups_and_key(file: Path) -> None:
    file.write_text(
        HEAD
        + "[[rules]]\nname = 'a'\ngroups = ['lab']\ndevices = ['x']\n"
        + "redact = ['traits.email']\nredact_key_file = 'pepper'\n[[rules]]\ndrop_event = true\n"
    )
    settings = config.load(file)
    assert [one.fields["name"] for one in settings.lists.rules] == ["a", "2"]
    rules = make_rules(settings, SINKS)
    assert rules is not None and rules.rules[0].devices == ("bench-*", "x")
    assert rules.rules[0].redact_key == b"a long enough secret"
    assert "enough secret" not in repr(settings.lists) and "enough secret" not in repr(rules.rules)


def test_without_rules_there_are_none(file: Path) -> None:
    file.write_text(HEAD)
    assert make_rules(config.load(file), SINKS) is None


RULE = "[[rules]]\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        # unknown and wrongly typed
        (RULE + "dropp = ['properties.a']", 1, ["dropp", "did you mean drop?"]),
        (RULE + "xyz = 1", 1, ["no such setting", "rename_event"]),
        (RULE + "drop = 'properties.a'", 1, ['"properties.a"', "a list of text"]),
        (RULE + "drop = [1]", 1, ["a list of text"]),
        (RULE + "drop = []", 1, ["an empty list says nothing"]),
        (RULE + "drop_event = 1", 1, ["true or false"]),
        (RULE + "rename = ['properties.a']", 1, ["a table of paths", "properties.new"]),
        (RULE + "rename = { 'properties.a' = 1 }", 1, ["a table of paths"]),
        (RULE + "add = { 'properties.a' = 2026-01-02 }", 1, ["values that JSON has"]),
        (RULE + "add = { 'properties.a' = nan }", 1, ["values that JSON has"]),
        (RULE + "rename_event = ''", 1, ["expected text"]),
        (RULE + "name = 5", 1, ["expected text"]),
        ("rules = 5", 0, ["[[rules]] with two brackets"]),
        ("[rules]\na = 1", 0, ["[[rules]] with two brackets"]),
        (RULE + "name = 'a'\ndrop_event = true\n" + RULE + "name = 'a'\ndrop_event = true", 4,
         ["rule 1 has it too", "give one another"]),
        # conditions
        (RULE + "groups = ['lba']\ndrop_event = true", 1, ["'lba' is no group", "lab"]),
        (RULE + "groups = ['none']\ndrop_event = true", 1, ["no device is in it"]),
        (RULE + "types = ['trak']\ndrop_event = true", 1, ["no event is of type 'trak'", "identify"]),
        (RULE + "types = ['identify']\nevents = ['a']\ndrop_event = true", 2, ["have no name"]),
        (RULE + "types = ['group']\nrename_event = 'a'", 2, ["have no name"]),
        (RULE + "sinks = ['segmnet']\ndrop_event = true", 1, ["no sink 'segmnet'", "segment, jsonl"]),
        # what it does
        (RULE + "name = 'a'", 0, ["it does nothing", "redact"]),
        (RULE + "send_to = ['amplitude']", 1, ["no sink 'amplitude'"]),
        (RULE + "sinks = ['jsonl']\nsend_to = ['segment']", 2, ["cannot send elsewhere"]),
        (RULE + "drop_event = true\nadd = { 'properties.a' = 1 }", 2, ["nothing is left"]),
        (RULE + "redact_with = 'x'\ndrop_event = true", 1, ["there is no redact"]),
        (RULE + "redact_key_file = 'pepper'\ndrop_event = true", 1, ["there is no redact"]),
        (RULE + "redact = ['traits.a']\nredact_key_file = 'nowhere'", 2, ["nowhere cannot be read", "alone"]),
        (RULE + "redact = ['traits.a']\nredact_key_file = 'short'", 2, ["less than 16"]),
        (RULE + "redact = ['traits.a']\nredact_key_file = 'pepper'\nredact_with = 'x'", 3, ["take one of the two"]),
        # paths
        (RULE + "drop = ['email']", 1, ["'email' must begin with", "properties.email", "traits.email"]),
        (RULE + "drop = ['properties']", 1, ["all there is", "properties.*"]),
        (RULE + "drop = ['properties..a']", 1, ["no path from character 12"]),
        (RULE + "drop = ['messageId']", 1, ["must begin with"]),
        (RULE + "drop = ['userId']", 1, ["an ID can be redacted"]),
        (RULE + "drop = ['*.a']", 1, ["must begin with"]),
        (RULE + "add = { 'properties.*' = 1 }", 1, ["no * and ? here"]),
        (RULE + "rename = { 'properties.a*' = 'properties.b' }", 1, ["no * and ? here"]),
        # the link to the replay
        (RULE + "drop = ['context.device.id']", 1, ["the device ID", "breaks_link = true"]),
        (RULE + "drop = ['context.device']", 1, ["is or holds the device ID", "breaks_link = true"]),
        (RULE + "redact = ['anonymousId']", 1, ["the device ID"]),
        (RULE + "drop = ['properties.[Amplitude] Session Replay ID']", 1, ["the Session Replay ID"]),
        (RULE + "add = { 'integrations.Actions Amplitude.session_id' = 5 }", 1, ["the session ID"]),
        (RULE + "rename = { 'properties.a' = 'context.device.id' }", 1, ["the device ID"]),
        (RULE + "add = { 'properties.[Amplitude] x' = 5 }", 1, ["Amplitude's own"]),
        (RULE + "rename_event = '[Amplitude] x'", 1, ["Amplitude's own"]),
        (RULE + "rename_event = 'Replay Chunks'", 1, ["carry recordings"]),
        # against itself
        (RULE + "keep = ['properties.a']\ndrop = ['properties.a']", 1, ["stands in drop as well"]),
        (RULE + "drop = ['properties.a']\nredact = ['properties.a']", 2, ["is dropped before"]),
        (RULE + "rename = { 'properties.a' = 'properties.a' }", 1, ["to itself"]),
        (RULE + "rename = { 'properties.a' = 'properties.a.b' }", 1, ["lies in"]),
        (RULE + "rename = { 'properties.a' = 'properties.b', 'properties.b' = 'properties.a' }", 1, ["use two rules"]),
        (RULE + "rename = { 'properties.a' = 'properties.c', 'properties.b' = 'properties.c' }", 1, ["two become"]),
        (RULE + "rename = { 'properties.a' = 'properties.b' }\nkeep = ['properties.c']", 2, ["which rename makes"]),
        (RULE + "rename = { 'properties.a' = 'properties.b' }\ndrop = ['properties.b']", 2, ["just been made"]),
        # against those before
        (RULE + "rename = { 'properties.a' = 'properties.b' }\n"
         + RULE + "rename = { 'properties.b' = 'properties.a' }",
         3, ["'properties.a' comes back", "rule '1'"]),
        (RULE + "rename = { 'properties.a' = 'properties.b' }\n" + RULE
         + "rename = { 'properties.b' = 'properties.c' }\n" + RULE + "rename = { 'properties.c' = 'properties.a' }",
         5, ["comes back", "rule '1'"]),
        (RULE + "events = ['A']\nrename_event = 'B'\n" + RULE + "events = ['B']\nrename_event = 'A'",
         5, ["the event 'A' comes back", "rule '1'"]),
        # values on lines of their own
        (RULE + "drop = [\n  'properties.a',\n  'email',\n]", 3, ["'email'"]),
        (RULE + "# why\n\n# this\ndrop = ['email']", 4, ["'email'"]),
        (RULE + 'name = """\n[[rules]]\n"""\ndrop = ["email"]', 4, ["'email'"]),
        ("rules = [\n  { drop_event = true },\n  { drop = ['email'] },\n]", 2, ["'email'"]),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_its_line_and_a_remedy(
    file: Path, text: str, line: int, words: list[str]
) -> None:
    is_first = not text.startswith("[[")  # such a list would belong to the table before it
    message = fault(file, text, head="" if is_first else HEAD)
    assert message.startswith(f"{file}:{line + (1 if is_first else AT)}: "), message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    "text",
    [
        RULE + "drop = ['context.device']\nbreaks_link = true",
        RULE + "types = ['track']\nrename = { 'properties.a' = 'properties.b' }\n"
        + RULE + "types = ['page']\nrename = { 'properties.b' = 'properties.a' }",
        RULE + "events = ['A']\nrename = { 'properties.a' = 'properties.b' }\n"
        + RULE + "events = ['B']\nrename = { 'properties.b' = 'properties.a' }",
        RULE + "drop = ['properties.a']\nadd = { 'properties.a' = 1 }",
        RULE + "rename = { 'properties.a' = 'properties.b' }\nkeep = ['properties.b', 'properties.c.*']",
        RULE + "redact = ['userId', 'previousId', 'groupId', 'traits.*']\nsinks = ['segment']",
        RULE + "add = { 'integrations.All' = false, 'context.traits.a.b' = [1, 'x', { y = true }] }",
    ],
)  # fmt: skip
def test_what_looks_alike_and_can_be_meant_is_taken(file: Path, text: str) -> None:
    file.write_text(HEAD + text)
    assert make_rules(config.load(file), SINKS) is not None


@given(
    st.lists(
        st.sampled_from(
            ["# a", "", "[mqtt]", "x = 1", 'y = """', '"""', "z = [", "1,", "]", "[[rules]]", "n = 'a # b'"]
        ),
        max_size=25,
    )
)  # fmt: skip
def test_any_text_has_some_line(lines: list[str]) -> None:
    found = Lines("\n".join(lines)).of(0, "n", "b")
    assert 1 <= found <= max(len(lines), 1)


def test_the_line_is_found_in_a_long_file_with_few_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    loads = tomllib.loads
    monkeypatch.setattr(tomllib, "loads", lambda text: read.append(len(text)) or loads(text))
    lines = Lines("".join(RULE + f"events = ['{i}']\ndrop = [\n  'a',\n]\n" for i in range(1_000)))
    rule = RULE.count("\n") + 4
    assert lines.of(900, "drop") == 901 * rule - 2
    assert lines.of(900, "types") == 900 * rule + 1, "what a rule lacks is told where it begins"
    assert len(read) < 100


def test_what_the_recording_says_as_well_cannot_be_redacted_while_that_leaves(file: Path) -> None:
    head = '[events]\ndisplay_events = "inline"\n'
    message = fault(file, RULE + "redact = ['context.ip', 'traits.email']", head=head)
    assert f"{file}:4: " in message and "'traits.email' would leave all the same" in message
    assert 'display_events = "inline"' in message
    file.write_text(head + RULE + "redact = ['context.*']")
    assert make_rules(config.load(file), SINKS) is not None


def test_doctor_says_how_many_events_were_kept_out_and_what_is_wrong(file: Path, tmp_path: Path) -> None:
    file.write_text(RULE + "drop_event = true\n")
    settings = config.load(file)
    store = SqliteStore(tmp_path / "a.db", SINKS)
    try:
        store.shaping = make_rules(settings, SINKS)
        call = Call("px-1", "bench-1", 7, "track", "A", {"type": "track", "event": "A"}, 0)
        store.commit_batch(lambda tx: tx.enqueue_calls([call]))
        assert list(diagnose(settings, store, SINKS)) == [
            ("ok", "rules", "1 in the settings file; rules have kept 1 events out")
        ]
        file.write_text(RULE + "drop = ['email']\n")
        ((level, _, text),) = diagnose(config.load(file), store, SINKS)
        assert level == "FAULT" and "pixeltrail.toml:2: rule '1'" in text and "keeps the earlier ones" in text
    finally:
        store.close()
