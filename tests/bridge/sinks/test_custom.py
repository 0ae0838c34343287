"""Sinks of one's own are found, made and checked before the bridge starts."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from pixeltrail_bridge.app import parts
from pixeltrail_bridge.config import load
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.sinks.custom import load_sink

CODE = """
class Sink:
    def __init__(self, **settings):
        self.settings = settings

    async def deliver(self, rows):
        return []

    async def close(self):
        pass

class Half:
    async def deliver(self, rows):
        return []

def broken():
    raise OSError("no such host")

number = 7
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine_for_a_test.py").write_text(CODE)
    sys.modules.pop("mine_for_a_test", None)
    return tmp_path


def test_a_module_beside_the_settings_file(folder: Path) -> None:
    before = [*sys.path]
    sink = load_sink("archive", "mine_for_a_test:Sink", {"url": "x"}, folder)
    assert (sink.name, sink.alarm, sink.paused_until_ms) == ("archive", None, 0)
    assert sink.settings == {"url": "x"} and asyncio.run(sink.deliver([])) == []
    assert sys.path == before


@pytest.mark.parametrize(
    ("factory", "text"),
    [
        ("none_such_module:f", "No module named"),
        ("mine_for_a_test:none", "no attribute"),
        ("mine_for_a_test:number", "not a function"),
        ("mine_for_a_test:broken", "OSError: no such host"),
        ("mine_for_a_test:Half", "async def close"),
    ],
)
def test_what_is_wrong_is_said(folder: Path, factory: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        load_sink("archive", factory, {}, folder)


def test_sinks_of_the_settings(folder: Path) -> None:
    file, key = folder / "pixeltrail.toml", folder / "key"
    key.write_text("k")
    own = '[[sinks.custom]]\nname = "archive"\nfactory = "mine_for_a_test:Sink"\n'
    lab = '[[segment.keys]]\ndevices = ["lab-*"]\nwrite_key_file = "key"\n'
    for text, names in [
        ("", ["jsonl"]),
        (own, ["archive"]),
        (lab, ["segment"]),
        (lab + own + '[jsonl]\npath = "e.jsonl"\n', ["segment", "archive", "jsonl"]),
    ]:
        file.write_text(text)
        settings = load(file)
        assert [sink.name for sink in parts.make_sinks(settings)] == parts.sink_names(settings) == names
