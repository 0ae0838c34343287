"""Whatever goes wrong inside, the application goes on and is told once."""

from __future__ import annotations

import pixeltrail
import pytest
from pixeltrail import wire
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_downlink

from .device.parts import Oled
from .model import BRIDGE, Line
from .rig import Rig

DATE = 1_767_323_045_000
KEY, FIRST, LAST, MIXED = wire.FRAME_KEY, wire.FRAME_FIRST, wire.FRAME_LAST, wire.FRAME_MIXED


def tell(rig, down):
    rig.line.down.append(encode_downlink(down))
    rig.step()


@pytest.mark.parametrize(
    "call",
    [
        lambda r: r.track(None),
        lambda r: r.track("A", {"x": object()}),
        lambda r: r.track("A", 5),
        lambda r: r.screen(7),
        lambda r: r.identify(5),
        lambda r: r.group(None),
        lambda r: r.alias(None),
        lambda r: r.touch("a", 1),
        lambda r: r.touch(1, 1, 9),
        lambda r: r.touch(1.5, 1),
        lambda r: r.key(5),
        lambda r: r.key("k", 4, "many"),
        lambda r: r.log(5),
        lambda r: r.log("text", 77),
    ],
)
def test_wrong_arguments_are_contained_and_leave_no_trace(call):
    rig = Rig()
    rig.show()
    rig.settle()
    before = rig.bodies()
    call(rig.recorder)
    assert rig.recorder.errors == 1
    rig.recorder.track("After")
    rig.settle()
    assert rig.bodies() == [*before, m.Track("After", {})]


def test_an_error_of_the_encoder_costs_a_frame_and_no_more(capsys):
    rig = Rig(exact=False, log_level=2)
    rig.show()
    rig.settle()
    encoder = rig.recorder._sight.encoder
    encode = encoder.encode_into
    encoder.encode_into = lambda *_: 1 // 0
    rig.show(9)
    rig.step(10)
    assert rig.recorder.errors > 0
    assert capsys.readouterr().out.count("ZeroDivisionError") == 1
    encoder.encode_into = encode
    rig.settle()
    assert rig.pictures()[-1] == (bytes(rig.display.buffer), False)


def test_errors_of_the_display_reach_the_app():
    class Broken(Oled):
        def show(self):
            raise OSError(5)

    rig = Rig(display=Broken())
    with pytest.raises(OSError):
        rig.display.show()


def test_touches_outside_are_moved_to_the_edge():
    rig = Rig()
    rig.recorder.touch(-5, 500, pixeltrail.UP)
    rig.recorder.touch(500, -5, pixeltrail.UP)
    rig.settle()
    assert rig.bodies(m.Touch) == [m.Touch(0, 63, m.Phase.UP), m.Touch(127, 0, m.Phase.UP)]


# --- parts that fail again and again ---


def broken(*_):
    raise ZeroDivisionError("broken")


def test_an_encoder_that_always_fails_is_turned_off_and_the_rest_goes_on(capsys):
    rig = Rig(exact=False, log_level=2)
    rig.show()
    rig.settle()
    encoder = rig.recorder._sight.encoder
    encode = encoder.encode_into
    encoder.encode_into = broken
    for n in range(30):
        rig.show(n)
        rig.recorder.touch(n, 1)
        rig.step(10)
    rig.recorder.track("App goes on")
    rig.settle()
    assert rig.recorder.errors == 3 and rig.recorder.stats()["off"] == ["encoder"]
    assert capsys.readouterr().out.count("encoder turned off") == 1
    assert [log.level for log in rig.bodies(m.Log)] == [1]
    assert len(rig.bodies(m.Touch)) == 30 and m.Track("App goes on", {}) in rig.bodies()
    encoder.encode_into = encode
    rig.recorder.start()
    rig.show(5)
    rig.settle()
    assert rig.pictures()[-1] == (bytes(rig.display.buffer), False), "start gives it another chance"


def test_a_transport_that_always_fails_is_turned_off():
    rig = Rig()
    rig.show()
    rig.settle()
    polls = []

    def poll(_):
        polls.append(1)
        raise OSError(5)

    rig.line.poll = poll
    rig.step(50)
    rig.recorder.track("A")
    rig.recorder.flush()
    assert len(polls) == 3 and rig.recorder.stats()["off"] == ["transport"]
    del rig.line.poll
    rig.recorder.start()
    rig.settle()
    assert m.Track("A", {}) in rig.bodies(), "what was recorded meanwhile waited in the outbox"


