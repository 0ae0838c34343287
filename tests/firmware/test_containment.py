"""Every function that an app calls, with every function inside it failing in turn: the app and the rest go on.

A call is made once to see what it calls inside the library and from where; then once more for each of these places,
with an error raised there. The error must stay inside, and what follows must be as if the call had done its work or
not: the bridge gets everything, the display ends on an exact picture, nothing is turned off, and where the call was to
end recording, nothing is recorded.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pixeltrail
import pytest
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_downlink

from .model import ModelBridge
from .rig import Rig

LIBRARY = str(Path(pixeltrail.__file__).parent)
# What contains errors, and what an app calls: a failure of the call itself is Python's, and never reaches us.
CONTAINERS = (
    *("__enter__", "__exit__", "_contain", "_recover", "_turn_off", "_call", "_take_up", "_say", "_log"),
    *("_begin_pause", "_end_pause", "_enter", "capture", "tell"),
)
DATE = 1_767_323_045_000
SECRET = 0xA5  # what is drawn while nothing may be recorded

Site = tuple[CodeType, int, CodeType]
Call = Callable[[Rig], Any]


class Bomb:
    """Fails the `at`th call inside the library that is made from a place of its own; notes all these places."""

    def __init__(self, at: int = -1, error: type[Exception] = Exception) -> None:
        self.sites: dict[Site, str] = {}
        self.at, self.error = at, error
        self.went_off = ""

    def __call__(self, frame: FrameType, event: str, _arg: Any) -> None:
        code, caller = frame.f_code, frame.f_back
        if caller is None or not code.co_filename.startswith(LIBRARY) or code.co_name in CONTAINERS:
            return
        if not caller.f_code.co_filename.startswith(LIBRARY):  # the app's own call, or the hook in a display
            return
        site = (caller.f_code, caller.f_lineno, code)
        if site in self.sites:
            return
        self.sites[site] = f"{caller.f_code.co_qualname}:{caller.f_lineno} -> {code.co_qualname}"
        if len(self.sites) - 1 == self.at and not self.went_off:
            self.went_off = self.sites[site]
            raise self.error(5)

    def during(self, act: Callable[[], Any]) -> None:
        before = sys.gettrace()
        sys.settrace(self)  # type: ignore[arg-type]
        try:
            act()
        finally:
            sys.settrace(before)


def down(*messages: Any) -> Call:
    """Messages of a bridge, and the steps that take them."""

    def act(rig: Rig) -> None:
        rig.line.down.extend(encode_downlink(message) for message in messages)
        rig.step(4, deliver=False)

    return act


def paused(rig: Rig) -> None:
    rig.recorder.paused().__enter__()


def resumed(rig: Rig) -> None:
    with rig.recorder.paused():
        pass


def quiet(rig: Rig) -> None:
    with rig.recorder.quiet():
        rig.recorder.poll()


def steps(ms: int, count: int = 3) -> Call:
    return lambda rig: rig.step(count, ms=ms, deliver=False)


def shown(rig: Rig) -> None:
    rig.show(40, 3, 30)
    rig.step(4, ms=70, deliver=False)


def touched_after_a_day(rig: Rig) -> None:
    rig.ticks.ms += 86_400_000
    rig.recorder.touch(1, 2)


CALLS: dict[str, Call] = {
    "track": lambda rig: rig.recorder.track("E", {"a": [1, {"b": 2.5}], "c": "text", "d": None}),
    "screen": lambda rig: rig.recorder.screen("Home"),
    "identify": lambda rig: rig.recorder.identify("u", {"plan": True}),
    "group": lambda rig: rig.recorder.group("g", {}),
    "alias": lambda rig: rig.recorder.alias("new", "old"),
    "touch": lambda rig: rig.recorder.touch(3, 4),
    "touch in a mask": lambda rig: rig.recorder.touch(60, 4),
    "touch that begins a session": touched_after_a_day,
    "key": lambda rig: rig.recorder.key("ok", pixeltrail.TURN, -2),
    "log": lambda rig: rig.recorder.log("text", 2),
    "vitals": lambda rig: rig.recorder.vitals(-60, 3700),
    "mask": lambda rig: rig.recorder.mask(0, 0, 16, 8),
    "unmask": lambda rig: rig.recorder.unmask(50, 0, 16, 8),
    "mark_dirty": lambda rig: rig.recorder.mark_dirty(),
    "capture": lambda rig: rig.recorder.capture(),
    "show": lambda rig: rig.show(40, 3, 30),
    "show and poll": shown,
    "poll": steps(10),
    "poll after a minute": steps(61_000),
    "poll after a silence": steps(700, 20),
    "flush": lambda rig: (rig.recorder.track("E"), rig.recorder.flush()),
    "start": lambda rig: rig.recorder.start(),
    "stop": lambda rig: rig.recorder.stop(),
    "paused": paused,
    "paused and resumed": resumed,
    "quiet": quiet,
    "new_session": lambda rig: (rig.recorder.new_session(), rig.step(3, deliver=False)),
    "background": lambda rig: rig.recorder.background(True),
    "foreground": lambda rig: rig.recorder.background(False),
    "opt_out": lambda rig: (rig.recorder.opt_out(True), rig.step(3, deliver=False)),
    "opt_out lifted": lambda rig: rig.recorder.opt_out(False),
    "crash": lambda rig: rig.recorder.crash(ValueError("the app's")),
    "stats": lambda rig: rig.recorder.stats(),
    "session_id": lambda rig: rig.recorder.session_id(),
    "replay_id": lambda rig: rig.recorder.replay_id(),
    "acks": lambda rig: (rig.line.pump(rig.bridge), rig.step(4, deliver=False)),
    "told to make a keyframe": lambda rig: (down(m.KeyframeRequest(rig.stream))(rig), shown(rig)),
    "told to begin a stream": lambda rig: down(m.NewStream(rig.stream))(rig),
    "told the session": lambda rig: down(m.Session(rig.stream, 0, DATE + 5, True))(rig),
    "told settings": down(m.Config({"max_fps": 5, "masks": [0, 0, 16, 8], "log_level": 0}, 60)),
    "told to opt out": down(m.OptOutOrder(True)),
    "told what it does not know": lambda rig: (rig.line.down.append(b"\x82\x01\x18\x63"), rig.step()),
}
ENDING = ("stop", "paused", "opt_out")  # behind these nothing is recorded, whatever failed inside them


def made(folder: Path) -> Rig:
    """A recorder that is in the middle of everything: a frame is being coded, chunks wait, a mask is in force."""
    rig = Rig(
        bridge=ModelBridge(judge=False),
        exact=False,
        date=DATE,
        lifecycle_events=True,
        masks=[(50, 0, 16, 8)],
        vitals_interval_s=60,
        session_timeout_ms=3_600_000,
        max_chunk=512,
        state_file=str(folder / "state"),
    )
    rig.show(3, 7, 20)
    rig.settle()
    rig.show(100, 9, 200)
    rig.recorder.touch(1, 1)
    rig.recorder.track("Before")
    rig.step(1, deliver=False)
    return rig


def replay(rig: Rig) -> int:
    kinds = (m.Frame, m.Touch, m.Key, m.Log)
    return sum(isinstance(body, kinds) for name in rig.bridge.streams for body in rig.bridge.bodies(name))


def judge(rig: Rig, name: str) -> None:
    recorder = rig.recorder
    if name in ENDING:
        rig.settle()
        before = replay(rig)
        rig.show(0, SECRET, 400)
        recorder.touch(9, 9)
        rig.step(20, ms=50)
        assert replay(rig) == before, "recorded behind the end"
        rig.draw(0, 0, 400)
    if name == "paused":
        recorder.paused().__exit__(None, None, None)
    recorder.opt_out(False)
    recorder.start()
    rig.settle()
    assert recorder.stats()["off"] == []
    recorder.unmask(0, 0, 16, 8)
    recorder.unmask(50, 0, 16, 8)
    rig.line.down.append(encode_downlink(m.Config({}, 0)))
    rig.step(5, ms=500)
    recorder.track("After")
    rig.show(77, 5, 9)
    rig.settle()
    assert rig.bridge.conflicts == 0
    assert all(chunk.records for chunk in rig.bridge.chunks(rig.stream))
    assert m.Track("After", {}) in rig.bodies()
    pictures = rig.pictures()
    assert pictures[-1] == (bytes(rig.display.buffer), False), "a display that rests ends on an exact frame"
    assert not any(bytes([SECRET]) * 16 in picture for picture, _ in pictures)


def fail_inside(name: str, folder: Path, errors: tuple[type[Exception], ...], every: int = 1) -> None:
    call = CALLS[name]
    survey, rig = Bomb(), made(folder)
    survey.during(lambda: call(rig))
    assert rig.recorder.errors == 0
    for at in range(list(CALLS).index(name) % every, len(survey.sites), every):
        error = errors[at % len(errors)]
        for state in folder.glob("state*"):
            state.unlink()
        bomb, rig = Bomb(at, error), made(folder)
        try:
            bomb.during(lambda: call(rig))  # noqa: B023
            assert bomb.went_off, f"place {at} of {name} was not reached again"
            assert rig.recorder.errors <= 1
            judge(rig, name)
        except Exception as problem:
            problem.add_note(f"{error.__name__} in {name} at {bomb.went_off}")
            raise


@pytest.mark.parametrize("name", CALLS)
def test_a_failure_inside_stays_there(name: str, tmp_path: Path) -> None:
    fail_inside(name, tmp_path, (MemoryError, OSError, TypeError), every=6)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("error", [MemoryError, OSError, ValueError, TypeError, RuntimeError, KeyError])
@pytest.mark.parametrize("name", CALLS)
def test_no_failure_anywhere_inside_reaches_the_app(
    name: str, error: type[Exception], tmp_path: Path
) -> None:
    fail_inside(name, tmp_path, (error,))


def test_ctrl_c_is_the_apps() -> None:
    """What is no Exception passes: Ctrl-C, and the end of a task."""
    rig = Rig()

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    rig.line.poll = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        rig.recorder.poll()
    del rig.line.poll
    assert rig.recorder.errors == 0

    async def app() -> None:
        task = asyncio.ensure_future(rig.recorder.run())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(app())
    assert rig.recorder.errors == 0
