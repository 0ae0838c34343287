"""Every setting has its effect, keeps to its bounds, and says what is wrong: name, value and what would do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pixeltrail
import pytest
from pixeltrail.config import SETTINGS
from pixeltrail_bridge.wire import messages as m
from pixeltrail_bridge.wire.encode import encode_downlink

from .device.parts import Oled
from .model import Line
from .rig import Rig

DATE = 1_767_323_045_000
KEY = m.FrameFlag.KEY

# The highest and lowest values that do, and some beside them that do not.
GOOD: dict[str, list[Any]] = {
    "device_id": ["abcde", "x" * 64, "A-1_b"],
    "app": ["", "x" * 64],
    "app_version": ["x" * 64],
    "board": ["", "x" * 64],
    "sample_rate": [0, 1, 0.5],
    "auto_start": [True, False],
    "enabled": [bool],
    "session_timeout_ms": [0, 1 << 29],
    "lifecycle_events": [True],
    "enable_remote_config": [False],
    "opt_out": [True],
    "on_opt_out": [print],
    "masks": [[], [(0, 0, 1024, 1024)]],
    "mask_all": [True, [], [(1, 2, 3, 4)]],
    "mask_keys": [True],
    "blind": [[[0, 0, 5, 5]]],
    "max_fps": [0.01, 120],
    "max_step_ms": [1, 1000],
    "keyframe_interval_s": [1, 86_400],
    "exact": [True, False],
    "references": [0, 1024],
    "max_chunk": [512, 4096],
    "linger_ms": [0, 10_000],
    "outbox_bytes": [1024, 1 << 24],
    "flash_spool_bytes": [0, 8192, 1 << 28],
    "flash_spool_folder": ["a/b"],
    "vitals_interval_s": [0, 86_400],
    "on_busy": [print],
    "state_file": ["", "kept"],
    "log_level": [0, 4, "none", "debug"],
    "debug_mode": [True],
    "clock": [],
}
BAD: dict[str, list[Any]] = {
    "device_id": ["abcd", "x" * 65, "-abcd", "a/b/c", 12345],
    "app": ["x" * 65, 5],
    "app_version": ["\u00fc" * 33],
    "board": ["x" * 65, b"pico"],
    "sample_rate": [-0.01, 1.01, "1", True],
    "auto_start": [1, None],
    "enabled": [True, "yes"],
    "session_timeout_ms": [-1, (1 << 29) + 1, 1.5],
    "lifecycle_events": ["no"],
    "enable_remote_config": [0],
    "opt_out": [0],
    "on_opt_out": [1],
    "masks": [5, [(1, 2, 3)], [(0, 0, -1, 5)], [(0, 0, 1025, 5)], ["abcd"]],
    "mask_all": [1, [(1, 2)]],
    "mask_keys": [None],
    "blind": [[(1.5, 0, 2, 2)], None],
    "max_fps": [0, 121, "15"],
    "max_step_ms": [0, 1001],
    "keyframe_interval_s": [0, 86_401, 1.5],
    "exact": [1],
    "references": [-1, 1025],
    "max_chunk": [511, 4097],
    "linger_ms": [-1, 10_001],
    "outbox_bytes": [1023, (1 << 24) + 1],
    "flash_spool_bytes": [1, 8191, -1, True],
    "flash_spool_folder": [None],
    "vitals_interval_s": [-1, 86_401],
    "on_busy": [True],
    "state_file": [5],
    "log_level": [5, -1, "loud"],
    "debug_mode": [1],
    "clock": [5],
}


def test_the_tables_have_every_setting() -> None:
    names = {name for name, _, _ in SETTINGS}
    assert names == set(GOOD) == set(BAD) == SAID | set(" ".join(EFFECTS.values()).split())


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in GOOD for value in GOOD[name]])
def test_what_lies_within_the_bounds_does(name: str, value: Any, tmp_path: Path) -> None:
    paths = {"flash_spool_folder": str(tmp_path / "spool")}
    if name in ("flash_spool_folder", "state_file") and value:
        value = str(tmp_path / value)
    assert Rig(**{"max_chunk": 512, **paths, name: value}).recorder.errors == 0


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in BAD for value in BAD[name]])
def test_what_lies_outside_is_refused_by_name_value_and_remedy(name: str, value: Any) -> None:
    with pytest.raises(ValueError) as refusal:
        pixeltrail.Recorder(Oled(), Line(), **{"device_id": "rig-1", name: value})
    text = str(refusal.value)
    assert text.startswith(f"{name} must be ") and text.endswith(f", got {value!r}")
    assert len(text) > len(f"{name} must be , got {value!r}") + 3


# --- effects ---


def hello(folder: Path) -> None:
    rig = Rig(device_id="device-9", app="Kettle", app_version="1.4", board="Pico")
    rig.settle()
    told = rig.bodies(m.Hello)[0]
    assert (told.device_id, told.app, told.app_version, told.board) == ("device-9", "Kettle", "1.4", "Pico")


def frames(**settings: Any) -> int:
    rig = Rig(**settings)
    rig.show(1)
    rig.settle()
    return len(rig.frames())


def sample_rate(folder: Path) -> None:
    assert [frames(sample_rate=rate, date=DATE) for rate in (0, 0.98, 0.99, 1)] == [0, 0, 1, 1]


def auto_start(folder: Path) -> None:
    assert (frames(auto_start=False), frames(auto_start=True)) == (0, 1)


def enabled(folder: Path) -> None:
    assert (frames(enabled=lambda: False), frames(enabled=lambda: True)) == (0, 1)


def session_timeout_ms(folder: Path) -> None:
    for timeout_ms, sessions in ((0, 1), (5_000, 2), (10_001, 1)):
        rig = Rig(session_timeout_ms=timeout_ms)
        rig.step(10, ms=1_000)
        rig.recorder.touch(1, 1)
        rig.settle()
        assert len(rig.bodies(m.SessionStart)) == sessions


def lifecycle_events(folder: Path) -> None:
    for is_wanted, events in ((False, []), (True, ["Application Installed", "Application Opened"])):
        rig = Rig(lifecycle_events=is_wanted, state_file=str(folder / f"state-{is_wanted}"))
        rig.settle()
        assert [track.event for track in rig.bodies(m.Track)] == events


def enable_remote_config(folder: Path) -> None:
    for is_enabled in (True, False):
        rig = Rig(enable_remote_config=is_enabled)
        rig.line.down.append(encode_downlink(m.Config({"capture_enabled": False}, 60)))
        rig.step()
        rig.show(1)
        rig.settle()
        assert len(rig.frames()) == (not is_enabled)


def opt_out(folder: Path) -> None:
    heard: list[bool] = []
    rig = Rig(opt_out=True, on_opt_out=heard.append)
    rig.show(1)
    rig.settle()
    assert rig.frames() == [] and rig.bodies(m.OptOut) == [m.OptOut(True)]
    rig.recorder.opt_out(False)
    assert heard == [False]


def masks(folder: Path) -> None:
    rest = [(16, 0, 112, 64)]
    for settings in ({"masks": [(0, 0, 16, 64)]}, {"mask_all": rest}, {"mask_all": True}):
        rig = Rig(**settings)
        rig.show(0, 255, 1024)
        rig.settle()
        picture = rig.pictures()[-1][0]
        assert not any(picture[0:16]) and any(picture[16:128]) == (settings.get("mask_all") is not True)


def mask_keys(folder: Path) -> None:
    for is_masked in (True, False):
        rig = Rig(mask_keys=is_masked)
        rig.recorder.key("7")
        rig.settle()
        assert len(rig.bodies(m.Key)) == (not is_masked)


def blind(folder: Path) -> None:
    rig = Rig(blind=[(1, 2, 3, 4)])
    rig.settle()
    assert rig.bodies(m.UnknownArea) == [m.UnknownArea(1, 2, 3, 4)]


def max_fps(folder: Path) -> None:
    counted = []
    for fps in (2, 10):
        rig = Rig(max_fps=fps)
        for n in range(100):
            rig.show(n, n)
            rig.step(ms=10)
        counted.append(len(rig.frames()))
    assert counted == [2, 10]


def max_step_ms(folder: Path) -> None:
    def steps(limit_ms: int) -> int:
        rig = Rig(display=Oled(128, 512), max_step_ms=limit_ms, max_fps=100, outbox_bytes=65_536)
        looks = [0]

        def microseconds() -> int:
            looks[0] += 300
            return looks[0]

        rig.ticks.clock.microseconds = microseconds
        for n in range(len(rig.display.buffer)):
            rig.display.buffer[n] = n * 7919 >> 3 & 0xFF
        rig.display.show()
        count = 0
        while not rig.recorder.idle:
            rig.step()
            count += 1
        return count

    assert steps(1) > 2 * steps(20)


def keyframe_interval_s(folder: Path) -> None:
    keyframes = []
    for interval_s in (2, 30):
        rig = Rig(keyframe_interval_s=interval_s)
        for n in range(10):
            rig.show(n, n + 1)
            rig.step(ms=1_000)
        rig.settle()
        keyframes.append(sum(bool(flags & KEY) for flags in rig.frames()))
    assert keyframes[0] >= 4 and keyframes[1] == 1


def exact(folder: Path) -> None:
    for is_exact in (True, False):
        rig = Rig(exact=is_exact)
        rig.step(10)
        rig.show(1)
        assert rig.recorder.idle == is_exact


def references(folder: Path) -> None:
    for count in (0, 64):
        rig = Rig(references=count)
        rig.settle()
        assert rig.bodies(m.Display)[0].references == count


def max_chunk(folder: Path) -> None:
    for limit in (512, 2048):
        rig = Rig(max_chunk=limit, outbox_bytes=16_384, linger_ms=5_000)
        for n in range(60):
            rig.recorder.track("Event", {"n": n, "text": "x" * 60})
        rig.settle()
        longest = max(len(data) for data in rig.bridge.streams[rig.stream].chunks.values())
        assert limit * 3 // 4 < longest <= limit


def linger_ms(folder: Path) -> None:
    for linger, has_gone in ((10, True), (5_000, False)):
        rig = Rig(linger_ms=linger)
        rig.settle()
        rig.recorder.track("Event")
        rig.step(5, ms=20)
        assert (m.Track("Event", {}) in rig.bodies()) == has_gone


def outbox_bytes(folder: Path) -> None:
    taken = []
    for size in (2_048, 8_192):
        rig = Rig(outbox_bytes=size, max_chunk=512)
        rig.settle()
        rig.line.cut()
        for n in range(1_000):
            rig.recorder.track("Event", {"n": n})
        taken.append(1_000 - rig.recorder.stats()["refused_calls"])
    assert 3 * taken[0] < taken[1] < 1_000


def flash_spool(folder: Path) -> None:
    limit = 32_768
    spooled = {"flash_spool_bytes": limit, "flash_spool_folder": str(folder / "spool")}
    rig = Rig(outbox_bytes=8_192, max_chunk=512, **spooled)
    rig.settle()
    rig.line.cut()
    for n in range(150):
        rig.recorder.track("Event", {"n": n, "text": "x" * 60})
        rig.step(5, ms=20)
    files = list((folder / "spool").iterdir())
    assert files and sum(file.stat().st_size for file in files) <= limit
    rig.line.join()
    rig.settle(20_000)
    assert rig.recorder.stats()["refused_calls"] == 0
    assert [track.properties["n"] for track in rig.bodies(m.Track)] == list(range(150))


def vitals_interval_s(folder: Path) -> None:
    for interval_s, records in ((0, 0), (10, 4)):
        rig = Rig(vitals_interval_s=interval_s)
        rig.step(40, ms=1_000)
        rig.settle()
        assert len(rig.bodies(m.Vitals)) == records


def on_busy(folder: Path) -> None:
    """The transport calls it: transport/test_secure.py."""
    line = Rig().line
    line.on_busy = None
    assert Rig(line=line, on_busy=print).line.on_busy is print


def state_file(folder: Path) -> None:
    for boot in (1, 2, 3):
        rig = Rig(state_file=str(folder / "kept"))
        rig.settle()
        assert rig.bodies(m.Hello)[0].boot == boot


def printed(capsys: pytest.CaptureFixture[str], **settings: Any) -> str:
    Rig(**settings).recorder.track(None)
    return capsys.readouterr().out + capsys.readouterr().err


def clock(folder: Path) -> None:
    rig = Rig(date=DATE)
    assert rig.recorder.session_id() == DATE


EFFECTS: dict[Callable[[Path], None], str] = {
    hello: "device_id app app_version board",
    sample_rate: "sample_rate",
    auto_start: "auto_start",
    enabled: "enabled",
    session_timeout_ms: "session_timeout_ms",
    lifecycle_events: "lifecycle_events",
    enable_remote_config: "enable_remote_config",
    opt_out: "opt_out on_opt_out",
    masks: "masks mask_all",
    mask_keys: "mask_keys",
    blind: "blind",
    max_fps: "max_fps",
    max_step_ms: "max_step_ms",
    keyframe_interval_s: "keyframe_interval_s",
    exact: "exact",
    references: "references",
    max_chunk: "max_chunk",
    linger_ms: "linger_ms",
    outbox_bytes: "outbox_bytes",
    flash_spool: "flash_spool_bytes flash_spool_folder",
    vitals_interval_s: "vitals_interval_s",
    on_busy: "on_busy",
    state_file: "state_file",
    clock: "clock",
}
SAID = {"log_level", "debug_mode"}  # the last test


@pytest.mark.parametrize("effect", EFFECTS, ids=EFFECTS.values())
def test_a_setting_does_what_it_is_for(effect: Callable[[Path], None], tmp_path: Path) -> None:
    effect(tmp_path)


def test_log_level_and_debug_mode_choose_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, log_level=0) == ""
    assert "pixeltrail: contained ValueError" in printed(capsys, log_level="error")
    Rig(log_level=0, debug_mode=True).recorder.track(None)
    assert "Traceback" in "".join(capsys.readouterr())