def test_a_transport_that_is_turned_off_gives_the_line_back():
    """The line of a REPL: else Ctrl-C would stay data for ever."""
    rig = Rig(line=Line(needs_host_hello=True))
    tell(rig, m.HostHello(BRIDGE, 1, 1))
    rig.settle()
    rig.line.receive = broken
    rig.step(10)
    assert rig.recorder.stats()["off"] == ["transport"] and rig.line.told[-1] is False
    del rig.line.receive
    rig.recorder.start()
    tell(rig, m.HostHello(BRIDGE, 1, 1))
    rig.step()
    assert rig.line.told[-1] is True


def test_a_hash_that_always_fails_costs_the_app_nothing_but_the_picture():
    rig = Rig()
    rig.recorder._sight.encoder.refresh = broken
    for n in range(10):
        rig.show(n)
        rig.step()
    assert rig.display.shown == 10 and rig.recorder.errors == 3


def test_a_memory_that_ran_out_turns_nothing_off():
    rig = Rig()
    rig.show()
    rig.settle()
    encoder = rig.recorder._sight.encoder
    refresh = encoder.refresh

    def exhausted():
        raise MemoryError

    encoder.refresh = exhausted
    for n in range(10):
        rig.show(n, 7)
        rig.step()
    encoder.refresh = refresh
    rig.show()
    rig.settle()
    assert rig.recorder.errors == 10 and rig.recorder.stats()["off"] == []
    assert rig.pictures()[-1] == (bytes(rig.display.buffer), False)


@pytest.mark.parametrize("setting", ["enabled", "on_opt_out"])
def test_an_error_in_a_function_of_the_app_is_contained(setting):
    rig = Rig(**{setting: lambda *_: setting == "enabled" and rig_is_made[0] and broken()})
    rig_is_made[0] = True
    rig.recorder._settings.on_opt_out = broken
    rig.recorder.new_session()
    rig.recorder.opt_out()
    rig_is_made[0] = False
    assert rig.recorder.errors >= 1
    rig.recorder.track("A")
    rig.settle()
    assert m.Track("A", {}) in rig.bodies()


rig_is_made = [False]


def test_a_console_that_is_gone_is_no_error_of_the_app(monkeypatch):
    class Gone:
        def write(self, _):
            raise OSError(5)

        def flush(self):
            pass

    rig = Rig(log_level=4)
    monkeypatch.setattr("sys.stdout", Gone())
    rig.recorder.track(None)
    assert rig.recorder.errors == 2


# --- a recorder that is off ---


class Untouched:
    """Stands where nothing may be asked for."""

    def __getattr__(self, name):
        raise AssertionError(name + " was used")


@pytest.mark.parametrize("how", ["stopped", "not sampled", "opted out", "paused", "remote"])
def test_a_refresh_that_is_not_recorded_costs_a_call(how):
    rig = Rig(sample_rate=0.0 if how == "not sampled" else 1.0)
    recorder = rig.recorder
    if how == "stopped":
        recorder.stop()
    elif how == "opted out":
        recorder.opt_out()
    elif how == "paused":
        recorder.paused().__enter__()
    elif how == "remote":
        tell(rig, m.Config({"capture_enabled": False}, 60))
    rig.settle()
    recorder._sight.encoder = recorder._clock = recorder._capture._encoder = recorder._pacer = Untouched()
    rig.show()
    assert recorder.errors == 0


def test_a_step_ends_when_its_time_is_up():
    """Every look at the clock costs 400 us; a step may pass its limit by the part that it is in, and by no more."""
    display = Oled(128, 512)
    rig = Rig(display=display, max_step_ms=2, max_fps=100, max_chunk=512, outbox_bytes=65536)
    looks = [0]

    def microseconds():
        looks[0] += 400
        return looks[0]

    rig.ticks.clock.microseconds = microseconds
    for n in range(len(display.buffer)):
        display.buffer[n] = n * 7919 >> 3 & 0xFF
    display.show()
    steps = 0
    while not rig.recorder.idle:
        before = looks[0]
        rig.step()
        steps += 1
        assert looks[0] - before <= 2000 + 400
    assert steps > 3
