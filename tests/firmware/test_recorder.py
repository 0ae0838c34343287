"""The recorder as an application, a bridge and a person meet it."""

from __future__ import annotations

import asyncio

import pixeltrail
import pytest
from pixeltrail import wire
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_downlink

from .model import Line
from .rig import Rig

DATE = 1_767_323_045_000
KEY, FIRST, LAST, MIXED = wire.FRAME_KEY, wire.FRAME_FIRST, wire.FRAME_LAST, wire.FRAME_MIXED


def tell(rig, down):
    rig.line.down.append(encode_downlink(down))
    rig.step()


# --- what a stream begins with ---


def test_a_stream_begins_with_hello_display_session_and_a_keyframe():
    rig = Rig()
    rig.show()
    rig.settle()
    kinds = [type(body) for body in rig.bodies()]
    assert kinds == [m.Hello, m.Display, m.SessionStart, m.Frame]
    assert rig.frames() == [KEY | FIRST | LAST]
    assert rig.pictures() == [(bytes(rig.display.buffer), False)]


def test_an_unchanged_refresh_costs_nothing():
    rig = Rig()
    rig.show()
    rig.settle()
    for _ in range(5):
        rig.display.show()
        rig.step(10)
    assert len(rig.frames()) == 1


def test_records_of_both_kinds_never_share_a_chunk_and_keep_their_order():
    rig = Rig(linger_ms=10_000)
    rig.show()
    rig.step(8)
    rig.recorder.touch(1, 2)
    rig.recorder.track("A")
    rig.recorder.key("ok")
    rig.recorder.screen("B")
    rig.recorder.flush()
    rig.settle()
    names = [type(body).__name__ for body in rig.bodies()]
    assert names[-5:] == ["Frame", "Touch", "Track", "Key", "Screen"]
    for chunk in rig.bridge.chunks(rig.stream):
        classes = {isinstance(r.body, (m.Frame, m.Touch, m.Key, m.Log)) for r in chunk.records}
        assert len(classes) == 1


def test_linger_closes_a_chunk():
    rig = Rig(linger_ms=50)
    rig.step(20)
    rig.recorder.track("A")
    rig.step(4)
    assert m.Track("A", {}) not in rig.bodies()
    rig.step(2)
    assert m.Track("A", {}) in rig.bodies()


# --- numbers ---


def test_vitals_every_interval():
    rig = Rig(vitals_interval_s=60)
    rig.show()
    rig.recorder.vitals(rssi=-61, battery_mv=3700)
    rig.step(130, ms=1000)
    rig.settle()
    vitals = rig.bodies(m.Vitals)
    assert len(vitals) == 3, "the first one comes soon"
    values = vitals[-1].values
    assert (values[wire.VITAL_RSSI], values[wire.VITAL_BATTERY_MV], values[wire.VITAL_FRAMES]) == (
        -61,
        3700,
        1,
    )


def test_a_short_run_tells_its_numbers():
    rig = Rig(vitals_interval_s=60, max_fps=1, exact=False)
    for n in range(5):
        rig.show(n)
        rig.step()
    rig.recorder.stop()
    rig.settle()
    (vitals,) = rig.bodies(m.Vitals)
    assert (vitals.values[wire.VITAL_FRAMES], vitals.values[wire.VITAL_SKIPPED]) == (1, 3)


def test_a_session_that_ends_tells_its_numbers():
    rig = Rig(vitals_interval_s=60)
    rig.recorder.new_session()
    rig.settle()
    kinds = [type(body) for body in rig.bodies()]
    assert kinds[kinds.index(m.SessionEnd) - 1] is m.Vitals


def test_stats_name_every_count():
    stats = Rig().recorder.stats()
    assert stats.pop("off") == [] and stats.pop("outbox_bytes") > 50, "what a stream begins with"
    assert all(value == 0 for value in stats.values())


def test_boots_are_counted_over_reboots(tmp_path):
    boots = []
    for _ in range(3):
        rig = Rig(state_file=str(tmp_path / "kept"))
        rig.settle()
        boots.append(rig.bodies(m.Hello)[0].boot)
    assert boots == [1, 2, 3]


# --- what else an application can do ---


def test_mark_dirty_sends_the_picture_again():
    rig = Rig()
    rig.recorder.mark_dirty()
    rig.show()
    rig.settle()
    rig.recorder.mark_dirty()
    rig.settle()
    assert rig.frames() == [KEY | FIRST | LAST, FIRST | LAST]
    assert rig.pictures()[-1] == (bytes(rig.display.buffer), False)


