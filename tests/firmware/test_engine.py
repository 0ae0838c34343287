"""What is recorded when: sampling, sessions, streams, opt-out, and frames in their time."""

from __future__ import annotations

import pixeltrail
import pytest
from pixeltrail import wire
from pixeltrail.session import is_sampled
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_downlink

from .device.parts import Oled
from .rig import Rig

DATE = 1_767_323_045_000
KEY, FIRST, LAST, MIXED = wire.FRAME_KEY, wire.FRAME_FIRST, wire.FRAME_LAST, wire.FRAME_MIXED


def tell(rig, down):
    rig.line.down.append(encode_downlink(down))
    rig.step()


# --- sampling ---


def test_a_rate_not_given_records_nothing_and_says_so_once(capsys):
    display = Oled()
    recorder = pixeltrail.Recorder(display, Rig().line, device_id="device-1")
    assert capsys.readouterr().out.count("NO REPLAY IS RECORDED") == 1
    for _ in range(3):
        display.show()
        recorder.poll()
    assert capsys.readouterr().out == ""
    assert recorder.stats()["frames"] == 0 and recorder.replay_id() is None


def test_an_unsampled_session_has_calls_but_no_replay():
    rig = Rig(sample_rate=0.0, date=DATE)
    rig.show()
    rig.recorder.touch(1, 1)
    rig.recorder.log("text")
    rig.recorder.track("A")
    rig.settle()
    assert [type(body) for body in rig.bodies()] == [m.Hello, m.Display, m.SessionStart, m.Track]
    assert rig.recorder.replay_id() is None
    assert rig.recorder.session_id() == DATE


@pytest.mark.parametrize("rate", [0.3, 0.98, 0.99])
def test_with_a_date_the_device_decides(rate):
    rig = Rig(sample_rate=rate, date=DATE)
    rig.show()
    rig.settle()
    sampled = 0.989302 < rate
    assert rig.bodies(m.SessionStart) == [m.SessionStart(0, sampled, DATE)]
    assert is_sampled(DATE, rate) == sampled
    assert bool(rig.frames()) == sampled


def test_without_a_date_the_bridge_decides():
    rig = Rig(sample_rate=0.5)
    rig.show(5)
    rig.recorder.touch(1, 1)
    rig.step(30)
    assert rig.bodies(m.SessionStart) == [m.SessionStart(0, None, None)]
    assert rig.frames() == [] and rig.bodies(m.Touch) == []
    tell(rig, m.Session(rig.stream, 0, 1234, True))
    rig.settle()
    assert rig.frames() == [KEY | FIRST | LAST]
    assert rig.recorder.replay_id() == "rig-1/1234"
    tell(rig, m.Session(rig.stream, 9, 99, False))
    assert rig.recorder.session_id() == 1234, "of another session"


def test_a_decision_of_the_device_stands():
    rig = Rig(sample_rate=1.0, date=DATE)
    tell(rig, m.Session(rig.stream, 0, DATE + 5, False))
    rig.show()
    rig.settle()
    assert rig.recorder.replay_id() == "rig-1/%d" % (DATE + 5)
    assert len(rig.frames()) == 1


def test_enabled_is_asked_at_each_session():
    answers = [False, True]
    rig = Rig(enabled=lambda: answers.pop(0))
    rig.show()
    rig.settle()
    assert rig.frames() == []
    rig.recorder.new_session()
    rig.show(9)
    rig.settle()
    assert len(rig.frames()) == 1


# --- sessions ---


def test_a_session_ends_with_the_first_call_after_its_timeout():
    rig = Rig(session_timeout_ms=60_000, date=DATE)
    rig.show()
    rig.recorder.track("A")
    rig.step(5, ms=13_000)
    assert len(rig.bodies(m.SessionStart)) == 1, "idleness alone ends nothing"
    rig.ticks.date = DATE + 65_000
    rig.recorder.touch(3, 3)
    rig.settle()
    kinds = [body for body in rig.bodies() if not isinstance(body, m.Frame)]
    assert kinds[-4:] == [
        m.Track("A", {}),
        m.SessionEnd(0),
        m.SessionStart(1, True, DATE + 65_000),
        m.Touch(3, 3, m.Phase.DOWN),
    ]
    assert rig.frames()[-1] & KEY, "a session begins with a keyframe"


def test_a_timeout_of_zero_ends_nothing():
    rig = Rig(session_timeout_ms=0)
    rig.step(20, ms=10_000_000)
    rig.recorder.track("A")
    rig.settle()
    assert len(rig.bodies(m.SessionStart)) == 1


