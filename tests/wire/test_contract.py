"""The numbers of schema/wire.cddl as both sides write them down once more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pixeltrail_bridge.wire import limits
from pixeltrail_bridge.wire import messages as m

ROOT = Path(__file__).resolve().parents[2]
CDDL = (ROOT / "schema" / "wire.cddl").read_text()
RULES = dict(re.findall(r"^([a-z0-9-]+) = (.+?)(?=^\S|^$|\Z)", CDDL, re.MULTILINE | re.DOTALL))
DEVICE = {
    name: int(value, 0) if "<<" not in value else 1 << int(value.partition("<<")[2])
    for name, value in re.findall(
        r"^([A-Z][A-Z0-9_]*) = const\(([^)]+)\)",
        (ROOT / "firmware/pixeltrail/wire.py").read_text(),
        re.MULTILINE,
    )
}


def number(rule: str) -> int:
    """The last number of a rule: a fixed value, or an upper bound."""
    return int(re.findall(r"-?\d+", RULES[rule].partition(";")[0])[-1])


def kinds(group: str) -> dict[str, int]:
    """Number of each kind that a choice of rules names."""
    found = {}
    for name in re.findall(r"[a-z0-9-]+", RULES[group]):
        head = re.match(r"\[(?:version, )?(\d+)[,\]]", RULES.get(name, ""))
        if head:
            found[name.replace("-", "_").upper()] = int(head[1])
    return found


def test_limits_of_the_bridge() -> None:
    assert number("version") == limits.VERSION
    assert number("u30") == limits.U30_MAX
    assert number("i30") == limits.U30_MAX and str(limits.I30_MIN) in RULES["i30"]
    assert number("epoch-ms") == limits.EPOCH_MAX
    assert number("stream-id") == limits.STREAM_ID_BYTES and number("bridge-id") == limits.BRIDGE_ID_BYTES
    assert number("name") == limits.MAX_NAME_BYTES and number("long-text") == limits.MAX_TEXT_BYTES
    assert number("frame") == limits.MAX_MESSAGE_BYTES
    assert re.search(r'"(.+)"', RULES["device-id"])[1] == limits.DEVICE_ID.pattern
    assert f"1*{limits.MAX_RECORDS} " in RULES["chunk"]
    assert f"1..{limits.MAX_SIDE_PX}" in RULES["display"]
    assert number("pixel-format") == max(m.PixelFormat)


def test_numbers_of_the_device() -> None:
    assert DEVICE["VERSION"] == limits.VERSION
    assert DEVICE["U30_LIMIT"] == limits.U30_MAX + 1
    assert (DEVICE["MAX_CHUNK"], DEVICE["MAX_NAME"]) == (limits.MAX_MESSAGE_BYTES, limits.MAX_NAME_BYTES)
    assert (DEVICE["MAX_TEXT"], DEVICE["MAX_DEPTH"]) == (limits.MAX_TEXT_BYTES, limits.MAX_DEPTH)
    assert (DEVICE["STREAM_ID_BYTES"], DEVICE["BRIDGE_ID_BYTES"]) == (
        limits.STREAM_ID_BYTES,
        limits.BRIDGE_ID_BYTES,
    )


@pytest.mark.parametrize("group", ["record", "uplink", "downlink"])
def test_kinds(group: str) -> None:
    found = kinds(group)
    assert len(found) == {"record": 17, "uplink": 1, "downlink": 8}[group]
    assert {name: DEVICE[name] for name in found} == found


@pytest.mark.parametrize(
    ("prefix", "enum"),
    [
        ("", m.PixelFormat),
        ("FRAME_", m.FrameFlag),
        ("", m.Phase),
        ("GAP_", m.GapReason),
        ("CLOCK_", m.ClockQuality),
    ],
)
def test_enumerations(prefix: str, enum: type) -> None:
    for member in enum:
        assert DEVICE[prefix + member.name] == member.value


def test_vitals() -> None:
    names = {
        name.removeprefix("VITAL_").lower(): value
        for name, value in DEVICE.items()
        if name.startswith("VITAL_")
    }
    assert names == {name: number for number, name in m.VITAL_NAMES.items()}
