"""Every setting and every call under the name that is promised for it, and what each of them does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pixeltrail
import pytest
from pixeltrail.config import SETTINGS
from pixeltrail_bridge.wire import messages as m

from .rig import Rig

PROMISED = {
    "device_id": None,
    "sample_rate": 0.0,
    "enable_remote_config": True,
    "auto_start": True,
    "log_level": 2,
    "opt_out": False,
    "debug_mode": False,
    "max_fps": 15,
    "max_step_ms": 5,
    "keyframe_interval_s": 60,
    "masks": (),
    "mask_all": False,
    "mask_keys": False,
    "session_timeout_ms": 1_800_000,
    "lifecycle_events": False,
    "enabled": None,
    "blind": (),
    "max_chunk": 1024,
    "linger_ms": 50,
    "on_busy": None,
    "outbox_bytes": None,
    "flash_spool_bytes": 0,
    "exact": None,
}


def test_settings_have_the_promised_names_and_defaults() -> None:
    ours = {name: default for name, default, _ in SETTINGS}
    assert {name: ours[name] for name in PROMISED} == PROMISED


def _paused(recorder: Any) -> None:
    with recorder.paused():
        recorder.touch(1, 2)
    recorder.touch(3, 4)


def _masked(recorder: Any) -> None:
    recorder.mask(0, 0, 32, 8)
    recorder.touch(3, 4)
    recorder.unmask(0, 0, 32, 8)
    recorder.touch(3, 4)


CALLS: tuple[tuple[str, Callable[[Any], Any], list[Any]], ...] = (
    ("track", lambda r: r.track("E", {"a": 1}), [m.Track("E", {"a": 1})]),
    ("screen", lambda r: r.screen("Home"), [m.Screen("Home", {})]),
    ("identify", lambda r: r.identify("u", {"plan": "x"}), [m.Identify("u", {"plan": "x"})]),
    ("group", lambda r: r.group("g"), [m.Group("g", {})]),
    ("alias", lambda r: r.alias("new", "old"), [m.Alias("new", "old")]),
    ("touch", lambda r: r.touch(3, 4, pixeltrail.UP), [m.Touch(3, 4, m.Phase.UP)]),
    ("key", lambda r: r.key("ok", pixeltrail.TURN, -2), [m.Key("ok", m.Phase.TURN, -2)]),
    ("log", lambda r: r.log("text", 2), [m.Log(2, "text")]),
    ("opt_out", lambda r: r.opt_out(), [m.OptOut(True)]),
    ("new_session", lambda r: r.new_session(), [m.SessionEnd(0), m.SessionStart(1, True, None)]),
    ("start", lambda r: (r.stop(), r.start(), r.touch(3, 4)), [m.Touch(3, 4, m.Phase.DOWN)]),
    ("stop", lambda r: (r.stop(), r.touch(3, 4), r.track("E")), [m.Track("E", {})]),
    ("paused", _paused, [m.Touch(3, 4, m.Phase.DOWN)]),
    (
        "mask",
        _masked,
        [
            m.Masks(((0, 0, 32, 8),)),
            m.Touch(None, None, m.Phase.DOWN),
            m.Masks(()),
            m.Touch(3, 4, m.Phase.DOWN),
        ],
    ),
)


@pytest.mark.parametrize(("name", "call", "records"), CALLS, ids=[name for name, _, _ in CALLS])
def test_calls_make_the_records_that_they_are_named_after(
    name: str, call: Callable[[Any], Any], records: list[Any]
) -> None:
    rig = Rig()
    rig.settle()
    before = len(rig.bodies())
    call(rig.recorder)
    rig.settle()
    assert rig.recorder.errors == 0
    assert rig.bodies()[before:] == records


def test_calls_that_make_no_record_of_their_own() -> None:
    rig = Rig(date=1_767_323_045_000)
    recorder = rig.recorder
    rig.show(3)
    rig.settle()
    assert recorder.session_id() == 1_767_323_045_000
    assert recorder.replay_id() == "rig-1/1767323045000"
    assert recorder.stats()["frames"] == 1
    recorder.mark_dirty()
    rig.settle()
    assert recorder.stats()["frames"] == 2, "the whole picture again"
    rig.draw(9, 7)
    recorder.capture()
    rig.settle()
    assert rig.pictures()[-1] == (bytes(rig.display.buffer), False)
    recorder.track("Now")
    recorder.flush()
    rig.line.pump(rig.bridge)
    assert rig.bodies()[-1] == m.Track("Now", {}), "without waiting for linger_ms"
    recorder.vitals(rssi=-60, battery_mv=3700)
    with recorder.quiet():
        recorder.poll()
    assert inspect.iscoroutinefunction(recorder.run) and recorder.errors == 0


def test_settings_that_change_what_is_told() -> None:
    rig = Rig(blind=[(0, 0, 16, 8)], masks=[(32, 0, 16, 8)], app="Kettle", app_version="2", mask_keys=True)
    rig.recorder.key("1")
    rig.settle()
    hello = rig.bodies(m.Hello)[0]
    assert (hello.device_id, hello.app, hello.app_version) == ("rig-1", "Kettle", "2")
    assert rig.bodies(m.UnknownArea) == [m.UnknownArea(0, 0, 16, 8)]
    assert rig.bodies(m.Masks) == [m.Masks(((32, 0, 16, 8),))]
    assert rig.bodies(m.Key) == []