def test_a_new_stream_goes_on_with_the_session():
    rig = Rig(date=DATE)
    rig.show()
    rig.settle()
    first = rig.stream
    tell(rig, m.NewStream(first))
    rig.settle()
    assert rig.stream != first
    hello, display, start = rig.bodies()[:3]
    assert hello.previous == first and isinstance(display, m.Display)
    assert start == m.SessionStart(0, True, DATE)
    assert rig.frames() == [KEY | FIRST | LAST]
    assert rig.pictures()[-1] == (bytes(rig.display.buffer), False)


def test_a_stream_that_cannot_begin_leaves_the_picture_whole():
    rig = Rig(exact=False)
    rig.show(3, 7, 20)
    rig.settle()

    def fail():
        raise MemoryError

    rig.recorder._pacer.begin_stream = fail
    tell(rig, m.NewStream(rig.stream))
    rig.show(77, 5, 9)
    rig.settle()
    assert rig.recorder.errors == 1
    assert rig.pictures()[-1] == (bytes(rig.display.buffer), False)


def test_a_refresh_that_waits_when_a_stream_begins_has_the_new_ones_time():
    """Else all that follows would be as old as the stream before it, and no chunk closed until its clock is there."""
    rig = Rig(exact=False)
    rig.show()
    rig.settle()
    rig.step(100, ms=10_000)
    rig.show(9)
    tell(rig, m.NewStream(rig.stream))
    rig.recorder.track("A")
    rig.step(20)
    assert rig.pictures() == [(bytes(rig.display.buffer), False)] and m.Track("A", {}) in rig.bodies()
    records = [record for chunk in rig.bridge.chunks(rig.stream) for record in chunk.records]
    assert records[-1].time_ms <= rig.recorder._clock.stream_ms < 1000


def test_a_new_stream_begins_before_its_clock_ends():
    rig = Rig(session_timeout_ms=0)
    rig.show()
    rig.settle()
    first = rig.stream
    for _ in range(11):
        rig.step(ms=100_000_000)
        rig.step(2)
    rig.show(7)
    rig.settle()
    assert rig.stream != first
    assert all(sync.now_ms < 1 << 30 for store in rig.bridge.streams.values() for sync in store.syncs)
    assert rig.pictures()[-1] == (bytes(rig.display.buffer), False)


# --- start, stop, pause, opt-out ---


def test_stop_and_start():
    rig = Rig(auto_start=False)
    rig.show()
    rig.recorder.track("A")
    rig.settle()
    assert rig.frames() == [] and m.Track("A", {}) in rig.bodies()
    rig.recorder.start()
    rig.show(9)
    rig.settle()
    rig.recorder.stop()
    rig.show(99)
    rig.recorder.touch(1, 1)
    rig.settle()
    assert rig.frames() == [KEY | FIRST | LAST] and rig.bodies(m.Touch) == []
    rig.recorder.start()
    rig.show(70)
    rig.settle()
    assert rig.frames() == [KEY | FIRST | LAST] * 2
    assert len(rig.bodies(m.SessionStart)) == 1


def test_nothing_of_a_pause_is_recorded():
    rig = Rig(exact=False)
    rig.show(1)
    rig.settle()
    with rig.recorder.paused():
        rig.show(200, 0x55, 50)
        rig.recorder.touch(9, 9)
        rig.step(20)
        rig.draw(200, 0, 50)
    rig.draw(300, 0x66, 10)  # drawn, and not shown yet
    rig.step(20)
    assert len(rig.frames()) == 1 and rig.bodies(m.Touch) == []
    rig.display.show()
    rig.settle()
    assert rig.pictures()[-1] == (bytes(rig.display.buffer), False)
    assert all(b"\x55" * 8 not in picture for picture, _ in rig.pictures())


# --- frames ---


def test_a_keyframe_every_interval_if_something_changed():
    rig = Rig(keyframe_interval_s=10)
    rig.show()
    rig.step(150, ms=100)
    assert rig.frames() == [KEY | FIRST | LAST]
    rig.show(5)
    rig.step(20, ms=100)
    assert rig.frames()[1:] == [KEY | FIRST | LAST], "it was due, and the change goes with it"
    rig.show(6)
    rig.step(20, ms=100)
    assert rig.frames()[2:] == [FIRST | LAST]
    rig.step(100, ms=100)
    assert rig.frames()[3:] == [KEY | FIRST | LAST]
    rig.step(300, ms=100)
    assert len(rig.frames()) == 4


def test_keyframe_requests_are_answered_once_in_5_seconds():
    rig = Rig()
    rig.show()
    rig.settle()
    for _ in range(100):
        tell(rig, m.KeyframeRequest(rig.stream))
        rig.step(ms=90)
    assert 3 <= len(rig.frames()) <= 4
    assert all(flags & KEY for flags in rig.frames())


