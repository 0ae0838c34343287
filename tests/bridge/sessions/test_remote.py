"""Remote settings: for whom, when, and in bytes that a device can read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixeltrail_bridge.errors import ConfigError
from pixeltrail_bridge.sessions.remote import REPEATS, RemoteRule, check_rules, config_for, config_reply
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.decode import decode_downlink
from pixeltrail_bridge.wire.encode import encode_downlink

from tests.support import cddl

DEVICE, STREAM = "kitchen-01", b"stream-1"
NOW_MS = 1_767_323_045_000
RULE = RemoteRule(settings={"sample_rate": 0.2}, ttl_s=600)


class Fleet:
    """One device that sends a sync whenever it is asked to; `said` gives what came back."""

    def __init__(self, *rules: RemoteRule) -> None:
        self.rules, self.told, self.now_ms, self.stream = rules, None, NOW_MS, STREAM

    def sync(self, after_ms: int = 30_000) -> m.Config | None:
        self.now_ms += after_ms
        config, self.told = config_reply(self.rules, DEVICE, self.stream, self.told, self.now_ms)
        return config


def test_told_once_more_than_needed_and_then_after_half_its_time() -> None:
    fleet = Fleet(RULE)
    config = m.Config({"sample_rate": 0.2}, 600)
    assert [fleet.sync() for _ in range(REPEATS + 8)] == [config] * REPEATS + [None] * 8
    assert [fleet.sync() for _ in range(3)] == [config, config, None]  # 300 s after the first


def test_told_again_on_a_change_and_in_a_new_stream() -> None:
    fleet = Fleet(RULE)
    for _ in range(3):
        fleet.sync()
    fleet.rules = (RemoteRule(settings={"sample_rate": 0.5}, ttl_s=600),)
    assert fleet.sync() == m.Config({"sample_rate": 0.5}, 600)
    fleet.sync()
    assert fleet.sync() is None
    fleet.stream = b"stream-2"
    assert fleet.sync() == m.Config({"sample_rate": 0.5}, 600)


def test_a_rule_that_is_gone_is_taken_back() -> None:
    fleet = Fleet(RULE)
    fleet.sync()
    fleet.rules = ()
    assert [fleet.sync() for _ in range(REPEATS + 2)] == [m.Config({}, 60)] * REPEATS + [None, None]
    assert fleet.told is None


def test_a_clock_set_back_does_not_silence_it() -> None:
    fleet = Fleet(RULE)
    for _ in range(3):
        fleet.sync()
    assert fleet.sync(-7_200_000) is not None


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], None),
        ([RemoteRule(devices=("lab-*",), settings={"a": 1})], None),
        ([RemoteRule(devices=("lab-*", "kitchen-0?"), settings={"a": 1})], m.Config({"a": 1}, 86_400)),
        ([RemoteRule(share=0.0, settings={"a": 1})], None),
        (
            [
                RemoteRule(settings={"a": 1, "b": 1}),
                RemoteRule(devices=("kitchen-*",), settings={"b": 2}, ttl_s=60),
            ],
            m.Config({"a": 1, "b": 2}, 60),
        ),
    ],
)
def test_for_whom(rules: list[RemoteRule], expected: m.Config | None) -> None:
    assert config_for(rules, DEVICE) == expected


def test_a_share_is_stable_grows_and_is_about_right() -> None:
    devices = [f"device-{number:05}" for number in range(4_000)]

    def chosen(share: float, name: str = "") -> set[str]:
        return {device for device in devices if RemoteRule(name=name, share=share).fits(device)}

    tenth, half = chosen(0.1), chosen(0.5)
    assert tenth < half < chosen(1.0) == set(devices)
    assert abs(len(half) - 2_000) < 150 and abs(len(tenth) - 400) < 90
    assert tenth != chosen(0.1, "other") and tenth == chosen(0.1)
    # The same for ever: a fleet may not be dealt anew by an update of the bridge
    assert sorted(chosen(0.001)) == EARLIEST


EARLIEST = ["device-01037", "device-03880"]


def test_bytes_are_as_the_contract_has_them() -> None:
    settings = {"sample_rate": 0.25, "enabled": True, "heartbeat_s": 60, "areas": [1, 2], "name": None}
    config = config_for([RemoteRule(settings=settings)], DEVICE)
    assert config is not None
    data = encode_downlink(config)
    cddl.check(data, "config")
    assert decode_downlink(data) == config


@pytest.mark.parametrize(
    "settings",
    [
        {"text": "x" * 5_000},
        {"n" * 300: 1},
        {"deep": [[[[[[[[[[1]]]]]]]]]]},
        {"when": object()},
    ],
)
def test_what_no_device_could_read_is_refused_before_it_is_sent(settings: dict) -> None:
    with pytest.raises(ConfigError, match=r"\[\[config\]\]"):
        check_rules([RemoteRule(settings={"fine": 1}), RemoteRule(settings=settings)])
    check_rules([RemoteRule(settings={"fine": 1})])


@given(
    st.lists(
        st.builds(
            RemoteRule,
            devices=st.sampled_from([(), ("kitchen-*",), ("lab-*",)]),
            share=st.sampled_from([0.0, 0.5, 1.0]),
            settings=st.dictionaries(st.sampled_from("abc"), st.integers(0, 3)),
            ttl_s=st.integers(60, 1_000),
        ),
        max_size=3,
    ),
    st.lists(st.integers(0, 400_000), min_size=1, max_size=30),
)
def test_a_device_never_goes_without_what_it_was_told(rules: list[RemoteRule], pauses: list[int]) -> None:
    """With a sync at least every half of the time, settings do not run out, and none is sent that no rule names."""
    fleet, valid_until_ms = Fleet(*rules), None
    expected = config_for(rules, DEVICE)
    for pause_ms in pauses:
        if expected is not None:
            pause_ms = min(pause_ms, expected.ttl_s * 500)
        config = fleet.sync(pause_ms)
        assert config in (None, expected)
        if valid_until_ms is not None:
            assert fleet.now_ms <= valid_until_ms
        if config is not None:
            valid_until_ms = fleet.now_ms + config.ttl_s * 1_000
        assert (valid_until_ms is None) == (expected is None)
