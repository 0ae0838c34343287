"""Settings: defaults, and errors that name setting, value and remedy."""

from __future__ import annotations

import pytest
from pixeltrail.config import SETTINGS, Device, Settings


def test_defaults():
    settings = Settings({})
    assert (settings.sample_rate, settings.auto_start, settings.log_level, settings.opt_out) == (
        0.0,
        True,
        2,
        False,
    )
    assert (settings.max_fps, settings.max_step_ms, settings.keyframe_interval_s) == (15, 5, 60)
    assert (settings.max_chunk, settings.linger_ms, settings.session_timeout_ms) == (1024, 50, 1_800_000)


@pytest.mark.parametrize(
    ("frame", "outbox", "exact"), [(1024, 4096, True), (8192, 4096, False), (8193, 16384, False)]
)
def test_defaults_that_depend_on_the_display(frame, outbox, exact):
    settings = Settings({})
    settings.fit(frame, None)
    assert (settings.outbox_bytes, settings.exact) == (outbox, exact)


def test_an_unknown_setting_is_named():
    with pytest.raises(ValueError, match="unknown setting 'sampling'.*sample_rate"):
        Settings({"sampling": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("device_id", "abc"),
        ("device_id", "-abcde"),
        ("device_id", "a/b/c/d"),
        ("device_id", "x" * 65),
        ("device_id", 12345),
        ("sample_rate", 1.1),
        ("sample_rate", "1"),
        ("sample_rate", True),
        ("max_chunk", 4097),
        ("max_chunk", 511),
        ("max_fps", 0),
        ("log_level", 5),
        ("log_level", "loud"),
        ("auto_start", 1),
        ("app", "x" * 65),
        ("enabled", True),
        ("linger_ms", -1),
        ("clock", 5),
    ],
)
def test_a_bad_value_is_named(name, value):
    with pytest.raises(ValueError, match=name + " must be .*got"):
        Settings({name: value})


def test_every_default_is_a_good_value():
    for name, default, check in SETTINGS:
        assert check(default) is None, name


def test_log_levels_have_names():
    assert Settings({"log_level": "debug"}).log_level == 4


def test_an_outbox_too_small_for_its_chunks():
    settings = Settings({"outbox_bytes": 1500})
    with pytest.raises(ValueError, match="outbox_bytes must be at least twice max_chunk"):
        settings.fit(1024, None)


def test_a_palette_too_large_for_a_chunk():
    settings = Settings({"max_chunk": 512})
    with pytest.raises(ValueError, match="max_chunk must be at least 864"):
        settings.fit(1024, bytes(768))


def test_a_device_without_an_id_of_its_own_asks_for_one():
    with pytest.raises(ValueError, match="device_id must be given"):
        Device(Settings({}))