def test_quiet_and_busy_reach_a_transport_that_knows_them():
    rig = Rig()
    with rig.recorder.quiet():
        assert not hasattr(rig.line, "is_quiet")
    line = Line()
    line.is_quiet = False
    line.on_busy = None
    rig = Rig(line=line, on_busy=print)
    assert line.on_busy is print
    with rig.recorder.quiet():
        with rig.recorder.quiet():
            assert line.is_quiet
        assert line.is_quiet
    assert not line.is_quiet


def test_blind_areas_are_told_once_a_stream():
    rig = Rig(blind=[(0, 0, 8, 8), (100, 40, 28, 24)])
    rig.show()
    rig.settle()
    kinds = [type(body) for body in rig.bodies()]
    assert kinds == [m.Hello, m.Display, m.UnknownArea, m.UnknownArea, m.SessionStart, m.Frame]
    tell(rig, m.NewStream(rig.stream))
    rig.settle()
    assert rig.bodies(m.UnknownArea) == [m.UnknownArea(0, 0, 8, 8), m.UnknownArea(100, 40, 28, 24)]


def test_turns_of_an_encoder():
    rig = Rig()
    rig.recorder.key("volume", pixeltrail.TURN, -3)
    rig.settle()
    assert rig.bodies(m.Key) == [m.Key("volume", m.Phase.TURN, -3)]


# --- settings of the bridge ---


def test_a_rate_of_the_bridge_counts_from_the_next_session():
    rig = Rig(sample_rate=0.0)
    tell(rig, m.Config({"sample_rate": 1.0}, 600))
    rig.show()
    rig.settle()
    assert rig.frames() == []
    rig.recorder.new_session()
    rig.show(5)
    rig.settle()
    assert len(rig.frames()) == 1


def test_capture_is_switched_off_and_on_by_the_bridge():
    rig = Rig()
    rig.show()
    rig.settle()
    tell(rig, m.Config({"capture_enabled": False}, 5))
    rig.show(5)
    rig.recorder.touch(1, 1)
    rig.step(10)
    assert len(rig.frames()) == 1 and rig.recorder.replay_id() is None
    rig.step(6, ms=1000)
    rig.show(6)
    rig.settle()
    assert len(rig.frames()) == 2
    assert rig.pictures()[-1] == (bytes(rig.display.buffer), False)


def test_the_bridge_starts_no_recorder_that_was_stopped():
    rig = Rig(auto_start=False)
    tell(rig, m.Config({"capture_enabled": True, "sample_rate": 1.0, "auto_start": True}, 60))
    rig.show()
    rig.settle()
    assert rig.frames() == [] and rig.recorder.stats()["config_unknown"] == 1


def test_settings_of_the_bridge_can_be_declined():
    rig = Rig(enable_remote_config=False)
    tell(rig, m.Config({"capture_enabled": False}, 60))
    rig.show()
    rig.settle()
    assert len(rig.frames()) == 1


def test_the_pace_of_the_bridge():
    rig = Rig(exact=False)
    tell(rig, m.Config({"max_fps": 2, "keyframe_interval_s": 1}, 600))
    for n in range(20):
        rig.show(n)
        rig.step(10)
    rig.settle()
    assert 4 <= len(rig.frames()) <= 6
    assert sum(1 for flags in rig.frames() if flags & KEY) >= 2


def test_kept_settings_decide_the_first_session(tmp_path):
    state_file = str(tmp_path / "kept")
    tell(Rig(sample_rate=0.0, state_file=state_file), m.Config({"sample_rate": 1.0}, 600))
    rig = Rig(sample_rate=0.0, state_file=state_file)
    rig.show()
    rig.settle()
    assert len(rig.frames()) == 1


def test_idle_and_drained():
    rig = Rig(exact=False)
    rig.step(20)
    assert rig.recorder.idle and rig.recorder.drained
    rig.show()
    assert not rig.recorder.idle
    rig.settle()
    assert rig.recorder.idle and rig.recorder.drained
    rig.recorder.track("A")
    assert rig.recorder.idle and not rig.recorder.drained


def test_run_polls_until_cancelled():
    rig = Rig()

    async def main():
        task = asyncio.ensure_future(rig.recorder.run())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert rig.line.polls == 1


def test_the_public_names():
    assert set(pixeltrail.__all__) == {
        *("Recorder", "MQTT", "Serial", "File", "DOWN", "MOVE", "UP", "CANCEL", "TURN"),
        *("tap", "direct_tap", "c_tap", "lvgl_tap", "pico_tap", "epaper_tap", "luma_tap"),
        "signed",
    }
    for name in pixeltrail.__all__:
        assert getattr(pixeltrail, name) is not None
    with pytest.raises(AttributeError):
        pixeltrail.Nothing  # noqa: B018
