"""LVGL through both bindings: what the bridge shows equals the panel after every refresh, hashed where flushes were."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from pixeltrail import lvgl_tap
from pixeltrail_bridge.wire import messages as m

from tests.support import armhf, corpus, micropython, ports

from ..drivers import lvgl
from ..film import film_of
from ..rig import Rig

SCRIPTS = micropython.ROOT / "tests" / "firmware" / "device"
BINDINGS = ("lvgl_micropython", "lv_micropython 9", "lv_micropython 8")


def play(
    binding: str, sequence: corpus.Sequence, numbers: range, folder: Path, port: ports.Port = ports.X64_MPY
) -> None:
    """Play pictures of a recorded sequence with its flushes, and compare what comes out with each."""
    rects = sequence.meta["flush_rects_x1y1x2y2_inclusive"]
    shown = [bytes(sequence.frame_bytes)]
    areas = []
    with open(folder / "frames", "wb") as out:
        for number, picture in enumerate(itertools.islice(sequence.frames, numbers.stop)):
            # A picture that comes behind others that were left out is drawn as a whole.
            whole = [[0, 0, sequence.width - 1, sequence.height - 1]]
            if number in numbers:
                areas.append(rects[number] if number else whole + rects[number])
                out.write(picture)
                shown.append(picture)
    (folder / "size").write_text(f"{sequence.width} {sequence.height}")
    (folder / "areas").write_text(
        "".join(" ".join(str(n) for area in line for n in area) + "\n" for line in areas)
    )
    start = armhf.run if port.is_32_bit else micropython.run
    printed = start(
        SCRIPTS / "lvgl_play.py",
        *(binding, folder, folder / "log.ptr"),
        search=(port.library, SCRIPTS, SCRIPTS.parent),
        timeout_s=600,
        heap="8m",
    ).splitlines()
    assert printed.pop() == "errors 0"
    pictures = film_of(folder / "log.ptr")
    assert len(printed) == len(shown)
    for line, picture in zip(printed, shown, strict=True):
        frames, is_on_panel = line.split()
        assert is_on_panel == "True", "the stand-in's panel shows another picture"
        assert pictures[int(frames) - 1] == (picture, False)


@pytest.mark.parametrize("binding", BINDINGS)
def test_recorded_flushes_are_shown_pixel_for_pixel(binding: str, tmp_path: Path) -> None:
    play(binding, corpus.load("lv_benchmark"), range(8), tmp_path)


def test_recorded_flushes_on_32_bits(tmp_path: Path) -> None:
    play("lvgl_micropython", corpus.load("lv_benchmark"), range(3), tmp_path, ports.ARMHF_V7M)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("binding", BINDINGS)
def test_every_picture_of_every_recorded_sequence(binding: str, corpus_folder: Path, tmp_path: Path) -> None:
    names = [name for name in corpus.names(corpus_folder) if name.startswith("lv_")]
    assert names
    for name in names:
        sequence = corpus.load(name, corpus_folder)
        (tmp_path / name).mkdir()
        play(binding, sequence, range(len(sequence)), tmp_path / name)


# --- on a small display ---

WIDE, HIGH = 150, 40  # the last column of strips overlaps its neighbour


def driver(**settings):
    panel = lvgl.Panel(WIDE, HIGH)
    display = lvgl.DisplayDriver(lvgl.Bus(panel), WIDE, HIGH)
    tap = lvgl_tap(display, bytearray(WIDE * HIGH * 2))
    rig = Rig(display=tap, **settings)
    return display._disp_drv, panel, tap, rig


def swapped(data):
    turned = bytearray(data)
    lvgl.swap(turned)
    return bytes(turned)


def drawn(picture, area, dice):
    """Draw something random in an area of a picture."""
    x1, y1, x2, y2 = area
    for y in range(y1, y2 + 1):
        for x in range(x1, x2 + 1):
            at = 2 * (y * WIDE + x)
            picture[at : at + 2] = dice.randrange(1 << 16).to_bytes(2, "little")


def some_area(dice):
    x, y = dice.randrange(WIDE), dice.randrange(HIGH)
    return x, y, dice.randrange(x, min(x + 40, WIDE)), dice.randrange(y, min(y + 20, HIGH))


@pytest.mark.parametrize("seed", range(6))
def test_random_areas_are_shown_pixel_for_pixel(seed):
    dice = random.Random(seed)
    renderer, panel, tap, rig = driver()
    picture = bytearray(WIDE * HIGH * 2)
    renderer.refresh(picture, [(0, 0, WIDE - 1, HIGH - 1)])
    for _ in range(12):
        areas = [some_area(dice) for _ in range(dice.choice((1, 1, 2, 5, 12)))]
        for area in areas:
            drawn(picture, area, dice)
        renderer.refresh(picture, areas)
        if dice.random() < 0.3:  # the recorder sees two refreshes as one
            continue
        rig.settle()
        assert rig.pictures()[-1] == (swapped(panel.memory), False)
    rig.settle()
    assert rig.pictures()[-1] == (bytes(picture), False)
    assert rig.recorder.errors == 0


def test_areas_beside_masks_and_below_them():
    dice = random.Random(7)
    renderer, panel, tap, rig = driver()
    picture = bytearray(WIDE * HIGH * 2)
    renderer.refresh(picture, [(0, 0, WIDE - 1, HIGH - 1)])
    rig.settle()
    rig.recorder.mask(16, 8, 32, 8)
    for _ in range(8):
        area = some_area(dice)
        drawn(picture, area, dice)
        renderer.refresh(picture, [area])
        rig.settle()
        masked = bytearray(picture)
        for y in range(8, 16):
            masked[2 * (y * WIDE + 16) : 2 * (y * WIDE + 48)] = bytes(64)
        assert rig.pictures()[-1] == (bytes(masked), False)
    rig.recorder.unmask(16, 8, 32, 8)
    drawn(picture, (0, 0, 0, 0), dice)
    renderer.refresh(picture, [(0, 0, 0, 0)])
    rig.settle()
    assert rig.pictures()[-1] == (swapped(panel.memory), False), "what the mask had covered comes back"


def test_nothing_is_hashed_outside_of_what_was_flushed():
    renderer, panel, tap, rig = driver()
    picture = bytearray(WIDE * HIGH * 2)
    renderer.refresh(picture, [(0, 0, WIDE - 1, HIGH - 1)])
    rig.settle()
    tap.buffer[2 * 100] = 0xFF  # nobody flushed this
    picture[2 * WIDE * 20] = 0xEE
    renderer.refresh(picture, [(0, 20, 5, 20)])
    rig.settle()
    assert rig.pictures()[-1] == (bytes(picture), False)


def test_what_was_flushed_while_nobody_looked_is_there_afterwards():
    dice = random.Random(9)
    renderer, panel, tap, rig = driver()
    picture = bytearray(WIDE * HIGH * 2)
    renderer.refresh(picture, [(0, 0, WIDE - 1, HIGH - 1)])
    rig.settle()
    for _ in range(4):
        with rig.recorder.paused():
            for _ in range(11):  # more areas than are kept apart
                area = some_area(dice)
                drawn(picture, area, dice)
                renderer.refresh(picture, [area])
                rig.step()
        drawn(picture, (5, 5, 6, 6), dice)
        renderer.refresh(picture, [(5, 5, 6, 6)])
        rig.settle()
        assert rig.pictures()[-1] == (swapped(panel.memory), False)


def test_a_turned_display_is_another_one():
    renderer, panel, tap, rig = driver()
    renderer.refresh(bytes(WIDE * HIGH * 2), [(0, 0, WIDE - 1, HIGH - 1)])
    rig.settle()
    renderer.set_rotation(1)
    panel.width = HIGH
    picture = bytes(range(240)) * (WIDE * HIGH // 120)
    renderer.refresh(picture, [(0, 0, HIGH - 1, 99), (0, 100, HIGH - 1, WIDE - 1)])
    rig.settle()
    assert [(r.width, r.height) for r in rig.bodies(m.Display)] == [(WIDE, HIGH), (HIGH, WIDE)]
    assert rig.pictures()[-1] == (picture, False) == (swapped(panel.memory), False)


def test_the_recorder_begins_with_a_display_drawn_anew():
    renderer, *_ = driver()
    assert renderer.screen.invalidated == 1


def test_a_flush_that_cannot_be_taken_is_flushed_all_the_same(capsys):
    renderer, panel, tap, rig = driver(log_level=1)
    picture = bytes([5]) * (WIDE * HIGH * 2)
    tap._pixel_bytes = None  # whatever goes wrong
    for _ in range(4):
        renderer.refresh(picture, [(0, 0, WIDE - 1, HIGH - 1)])
        rig.step()
    assert panel.memory == picture
    assert rig.recorder.stats()["off"] == ["tap"] and "tap turned off" in capsys.readouterr().out


def test_an_area_outside_of_the_display_is_not_written():
    renderer, panel, tap, rig = driver()
    before = bytes(tap.buffer)
    renderer._is_last = True
    panel.write = lambda *_: None
    tap._flush(renderer, lvgl.Area(0, 0, WIDE, 1), lvgl.Pointer(bytearray(4 * WIDE + 4)))
    assert tap.buffer == before and rig.recorder.errors == 1


def test_a_build_that_does_not_tell_the_last_flush():
    """Then each one is a refresh, which it is: the panel shows it."""

    class Older(lvgl.Driver8):
        flush_is_last = property()

        def __getattribute__(self, name):
            if name == "flush_is_last":
                raise AttributeError(name)
            return super().__getattribute__(name)

    display = Older(WIDE, HIGH)
    panel = lvgl.Panel(WIDE, HIGH)

    def flush(disp_drv, area, color_p):
        panel.write(area.x1, area.y1, area.x2, area.y2, color_p.__dereference__(1 << 20))
        disp_drv.flush_ready()

    rig = Rig(display=lvgl_tap(display, bytearray(WIDE * HIGH * 2), flush=flush, format="RGB565S"))
    picture = bytes([7, 8]) * (WIDE * HIGH)
    display.refresh(picture, [(0, 0, WIDE - 1, 19), (0, 20, WIDE - 1, HIGH - 1)])
    rig.settle()
    assert rig.pictures()[-1] == (bytes(panel.memory), False)


def test_a_buffer_that_lvgl_draws_into_itself_is_not_copied():
    display = lvgl.Display(WIDE, HIGH)
    frame = bytearray(WIDE * HIGH * 2)
    seen = []
    tap = lvgl_tap(display, frame, flush=lambda *_: (seen.append(1), display.flush_ready()), is_direct=True)
    rig = Rig(display=tap)
    frame[100:110] = b"0123456789"
    display.refresh(frame, [(0, 0, WIDE - 1, HIGH - 1)])
    rig.settle()
    assert rig.pictures()[-1] == (bytes(frame), False) and seen == [1]


def test_without_a_shadow_it_is_an_unknown_area():
    display = lvgl.DisplayDriver(lvgl.Bus(lvgl.Panel(WIDE, HIGH)), WIDE, HIGH)
    flush = display._disp_drv._flush_cb
    rig = Rig(display=display)
    rig.settle()
    assert rig.bodies(m.UnknownArea) == [m.UnknownArea(0, 0, WIDE, HIGH)]
    assert display._disp_drv._flush_cb == flush, "it costs nothing"


def test_detaching_gives_the_driver_its_flush_back():
    display = lvgl.ILI9XXX(WIDE, HIGH)
    tap = lvgl_tap(display, bytearray(WIDE * HIGH * 2), format="RGB565S")
    tap.attach(None)
    tap.detach()
    display.disp_drv.refresh(bytes([1]) * (WIDE * HIGH * 2), [(0, 0, WIDE - 1, HIGH - 1)])
    assert not any(tap.buffer)


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"shadow": bytearray(10)}, "takes 12000 bytes, got 10"),
        ({"shadow": bytearray(12000)}, "give flush="),
        ({"format": "MONO_HLSB", "flush": print}, "8 or 16 bits"),
        ({"format": "RGB888"}, "format must be one of"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_remedy(settings, remedy):
    with pytest.raises(ValueError, match=remedy):
        lvgl_tap(lvgl.Display(WIDE, HIGH), **settings)