def test_refreshes_faster_than_max_fps_are_skipped_and_counted():
    rig = Rig(max_fps=10, exact=False)
    rig.show()
    rig.settle()
    for n in range(40):
        rig.show(n * 3, n)
        rig.step(ms=10)
    rig.settle()
    stats = rig.recorder.stats()
    assert 5 <= stats["frames"] <= 7
    assert stats["frames"] + stats["skipped"] == 41
    assert rig.pictures()[-1] == (bytes(rig.display.buffer), False)


def test_refreshes_while_the_line_is_busy_are_skipped_and_counted_and_the_newest_goes_out():
    rig = Rig(exact=False, outbox_bytes=4096)
    rig.show()
    rig.settle()
    rig.line.can_send = lambda: False
    for n in range(60):
        rig.show(n * 13, n + 1, 150)
        rig.step(5, ms=20)
    recorder = rig.recorder
    assert not recorder.stats()["refused"] and recorder._outbox.used < 2048
    del rig.line.can_send
    rig.settle()
    stats = recorder.stats()
    assert stats["frames"] + stats["skipped"] == 61 and stats["skipped"] > 20 and not stats["mixed"]
    assert rig.pictures()[-1] == (bytes(rig.display.buffer), False)


def test_a_delta_interrupted_by_a_refresh_is_mixed_and_the_next_one_exact():
    display = Oled(128, 512)
    rig = Rig(display=display, max_step_ms=1, max_fps=100, max_chunk=512, outbox_bytes=65536)
    rig.show()
    rig.settle()
    slow_clock(rig)
    noise(display, 1)
    display.show()
    rig.step(5)
    assert not rig.recorder.idle
    noise(display, 2)
    display.show()
    rig.settle()
    assert FIRST | LAST | MIXED in rig.frames()
    assert rig.pictures()[-1] == (bytes(display.buffer), False)
    assert rig.recorder.stats()["mixed"] == 1


def test_a_keyframe_interrupted_by_a_refresh_runs_to_its_end():
    display = Oled(128, 512)
    rig = Rig(display=display, max_step_ms=1, max_fps=100, max_chunk=512, outbox_bytes=65536)
    slow_clock(rig)
    noise(display, 1)
    display.show()
    rig.step(5)
    noise(display, 2)
    display.show()
    rig.settle()
    pictures = rig.pictures()
    assert pictures[0][1] and not pictures[-1][1]
    assert pictures[-1][0] == bytes(display.buffer)


def slow_clock(rig):
    """Every look at the clock costs 400 us, so that a step is over after two or three parts."""
    clock = rig.ticks.clock
    state = [0]

    def microseconds():
        state[0] += 400
        return state[0] & 0x3FFFFFFF

    clock.microseconds = microseconds


def noise(display, seed):
    x = seed * 7919 + 1
    for i in range(len(display.buffer)):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
        display.buffer[i] = x >> 16 & 0xFF


def test_exact_captures_inside_the_refresh():
    rig = Rig(exact=True)
    rig.step(10)
    rig.show(3)
    assert rig.recorder.idle
    rig.draw(0, 0xFF, 1000)
    rig.settle()
    assert rig.pictures()[-1][1] is False


# --- a full outbox ---


def test_refusals_are_told_in_one_gap_and_the_next_frame_is_exact():
    rig = Rig(max_chunk=512, outbox_bytes=2048)
    rig.show()
    rig.settle()
    rig.line.cut()
    for n in range(120):
        noise(rig.display, n)
        rig.display.show()
        rig.recorder.track("Pressed", {"n": n, "text": "x" * 60})
        rig.recorder.touch(1, 1)
        rig.step(8)
    stats = rig.recorder.stats()
    assert stats["refused"] > 50 and stats["refused_calls"] > 50
    rig.line.join()
    rig.settle()
    rig.step(50)
    gaps = rig.bodies(m.Gap)
    assert len(gaps) == 1
    assert (gaps[0].frames, gaps[0].calls) == (stats["refused"], stats["refused_calls"])
    assert gaps[0].first == gaps[0].end and gaps[0].reason == m.GapReason.OUTBOX_FULL
    assert gaps[0].inputs > 0
    assert rig.pictures()[-1] == (bytes(rig.display.buffer), False)


def test_a_call_too_large_for_a_chunk_is_told():
    rig = Rig(max_chunk=512)
    rig.recorder.track("Big", {str(n): "x" * 100 for n in range(10)})
    rig.settle()
    rig.step(10)
    gap = rig.bodies(m.Gap)[0]
    assert (gap.calls, gap.reason) == (1, m.GapReason.TOO_LARGE)
    assert rig.recorder.errors == 0
