"""Tables that may come several times in the settings file."""

from __future__ import annotations

from pathlib import Path

import pytest
from pixeltrail_bridge import config
from pixeltrail_bridge.config.lists import EXAMPLES
from pixeltrail_bridge.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "segment-key-lab").write_text("wk-lab\n")
    return tmp_path / "pixeltrail.toml"


def test_the_examples_of_the_template_are_settings(file: Path) -> None:
    file.write_text("\n".join(line.removeprefix("# ") for line in EXAMPLES.splitlines() if "---" not in line))
    lists = config.load(file).lists
    assert [(rule.devices, rule.write_key.reveal()) for rule in lists.keys] == [
        (("bench-*", "oven-07"), "wk-lab")
    ]
    assert lists.remote == (config.RemoteRule("", ("bench-*", "oven-07"), 0.5, {"sample_rate": 0.2}, 86_400),)
    assert [(sink.name, sink.factory) for sink in lists.sinks] == [("webhook", "my_sinks:make_webhook")]
    assert [(one.name, one.action) for one in lists.mappings] == [("Alias Calls", "mapUser")]
    assert "wk-lab" not in repr(lists) and "example.com" not in repr(lists)


def test_a_section_may_hold_both_settings_and_lists(file: Path) -> None:
    text = '[segment]\nzone = "eu"\n[[segment.keys]]\ndevices = ["a-*"]\nwrite_key_file = "segment-key-lab"\n'
    file.write_text(text)
    settings = config.load(file)
    assert (settings.segment.zone, len(settings.lists.keys)) == ("eu", 1)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('[[amplitude.mappings]]\naction = "mapUser"', ["amplitude.mappings.name", "text"]),
        (
            '[[amplitude.mappings]]\nname = "a"\nfields = 5',
            ["amplitude.mappings.fields = 5", "a table of fields"],
        ),
        (
            '[[amplitude.mappings]]\nname = "a"\nenabled = "no"',
            ["amplitude.mappings.enabled", "true or false"],
        ),
        ('[[amplitude.mappings]]\nname = "a"\ntriger = "x"', ["amplitude.mappings.triger"]),
        ('[[amplitude.mappings]]\nname = "a"\n[[amplitude.mappings]]\nname = "a"', ["two have the name 'a'"]),
        ("[amplitude]\nmappings = 5", ["[[amplitude.mappings]] with two brackets"]),
        ('[amplitude]\napi_key = "k"', ["amplitude.api_key", "secret", "amplitude.api_key_file"]),
        ('[amplitude]\nzone = "moon"', ["amplitude.zone", "us, eu"]),
        ('[bridge]\nserver_zone = "us"\n[amplitude]\nzone = "eu"', ["amplitude.zone", "bridge.server_zone"]),
        ('[[sinks.custom]]\nname = "amplitude"\nfactory = "a:b"', ["'amplitude' is taken"]),
        ('[[segment.keys]]\nwrite_key_file = "segment-key-lab"', ["segment.keys", "which devices"]),
        (
            '[[segment.keys]]\ndevices = ["a"]\nwrite_key_file = "none"',
            ["segment.keys.write_key_file", "none"],
        ),
        ('[[segment.keys]]\ndevices = ["a"]\nwrite_key = "k"', ["write_key_file"]),
        ('[[segment.keys]]\ndevices = "a"\nwrite_key_file = "x"', ["segment.keys.devices", "a list of text"]),
        (
            '[[segment.keys]]\ngroups = ["x"]\nwrite_key_file = "x"',
            ["segment.keys.groups", '"x"', "[groups]"],
        ),
        ('[segment]\nkeys = "k"', ["[[segment.keys]]", "two brackets"]),
        ("[config]\nshare = 1", ["[[config]]", "two brackets"]),
        ("[[config]]\nshare = 2", ["config.share", "2", "from 0 to 1"]),
        ("[[config]]\nttl_s = 1", ["config.ttl_s", "from 60"]),
        ("[[config]]\nsettings = 1", ["config.settings", "a table"]),
        ("[[config]]\nsetings = {}", ["config.setings", "no setting"]),
        ('[[sinks.custom]]\nname = "x"', ["sinks.custom.factory", "text"]),
        ('[[sinks.custom]]\nname = "x"\nfactory = "y"', ["sinks.custom.factory", "module:function"]),
        ('[[sinks.custom]]\nname = "a b"\nfactory = "y:z"', ["sinks.custom.name"]),
        ('[[sinks.custom]]\nname = "segment"\nfactory = "y:z"', ["'segment' is taken"]),
        ('[[sinks.custom]]\nname = "x"\nfactory = "y:z"\n' * 2, ["'x' is taken"]),
        ("[groups]\nlab = 1", ["groups.lab", "a list of text"]),
        ("[[groups]]\n", ["groups"]),
    ],
)
def test_a_fault_names_the_table_and_what_was_expected(file: Path, text: str, parts: list[str]) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    for part in parts:
        assert part in str(caught.value)
