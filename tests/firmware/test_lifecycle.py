"""Lifecycle events, and how the last run is told of after a restart."""

from __future__ import annotations

import pytest
from pixeltrail import config, lifecycle, wire
from pixeltrail.state import State
from pixeltrail_bridge.wire import messages as m

from .rig import Rig


def events(rig):
    rig.settle()
    return [(body.event, dict(body.properties)) for body in rig.bodies(m.Track)]


def test_installed_updated_and_opened(tmp_path):
    state_file = str(tmp_path / "kept")

    def start(version):
        return events(Rig(lifecycle_events=True, app_version=version, state_file=state_file))

    opened = (lifecycle.OPENED, {"version": "1.0", "from_background": False})
    assert start("1.0") == [(lifecycle.INSTALLED, {"version": "1.0"}), opened]
    assert start("1.0") == [opened]
    assert start("1.1")[0] == (lifecycle.UPDATED, {"version": "1.1", "previous_version": "1.0"})


def test_without_a_state_file_nobody_knows_what_was_installed():
    assert [event for event, _ in events(Rig(lifecycle_events=True))] == [lifecycle.OPENED]


def test_to_the_background_and_back():
    rig = Rig(lifecycle_events=True, vitals_interval_s=60)
    rig.recorder.background()
    assert rig.recorder._chunk.is_open is False, "handed over before the device sleeps"
    rig.recorder.background(False)
    assert events(rig)[1:] == [
        (lifecycle.BACKGROUNDED, {}),
        (lifecycle.OPENED, {"version": "", "from_background": True}),
    ]
    assert len(rig.bodies(m.Vitals)) == 1


def test_no_events_unless_asked_for(tmp_path):
    rig = Rig(state_file=str(tmp_path / "kept"))
    rig.recorder.background()
    assert events(rig) == []


def crashed(depth):
    if depth:
        crashed(depth - 1)
    raise ValueError("the kettle is empty")


def test_a_crash_is_told_after_the_restart_until_the_bridge_has_it(tmp_path):
    state_file = str(tmp_path / "kept")
    rig = Rig(state_file=state_file)
    try:
        crashed(20)
    except ValueError as error:
        rig.recorder.crash(error)
    for _ in range(2):  # the first restart ends before the bridge has it
        rig = Rig(state_file=state_file, app_version="1.2", date=1_767_323_045_000)
        rig.step(3, deliver=False)
    ((event, properties),) = events(rig)
    assert event == lifecycle.CRASHED
    assert properties["reason"].endswith("ValueError: the kettle is empty")
    assert len(properties["reason"].encode()) <= 300
    assert (properties["boot"], properties["version"]) == ("unknown", "1.2")
    assert [(log.level, log.text) for log in rig.bodies(m.Log)] == [(1, properties["reason"])]
    rig.step(5)
    assert events(Rig(state_file=state_file)) == []


def test_a_crash_waits_for_what_earlier_starts_left_in_flash(tmp_path):
    """Numbers of their chunks say nothing of the chunk that tells of the crash."""
    settings = {
        "state_file": str(tmp_path / "kept"),
        "flash_spool_bytes": 1 << 20,
        "flash_spool_folder": str(tmp_path / "spool"),
    }
    before = Rig(**settings)
    before.line.cut()
    for _ in range(100):
        before.recorder.track("Turn", {"text": "x" * 200})
        before.step(10, ms=20)
    before.recorder.crash(ValueError("the kettle is empty"))
    rig = Rig(bridge=before.bridge, **settings)
    seen = 0
    while rig.recorder._link.streams[0].name == before.stream:
        rig.step(ms=50)
        seen = rig.bridge.streams[before.stream].watermark if rig.bridge.streams else 0
        assert State(settings["state_file"]).get("crash") is not None
    assert seen > 10
    rig.settle()
    rig.step(5, ms=50)
    assert State(settings["state_file"]).get("crash") is None


def test_a_crash_is_no_replay_where_none_is_recorded(tmp_path):
    state_file = str(tmp_path / "kept")
    Rig(state_file=state_file).recorder.crash(OSError(5))
    rig = Rig(state_file=state_file, sample_rate=0.0)
    assert [event for event, _ in events(rig)] == [lifecycle.CRASHED]
    assert rig.bodies(m.Log) == []


def test_a_reset_by_the_watchdog_is_a_line_in_the_log(monkeypatch):
    monkeypatch.setattr(config, "_boot_reason", lambda: wire.BOOT_WATCHDOG)
    rig = Rig()
    rig.settle()
    rig.step(5, ms=50)
    assert [log.text for log in rig.bodies(m.Log)] == ["the watchdog reset this device"]
    assert rig.bodies(m.Hello)[0].boot_reason == wire.BOOT_WATCHDOG


def test_a_crash_that_cannot_be_kept_says_so(capsys):
    rig = Rig(log_level=1)
    rig.recorder.crash(OSError(5))
    assert "a crash could not be kept: OSError" in capsys.readouterr().out
    assert rig.recorder.errors == 0


@pytest.mark.parametrize("text", ["short", "\u00e4" * 500, "x" * 301])
def test_a_traceback_is_cut_at_its_start(text):
    found = lifecycle.traceback_of(ValueError(text))
    assert len(found.encode()) <= 300 and ("ValueError: " + text).endswith(found[-5:])
