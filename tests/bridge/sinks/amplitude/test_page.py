"""docs/amplitude.md against the code: every field and setting is there, and every example is a mapping that works."""

from __future__ import annotations

import json
import re

import pytest
from pixeltrail_bridge import config
from pixeltrail_bridge.app.parts import amplitude_settings
from pixeltrail_bridge.config import rows
from pixeltrail_bridge.sinks.amplitude import AmplitudeSettings, MappingRule, preview
from pixeltrail_bridge.sinks.amplitude.checks import check
from pixeltrail_bridge.sinks.amplitude.directives import DIRECTIVES
from pixeltrail_bridge.sinks.amplitude.fields import FIELDS
from pixeltrail_bridge.sinks.amplitude.mappings import Mapper
from pixeltrail_bridge.sinks.amplitude.samples import sample_events
from pixeltrail_bridge.sinks.amplitude.triggers import parse_trigger
from pixeltrail_bridge.sinks.amplitude.values import MISSING

from .test_judge import PAGE

SHORT = {
    "V2": "logEventV2",
    "E": "logEvent",
    "P": "logPurchase",
    "I": "identifyUser",
    "G": "groupIdentifyUser",
}
SHORT |= {"M": "mapUser", "S": "sessionId"}
TEXT = PAGE.read_text()


def table(heading: str) -> list[list[str]]:
    """Cells of the rows below a line of the page, without the head."""
    below = TEXT.partition(heading)[2].lstrip("\n").split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in below.splitlines()]


def say(default: object) -> str:
    """A default as the page writes it."""
    if default is MISSING:
        return ""
    if isinstance(default, dict):
        if "@path" in default:
            return f"`{default['@path'].removeprefix('$.')}`"
        if "@if" in default:
            return f"{say(default['@if']['then'])}, else {say(default['@if']['else'])}"
        if "@arrayPath" in default:
            path, shape = default["@arrayPath"]
            return f"`{path.removeprefix('$.')}`: {', '.join(shape)}"
        return ", ".join(f"{name} {say(value)}" for name, value in default.items())
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_every_field_of_every_action_is_on_the_page_with_its_default():
    listed = {}
    for name, kind, actions, default in table("| field | holds | actions | takes |\n|---|---|---|---|"):
        for short in actions.split():
            listed[SHORT[short], name.strip("`")] = (kind, default.removesuffix("|").strip())
    expected = {
        (action, name): (
            one.kind + " list" * one.is_list + ", required" * one.is_required,
            say(one.default),
        )
        for action, fields in FIELDS.items()
        for name, one in fields.items()
    }
    assert listed == expected


def test_every_setting_is_on_the_page():
    listed = set(re.findall(r"^\| `(amplitude\.\w+)` \|", TEXT, re.M))
    known = {row.key for row in rows() if row.section == "amplitude" and not row.is_secret}
    assert listed == known


def test_every_directive_is_on_the_page():
    assert set(re.findall(r"^\| `\{ \"(@\w+)\"", TEXT, re.M)) == set(DIRECTIVES)


def test_every_trigger_on_the_page_can_be_read():
    presets = re.findall(r"^\| [^|]+ \| `(type = [^`]+)` \|", TEXT, re.M)
    assert len(presets) >= 6
    for text in presets:
        parse_trigger(text)
    for rule in Mapper().mappings:
        assert rule.trigger.text in presets


BLOCKS = re.findall(r"^```toml\n(.*?)^```", TEXT, re.M | re.S)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_example_is_a_mapping_that_works(block, tmp_path):
    for key in re.findall(r"/etc/pixeltrail/([\w-]+)", block):
        (tmp_path / key).write_text("key")
    file = tmp_path / "pixeltrail.toml"
    file.write_text(block.replace("/etc/pixeltrail", str(tmp_path)))
    settings = amplitude_settings(config.load(file))
    for event in sample_events():
        mapped, _ = preview(settings, event)
        assert all("group_type is missing" in fault for fault in mapped.faults)


def test_the_large_example_does_what_it_says(tmp_path):
    file = tmp_path / "pixeltrail.toml"
    file.write_text(next(block for block in BLOCKS if "Large Brew" in block))
    settings = amplitude_settings(config.load(file))
    events = {event["type"]: event for event in sample_events()}
    brew = {**events["track"], "event": "Brew Started", "properties": {"cups": 5}}
    mapped, requests = preview(settings, brew)
    assert mapped.takers == ("Track Calls", "Brews of the large machine")
    large = mapped.items[1].body
    assert (large["event_type"], large["groups"]) == ("Large Brew", {"office": "unknown"})
    assert large["user_properties"] == {"$add": {"brews": 1}}
    assert preview(settings, events["screen"])[0].items[0].body["event_type"] == "Saw Home"
    assert preview(settings, events["page"])[0].items == ()
    assert preview(settings, events["alias"])[0].items[0].body == {
        "user_id": "user-7",
        "global_user_id": "user-7b",
    }
    assert all(b"***" in body or b"%2A%2A%2A" in body for _, _, body in requests)


def test_templates_of_directives_on_the_page_pass_the_check():
    for text in re.findall(r"^\| `(\{ \"@.*?)` \|", TEXT, re.M):
        value = (
            text.replace(" = ", ": ").replace(", V", ', "v"').replace(": V", ': "v"').replace("[V", '["v"')
        )
        value = re.sub(r"(\w+): ", r'"\1": ', value)
        check(json.loads(value), "example")


def test_a_preset_is_changed_by_its_name_and_others_are_added():
    rules = (MappingRule("Track Calls", fields={"dma": "x"}), MappingRule("New", "logEvent"))
    mapper = AmplitudeSettings("k", rules=rules).make_mapper()
    assert [one.name for one in mapper.mappings][-1] == "New"
    assert [one.fields.get("dma") for one in mapper.mappings][0] == "x"
