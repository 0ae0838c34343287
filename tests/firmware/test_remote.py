"""Settings of the bridge against the device's own."""

from __future__ import annotations

import pytest
from pixeltrail.config import RANGES, SETTINGS, Settings
from pixeltrail.remote import Remote
from pixeltrail.state import State

from .device.parts import Ticks

DATE = 1_767_323_045_000


class Bench:
    def __init__(self, path="", **settings):
        self.ticks = Ticks()
        self.state = State(path)
        self.remote = Remote(Settings(settings), self.state)

    def tell(self, values, ttl_s=100):
        self.remote.take(values, ttl_s, self.ticks.clock)

    def wait(self, seconds):
        ended = False
        for _ in range(seconds):
            self.ticks.ms += 1000
            self.ticks.clock.update()
            ended |= self.remote.tick(self.ticks.clock.now)
        return ended


def test_what_the_bridge_says_wins_and_the_rest_stays():
    bench = Bench(sample_rate=0.5, max_fps=10)
    bench.tell({"sample_rate": 1, "log_level": "debug", "masks": [1, 2, 3, 4], "capture_enabled": False})
    remote = bench.remote
    assert (remote.sample_rate, remote.log_level, remote.max_fps) == (1, 4, 10)
    assert (remote.masks, remote.capture_enabled, remote.unknown) == (((1, 2, 3, 4),), False, 0)
    bench.tell({"max_fps": 2.5})
    assert (remote.sample_rate, remote.max_fps, remote.masks) == (0.5, 2.5, ())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("sample_rate", 7, 1.0),
        ("sample_rate", -1, 0.0),
        ("max_fps", 1000, 120),
        ("max_fps", 0, 0.01),
        ("keyframe_interval_s", 0, 1),
        ("keyframe_interval_s", 12.7, 12),
        ("keyframe_interval_s", 1 << 40, 86_400),
        ("log_level", 9, 4),
    ],
)
def test_numbers_are_clamped_to_the_devices_bounds(name, value, expected):
    bench = Bench()
    bench.tell({name: value})
    assert getattr(bench.remote, name) == expected and bench.remote.unknown == 0


@pytest.mark.parametrize(
    "values",
    [
        {"sample_rate": "all"},
        {"sample_rate": True},
        {"max_fps": float("nan")},
        {"log_level": "loud"},
        {"capture_enabled": 1},
        {"masks": [1, 2, 3]},
        {"masks": [1, 2, 3, -4]},
        {"masks": [1, 2, 3, True]},
        {"masks": None},
        {"opt_out": False},
        {"auto_start": True},
        {"colour": {"a": [1]}},
    ],
)
def test_what_is_not_understood_is_counted_and_does_nothing(values):
    bench = Bench()
    before = {**vars(bench.remote)}
    bench.tell(values)
    after = {**vars(bench.remote)}
    assert after.pop("unknown") == 1
    for name in ("unknown", "left_s"):
        before.pop(name), after.pop(name, None)
    assert after == before


def test_bounds_are_those_of_the_settings():
    checks = {name: check for name, _, check in SETTINGS}
    for name, (low, high) in RANGES.items():
        for good, bad in ((low, low - 0.001), (high, high + 1)):
            assert checks[name](good) is None and checks[name](bad) is not None, name


def test_time_ends_it():
    bench = Bench()
    bench.tell({"max_fps": 1}, 10)
    assert not bench.wait(9) and bench.remote.max_fps == 1
    assert bench.wait(1) and bench.remote.max_fps == 15
    assert not bench.wait(5)


def test_a_long_time_across_the_wrap_of_the_clock():
    bench = Bench()
    bench.tell({"max_fps": 1}, 3_000_000)
    for _ in range(29):
        bench.ticks.ms += 100_000_500
        bench.ticks.clock.update()
        assert not bench.remote.tick(bench.ticks.clock.now)
    bench.ticks.ms += 100_000_000
    bench.ticks.clock.update()
    assert bench.remote.tick(bench.ticks.clock.now)


@pytest.mark.parametrize(("values", "ttl_s"), [({}, 60), ({"max_fps": 2}, 0)])
def test_it_is_withdrawn(tmp_path, values, ttl_s):
    bench = Bench(str(tmp_path / "kept"))
    bench.tell({"max_fps": 1})
    bench.tell(values, ttl_s)
    assert bench.remote.max_fps == 15 and State(str(tmp_path / "kept")).get("config") is None


def test_it_is_kept_over_a_reboot(tmp_path):
    path = str(tmp_path / "kept")
    Bench(path).tell({"max_fps": 3, "masks": [1, 2, 3, 4]}, 50)
    bench = Bench(path)
    bench.remote.load(bench.ticks.clock)
    assert (bench.remote.max_fps, bench.remote.masks) == (3, ((1, 2, 3, 4),))
    assert bench.wait(50) and bench.remote.max_fps == 15
    assert Bench(path).state.get("config") is None


@pytest.mark.parametrize(("away_s", "left_s"), [(20, 30), (50, 0), (-100, 50)])
def test_with_a_date_the_time_switched_off_counts(tmp_path, away_s, left_s):
    path = str(tmp_path / "kept")
    bench = Bench(path)
    bench.ticks.date = DATE
    bench.tell({"max_fps": 3}, 50)
    bench = Bench(path)
    bench.ticks.date = DATE + away_s * 1000
    bench.remote.load(bench.ticks.clock)
    assert bench.remote.left_s == left_s


def test_a_repeated_message_is_not_written_again(tmp_path):
    bench = Bench(str(tmp_path / "kept"))
    bench.tell({"max_fps": 3}, 50)
    turn = bench.state._turn
    bench.tell({"max_fps": 3}, 50)
    assert bench.state._turn == turn
    bench.ticks.date = DATE
    bench.tell({"max_fps": 3}, 50)
    bench.ticks.date = DATE + 20_000
    bench.tell({"max_fps": 3}, 50)
    assert bench.state._turn == turn + 1, "now with a date"
    bench.ticks.date = DATE + 25_000
    bench.tell({"max_fps": 3}, 50)
    assert bench.state._turn == turn + 2, "half of its time has passed"


@pytest.mark.parametrize("kept", [5, [], [{}, 1], ["a", 5, None], [{"max_fps": 3}, "long", None]])
def test_a_kept_value_of_another_version_is_ignored(tmp_path, kept):
    path = str(tmp_path / "kept")
    State(path).put("config", kept)
    bench = Bench(path)
    bench.remote.load(bench.ticks.clock)
    assert bench.remote.left_s == 0 and bench.remote.max_fps == 15
